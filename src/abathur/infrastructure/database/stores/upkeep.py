"""Looking for contradictions, fixing rows, and removing ended tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from abathur.domain.errors import DependencyCycleError
from abathur.domain.graph import check_acyclic
from abathur.domain.problems import Problem
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database.codecs import moment
from abathur.infrastructure.database.stores.rows import task_row
from abathur.ports.upkeep import Ended, Reference, Surroundings

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.infrastructure.database.engines.base import Session
    from abathur.ports.upkeep import PruneFilter

PREFIX: Final = "check_"
OPEN: Final = (
    "open_unmet_counts",
    "check_blocked_without_reason",
    "check_started_too_early",
    "check_waits_for_dead_end",
    "check_running_without_holder",
    "check_holder_gone",
    "check_lease_without_end",
    "open_lease_without_run",
    "check_attempt_unended",
    "check_landing_open",
    "check_landing_announced",
    "check_landing_without_holder",
    "check_agent_unended",
)
"""Those that cost the same however many tasks are finished."""
CLEARING_UP: Final = timedelta(minutes=10)
"""After this a living worker has cleared away what a task left behind, or has given up."""
PRUNED: Final = (
    "run_events",
    "reviews",
    "landings",
    "agents",
    "checkpoints",
    "attempts",
    "task_dependencies",
    "tasks",
)


class SqlUpkeep:
    """Meets `ports.upkeep.UpkeepStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def problems(self, limit: int) -> Sequence[Problem]:
        return [*self._found(self._session.names(PREFIX), limit), *self._cycle()]

    def open_problems(self, limit: int) -> Sequence[Problem]:
        return self._found(OPEN, limit)

    def _found(self, names: Iterable[str], limit: int) -> list[Problem]:
        return [
            Problem(
                code=name.partition("_")[2],
                text=row["what"],
                table=row["tbl"],
                key=row["row_key"],
                task_id=row["task_id"],
            )
            for name in names
            for row in self._session.fetch(name, limit=limit)
        ]

    def _cycle(self) -> Sequence[Problem]:
        waits_for: dict[str, list[str]] = defaultdict(list)
        for row in self._session.fetch("waiting_edges"):
            waits_for[row["dependent"]].append(row["prerequisite"])
        try:
            check_acyclic(waits_for)
        except DependencyCycleError as error:
            task_id = error.cycle[0]
            text = f"these tasks wait for each other: {' -> '.join(error.cycle)}; cancel one"
            return [Problem(code="cycle", text=text, table="tasks", key=task_id, task_id=task_id)]
        return []

    def surroundings(self, task_id: str) -> Surroundings | None:
        row = self._session.fetch_one("task_surroundings", id=task_id)
        if row is None:
            return None
        return Surroundings(
            unmet=row["unmet"],
            dead_end=row["dead_end"],
            attempts=row["attempts"] or 0,
            fence=row["fence"] or 0,
            open_landings=row["open_landings"],
            open_reviews=row["open_reviews"],
            is_held=row["live_holders"] > 0,
        )

    def row(self, problem: Problem) -> Mapping[str, Any] | None:
        return self._session.fetch_one(f"row_of_{problem.table}", **_place(problem))

    def fix(self, problem: Problem, now: datetime) -> int:
        return self._session.execute(f"fix_{problem.code}", **_place(problem), now=now)

    def retell(self, task: Task) -> bool:
        return self._session.execute("task_retold", **task_row(task)) > 0

    def ended(self, where: PruneFilter, before_id: str | None, limit: int) -> Sequence[Ended]:
        wanted: dict[str, object] = {
            "before_id": before_id,
            "before": where.before,
            "statuses": None if where.statuses is None else sorted(where.statuses),
            "limit": limit,
        }
        if where.ids is None:
            rows = self._session.fetch("prune_ended", **wanted)
        else:
            rows = self._session.fetch("prune_ended_of", ids=sorted(where.ids), **wanted)
        return [
            Ended(
                id=row["id"],
                fence=row["fence"],
                status=TaskStatus(row["status"]),
                summary=row["summary"],
                ended_at=moment(row["ended_at"]),
            )
            for row in rows
        ]

    def references(self, task_ids: Collection[str]) -> Sequence[Reference]:
        rows = self._session.fetch("prune_references", ids=list(task_ids))
        return [Reference(row["target"], row["source"], row["kind"]) for row in rows]

    def in_hand(self, task_ids: Collection[str], now: datetime) -> Collection[str]:
        rows = self._session.fetch(
            "prune_in_hand", ids=list(task_ids), now=now, recently=now - CLEARING_UP
        )
        return {row["id"] for row in rows}

    def branches(self, task_ids: Collection[str]) -> Mapping[str, Collection[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for row in self._session.fetch("prune_branches", ids=list(task_ids)):
            found[row["task_id"]].add(row["branch"])
        return found

    def remove(self, task_ids: Collection[str]) -> Mapping[str, int]:
        ids = list(task_ids)
        return {table: self._session.execute(f"prune_{table}", ids=ids) for table in PRUNED}


def _place(problem: Problem) -> dict[str, object]:
    return {"row_key": problem.key, "task_id": problem.task_id}
