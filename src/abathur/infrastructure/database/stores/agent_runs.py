"""How agents have done, from the rows of their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from abathur.domain.agent_stats import AgentRun
from abathur.domain.failures import FailureClass
from abathur.domain.landing import LandingState
from abathur.domain.runs import OutcomeKind
from abathur.infrastructure.database.codecs import json_of, moment

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session

REFUSED: Final = frozenset({LandingState.CONFLICTED.value, LandingState.REJECTED.value})


class SqlAgentRuns:
    def __init__(self, session: Session) -> None:
        self._session = session

    def newest(
        self, limit: int, *, agent_type: str | None = None, since: datetime | None = None
    ) -> Sequence[AgentRun]:
        rows = self._session.fetch(
            "agent_runs_newest", limit=limit, agent_type=agent_type, since=since
        )
        return [_run_of(row) for row in rows]


def _run_of(row: Row) -> AgentRun:
    lasted = moment(row["ended_at"]) - moment(row["started_at"])
    return AgentRun(
        agent_type=row["agent_type"],
        runtime=row["runtime"],
        model=row["model"],
        definition_version=row["definition_version"],
        outcome=OutcomeKind(row["outcome"]),
        failure=FailureClass(row["failure_class"]) if row["failure_class"] else None,
        is_refused=row["outcome"] == OutcomeKind.SUCCEEDED and _is_refused(row),
        seconds=max(0.0, lasted.total_seconds()),
        usd=row["usd"],
    )


def _is_refused(row: Row) -> bool:
    """By its landing; of a candidate by its own verification, as it may never have been to land."""
    if (json_of(row["loop_spec"]) or {}).get("candidates") and row["reading"]:
        return not (json_of(row["reading"]) or {}).get("is_met")
    return row["landing"] in REFUSED
