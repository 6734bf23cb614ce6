"""Workers (supervisor processes) and the agents that they started."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.infrastructure.database.stores.rows import agent_of, worker_of, worker_row

if TYPE_CHECKING:
    from abathur.domain.agents import Agent, Worker
    from abathur.infrastructure.database.engines.base import Session


class SqlWorkers:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, worker: Worker) -> None:
        self._session.send("workers_insert", **worker_row(worker))

    def get(self, worker_id: str) -> Worker | None:
        row = self._session.fetch_one("workers_get", id=worker_id)
        return None if row is None else worker_of(row)

    def live(self) -> Sequence[Worker]:
        return [worker_of(row) for row in self._session.fetch("workers_live")]

    def beat(self, worker_id: str, now: datetime, lease_until: datetime) -> Worker | None:
        row = self._session.fetch_one(
            "workers_beat", id=worker_id, now=now, lease_until=lease_until
        )
        return None if row is None else worker_of(row)

    def resize(self, worker_id: str, max_agents: int) -> None:
        self._session.send("workers_resize", id=worker_id, max_agents=max_agents)

    def request_stop(self, worker_id: str, now: datetime) -> bool:
        return self._session.execute("workers_stop_requested", id=worker_id, now=now) > 0

    def mark_stopped(self, worker_id: str, now: datetime) -> None:
        self._session.send("workers_stopped", id=worker_id, now=now)

    def insert_agent(self, agent: Agent) -> None:
        self._session.send(
            "agents_insert",
            id=agent.id,
            name=agent.name,
            specialization=agent.agent_type,
            task_id=agent.task_id,
            state=agent.state,
            model=agent.model,
            spawned_at=agent.spawned_at,
            terminated_at=agent.terminated_at,
        )

    def end_agents(self, task_id: str, now: datetime) -> None:
        self._session.send("agents_end_of_task", task_id=task_id, now=now)

    def end_agent(self, task_id: str, attempt: int, now: datetime) -> None:
        # Agents are named after their type and the number of their attempt.
        name = f"%-{attempt}"
        self._session.send("agents_end_of_attempt", task_id=task_id, name=name, now=now)

    def agents(self, task_id: str | None = None) -> Sequence[Agent]:
        return [agent_of(row) for row in self._session.fetch("agents_select", task_id=task_id)]
