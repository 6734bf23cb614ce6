"""The score that people see, and the rank that claiming goes by."""

import heapq
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.priority import (
    MAX_STATIC,
    MS_PER_POINT,
    SLACK_MS,
    SPREAD_MS,
    Position,
    calculated_priority,
    rank,
    static_score,
)
from abathur.domain.tasks import TaskSource

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
SPREAD = timedelta(milliseconds=SPREAD_MS)
SLACK = timedelta(milliseconds=SLACK_MS)
BEST = Position(10, 10, 1000, TaskSource.HUMAN)
WORST = Position(0, 0, 0, TaskSource.AGENT_IMPLEMENTATION)
HUMAN = Position(5, 0, 0, TaskSource.HUMAN)

MANY = settings(max_examples=150)
POSITIONS = st.builds(
    Position,
    st.integers(0, 10),
    st.integers(0, 50),
    st.integers(0, 100_000),
    st.sampled_from(TaskSource),
)
MOMENTS = st.timedeltas(timedelta(days=-3650), timedelta(days=3650)).map(NOON.__add__)
ESTIMATES = st.none() | st.integers(0, 365 * 86_400)


@pytest.mark.parametrize(
    ("position", "shown"),
    [
        (HUMAN, 32.5),
        (WORST, 13.75),
        (Position(10, 10, 1000, TaskSource.HUMAN), 87.5),
        (Position(5, 3, 0, TaskSource.AGENT_REQUIREMENTS), 15 + 7.5 + 12.5 + 3.75),
        (Position(0, 0, 9, TaskSource.AGENT_PLANNER), 12.5 + 0.15 * 33.33 + 2.5),
    ],
)
def test_scores_without_a_deadline_are_the_documented_ones(
    position: Position, shown: float
) -> None:
    assert calculated_priority(position, None, None, NOON) == pytest.approx(shown)


@pytest.mark.parametrize(
    ("remaining", "estimate", "urgency"),
    [
        (-1, None, 100.0),
        (-1, 60, 100.0),
        (59, None, 100.0),
        (60, None, 80.0),
        (3_599, None, 80.0),
        (3_600, None, 50.0),
        (86_400, None, 30.0),
        (7 * 86_400, None, 10.0),
        (3_600, 0, 50.0),
        (59, 60, 100.0),
        (60, 60, 60.653),
        (120, 60, 36.788),
        (10**9, 1, 0.0),
    ],
)
def test_urgency_grows_towards_the_deadline(
    remaining: int, estimate: int | None, urgency: float
) -> None:
    deadline = NOON + timedelta(seconds=remaining)
    shown = calculated_priority(HUMAN, deadline, estimate, NOON)
    assert shown == pytest.approx(15 + 5 + 0.25 * urgency, abs=0.001)


@MANY
@given(POSITIONS, st.none() | MOMENTS, ESTIMATES, MOMENTS)
def test_every_score_is_between_0_and_100(
    position: Position, deadline: datetime | None, estimate: int | None, now: datetime
) -> None:
    assert 0 <= calculated_priority(position, deadline, estimate, now) <= 100
    assert 0 <= static_score(position) <= MAX_STATIC


def test_the_best_static_score_is_the_maximum() -> None:
    assert static_score(BEST) == MAX_STATIC


@MANY
@given(POSITIONS, st.integers(0, 10), MOMENTS, st.none() | MOMENTS, ESTIMATES)
def test_a_higher_priority_is_never_claimed_later(
    position: Position,
    other: int,
    submitted: datetime,
    deadline: datetime | None,
    estimate: int | None,
) -> None:
    low, high = sorted([position.priority, other])
    ranks = [
        rank(
            Position(priority, position.depth, position.blocking, position.source),
            submitted,
            deadline,
            estimate,
        )
        for priority in (high, low)
    ]
    assert ranks == sorted(ranks)


def test_a_step_of_priority_is_worth_half_an_hour_of_waiting() -> None:
    urgent = Position(6, 0, 0, TaskSource.HUMAN)
    assert rank(urgent, NOON, None, None) == rank(HUMAN, NOON - timedelta(minutes=30), None, None)


@MANY
@given(POSITIONS, MOMENTS, POSITIONS, MOMENTS, st.lists(st.integers(0, 10**12), max_size=5))
def test_ageing_never_changes_the_order_that_the_ranks_give(
    one: Position, one_at: datetime, other: Position, other_at: datetime, waits: list[int]
) -> None:
    ahead = rank(other, other_at, None, None) - rank(one, one_at, None, None)
    latest = max(one_at, other_at)
    for wait in waits:
        now = latest + timedelta(milliseconds=wait)
        lead = aged_score(one, one_at, now) - aged_score(other, other_at, now)
        assert ahead == pytest.approx(lead * MS_PER_POINT, abs=3)


def aged_score(position: Position, submitted: datetime, now: datetime) -> float:
    return static_score(position) + (now - submitted) / timedelta(milliseconds=MS_PER_POINT)


@MANY
@given(
    st.tuples(POSITIONS, st.none() | MOMENTS, ESTIMATES),
    st.tuples(POSITIONS, st.none() | MOMENTS, ESTIMATES),
    MOMENTS,
    st.timedeltas(SPREAD + timedelta(milliseconds=2), timedelta(days=3650)),
)
def test_nothing_submitted_later_than_the_spread_is_claimed_first(
    early: tuple[Position, datetime | None, int | None],
    late: tuple[Position, datetime | None, int | None],
    submitted: datetime,
    later: timedelta,
) -> None:
    assert rank(early[0], submitted, *early[1:]) < rank(late[0], submitted + later, *late[1:])


def test_an_endless_stream_of_the_best_tasks_starves_nobody() -> None:
    """One claim a minute and one best task a minute, some with a deadline long past."""
    poor = (rank(WORST, NOON, None, None), NOON)
    queue = [poor]
    now = NOON
    while queue:
        deadline = NOON - timedelta(days=30) if now.minute % 7 == 0 else None
        heapq.heappush(queue, (rank(BEST, now, deadline, None), now))
        claimed = heapq.heappop(queue)
        if claimed == poor:
            break
        now += timedelta(minutes=1)
    assert SPREAD - timedelta(hours=1) < now - NOON <= SPREAD + timedelta(minutes=1)


@MANY
@given(POSITIONS, MOMENTS, MOMENTS, ESTIMATES, POSITIONS, st.timedeltas(timedelta(), SPREAD))
def test_from_its_latest_start_on_nothing_new_gets_ahead_of_a_deadline(
    position: Position,
    submitted: datetime,
    deadline: datetime,
    estimate: int | None,
    newcomer: Position,
    after: timedelta,
) -> None:
    latest_start = deadline - timedelta(seconds=estimate or 0) - SLACK
    arrival = max(latest_start, submitted) + after
    mine = rank(position, submitted, deadline, estimate)
    assert mine <= rank(newcomer, arrival, None, None)


def test_until_its_latest_start_the_best_of_newcomers_still_gets_ahead() -> None:
    deadline, estimate = NOON + timedelta(hours=3), 3_600
    latest_start = deadline - timedelta(seconds=estimate) - SLACK
    mine = rank(WORST, NOON, deadline, estimate)
    assert mine == rank(BEST, latest_start, None, None)
    assert mine == rank(BEST, latest_start - timedelta(milliseconds=1), None, None) + 1


@MANY
@given(POSITIONS, MOMENTS, MOMENTS, ESTIMATES)
def test_a_deadline_never_puts_a_task_back(
    position: Position, submitted: datetime, deadline: datetime, estimate: int | None
) -> None:
    assert rank(position, submitted, deadline, estimate) <= rank(position, submitted, None, None)


def test_the_earlier_latest_start_comes_first() -> None:
    soon = rank(HUMAN, NOON, NOON + timedelta(hours=4), 3 * 3_600)
    late = rank(HUMAN, NOON, NOON + timedelta(hours=3), 3_600)
    assert soon < late


def test_a_deadline_far_away_changes_nothing_yet() -> None:
    assert rank(HUMAN, NOON, NOON + timedelta(days=9), 60) == rank(HUMAN, NOON, None, None)


def test_the_same_moment_in_another_zone_has_the_same_rank() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    assert rank(HUMAN, elsewhere, elsewhere, 60) == rank(HUMAN, NOON, NOON, 60)


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_the_last_deadline_that_can_be_written_are_possible(year: int) -> None:
    edge = datetime(year, 1, 1, tzinfo=UTC)
    assert rank(HUMAN, NOON, edge, 365 * 86_400) <= rank(HUMAN, NOON, None, None)
