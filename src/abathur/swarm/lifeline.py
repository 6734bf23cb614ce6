"""Takes back what dead workers held: ends their agents, keeps their work, queues their tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.agents import Worker
from abathur.domain.errors import AbathurError, DatabaseError, StaleFenceError
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores
from abathur.services import claiming, landing, running
from abathur.swarm import workspace
from abathur.swarm.departed import is_dead
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import GIT_TAG, RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.spool import Delivery
from abathur.swarm.state import State


@dataclass(frozen=True, slots=True)
class Orphans:
    """Dead workers of this host, and running tasks whose lease is over."""

    workers: Sequence[Worker]
    tasks: Sequence[Task]


class Lifeline:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._delivery = Delivery(parts, state)
        self._idle_before: set[str] = set()
        self._idle_landings: set[str] = set()

    async def loop(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._parts.clock.sleep(self._parts.settings.swarm.heartbeat_seconds)
            try:
                await self.rescue()
            except DatabaseError as error:
                self._state.warn(f"looking for lost tasks waits for the database: {error}")

    async def rescue(self) -> int:
        """One round; how many tasks were taken back. What fails is tried again next time."""
        orphans = await self._find_orphans()
        forgotten = await self._forgotten()
        await self._give_back_landings()
        for worker in orphans.workers:
            await self._reap(worker.id)
        lost = [*orphans.tasks, *forgotten]
        # What a dead worker has spooled is done: its task isn't lost, and mustn't run again.
        waiting = await self._delivery.replay(
            self._is_dead, {(task.id, task.fence) for task in lost}
        )
        rescued = 0
        for task in lost:
            if not self._state.runs_claim(task) and (task.id, task.fence) not in waiting:
                rescued += await self._rescue(task)
        for worker in orphans.workers:
            await self._close(worker)
        return rescued

    async def _find_orphans(self) -> Orphans:
        live = await self._parts.db.read(lambda stores: stores.workers.live())
        steady = self._parts.clock.monotonic()
        self._state.silence.note(live, steady)
        orphans = await self._parts.db.read(find_orphans, self._parts.clock.now(), self._is_dead)
        dead = {worker.id for worker in orphans.workers}
        # A lease that the time of day calls over may belong to a worker that is well.
        over = [
            task
            for task in orphans.tasks
            if task.worker_id in dead or self._state.silence.is_over(task.worker_id, steady)
        ]
        return Orphans(orphans.workers, over)

    async def _forgotten(self) -> Sequence[Task]:
        """Tasks that are ours by their lease, but that nothing here runs: a rescue was cut off.

        Only what was so in the round before too: a claim may be on its way to its run.
        """
        held = await self._parts.db.read(lambda s: s.claims.held(self._state.worker_id))
        idle = {task.id: task for task in held if not self._state.runs_claim(task)}
        before, self._idle_before = self._idle_before, set(idle)
        return [task for task in idle.values() if task.id in before]

    async def _give_back_landings(self) -> None:
        """Landings that are ours, but that nothing here lands: giving them back had failed."""
        held = await self._parts.db.read(lambda s: s.landings.held(self._state.worker_id))
        idle = {one.id: one for one in held if one.id not in self._state.landings}
        before, self._idle_landings = self._idle_landings, set(idle)
        for landing_id in before & idle.keys():
            await self._parts.db.write(landing.release_landing, idle[landing_id])
            self._state.ring_all()

    def _is_dead(self, worker: Worker) -> bool:
        return is_dead(self._parts, worker)

    async def _reap(self, worker_id: str) -> None:
        """End its agents, then what git it has left: nothing may change under the rescue."""
        grace = self._parts.settings.swarm.grace_seconds
        for tag in (WORKER_TAG, GIT_TAG):
            await self._parts.processes.reap({tag: worker_id}, grace)

    async def _rescue(self, task: Task) -> bool:
        try:
            adopted, attempts = await self._parts.db.write(
                claiming.adopt,
                task.id,
                fence=task.fence,
                worker_id=self._state.worker_id,
                now=self._parts.clock.now(),
                lease=self._state.lease,
                pricing=self._parts.settings.budget.pricing,
            )
            await self._end_agents(task, attempts)
            for attempt in attempts:
                await self._keep(task, attempt)
            await self._queue_again(adopted)
        except StaleFenceError:
            return False  # somebody else was faster
        return True

    async def _end_agents(self, task: Task, attempts: Sequence[Attempt]) -> None:
        """Its worker may be alive but stuck; its agents must not go on writing."""
        if task.worker_id == self._state.worker_id:
            for attempt in attempts:
                run = {RUN_TAG: f"{task.id}/{attempt.number}"}
                await self._parts.processes.reap(run, self._parts.settings.swarm.grace_seconds)
        elif task.worker_id is not None:
            await self._reap(task.worker_id)

    async def _keep(self, task: Task, attempt: Attempt) -> None:
        try:
            message = f"{task.summary}\n\nUnfinished: its worker was gone."
            ref = await workspace.give_up(self._parts, attempt, message)
        except (AbathurError, OSError) as error:
            self._state.warn(f"the worktree of a lost run is left as it is: {error}", task)
            return
        if ref is not None:
            self._state.tell(
                SwarmEventKind.WORK_SALVAGED, f"unfinished work kept at {ref}", task=task
            )

    async def _queue_again(self, task: Task) -> None:
        back = await self._parts.db.write(
            running.take_back,
            task.id,
            fence=task.fence,
            worker_id=self._state.worker_id,
            policy=self._parts.policy,
            chance=self._parts.chance(),
            now=self._parts.clock.now(),
        )
        self._state.tell(
            SwarmEventKind.TASK_TAKEN_BACK, "its worker was gone; it is queued again", task=back
        )

    async def _close(self, worker: Worker) -> None:
        """Give back its landings and say that it is gone, unless it still holds a task."""
        await self._parts.db.write(close_worker, worker.id, self._parts.clock.now())
        self._state.ring_all()


def find_orphans(stores: Stores, now: datetime, is_dead: Callable[[Worker], bool]) -> Orphans:
    dead = [worker for worker in stores.workers.live() if is_dead(worker)]
    held = {task.id: task for worker in dead for task in stores.claims.held(worker.id)}
    overdue = {task.id: task for task in stores.claims.expired(now)}
    return Orphans(dead, list((held | overdue).values()))


def close_worker(stores: Stores, worker_id: str, now: datetime) -> None:
    landing.release_landings_of(stores, worker_id)
    if not stores.claims.held(worker_id):
        stores.workers.mark_stopped(worker_id, now)
