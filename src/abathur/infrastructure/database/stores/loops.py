"""Loops and their iterations, in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from abathur.domain.iterations import Iteration, Loop, Verdict
from abathur.domain.loop_verdicts import Evidence
from abathur.domain.loops.patterns import Pattern
from abathur.domain.loops.readings import Reading
from abathur.domain.loops.specs import Otherwise, Strategy
from abathur.domain.plain import plain, typed
from abathur.domain.records import made
from abathur.infrastructure.database.codecs import json_of, moment, time_of

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session


def loop_of(row: Row) -> Loop:
    row["spec"] = json_of(row["spec"]) or {}
    row["created_at"] = moment(row["created_at"])
    row["stop_as"] = Otherwise(row["stop_as"]) if row["stop_as"] else None
    return made(Loop, row)


def iteration_of(row: Row) -> Iteration:
    row["strategy"] = Strategy(row["strategy"]) if row["strategy"] else None
    row["pattern"] = Pattern(row["pattern"]) if row["pattern"] else None
    row["started_at"] = moment(row["started_at"])
    row["measured_at"] = time_of(row["measured_at"])
    row["measurement"] = json_of(row["measurement"])
    row["reading"] = _typed(Reading, row["reading"])
    row["verdict"] = _typed(Verdict, row["verdict"])
    return made(Iteration, row)


def _typed(kind: type[Any], value: object) -> Any:
    found = json_of(value)
    return None if found is None else typed(kind, found)


class SqlLoops:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, loop: Loop) -> None:
        self._session.send("loops_insert", **vars(loop))

    def get(self, task_id: str) -> Loop | None:
        row = self._session.fetch_one("loops_get", task_id=task_id)
        return None if row is None else loop_of(row)

    def stop(self, task_id: str, stop_as: Otherwise, by: str) -> None:
        self._session.send("loops_stop", task_id=task_id, stop_as=stop_as, stopped_by=by)

    def under_way(self, limit: int) -> Sequence[str]:
        return [row["task_id"] for row in self._session.fetch("loops_under_way", limit=limit)]

    def put(self, iteration: Iteration) -> None:
        row = {**vars(iteration)}
        row["reading"] = plain(iteration.reading)
        row["verdict"] = plain(iteration.verdict)
        self._session.send("iterations_put", **row)

    def iterations(self, task_id: str) -> Sequence[Iteration]:
        rows = self._session.fetch("iterations_of_task", task_id=task_id)
        return [iteration_of(row) for row in rows]

    def add_evidence(
        self, agent_type: str, pattern: Pattern, strategy: Strategy, *, is_improved: bool
    ) -> None:
        self._session.send(
            "evidence_add",
            agent_type=agent_type,
            pattern=pattern,
            strategy=strategy,
            improved=int(is_improved),
        )

    def evidence(self, agent_type: str) -> Mapping[tuple[Pattern, Strategy], Evidence]:
        rows = self._session.fetch("evidence_of", agent_type=agent_type)
        return {
            (Pattern(row["pattern"]), Strategy(row["strategy"])): Evidence(
                row["runs"], row["improved"]
            )
            for row in rows
        }
