"""What follows an iteration."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.iterations import Iteration, Next
from abathur.domain.loop_feedback import iteration_text, sparkline
from abathur.domain.loop_verdicts import Evidence, Situation, Spent, best_of, decide
from abathur.domain.loops.patterns import Pattern
from abathur.domain.loops.readings import Reading
from abathur.domain.loops.specs import Otherwise, Strategy, loop_spec

AT = datetime(2030, 1, 1, tzinfo=UTC)
METRIC = {"metric": {"command": "measure", "json": "x", "threshold": 100}}


def iteration(number: int, value: float, **fields: Any) -> Iteration:
    values: dict[str, Any] = {
        "task_id": "t",
        "number": number,
        "attempt": number,
        "runtime": "fake",
        "model": None,
        "strategy": None,
        "pattern": None,
        "target": "main",
        "base_commit": "base",
        "work_commit": f"work{number}",
        "tree": f"tree{number}",
        "started_at": AT,
        "measured_at": AT,
        "measurement": {"is_changed": True},
        "reading": Reading(is_met=value >= 100, merit=(value,), value=value, text=f"{value}"),
        "verdict": None,
    }
    return Iteration(**{**values, **fields})


def history(*values: float) -> list[Iteration]:
    return [iteration(number, value) for number, value in enumerate(values, 1)]


def situation(*values: float, **fields: Any) -> Situation:
    spec = loop_spec({"until": METRIC, "max_iterations": 50, **fields.pop("spec", {})})
    return Situation(**{"spec": spec, "iterations": history(*values), **fields})


def test_what_has_converged_lands() -> None:
    verdict = decide(situation(1, 100))
    assert (verdict.next, verdict.number) == (Next.LAND, 2)


@pytest.mark.parametrize(
    ("until", "seen", "expected"),
    [
        (METRIC, {"until": {"error": "no such program"}}, Next.ASK),
        (METRIC, {"until": {"value": 3.0}}, Next.AGAIN),
        ({"all": [METRIC, {"passes": "x"}]}, {"a": {"error": "none"}, "b": {}}, Next.AGAIN),
        ({"any": [METRIC, {"stable": "tree"}]}, {"a": {"error": "none"}}, Next.AGAIN),
    ],
)
def test_a_loop_whose_measurement_is_broken_asks_instead_of_trying_on(
    until: Any, seen: Any, expected: Next
) -> None:
    measured = {"is_changed": True, "observations": seen}
    made = [iteration(number, 0, measurement=measured) for number in (1, 2, 3)]
    spec = loop_spec({"until": until, "otherwise": "land"})
    verdict = decide(Situation(spec=spec, iterations=made))
    assert verdict.next is expected
    assert ("3 iterations in a row couldn't be measured" in verdict.why) is (expected is Next.ASK)
    assert decide(Situation(spec=spec, iterations=made[:2])).next is Next.AGAIN


def test_what_gets_better_goes_on_from_itself() -> None:
    verdict = decide(situation(1, 2))
    assert (verdict.next, verdict.number, verdict.strategy) == (Next.AGAIN, 2, Strategy.FEEDBACK)


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        ({"max_iterations": 3}, Spent()),
        ({"max_time": "1m"}, Spent(seconds=60)),
        ({"max_tokens": 10}, Spent(tokens=10)),
        ({"max_usd": 1}, Spent(usd=0.9, next_usd=0.2)),
        ({"max_usd": 0.3}, Spent(usd=0.1 + 0.2)),
    ],
)
def test_every_limit_ends_a_loop_with_its_best_iteration(limits: Any, spent: Spent) -> None:
    now = situation(1, 9, 5, spec={**limits, "otherwise": "land"}, spent=spent)
    verdict = decide(now)
    assert (verdict.next, verdict.number) == (Next.LAND, 2)


@pytest.mark.parametrize(
    ("limit", "spent"), [(0.3, Spent(usd=0.1, next_usd=0.2)), (0, Spent()), (1, Spent(usd=0.99))]
)
def test_what_just_fits_into_a_limit_of_money_is_made(limit: float, spent: Spent) -> None:
    assert decide(situation(1, spec={"max_usd": limit}, spent=spent)).next is Next.AGAIN


@pytest.mark.parametrize(("otherwise", "following"), [("ask", Next.ASK), ("fail", Next.FAIL)])
def test_what_follows_a_loop_that_did_not_converge_is_said_with_it(
    otherwise: str, following: Next
) -> None:
    spec = {"max_iterations": 1, "otherwise": otherwise}
    assert decide(situation(1, spec=spec)).next is following


def test_who_stops_a_loop_says_what_becomes_of_it() -> None:
    assert decide(situation(1, stop_as=Otherwise.LAND)).next is Next.LAND


def test_refused_work_does_not_land_again() -> None:
    verdict = decide(situation(1, 9, 5, spec={"max_iterations": 3}, refused={"work2"}))
    assert (verdict.next, verdict.number) == (Next.ASK, 3)


def test_a_loop_in_which_nothing_could_land_fails() -> None:
    nothing = [iteration(1, 1, measurement={"is_changed": False})]
    now = situation(spec={"max_iterations": 1}, iterations=nothing)
    assert decide(now).next is Next.FAIL


def test_evidence_decides_which_strategy_answers_a_pattern() -> None:
    known = {
        (Pattern.PLATEAU, Strategy.FRESH_START): Evidence(runs=4, improved=4),
        (Pattern.PLATEAU, Strategy.DECOMPOSE): Evidence(runs=4, improved=0),
    }
    verdict = decide(situation(5, 4, 5, 4, evidence=known))
    assert (verdict.pattern, verdict.strategy) == (Pattern.PLATEAU, Strategy.FRESH_START)
    assert verdict.number is None
    assert decide(situation(5, 4, 5, 4)).strategy is Strategy.DECOMPOSE


def test_other_models_are_tried_in_turn() -> None:
    spec = {"models": ["a", "b"], "strategies": ["other_model", "ask"]}
    now = situation(
        spec=spec, iterations=[iteration(n, v, model="a") for n, v in enumerate([5, 4, 5, 4], 1)]
    )
    assert (decide(now).strategy, decide(now).model) == (Strategy.OTHER_MODEL, "b")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 20))
def test_a_loop_ends_however_its_measurements_go(values: list[int], at: int) -> None:
    """Fed with its own decisions, and never better than at the start, it gives up."""
    spec = loop_spec({"until": METRIC, "max_iterations": 1000})
    done: list[Iteration] = []
    for number in range(1, 61):
        verdict = decide(Situation(spec=spec, iterations=done)) if done else None
        if verdict is not None and verdict.next is not Next.AGAIN:
            break
        value = values[(number + at) % len(values)]
        strategy = verdict.strategy if verdict else None
        done.append(iteration(number, value, strategy=strategy))
    else:
        raise AssertionError("it goes on for ever")


@given(st.lists(st.floats(-100, 99), min_size=1, max_size=12))
def test_the_best_is_no_worse_than_any_other(values: list[float]) -> None:
    best = best_of(history(*values), ())
    assert best is not None
    assert best.reading is not None
    assert best.reading.value is not None
    assert best.reading.value >= max(values) - 1e-6


CANDIDATES = {"candidates": [{"model": "a"}, {"model": "b"}, {"runtime": "fake"}]}


def candidate(number: int, *, passed: bool, score: float, lines: float) -> Iteration:
    merit = (float(passed), -float(not passed), score, -lines)
    return iteration(number, 0, reading=Reading(is_met=passed, merit=merit, text="seen"))


def test_candidates_are_all_made_before_one_is_chosen() -> None:
    one = candidate(1, passed=True, score=1, lines=1)
    verdict = decide(Situation(spec=loop_spec(CANDIDATES), iterations=[one]))
    assert (verdict.next, verdict.number) == (Next.AGAIN, None)


def test_nothing_is_decided_while_candidates_are_at_work() -> None:
    done = [candidate(number, passed=True, score=1, lines=1) for number in (1, 3)]
    spec = loop_spec(CANDIDATES)
    for stop_as in (None, Otherwise.LAND):
        now = Situation(spec=spec, iterations=done, at_work=1, stop_as=stop_as)
        assert decide(now).next is Next.AGAIN


@pytest.mark.parametrize(
    ("made", "winner"),
    [
        ([(True, 0.1, 99), (False, 1, 1), (False, 1, 1)], 1),
        ([(True, 0.1, 1), (True, 0.9, 99), (True, 0.5, 1)], 2),
        ([(True, 0.5, 9), (True, 0.5, 8), (True, 0.5, 7)], 3),
    ],
    ids=["verified first", "then the judge", "then the size"],
)
def test_the_winner_is_chosen(made: list[Any], winner: int) -> None:
    done = [
        candidate(number, passed=passed, score=score, lines=lines)
        for number, (passed, score, lines) in enumerate(made, 1)
    ]
    verdict = decide(Situation(spec=loop_spec(CANDIDATES), iterations=done))
    assert (verdict.next, verdict.number) == (Next.LAND, winner)


def test_candidates_of_which_none_is_verified_fail() -> None:
    done = [candidate(number, passed=False, score=1, lines=1) for number in (1, 2, 3)]
    assert decide(Situation(spec=loop_spec(CANDIDATES), iterations=done)).next is Next.FAIL


def test_a_sparkline_has_a_bar_for_every_value() -> None:
    assert sparkline([1, None, 8, 4.5]) == "▁·█▅"
    assert sparkline([2, 2]) == "▅▅"


def test_candidates_are_told_nothing_of_one_another() -> None:
    assert iteration_text({"is_candidate": True, "iteration": 2, "max_iterations": 3}) == ""
