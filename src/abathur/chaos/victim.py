"""A swarm as a process of its own that is struck at one point.

Its orders are all that it is told. `abathur` itself has no way to get here: no variable and no
setting of a project arms a point in a swarm that does real work.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.chaos.blows import MovableClock, Scene, strike
from abathur.chaos.counting_embedder import CountingEmbedder
from abathur.chaos.failpoints import Failpoints
from abathur.chaos.orders import Orders
from abathur.chaos.person import act
from abathur.chaos.points import Point
from abathur.chaos.tight_disk import TightDisk
from abathur.domain.errors import AbathurError, SwarmError
from abathur.swarm import disk_watch, reconciler

if TYPE_CHECKING:
    from abathur.swarm.events import SwarmEvent
    from abathur.swarm.parts import Parts

FAILED = 6
RECONCILING_SECONDS = 0.4
LOOKING_SECONDS = 0.2


class _Victim:
    def __init__(self, orders: Orders, project: bootstrap.Project) -> None:
        self._orders, self._project = orders, project
        file = project.database if isinstance(project.database, Path) else None
        self._scene = Scene(project.root, Path(orders.note), file, orders.place)
        self._events = 0
        self._parts: Parts | None = None
        target = Point.parse(orders.point) if orders.point else None
        self._failpoints = Failpoints(target, orders.call, self._strike)

    async def run(self) -> None:
        async with bootstrap.open_database(self._project) as db:
            supervisor = await supervision.build_supervisor(
                self._project, db, self._hear, is_own=True, into=self._arm
            )
            presses = iter((False, True, True, True, True))
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, lambda: supervisor.stop(now=next(presses)))
            self._failpoints.watch_files(self._project.root)
            is_held = False
            if self._orders.is_person:
                assert self._parts is not None
                await act(self._parts)
            else:
                supervisor.reload()
                is_held = (await supervisor.run(until_idle=True)).stopped_by == "held"
        self._record()
        if is_held and self._orders.blow is None:
            raise SwarmError("there was no room for what is left; another swarm has to do it")

    def _arm(self, parts: Parts) -> Parts:
        self._scene.clock = MovableClock(parts.clock)
        self._scene.disk = TightDisk(parts.disk, begins_full=self._orders.is_tight)
        parts = replace(
            parts, clock=self._scene.clock, embedder=CountingEmbedder(), disk=self._scene.disk
        )
        self._parts = self._failpoints.into(parts)
        return self._parts

    def _hear(self, event: SwarmEvent) -> None:
        # A full disk is to hit the swarm, not the one who listens to it.
        with suppress(OSError):
            _say(f"{event.kind} {event.task_id or '-'} {event.text}")
        self._events += 1
        if self._events == self._orders.event:
            timer = threading.Timer(self._orders.delay, self._failpoints.strike)
            timer.daemon = True
            timer.start()

    def _record(self) -> None:
        """Whole or not at all: the disk may be full by now, or the swarm be killed."""
        record = Path(self._orders.record)
        fresh = record.with_name(f"{record.name}-fresh")
        fresh.write_text(json.dumps(self._failpoints.told()))
        fresh.rename(record)

    def _strike(self) -> None:
        if self._orders.blow is not None:
            self._record()
            os.close(os.open(self._orders.note, os.O_CREAT | os.O_WRONLY))
            strike(self._orders.blow, self._scene)


def main(text: str) -> int:
    orders = Orders.parse(text)
    faulthandler.dump_traceback_later(orders.watchdog_seconds, exit=True)
    # Nothing of the person's environment or settings gets in the place of what the test set up.
    url = orders.place.url if orders.place else None
    project = bootstrap.load_project(Path(orders.root), env={}, database=url)
    # Nobody waits for a minute here, and what the rounds of it repair has to be repaired.
    vars(reconciler)["INTERVAL_SECONDS"] = RECONCILING_SECONDS
    vars(disk_watch)["QUIET_SECONDS"] = LOOKING_SECONDS
    code = 0
    try:
        asyncio.run(_Victim(orders, project).run())
    except* (AbathurError, OSError) as errors:
        for error in _flat(errors):
            _say(f"ended {type(error).__name__} {error}")
        code = FAILED
    return code


def _say(line: str) -> None:
    """Into the round's log, which is all that this process has for its output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _flat(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    flat: list[BaseException] = []
    for one in group.exceptions:
        flat += _flat(one) if isinstance(one, BaseExceptionGroup) else [one]
    return flat
