"""Holds, reserved paths, and who may be claimed."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from abathur.domain.admission import Candidate, Hold, HoldCause, HoldScope, Overlap, Restrictions
from abathur.infrastructure.database.codecs import moment, time_of
from abathur.ports.admission import DeclaredPaths

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session
    from abathur.ports.admission import Closed

BEFORE_ALL: Final = -(2**63)
"""A rank below that of any task."""


class SqlAdmission:
    def __init__(self, session: Session) -> None:
        self._session = session

    def restrictions(self, now: datetime) -> Restrictions:
        rows = self._session.fetch("admission_restrictions", now=now)
        pools = {row["id"]: moment(row["hold_until"]) for row in rows if row["kind"] == "pool"}
        return Restrictions(
            holds=[_hold_of(row) for row in rows if row["kind"] == "hold"],
            exhausted={pool: until for pool, until in pools.items() if until > now},
            half_open=frozenset(pool for pool, until in pools.items() if until <= now),
            failing=frozenset(
                row["id"] for row in rows if row["kind"] == "pool" and not row["cause"]
            ),
            has_allowances=any(row["kind"] == "budgets" for row in rows),
            has_reservations=any(row["kind"] == "paths" for row in rows),
        )

    def take_turn(self) -> None:
        self._session.send("admission_turn")

    def running(self) -> Sequence[Candidate]:
        return [_candidate_of(row) for row in self._session.fetch("admission_running")]

    def candidates(
        self, after: Candidate | None, limit: int, closed: Closed
    ) -> Sequence[Candidate]:
        rows = self._session.fetch(
            "admission_candidates",
            rank=after.rank if after else BEFORE_ALL,
            id=after.id if after else "",
            agent_types=sorted(closed.agent_types),
            targets=sorted(closed.targets),
            tasks=sorted(closed.tasks),
            any_patterns=len(closed.patterns),
            patterns=sorted(closed.patterns),
            limit=limit,
        )
        return [_candidate_of(row) for row in rows]

    def next_end(self, now: datetime) -> datetime | None:
        row = self._session.fetch_one("admission_next_end", now=now)
        return time_of(row["at"]) if row else None

    def holds(self) -> Sequence[Hold]:
        return [_hold_of(row) for row in self._session.fetch("holds_all")]

    def put_hold(self, hold: Hold) -> None:
        self._session.send("holds_put", **vars(hold))

    def end_holds(self, scope: HoldScope, name: str, cause: HoldCause | None) -> Sequence[Hold]:
        rows = self._session.fetch("holds_end", scope=scope, name=name, cause=cause)
        return [_hold_of(row) for row in rows]

    def add_paths(self, task_id: str, patterns: Collection[str], *, may_overlap: bool) -> None:
        self._session.execute_many(
            "paths_insert",
            [
                {"task_id": task_id, "pattern": pattern, "may_overlap": int(may_overlap)}
                for pattern in patterns
            ],
        )

    def add_overlap(self, overlap: Overlap) -> bool:
        return self._session.execute("overlaps_insert", **vars(overlap)) == 1

    def overlaps(self, task_id: str) -> Sequence[Overlap]:
        rows = self._session.fetch("overlaps_of", task_id=task_id)
        return [_overlap_of(row) for row in rows]

    def paths(self, task_id: str) -> DeclaredPaths:
        rows = self._session.fetch("paths_of", task_id=task_id)
        return DeclaredPaths(
            touches=tuple(row["pattern"] for row in rows),
            may_overlap=any(row["may_overlap"] for row in rows),
        )


def _hold_of(row: Row) -> Hold:
    return Hold(
        id=row["id"],
        scope=HoldScope(row["scope"]),
        name=row["name"],
        cause=HoldCause(row["cause"]),
        reason=row["reason"],
        hold_until=time_of(row["hold_until"]),
        created_by=row["created_by"],
        created_at=moment(row["created_at"]),
    )


def _overlap_of(row: Row) -> Overlap:
    return Overlap(
        task_id=row["task_id"],
        attempt=row["attempt"],
        other_task_id=row["other_task_id"],
        paths=tuple(json.loads(row["paths"])),
        found_at=moment(row["found_at"]),
    )


def _candidate_of(row: Row) -> Candidate:
    return Candidate(
        id=row["id"],
        agent_type=row["agent_type"],
        target=row["target"],
        rank=row["rank"],
        touches=tuple(json.loads(row["touches"] or "[]")),
        may_overlap=bool(row.get("may_overlap")),
        host=row.get("host"),
    )
