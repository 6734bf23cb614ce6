"""What use cases need that are done for many callers at once; see `ports.at_once`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.landing import Landing
    from abathur.domain.money import Cost
    from abathur.domain.runs import Attempt
    from abathur.domain.tasks import Task, TaskStatus


class ManyStore(Protocol):
    """Rows of many tasks by one statement.

    What is written was read in the same transaction, and its fence compared with the caller's.
    """

    def attempts(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Attempt]:
        """Those that exist, by task and number."""
        ...

    def statuses(self, task_ids: Iterable[str]) -> dict[str, TaskStatus]:
        """Of those that exist."""
        ...

    def landings(self, ids: Iterable[str]) -> dict[str, Landing]:
        """Those that exist, by id."""
        ...

    def asked_or_awaited(self, task_ids: Iterable[str]) -> Collection[str]:
        """Those with an open question, or for which other tasks wait."""
        ...

    def begin(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts that begin."""
        ...

    def end(
        self, attempts: Sequence[Attempt], costs: Sequence[Cost], agents: Mapping[str, datetime]
    ) -> None:
        """Write attempts that have ended, what they cost, and that agents of tasks ended then."""
        ...

    def ask_landings(self, tasks: Sequence[Task], landings: Sequence[Landing]) -> None:
        """Write tasks that nobody holds any more, and the landings that carry them on."""
        ...

    def landable(self, limit: int, now: datetime) -> Sequence[Landing]:
        """The next ones that wait, of all targets; none while one that was begun comes before."""
        ...

    def land(self, landings: Sequence[Landing]) -> None:
        """Write landings that were taken."""
        ...

    def announce(self, landings: Sequence[Landing]) -> None:
        """Write to which commits targets are about to be moved."""
        ...

    def complete(self, tasks: Sequence[Task], landings: Sequence[Landing]) -> None:
        """Write landings that have ended with a proof, and their completed tasks."""
        ...


class ManyStores(Protocol):
    @property
    def many(self) -> ManyStore: ...
