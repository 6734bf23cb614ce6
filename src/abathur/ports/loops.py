"""What is stored about loops, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.iterations import Iteration, Loop
    from abathur.domain.loop_verdicts import Evidence
    from abathur.domain.loops.patterns import Pattern
    from abathur.domain.loops.specs import Otherwise, Strategy


class LoopStore(Protocol):
    def insert(self, loop: Loop) -> None:
        """Give the task a loop, in place of one that it has."""
        ...

    def get(self, task_id: str) -> Loop | None: ...

    def stop(self, task_id: str, stop_as: Otherwise, by: str) -> None: ...

    def under_way(self, limit: int) -> Sequence[str]:
        """Ids of tasks with a loop that haven't ended, in order."""
        ...

    def put(self, iteration: Iteration) -> None:
        """Write the iteration, or its newer state."""
        ...

    def iterations(self, task_id: str) -> Sequence[Iteration]:
        """In order of number."""
        ...

    def add_evidence(
        self, agent_type: str, pattern: Pattern, strategy: Strategy, *, is_improved: bool
    ) -> None:
        """Count one more use of a strategy against a pattern. Stays when tasks are pruned."""
        ...

    def evidence(self, agent_type: str) -> Mapping[tuple[Pattern, Strategy], Evidence]: ...


class LoopStores(Protocol):
    """The part of a transaction's view that is about loops."""

    @property
    def loops(self) -> LoopStore: ...
