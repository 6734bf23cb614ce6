"""In which order ready tasks are claimed, and the score that people are shown.

The score is a weighted sum: base, depth, blocking and source depend on the task and its place in
the graph only (the static part), urgency depends on the time. Claiming doesn't use the score of
the moment, which would have to be rewritten all the time, but a constant, the rank.

Why a constant is enough. Let a waiting task gain one point of score for every `MS_PER_POINT`. Two
tasks a and b then have at time t the effective scores

    score(a) + (t - submitted(a)) / MS_PER_POINT
    score(b) + (t - submitted(b)) / MS_PER_POINT

whose difference doesn't contain t: who is ahead once is ahead for ever. Multiplied by
`-MS_PER_POINT`, with t dropped, that order is the ascending order of

    rank = submitted - score * MS_PER_POINT

What follows from it, with `0 <= score <= MAX_STATIC` and `SPREAD = MAX_STATIC * MS_PER_POINT`:

- No starvation. A task submitted at s has a rank of at most s, one submitted after s + SPREAD has
  one above s. So nothing that is submitted more than SPREAD (12.5 hours) later is claimed first,
  however high it scores and however much of it arrives.
- Deadlines. A task with a deadline has to start at L = deadline - estimate - slack, and its rank is
  at most L - SPREAD. What is submitted at L or later without a deadline has at least that rank. So
  from L on nothing new gets ahead of it. An L before the submission counts as the submission: the
  guarantee starts when the task is there, the rank stays at or above submitted - SPREAD, and so
  deadlines in the past can't starve anybody either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from abathur.domain.tasks import TaskSource

# Weights, scales and steps are those of the score as Abathur has always shown it.
BASE_WEIGHT: Final = 0.30
DEPTH_WEIGHT: Final = 0.25
URGENCY_WEIGHT: Final = 0.25
BLOCKING_WEIGHT: Final = 0.15
SOURCE_WEIGHT: Final = 0.05

POINTS_PER_PRIORITY: Final = 10
"""Maps priorities 0 to 10 to 0 to 100."""
POINTS_PER_DEPTH: Final = 10
POINTS_PER_BLOCKING_DECADE: Final = 33.33
"""Blocking grows with the logarithm: 1 dependent 10 points, 10 dependents 35, 1,000 all of them."""
SOURCE_POINTS: Final = {
    TaskSource.HUMAN: 100,
    TaskSource.AGENT_REQUIREMENTS: 75,
    TaskSource.AGENT_PLANNER: 50,
    TaskSource.AGENT_IMPLEMENTATION: 25,
}

URGENCY_WITHOUT_DEADLINE: Final = 50.0
URGENCY_STEPS: Final = ((60, 100.0), (3_600, 80.0), (86_400, 50.0), (7 * 86_400, 30.0))
"""Without an estimate: (less than this many seconds remain, urgency)."""
URGENCY_FAR: Final = 10.0

MAX_STATIC: Final = 75.0
"""All parts at 100 but urgency: 100 * (1 - URGENCY_WEIGHT)."""
MS_PER_POINT: Final = 10 * 60 * 1000
"""One step of priority (3 points) weighs as much as half an hour of waiting."""
SPREAD_MS: Final = int(MAX_STATIC) * MS_PER_POINT
SLACK_MS: Final = 10 * 60 * 1000
"""Time for what an estimate of the agent's work leaves out: being claimed, verifying, landing."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """What the static part of the score is made of."""

    priority: int
    depth: int
    """Length of the longest chain of prerequisites below the task."""
    blocking: int
    """How many unfinished tasks wait directly for it."""
    source: TaskSource


def static_score(position: Position) -> float:
    """The part of the score that time doesn't change, 0 to `MAX_STATIC`."""
    base = min(100.0, POINTS_PER_PRIORITY * position.priority)
    depth = min(100.0, POINTS_PER_DEPTH * position.depth)
    blocking = min(100.0, POINTS_PER_BLOCKING_DECADE * math.log10(position.blocking + 1))
    return (
        BASE_WEIGHT * base
        + DEPTH_WEIGHT * depth
        + BLOCKING_WEIGHT * blocking
        + SOURCE_WEIGHT * SOURCE_POINTS[position.source]
    )


def calculated_priority(
    position: Position, deadline: datetime | None, estimate_seconds: int | None, now: datetime
) -> float:
    """The score at a moment, 0 to 100, for people; claiming goes by `rank`."""
    urgency = _urgency(deadline, estimate_seconds, now)
    return max(0.0, min(100.0, static_score(position) + URGENCY_WEIGHT * urgency))


def _urgency(deadline: datetime | None, estimate_seconds: int | None, now: datetime) -> float:
    if deadline is None:
        return URGENCY_WITHOUT_DEADLINE
    remaining = (deadline - now).total_seconds()
    if estimate_seconds:
        if remaining < estimate_seconds:
            return 100.0
        return 100.0 * math.exp(-remaining / (2 * estimate_seconds))
    return next((urgency for limit, urgency in URGENCY_STEPS if remaining < limit), URGENCY_FAR)


def rank(
    position: Position,
    submitted_at: datetime,
    deadline: datetime | None,
    estimate_seconds: int | None,
) -> int:
    """The place in the queue, smallest first, in milliseconds since the epoch.

    Never above the submission and never more than `SPREAD_MS` below it. To be computed again only
    when the position, the deadline or the estimate changes. No estimate counts as 0 seconds.
    """
    submitted = _milliseconds(submitted_at)
    by_score = submitted - math.floor(static_score(position) * MS_PER_POINT)
    if deadline is None:
        return by_score
    latest_start = _milliseconds(deadline) - 1000 * (estimate_seconds or 0) - SLACK_MS
    return min(by_score, max(latest_start, submitted) - SPREAD_MS)


def _milliseconds(time: datetime) -> int:
    """In whole numbers: floating-point seconds would round two times apart into one another."""
    return (time - _EPOCH) // _MILLISECOND
