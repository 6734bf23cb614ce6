"""What is stored about how agents have done, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.agent_stats import AgentRun


class AgentRunStore(Protocol):
    def newest(
        self, limit: int, *, agent_type: str | None = None, since: datetime | None = None
    ) -> Sequence[AgentRun]:
        """Attempts that have ended, the newest first."""
        ...


class AgentRunStores(Protocol):
    """The part of a transaction's view that is about how agents have done."""

    @property
    def agent_runs(self) -> AgentRunStore: ...
