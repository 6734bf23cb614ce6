"""Each way in which a task can stand still has an answer of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.domain.failures import FailureClass
from abathur.domain.landing import LandingState, Proof
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import TaskStatus

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTHING = "Nothing to do: it goes on by itself."
START = "Run `abathur swarm start`."
S = TaskStatus

Make = Callable[..., Any]


# Blocked


def test_a_blocked_task_names_what_it_waits_for(why: Make, make_task: Make) -> None:
    found = why(S.BLOCKED, unmet=[make_task(id="t-0", summary="Plan it", status=S.RUNNING)])
    assert found.summary == "It waits for task t-0 (Plan it), which is running."
    assert found.next_step == "Run `abathur why t-0` to see what holds that one."


def test_a_blocked_task_lists_everything_that_it_waits_for(why: Make, make_task: Make) -> None:
    unmet = [make_task(id=f"p-{n}", status=S.READY) for n in range(13)]
    found = why(S.BLOCKED, {"not_before": NOON + MINUTE}, unmet=unmet)
    assert found.summary.endswith("which is ready, and for 12 other tasks.")
    assert found.details[9:] == (
        "task p-9 (Fix the login page) is ready",
        "and 3 more tasks",
        "it is scheduled for 2030-01-31 12:01:00 UTC at the earliest",
    )


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED])
def test_a_prerequisite_that_ended_badly_is_named_before_all_others(
    why: Make, make_task: Make, status: TaskStatus
) -> None:
    dead = make_task(id="p-2", summary="Plan it", status=status, error_message="no idea\nat all")
    found = why(S.BLOCKED, unmet=[make_task(id="p-1"), dead])
    assert found.summary == f"It waits for task p-2 (Plan it), which is {status}: no idea."
    assert found.next_step == "Run `abathur task retry p-2`, or `abathur task cancel t-1`."


def test_being_blocked_by_nothing_is_a_fault(why: Make) -> None:
    found = why(S.BLOCKED, {"unmet_count": 1})
    assert "although all of its prerequisites are completed" in found.summary
    assert found.details == ("it counts 1 unmet prerequisite",)


# Pending


def test_a_scheduled_task_tells_its_time(why: Make) -> None:
    found = why(S.PENDING, {"not_before": NOON + timedelta(hours=2)})
    assert found.summary == (
        "It waits 2 h more, until 2030-01-31 14:00:00 UTC, because it is scheduled for then."
    )
    assert (found.until, found.next_step) == (NOON + timedelta(hours=2), NOTHING)


def test_an_outage_before_the_agent_started_is_not_called_the_providers(
    why: Make, make_attempt: Make
) -> None:
    end = {"outcome": OutcomeKind.FAILED, "failure_class": FailureClass.NETWORK}
    told = {"error_message": "no such host", "number": 2, **end}
    task = {"not_before": NOON + 3 * MINUTE, "attempt_count": 2}
    before = why(S.PENDING, task, attempt=make_attempt(pid=None, **told))
    during = why(S.PENDING, task, attempt=make_attempt(pid=7, **told))
    assert "attempt 2 couldn't begin, as its surroundings failed: no such host" in before.summary
    assert "attempt 2 got no answer from the provider" in during.summary


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (OutcomeKind.FAILED, "because attempt 2 failed: the tests are red."),
        (OutcomeKind.TIMED_OUT, "because attempt 2 took too long: the tests are red."),
        (
            OutcomeKind.RATE_LIMITED,
            "because attempt 2 ran into the provider's limit: the tests are red.",
        ),
        (OutcomeKind.RELEASED, "because it is scheduled for then."),
        (OutcomeKind.LOST, "because attempt 2 lost its worker, and others did before it."),
    ],
)
def test_backing_off_tells_which_attempt_went_wrong_and_how(
    why: Make, make_attempt: Make, outcome: OutcomeKind, reason: str
) -> None:
    attempt = make_attempt(number=2, outcome=outcome, error_message="the tests are red.")
    task = {"not_before": NOON + 3 * MINUTE, "attempt_count": 2, "retry_count": 1}
    found = why(S.PENDING, task, attempt=attempt)
    assert found.summary == f"It waits 3 min more, until 2030-01-31 12:03:00 UTC, {reason}"
    assert found.details == ("1 of 3 retries spent",)
    assert found.until == NOON + 3 * MINUTE


def test_a_task_that_waits_for_a_time_says_when_nobody_will_come_for_it(why: Make) -> None:
    later = why(S.PENDING, {"not_before": NOON + MINUTE}, live_workers=0)
    assert (later.details, later.next_step) == (("no swarm runs at the moment",), START)
    due = why(S.PENDING, {"not_before": NOON - MINUTE}, live_workers=0)
    assert due.summary == "Its time came 1 min ago, but no swarm runs to take it."
    assert (due.until, due.next_step) == (None, START)


def test_a_task_whose_time_has_come_is_about_to_move(why: Make) -> None:
    found = why(S.PENDING, {"not_before": NOON})
    assert found.summary == "Its time came 0 s ago and is being queued."


# Ready


@pytest.mark.parametrize(
    ("facts", "summary", "next_step"),
    [
        ({"live_workers": 0, "free_slots": 0}, "It is ready, but no swarm runs.", START),
        (
            {"free_slots": 0, "ahead": 3},
            "It is ready, but all agents are busy; 3 other tasks will be started before it.",
            NOTHING,
        ),
        (
            {"free_slots": 0, "ahead": 0},
            "It is ready, but all agents are busy; it is the next one.",
            NOTHING,
        ),
        (
            {"free_slots": 1, "ahead": 1},
            "It is ready; 1 other task will be started before it.",
            NOTHING,
        ),
        (
            {"free_slots": 2, "ahead": 1},
            "It is ready, and an agent is free: it is about to be started.",
            NOTHING,
        ),
    ],
)
def test_a_ready_task_tells_what_it_is_waiting_for(
    why: Make, facts: dict[str, int], summary: str, next_step: str
) -> None:
    found = why(S.READY, **facts)
    assert (found.summary, found.next_step) == (summary, next_step)


def test_a_task_that_was_handed_back_says_why(why: Make) -> None:
    found = why(S.READY, {"attempt_count": 1, "error_message": "conflicts in a.py"}, ahead=1)
    assert found.details == (
        "1 task ahead of it in the queue",
        "attempts so far: 1",
        "it was handed back: conflicts in a.py",
    )


# Ended


def proof(merge_commit: str | None) -> Proof:
    return Proof(
        target="main",
        target_commit="d" * 40,
        work_commit="c" * 40,
        merge_commit=merge_commit,
        checked_at=NOON,
    )


def test_a_completed_task_shows_its_proof(why: Make, make_landing: Make) -> None:
    landing = make_landing(state=LandingState.LANDED, proof=proof("e" * 40), detail="Left a tree.")
    found = why(S.COMPLETED, landing=landing)
    assert found.summary == (
        "It is completed: main contains its work by merge commit eeeeeeeeeeee."
    )
    assert found.details[0] == "work commit " + "c" * 40
    assert found.details[-1] == "Left a tree"


def test_a_task_that_changed_nothing_is_completed_too(why: Make, make_landing: Make) -> None:
    landing = make_landing(state=LandingState.NOTHING_CHANGED, proof=proof(None))
    found = why(S.COMPLETED, landing=landing)
    assert found.summary == "It is completed: there was nothing to land on main."


def test_a_completed_task_without_a_landing_claims_no_proof(why: Make) -> None:
    assert why(S.COMPLETED).summary == "It is completed."


def test_a_failed_task_tells_why_and_where_to_look(
    why: Make, make_attempt: Make, make_landing: Make
) -> None:
    found = why(
        S.FAILED,
        {"attempt_count": 4, "retry_count": 3, "error_message": "the tests are red.\n..."},
        attempt=make_attempt(number=4, salvage_ref="refs/x", transcript_path="/log/4"),
        landing=make_landing(verify_log="/log/verify"),
    )
    assert found.summary == "It failed after 4 attempts: the tests are red."
    assert found.details == (
        "3 of 3 retries spent",
        "output of the gate that failed: /log/verify",
        "transcript of attempt 4: /log/4",
        "work of attempt 4: git show refs/x",
    )
    assert found.next_step == (
        "`abathur logs t-1` shows what the agent did. Mend the cause, then run "
        "`abathur task retry t-1`."
    )


def test_a_task_that_failed_with_retries_left_says_why_they_did_not_help(why: Make) -> None:
    found = why(S.FAILED, {"attempt_count": 2, "rework_count": 1, "error_message": "conflict"})
    assert found.details == (
        "0 of 3 retries spent",
        "landing sent its work back 1 time, which spends no retry but has its own limit",
    )
    assert why(S.FAILED, {"max_retries": 0}).details == ("it has no retries",)


def test_what_was_said_on_cancelling_is_told_once(why: Make, make_task: Make) -> None:
    found = why(S.CANCELLED, {"error_message": "not needed"})
    assert found.summary == "It was cancelled: not needed."
    cause = make_task(id="t-0", status=S.CANCELLED, error_message="cancelled on request")
    assert why(S.CANCELLED, cancelled_by=cause).details == ("that one was cancelled on request",)


def test_a_task_cancelled_on_request_tells_the_reason(why: Make) -> None:
    found = why(S.CANCELLED, {"error_message": "cancelled on request"})
    assert found.summary == "It was cancelled on request."
    assert found.next_step == "Run `abathur task retry t-1` to queue it again."


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED])
def test_a_task_that_was_taken_along_names_the_one_that_took_it(
    why: Make, make_task: Make, status: TaskStatus
) -> None:
    cause = make_task(id="t-0", summary="Plan it", status=status, error_message="no idea")
    found = why(S.CANCELLED, cancelled_by=cause)
    assert found.summary == "It was cancelled with task t-0 (Plan it), for which it waited."
    assert found.details == (f"that one is {status}: no idea",)
    assert found.next_step == "Run `abathur task retry t-0`: it brings this one back too."


def test_a_task_left_behind_by_a_cause_that_went_on_is_retried_itself(
    why: Make, make_task: Make
) -> None:
    found = why(S.CANCELLED, cancelled_by=make_task(id="t-0", status=S.COMPLETED))
    assert found.details == ("that one is completed now",)
    assert "task retry t-1" in found.next_step
