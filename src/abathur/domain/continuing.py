"""Which attempts were cut off from outside, so that the next one may go on with their session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from abathur.domain.runs import Attempt, OutcomeKind, Usage, added

CUT_OFF: Final = frozenset({OutcomeKind.RATE_LIMITED, OutcomeKind.RELEASED, OutcomeKind.LOST})
"""Ends that say nothing against what the agent was doing."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A session that is gone on with: it was cut off, or is asked for its next iteration."""

    attempt: Attempt
    """The last one of it."""
    session_id: str
    worktree_path: str
    base_commit: str
    used: Usage | None
    """What was booked for it until now: some programs count over all runs of a session."""

    @property
    def why(self) -> str:
        return _WHY.get(self.attempt.outcome, "") if self.attempt.outcome else ""

    @property
    def is_cut_off(self) -> bool:
        """False for one that came to its end, and is asked for more."""
        return self.attempt.outcome in CUT_OFF


_WHY: Final = {
    OutcomeKind.RATE_LIMITED: "the provider's limit was reached",
    OutcomeKind.RELEASED: "the swarm was stopped",
    OutcomeKind.LOST: "the swarm was gone",
}


def unfinished(attempts: Sequence[Attempt], current: Attempt) -> Unfinished | None:
    """What attempt `current` may go on with; `attempts` are all of its task, oldest first.

    None when the attempt before came to an end of its own, when the task was sent back or answered
    since, and when nothing had begun. Those that ended before they began are passed by.
    """
    for last in reversed([one for one in attempts if one.number < current.number]):
        if last.outcome not in CUT_OFF or last.feedback != current.feedback:
            return None
        if last.session_id and last.worktree_path and last.base_commit:
            return session_of(attempts, last)
    return None


def session_of(attempts: Sequence[Attempt], last: Attempt) -> Unfinished | None:
    """That of an attempt which has begun."""
    if not (last.session_id and last.worktree_path and last.base_commit):
        return None
    return Unfinished(
        last, last.session_id, last.worktree_path, last.base_commit, _used(attempts, last)
    )


def _used(attempts: Sequence[Attempt], last: Attempt) -> Usage | None:
    used: Usage | None = None
    for one in attempts:
        if one.session_id == last.session_id and one.number <= last.number:
            used = added(used, one.usage)
    return used


def is_passed_on(attempts: Sequence[Attempt], attempt: Attempt) -> bool:
    """Whether a later attempt of the task works, or has worked, in this one's folder."""
    return any(
        one.number > attempt.number and one.worktree_path == attempt.worktree_path
        for one in attempts
    )


def without(total: Usage, used: Usage | None) -> Usage:
    """What a run adds to a session whose total is told. What isn't known is taken for nothing."""
    rest = {one.name: getattr(total, one.name) for one in fields(Usage)}
    for name, told in rest.items():
        before = getattr(used, name, None)
        if told is not None and before is not None:
            rest[name] = round(max(told - before, 0), 9)
    return Usage(**rest)
