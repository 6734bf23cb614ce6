"""What looking after a database needs of it, beyond what running the queue does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from abathur.domain.problems import Problem
    from abathur.domain.tasks import Task, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the other rows say about a task."""

    unmet: int
    """Prerequisites that aren't completed."""
    dead_end: str | None
    """A prerequisite that is failed or cancelled."""
    attempts: int
    """The highest number of an attempt; 0 without any."""
    fence: int
    """The highest fence that an attempt was given; 0 without any."""
    open_landings: int
    open_reviews: int
    is_held: bool
    """By a worker that hasn't stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneFilter:
    """Which ended tasks are meant. All conditions must hold; None doesn't ask."""

    ids: Collection[str] | None = None
    statuses: Collection[TaskStatus] | None = None
    before: datetime | None = None
    """Ended before this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A task that has ended, as much of it as pruning needs."""

    id: str
    fence: int
    status: TaskStatus
    summary: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Reference:
    """The task `by` can't be without the task `to`."""

    to: str
    by: str
    kind: str
    """`depends`, `part` or `cancelled`."""


class UpkeepStore(Protocol):
    def problems(self, limit: int) -> Sequence[Problem]:
        """Where the rows contradict each other, at most `limit` of each kind."""
        ...

    def open_problems(self, limit: int) -> Sequence[Problem]:
        """The same of what isn't finished; costs the same however much is."""
        ...

    def surroundings(self, task_id: str) -> Surroundings | None: ...

    def row(self, problem: Problem) -> Mapping[str, Any] | None:
        """The columns of the row that the problem is about, as they are stored."""
        ...

    def fix(self, problem: Problem, now: datetime) -> int:
        """Run the problem's own statement, for one of `OF_A_ROW`; how many rows it changed."""
        ...

    def retell(self, task: Task) -> bool:
        """Write what its row can't be read of, whatever fence it has; whether there is one."""
        ...

    def ended(self, where: PruneFilter, before_id: str | None, limit: int) -> Sequence[Ended]:
        """Ended tasks with an id below `before_id`, the highest first."""
        ...

    def references(self, task_ids: Collection[str]) -> Sequence[Reference]:
        """Every task that depends on one of these, is a part of it or was cancelled by it."""
        ...

    def in_hand(self, task_ids: Collection[str], now: datetime) -> Collection[str]:
        """Those whose newest attempt's worker lives by its lease: it may still clear up."""
        ...

    def branches(self, task_ids: Collection[str]) -> Mapping[str, Collection[str]]:
        """Task -> names of the branches that its attempts worked on."""
        ...

    def remove(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """Delete the tasks and all that belongs to them but the audit trail; rows by table."""
        ...
