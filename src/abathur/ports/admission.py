"""What the use cases need to know of holds, reservations and of who may be claimed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.admission import (
        Candidate,
        Hold,
        HoldCause,
        HoldScope,
        Overlap,
        Restrictions,
    )


@dataclass(slots=True, kw_only=True)
class Closed:
    """What is known to be refused, to be passed over when looking for ready tasks."""

    agent_types: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)
    """Empty text stands for naming none."""
    tasks: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)
    """Tasks that declare one of these are passed over, unless they may overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPaths:
    """What a task says it will change."""

    touches: tuple[str, ...] = ()
    may_overlap: bool = False


class AdmissionStore(Protocol):
    def restrictions(self, now: datetime) -> Restrictions: ...

    def take_turn(self) -> None:
        """Wait until no other transaction that took its turn is open; it lasts to our end."""
        ...

    def running(self) -> Sequence[Candidate]:
        """Every running task, whether an agent is at work or its work is landing."""
        ...

    def candidates(
        self, after: Candidate | None, limit: int, closed: Closed
    ) -> Sequence[Candidate]:
        """The next ready tasks in the order of claiming."""
        ...

    def next_end(self, now: datetime) -> datetime | None:
        """When the first of the holds and used-up pools ends by itself."""
        ...

    def holds(self) -> Sequence[Hold]:
        """All of them, the oldest first; also those whose time is over."""
        ...

    def put_hold(self, hold: Hold) -> None:
        """Takes the place of one with the same scope, name and cause."""
        ...

    def end_holds(self, scope: HoldScope, name: str, cause: HoldCause | None) -> Sequence[Hold]:
        """Take them away and return them."""
        ...

    def add_paths(self, task_id: str, patterns: Collection[str], *, may_overlap: bool) -> None: ...

    def add_overlap(self, overlap: Overlap) -> bool:
        """False when that of the two tasks and this attempt is known already."""
        ...

    def overlaps(self, task_id: str) -> Sequence[Overlap]:
        """Those that the task has part in, whichever of the two it is."""
        ...

    def paths(self, task_id: str) -> DeclaredPaths: ...
