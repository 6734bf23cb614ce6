"""Starts the loops, owns their lifetimes, and turns a request to stop into an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from abathur.domain.agents import Worker
from abathur.domain.errors import DatabaseError
from abathur.domain.problems import SPARSE_REMEDY, SPARSE_RISK
from abathur.ports.stores import Stores
from abathur.ports.wakeups import Wakeups
from abathur.swarm import preflight
from abathur.swarm.caretaker import Caretaker
from abathur.swarm.disk_watch import DiskWatch
from abathur.swarm.dispatcher import Dispatcher
from abathur.swarm.embedding import Embedding
from abathur.swarm.events import Sink, SwarmEventKind
from abathur.swarm.heartbeat import Heartbeat
from abathur.swarm.lander import Lander
from abathur.swarm.lifeline import Lifeline, close_worker
from abathur.swarm.parts import WORKER_TAG, Parts
from abathur.swarm.reconciler import Reconciler
from abathur.swarm.reloading import Reloader
from abathur.swarm.schedules import Scheduler
from abathur.swarm.silence import Silence
from abathur.swarm.state import LandingRun, Run, State, StopReason
from abathur.swarm.warming import warmed_up

RING_PAUSE_SECONDS: Final = 0.02
"""Between two wake-ups: a burst of commits wakes the loops once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmResult:
    """What ended during a run of the swarm, by this supervisor's hand."""

    completed: int
    failed: int
    cancelled: int
    stopped_by: str
    """`idle`, `held`, `limit`, `signal` or `request`."""


class Supervisor:
    """One run of the swarm in this process. `run` may be called once."""

    def __init__(self, parts: Parts, sink: Sink) -> None:
        self._parts = parts
        self._claimers: list[asyncio.Task[None]] = []
        self._state = State(
            worker_id=parts.worker_id,
            lease=timedelta(seconds=parts.settings.swarm.lease_seconds),
            sink=sink,
            now=parts.clock.now,
            silence=Silence(parts.settings.swarm.lease_seconds),
        )
        self._reloader = Reloader(parts, self._state)
        self._caretaker = Caretaker(parts, self._state)
        self._disk = DiskWatch(parts, self._state)

    async def preflight(self, *, allow_dirty: bool = False) -> None:
        """Look before starting whether tasks could run and land.

        Raises `DirtyTargetError`, `AgentUnavailableError`, `UnknownBranchError`.
        """
        await preflight.check(self._parts, allow_dirty=allow_dirty)

    def stop(self, *, now: bool = False) -> None:
        """Begin the end: no new work, running agents get the grace period. `now` gives none.

        To be called on the supervisor's event loop. Work that is stopped is kept at a salvage
        ref, and its task goes back to the queue.
        """
        self._state.begin_stop("signal")
        if now:
            self._state.stop_now.set()
            self._state.ring_all()

    def reload(self) -> None:
        """Read the configuration again now. To be called on the supervisor's event loop."""
        self._reloader.ask()

    async def run(self, *, until_idle: bool = False, task_limit: int | None = None) -> SwarmResult:
        """Work the queue off until stopped, idle (when asked for) or `task_limit` tasks ended.

        When this returns or raises, no agent of this supervisor lives and its leases are given
        back. Raises `DatabaseError`, `GitError`.
        """
        state, parts = self._state, self._parts
        await parts.db.write(_register, self._row())
        state.tell(SwarmEventKind.SWARM_STARTED, self._size())
        try:
            async with (
                parts.guard({WORKER_TAG: state.worker_id}),
                parts.repository.kept_open(),
                warmed_up(parts),
                parts.open_wakeups() as wakeups,
            ):
                await parts.repository.reconnect(parts.worktrees)
                if await parts.repository.leaves_out(parts.folder.name):
                    state.warn(f"{SPARSE_RISK}; {SPARSE_REMEDY}")
                await Lifeline(parts, state).rescue()
                await self._caretaker.tidy()
                scheduler = Scheduler(parts, state)
                await scheduler.round()
                await self._disk.round()
                dispatcher = Dispatcher(parts, state, until_idle=until_idle, task_limit=task_limit)
                try:
                    await self._loops(dispatcher, scheduler, wakeups)
                finally:
                    await asyncio.shield(dispatcher.close())
        finally:
            await asyncio.shield(self._sign_off())
        state.tell(SwarmEventKind.SWARM_STOPPED, f"stopped ({state.stopped_by})")
        tally = state.tally
        return SwarmResult(
            completed=tally.completed,
            failed=tally.failed,
            cancelled=tally.cancelled,
            stopped_by=state.stopped_by,
        )

    def _size(self) -> str:
        many = self._max_agents
        return "one agent at a time" if many == 1 else f"up to {many} agents at once"

    @property
    def _max_agents(self) -> int:
        return self._parts.settings.swarm.max_agents

    def _row(self) -> Worker:
        now, me = self._parts.clock.now(), self._parts.processes.me()
        return Worker(
            id=self._state.worker_id,
            host=self._parts.host,
            pid=me.pid,
            pid_started_at=me.started_at,
            repository=str(self._parts.repository.root),
            max_agents=self._max_agents,
            started_at=now,
            heartbeat_at=now,
            lease_until=now + self._state.lease,
        )

    async def _loops(self, dispatcher: Dispatcher, scheduler: Scheduler, wakeups: Wakeups) -> None:
        """A loop that dies takes the others down with it: a swarm that only half works is worse."""
        parts, state = self._parts, self._state
        lander = Lander(parts, state)
        async with asyncio.TaskGroup() as group:
            background = self._background(group, scheduler, wakeups)

            def start_run(run: Run) -> asyncio.Task[None]:
                return group.create_task(dispatcher.run_worker(run))

            def start_landings(runs: Sequence[LandingRun]) -> asyncio.Task[None]:
                return group.create_task(lander.run_landings(runs))

            self._claimers = [
                group.create_task(dispatcher.loop(start_run)),
                group.create_task(lander.loop(start_landings)),
            ]
            for claimer in self._claimers:
                claimer.add_done_callback(lambda _: state.ring_all())
            await state.stopping.wait()
            state.tell(SwarmEventKind.SWARM_STOPPING, f"stopping ({state.stopped_by})")
            await self._wind_down()
            await self._caretaker.tidy()
            for task in background:
                task.cancel()

    def _background(
        self, group: asyncio.TaskGroup, scheduler: Scheduler, wakeups: Wakeups
    ) -> Sequence[asyncio.Task[None]]:
        parts, state = self._parts, self._state
        loops: list[Coroutine[Any, Any, None]] = [
            Heartbeat(parts, state).loop(),
            Lifeline(parts, state).loop(),
            self._caretaker.loop(),
            Reconciler(parts, state).loop(),
            scheduler.loop(),
            Embedding(parts, state).loop(),
            self._reloader.loop(),
            self._disk.loop(),
            self._listen(wakeups),
        ]
        return [group.create_task(loop) for loop in loops]

    async def _listen(self, wakeups: Wakeups) -> None:
        """Turn the database's word of a change into rings for the loops."""
        while True:
            if await wakeups.wait(self._parts.settings.swarm.poll_seconds):
                self._state.ring_all()
                await asyncio.sleep(RING_PAUSE_SECONDS)

    async def _wind_down(self) -> None:
        """Let what runs end by itself for the grace period, then stop it and wait for its end."""
        state = self._state
        grace = self._parts.settings.swarm.grace_seconds
        await self._all_ended(grace)
        for run in list(state.runs.values()):
            run.end(StopReason.RELEASED)
        for landing_run in list(state.landings.values()):
            landing_run.stop.set()
        if not await self._all_ended(grace):
            await self._parts.processes.reap({WORKER_TAG: state.worker_id}, 0)
            await self._all_ended(None)

    async def _all_ended(self, timeout_seconds: float | None) -> bool:
        """Wait until nothing runs or lands, nor is about to; False when there is no more time."""
        bell = self._state.bell("wind-down")
        loop = asyncio.get_running_loop()
        until = None if timeout_seconds is None else loop.time() + timeout_seconds
        while self._is_busy():
            left = 1.0 if until is None else min(1.0, until - loop.time())
            if left <= 0 or (until is not None and self._state.stop_now.is_set()):
                return False
            await bell.wait(left)
        return True

    def _is_busy(self) -> bool:
        """A claim that is on its way when the end begins is still to become a run."""
        is_claiming = not all(claimer.done() for claimer in self._claimers)
        state = self._state
        return is_claiming or bool(state.runs or state.landings or state.clearing)

    async def _sign_off(self) -> None:
        try:
            await self._parts.db.write(close_worker, self._state.worker_id, self._parts.clock.now())
        except DatabaseError as error:
            # The next supervisor finds us dead and does it.
            self._state.warn(f"couldn't sign off: {error}")


def _register(stores: Stores, worker: Worker) -> None:
    stores.workers.insert(worker)
