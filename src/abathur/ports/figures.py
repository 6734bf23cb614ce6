"""Counts over the whole queue, for who watches it from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.figures import Counted


class FigureStore(Protocol):
    """What says `ended` grows with the history and costs accordingly."""

    def open_tasks(self) -> Sequence[Counted]:
        """By status, agent type, target."""
        ...

    def ended_tasks(self) -> Sequence[Counted]:
        """The same of those that are completed, failed or cancelled."""
        ...

    def ready_since(self) -> datetime | None:
        """When the ready task that is so for the longest time became it."""
        ...

    def attempts_under_way(self) -> int: ...

    def ended_attempts(self) -> Sequence[Counted]:
        """By outcome, class of failure."""
        ...

    def open_landings(self) -> Sequence[Counted]:
        """By state, target."""
        ...

    def ended_landings(self) -> Sequence[Counted]: ...

    def gate_runs(self) -> Sequence[Counted]:
        """By gate, verdict; ended."""
        ...


class FigureStores(Protocol):
    """A part of `ports.stores.Stores`."""

    @property
    def figures(self) -> FigureStore: ...
