"""Where a running task is, told to a person; and what all answers have in common."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.agents import Worker
from abathur.domain.explain import Explanation
from abathur.domain.landing import Landing, LandingState
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.domain.tasks import Task, TaskStatus

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTHING = "Nothing to do: it goes on by itself."
START = "Run `abathur swarm start`."
S = TaskStatus

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def held() -> dict[str, Any]:
    return {"attempt_count": 1, "worker_id": "w-1", "lease_until": NOON + MINUTE}


def test_a_running_task_tells_for_how_long_and_its_last_sign_of_life(
    why: Make, held: dict[str, Any], make_attempt: Make, make_worker: Make
) -> None:
    found = why(
        S.RUNNING,
        held | {"worktree_path": "/repo/t-1-1"},
        attempt=make_attempt(started_at=NOON - 5 * MINUTE),
        worker=make_worker(),
        worker_alive=True,
        last_event_at=NOON - timedelta(seconds=12),
        last_event_text="Running the tests",
    )
    assert found.summary == (
        "Attempt 1 has been running for 5 min; "
        "its last sign of life was 12 s ago (Running the tests)."
    )
    assert found.details == (
        "worker w-1 on anvil, process 99",
        "runtime claude, model opus",
        "worktree /repo/t-1-1",
        "it is stopped at 2030-01-31 12:55:00 UTC at the latest",
    )
    assert found.until == NOON + 55 * MINUTE
    assert found.next_step == "Nothing to do; `abathur task cancel t-1` would stop it."


def test_an_agent_that_has_said_nothing_is_told_so(
    why: Make, held: dict[str, Any], make_attempt: Make
) -> None:
    found = why(S.RUNNING, held, attempt=make_attempt())
    assert found.summary.endswith("the agent has said nothing yet.")


def test_before_its_program_starts_a_task_is_being_prepared(
    why: Make, held: dict[str, Any], make_attempt: Make
) -> None:
    found = why(S.RUNNING, held, attempt=make_attempt(pid=None))
    assert found.summary == "It was claimed, and its worktree is being prepared."


def test_a_swarm_that_is_stopping_is_told(
    why: Make, held: dict[str, Any], make_attempt: Make, make_worker: Make
) -> None:
    worker = make_worker(stop_requested_at=NOON)
    found = why(S.RUNNING, held, attempt=make_attempt(), worker=worker, worker_alive=True)
    assert "the swarm is stopping" in found.next_step


@pytest.mark.parametrize(("alive", "stopped_at"), [(False, None), (True, NOON), (None, NOON)])
def test_a_task_whose_worker_is_gone_will_be_taken_back(
    why: Make,
    held: dict[str, Any],
    make_attempt: Make,
    make_worker: Make,
    alive: bool | None,
    stopped_at: datetime | None,
) -> None:
    worker = make_worker(stopped_at=stopped_at)
    found = why(S.RUNNING, held, attempt=make_attempt(), worker=worker, worker_alive=alive)
    assert found.summary == (
        "Its worker is gone (process 99 on anvil); the swarm takes the task back and runs it again."
    )
    assert (found.until, found.next_step) == (NOON + MINUTE, NOTHING)
    assert "losing a worker spends no retry" in found.details


@pytest.mark.parametrize("alive", [True, None])
def test_a_task_whose_lease_is_over_will_be_taken_back(
    why: Make, held: dict[str, Any], make_worker: Make, alive: bool | None
) -> None:
    late = held | {"lease_until": NOON - 3 * MINUTE}
    found = why(S.RUNNING, late, worker=make_worker(), worker_alive=alive, live_workers=0)
    assert found.summary == (
        "Its worker went silent, and its lease ran out 3 min ago; "
        "the next swarm that starts takes the task back and runs it again."
    )
    assert (found.until, found.next_step) == (None, START)


def test_after_a_lost_attempt_the_place_is_cleaned_up(
    why: Make, held: dict[str, Any], make_attempt: Make
) -> None:
    found = why(S.RUNNING, held, attempt=make_attempt(ended_at=NOON, outcome=OutcomeKind.LOST))
    assert found.summary == "Attempt 1 is over (lost) and is being cleaned up."


# Landing


@pytest.mark.parametrize(
    ("landing", "live_workers", "summary"),
    [
        ({}, 1, "Its work is done and waits for its turn to land on main."),
        ({}, 0, "Its work is done and waits to land on main, but no swarm runs."),
        (
            {"state": LandingState.RUNNING, "lease_until": NOON + MINUTE},
            1,
            "Its work is being merged with main and verified.",
        ),
        (
            {"state": LandingState.RUNNING, "lease_until": NOON + MINUTE, "merge_commit": "m" * 40},
            1,
            "Its work is merged and is being put onto main at this moment.",
        ),
        (
            {"state": LandingState.RUNNING, "lease_until": NOON, "merge_commit": "m" * 40},
            1,
            "Its work was landing on main when the worker was lost; it is taken up again.",
        ),
    ],
)
def test_work_on_its_way_to_the_target_tells_how_far_it_is(
    why: Make,
    make_landing: Make,
    make_attempt: Make,
    landing: dict[str, Any],
    live_workers: int,
    summary: str,
) -> None:
    found = why(
        S.RUNNING,
        {"attempt_count": 1},
        attempt=make_attempt(ended_at=NOON, outcome=OutcomeKind.SUCCEEDED),
        landing=make_landing(started_at=NOON - MINUTE, **landing),
        live_workers=live_workers,
    )
    assert found.summary == summary
    assert found.next_step == (NOTHING if live_workers else START)


def test_the_landing_of_an_earlier_attempt_says_nothing_about_this_one(
    why: Make, held: dict[str, Any], make_landing: Make, make_attempt: Make
) -> None:
    attempt = make_attempt(number=2)
    found = why(S.RUNNING, held | {"attempt_count": 2}, landing=make_landing(), attempt=attempt)
    assert found.summary.startswith("Attempt 2 has been running")


# All answers, of whatever status


@settings(max_examples=250)
@given(data=st.data())
def test_every_answer_is_one_plain_sentence_with_a_next_step(
    data: st.DataObject,
    make_task: Callable[..., Task],
    make_attempt: Callable[..., Attempt],
    make_landing: Callable[..., Landing],
    make_worker: Callable[..., Worker],
    why: Callable[..., Explanation],
) -> None:
    times = st.timedeltas(timedelta(days=-30), timedelta(days=30)).map(NOON.__add__)
    maybe = st.none() | times
    text = st.none() | st.text(max_size=300)

    def draw(strategy: st.SearchStrategy[Any]) -> Any:
        return data.draw(strategy)

    def fields() -> dict[str, Any]:
        return {
            "summary": draw(st.text(min_size=1, max_size=140)),
            "error_message": draw(text),
            "not_before": draw(maybe),
            "lease_until": draw(maybe),
            "attempt_count": draw(st.integers(0, 2)),
        }

    statuses = st.sampled_from(TaskStatus)
    unmet = [make_task(status=draw(statuses), **fields()) for _ in range(draw(st.integers(0, 2)))]
    cause = make_task(status=draw(statuses), **fields())

    attempt = make_attempt(
        started_at=draw(times),
        ended_at=draw(maybe),
        outcome=draw(st.none() | st.sampled_from(OutcomeKind)),
        pid=draw(st.none() | st.just(4711)),
        error_message=draw(text),
    )
    landing = make_landing(state=draw(st.sampled_from(LandingState)), lease_until=draw(maybe))
    found = why(
        draw(statuses),
        fields(),
        unmet=unmet,
        attempt=draw(st.none() | st.just(attempt)),
        landing=draw(st.none() | st.just(landing)),
        worker=draw(st.none() | st.just(make_worker(stopped_at=draw(maybe)))),
        worker_alive=draw(st.none() | st.booleans()),
        last_event_at=draw(maybe),
        last_event_text=draw(text),
        live_workers=draw(st.integers(0, 1)),
        free_slots=draw(st.integers(0, 2)),
        ahead=draw(st.integers(0, 2)),
        cancelled_by=draw(st.none() | st.just(cause)),
    )
    for line in (found.summary, *found.details, found.next_step):
        assert line
        assert line.isprintable()
    assert found.summary[0].isupper()
    assert found.summary.endswith(".")
    assert found.next_step.endswith(".")
    assert found.until is None or found.until > NOON
