"""Which attempt another one goes on with, and what of a session's total it has used itself."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from abathur.domain.continuing import is_passed_on, unfinished, without
from abathur.domain.runs import Attempt, OutcomeKind, Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMPTY = dict.fromkeys(Attempt.__annotations__)


def attempt(number: int, outcome: OutcomeKind | None = None, **fields: object) -> Attempt:
    given = {"session_id": "s", "worktree_path": "/w/t-1", "base_commit": "b"}
    facts = {"task_id": "t", "number": number, "outcome": outcome, "started_at": NOW}
    return Attempt(**{**EMPTY, **facts, **given, **fields})  # type: ignore[arg-type]


CURRENT = attempt(9, worktree_path=None, session_id=None)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_only_what_was_cut_off_from_outside_is_gone_on_with(kind: OutcomeKind) -> None:
    found = unfinished([attempt(1, kind), CURRENT], CURRENT)
    assert (found is not None) is (kind.value in {"rate_limited", "released", "lost"})


def test_an_attempt_that_never_began_is_passed_by() -> None:
    idle = attempt(2, OutcomeKind.RELEASED, session_id=None, worktree_path=None)
    found = unfinished([attempt(1, OutcomeKind.LOST), idle, CURRENT], CURRENT)
    assert found is not None
    assert found.attempt.number == 1


def test_who_was_told_something_new_begins_anew() -> None:
    sent_back = replace(CURRENT, feedback={"kind": "verify"})
    assert unfinished([attempt(1, OutcomeKind.RELEASED), sent_back], sent_back) is None


def test_an_end_of_its_own_stands_between() -> None:
    before = [attempt(1, OutcomeKind.LOST), attempt(2, OutcomeKind.FAILED)]
    assert unfinished([*before, CURRENT], CURRENT) is None


def test_of_a_session_each_run_is_booked_once() -> None:
    used = Usage(input_tokens=100, cost_usd=0.1)
    runs = [
        attempt(1, OutcomeKind.FAILED, session_id="other", usage=used),
        attempt(2, OutcomeKind.RELEASED, usage=used),
        attempt(3, OutcomeKind.LOST),
        attempt(4, OutcomeKind.RATE_LIMITED, usage=used),
    ]
    found = unfinished([*runs, CURRENT], CURRENT)
    assert found is not None
    assert found.used == Usage(input_tokens=200, cost_usd=0.2)
    total = Usage(input_tokens=350, output_tokens=7, cost_usd=0.5)
    assert without(total, found.used) == Usage(input_tokens=150, output_tokens=7, cost_usd=0.3)
    assert without(used, found.used) == Usage(input_tokens=0, cost_usd=0)


def test_a_folder_is_its_last_attempts() -> None:
    first, second, third = attempt(1), attempt(2), attempt(3, worktree_path="/w/t-3")
    assert is_passed_on([first, second, third], first)
    assert not is_passed_on([first, second, third], second)
    assert not is_passed_on([first, second, third], third)
