"""What gates said about trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from abathur.infrastructure.database.stores.rows import gate_run_of

if TYPE_CHECKING:
    from abathur.domain.gates import Gate, GateRun
    from abathur.infrastructure.database.engines.base import Session


class SqlGates:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, runs: Iterable[GateRun]) -> None:
        for run in runs:
            self._session.send("gate_runs_insert", **vars(run))

    def of_task(self, task_id: str) -> Sequence[GateRun]:
        return [gate_run_of(r) for r in self._session.fetch("gate_runs_of_task", task_id=task_id)]

    def has_passed(self, gate: Gate, tree: str) -> bool:
        found = self._session.fetch_one(
            "gate_runs_passed", gate=gate.name, command=gate.digest, tree=tree
        )
        return found is not None

    def flaky(self, limit: int) -> Sequence[GateRun]:
        return [gate_run_of(row) for row in self._session.fetch("gate_runs_flaky", limit=limit)]
