"""How agents have done, and which model that speaks for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.agent_stats import (
    AgentRun,
    Prefer,
    StatsBy,
    chance_of,
    choose_model,
    model_rule,
    summed,
)
from abathur.domain.errors import ConfigError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import OutcomeKind


def run(model: str = "a", *, good: bool = True, usd: float | None = 1.0, **more: Any) -> AgentRun:
    values: dict[str, Any] = {
        "agent_type": "smith",
        "runtime": "fake",
        "model": model,
        "definition_version": "0123456789abcdef",
        "outcome": OutcomeKind.SUCCEEDED if good else OutcomeKind.FAILED,
        "failure": None if good else FailureClass.AGENT,
        "is_refused": False,
        "seconds": 10.0,
        "usd": usd,
    }
    return AgentRun(**{**values, **more})


def known(**models: tuple[int, int, float]) -> Any:
    """Model -> successes, failures, dollars of a run."""
    runs = []
    for model, (good, bad, usd) in models.items():
        runs += [run(model, usd=usd)] * good + [run(model, good=False, usd=usd)] * bad
    return summed(runs, StatsBy.MODEL)


def test_runs_are_added_up() -> None:
    limited = run(good=False, failure=FailureClass.QUOTA)
    lost = run(outcome=OutcomeKind.LOST)
    runs = [run(), run(is_refused=True), run(good=False, usd=None), limited, lost]
    (found,) = summed(runs, StatsBy.TYPE)
    assert (found.runs, found.succeeded, found.refused, found.failed, found.other) == (
        3,
        1,
        1,
        1,
        2,
    )
    assert found.success_rate == pytest.approx(1 / 3)
    assert (found.usd, found.total_usd, found.seconds) == (1.0, 4.0, 10.0)


@pytest.mark.parametrize(
    ("by", "name"),
    [("type", "smith"), ("version", "smith@0123456789ab"), ("model", "a"), ("runtime", "fake")],
)
def test_runs_are_added_up_by_what_is_asked(by: str, name: str) -> None:
    assert [one.name for one in summed([run()], StatsBy(by))] == [name]


def test_each_model_is_tried_before_one_is_preferred() -> None:
    rule = model_rule({"min_runs": 2, "explore": 0})
    found, why = choose_model(["a", "b"], known(a=(9, 0, 1), b=(1, 0, 1)), rule, 0.5)
    assert (found, why) == ("b", "tried 1 of 2 times before one is preferred")


def test_the_model_that_succeeds_most_is_preferred() -> None:
    rule = model_rule({"explore": 0})
    found, why = choose_model(["a", "b"], known(a=(6, 4, 1), b=(9, 1, 5)), rule, 0.5)
    assert (found, why) == ("b", "the best of 2: 90 % of 10 runs succeeded")


def test_the_cheapest_success_is_preferred_where_cost_counts() -> None:
    rule = model_rule({"explore": 0, "prefer": "cost"})
    assert rule.prefer is Prefer.COST
    assert choose_model(["a", "b"], known(a=(6, 4, 1), b=(9, 1, 5)), rule, 0.5)[0] == "a"


@given(st.floats(0, 0.999))
def test_a_share_of_the_runs_explores(chance: float) -> None:
    rule = model_rule({"explore": 0.3})
    stats = known(a=(10, 0, 1), b=(5, 5, 1), c=(1, 9, 1))
    found, _ = choose_model(["a", "b", "c"], stats, rule, chance)
    assert (found == "a") == (chance >= 0.3)


@given(st.text(), st.integers(1, 99))
def test_a_choice_can_be_told_again(task_id: str, attempt: int) -> None:
    assert chance_of(task_id, attempt) == chance_of(task_id, attempt)
    assert 0 <= chance_of(task_id, attempt) < 1


@pytest.mark.parametrize(
    "rule",
    [[], {"prefer": "luck"}, {"min_runs": 0}, {"explore": 2}, {"oops": 1}, {"min_runs": True}],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        model_rule(rule)


def test_choosing_needs_something_to_choose_from() -> None:
    with pytest.raises(ConfigError, match="needs `models`"):
        choose_model([], [], model_rule(None), 0.5)
