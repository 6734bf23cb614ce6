"""How loops are written, and what is wrong with others."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import InvalidInputError
from abathur.domain.loops.criteria import CriterionKind, Goal, criterion, json_value
from abathur.domain.loops.readings import judged, observed, reading
from abathur.domain.loops.specs import Otherwise, Strategy, expanded, loop_spec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "loops.md"
NAMED = {"tests": {"passes": "make test"}, "endless": {"use": "endless"}}


def test_the_reference_names_every_word() -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = [*CriterionKind, *Strategy, *Otherwise, *Goal]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_a_single_criterion_may_stand_beside_the_limits() -> None:
    spec = loop_spec({"passes": "make test", "max_iterations": 3})
    assert spec.until is not None
    assert spec.until.argv == ("/bin/sh", "-c", "make test")
    assert spec.max_iterations == 3


def test_configured_criteria_are_put_in_the_place_of_their_names() -> None:
    written = {"use": "tests", "max_iterations": 2}
    loop_spec(written, NAMED)
    kept = {key: value for key, value in expanded(written, NAMED).items() if key != "use"}
    assert kept == {"max_iterations": 2, "until": {"passes": "make test"}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, "it needs either `until` or `candidates`"),
        ([], "a section is expected"),
        ({"passes": "x", "oops": 1}, "`oops` isn't known"),
        ({"until": {"use": "nothing"}}, "no criterion `nothing` is configured"),
        ({"until": {"use": "endless"}}, "nested too deeply"),
        ({"until": {"guess": 1}}, "`guess` isn't known"),
        ({"metric": {"command": "x", "threshold": 1}}, "either `json`, a path, or `pattern`"),
        ({"metric": {"command": "x", "pattern": "x", "threshold": 1}}, "needs a group"),
        ({"metric": {"command": "x", "pattern": "(", "threshold": 1}}, "no regular expression"),
        ({"metric": {"command": "x", "json": "a", "threshold": True}}, "a number is expected"),
        ({"custom": {"function": "../x.py:f"}}, "a file below `.abathur`"),
        ({"judge": {"agent": "a", "rubric": "r", "threshold": 2}}, "from 0 to 1"),
        ({"all": []}, "a list of criteria is expected"),
        ({"passes": "x", "max_iterations": 0}, "from 1 to 1000"),
        ({"passes": "x", "otherwise": "pray"}, "one of ask, land, fail"),
        ({"candidates": 1}, "from 2 to 16"),
        ({"candidates": [{"model": "--x"}, {}]}, "a name is expected"),
        ({"passes": "x", "candidates": 2}, "either `until` or `candidates`"),
    ],
)
def test_what_is_wrong_is_told_on_one_line(data: Any, told: str) -> None:
    with pytest.raises(InvalidInputError) as failure:
        loop_spec(data, NAMED)
    assert told in str(failure.value)
    assert "\n" not in str(failure.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["until", *CriterionKind, "candidates"]), JSON))
def test_no_input_does_anything_but_be_refused(data: Any) -> None:
    with contextlib.suppress(InvalidInputError):
        loop_spec(data)


@given(JSON, st.text(max_size=20))
def test_a_path_into_any_json_leads_somewhere_or_nowhere(value: Any, path: str) -> None:
    json_value(value, path)


@given(st.text(max_size=200))
def test_a_judge_may_say_anything(text: str) -> None:
    assert set(judged(text)) in ({"error"}, {"score", "reasons"})


def test_a_judge_is_believed_in_its_last_word() -> None:
    words = 'I thought {"score": 0.1}, but: {"score": 0.75, "reasons": ["short", "clear"]} Bye.'
    assert judged({"text": words}) == {"score": 0.75, "reasons": "short; clear"}


def test_three_failures_are_no_stability() -> None:
    one = criterion({"stable": {"of": "output", "command": "x", "window": 3}}, "until")
    failed = {"tree": "t", "observations": {"until": observed(one, 1, "boom", "")}}
    spec = loop_spec({"until": {"stable": {"of": "output", "command": "x", "window": 3}}})
    assert not reading(spec, [failed, failed, failed]).is_met


@pytest.mark.parametrize(("window", "is_met"), [(2, True), (3, True), (4, False)])
def test_the_tree_is_stable_when_it_is_the_same_over_the_window(window: int, is_met: bool) -> None:
    spec = loop_spec({"stable": {"of": "tree", "window": window}})
    same = {"tree": "t", "observations": {}}
    assert reading(spec, [same, same, same]).is_met is is_met


def test_a_pattern_that_would_take_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abathur.domain.loops.matching.MAX_SECONDS", 0.05)
    section = {"command": "x", "pattern": "((a|aa|b?a)+)+$", "threshold": 1}
    one = loop_spec({"until": {"metric": section}}).until
    assert one is not None
    assert "took more than 1 s" in observed(one, 0, "a" * 5000 + "!", "")["error"]
    assert observed(one, 0, "b", "")["error"].startswith("its output holds no number")


def test_a_smaller_number_is_better_where_that_is_the_goal() -> None:
    section = {"command": "x", "pattern": "(.+) ms", "goal": "minimise", "threshold": 20}
    spec = loop_spec({"metric": section})
    assert spec.until is not None
    slow, fast = (
        reading(spec, [{"tree": "t", "observations": {"until": observed(spec.until, 0, text, "")}}])
        for text in ("30 ms", "12 ms")
    )
    assert (slow.is_met, fast.is_met) == (False, True)
    assert fast.merit > slow.merit


@pytest.mark.parametrize(("kind", "is_met"), [("all", False), ("any", True)])
def test_criteria_are_combined(kind: str, is_met: bool) -> None:
    spec = loop_spec({kind: [{"passes": "x"}, {"passes": "y"}]})
    assert spec.until is not None
    first, second = spec.until.parts
    seen = {
        f"until.{kind}[0]": observed(first, 0, "", ""),
        f"until.{kind}[1]": observed(second, 1, "", ""),
    }
    found = reading(spec, [{"tree": "t", "observations": seen}])
    assert found.is_met is is_met
    assert found.merit == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(("similarity", "is_met"), [(0.7, True), (0.9, False)])
def test_outputs_may_differ_by_some_words(similarity: float, is_met: bool) -> None:
    section = {"of": "output", "command": "x", "similarity": similarity}
    spec = loop_spec({"stable": section})
    assert spec.until is not None
    history = [
        {"tree": "t", "observations": {"until": observed(spec.until, 0, text, "")}}
        for text in ("one two three four", "one two three five")
    ]
    assert reading(spec, history).is_met is is_met
