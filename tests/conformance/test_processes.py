"""Several processes work one file off, and some of them die."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from abathur.domain.audit import Action
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.services import reading, verifying

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

OpenQueue = Callable[[Database], "Queue"]
Said = dict[str, list[str]]

SCRIPT = Path(__file__).with_name("claimers.py")
LAYERS = 4

pytestmark = pytest.mark.slow


class Claimers:
    """Processes that speak into one pipe."""

    def __init__(self, path: Path | str, names: list[str], seconds: int, mode: str) -> None:
        reading_end, writing_end = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # So short a pipe keeps those who speak from running far ahead of who listens.
            fcntl.fcntl(writing_end, fcntl.F_SETPIPE_SZ, 4096)
        self.voice: IO[str] = os.fdopen(reading_end)
        self.processes = {
            name: subprocess.Popen(
                [sys.executable, str(SCRIPT), str(path), name, str(seconds), mode],
                stdin=subprocess.PIPE,
                stdout=writing_end,
                text=True,
            )
            for name in names
        }
        os.close(writing_end)

    def begin(self) -> None:
        """All at once, when each has said that it is ready."""
        for _ in self.processes:
            assert self.voice.readline().startswith("ready ")
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """What was said, about which task, by whom."""
        for line in self.voice:
            word, subject, name = line.split()
            yield word, subject, name

    def end(self) -> list[int]:
        return [process.wait() for process in self.processes.values()]


@contextmanager
def claimers(path: Path | str, names: list[str], seconds: int, mode: str) -> Iterator[Claimers]:
    group = Claimers(path, names, seconds, mode)
    try:
        group.begin()
        yield group
    finally:
        for process in group.processes.values():
            process.kill()
            process.wait()
        group.voice.close()


def heard(group: Claimers) -> Said:
    said: Said = defaultdict(list)
    for word, subject, _ in group.lines():
        said[word].append(subject)
    return said


async def fill(queue: Queue, count: int) -> list[list[Task]]:
    """Layers of tasks: each task waits for two of the layer before."""
    size = count // LAYERS
    layers: list[list[Task]] = []
    for _ in range(LAYERS):
        above = layers[-1] if layers else []
        pairs = [(above[n], above[(n + 1) % size]) if above else () for n in range(size)]
        layers.append(await asyncio.gather(*(queue.submit(*pair) for pair in pairs)))
    return layers


def ids(layers: list[list[Task]]) -> list[str]:
    return [task.id for layer in layers for task in layer]


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a database is that several processes can use."""
    if request.param == "file":
        return tmp_path / "queue.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def test_8_processes_do_many_tasks_each_once(
    place: Path | str, open_queue: OpenQueue
) -> None:
    count = 600 if isinstance(place, Path) else 160
    async with Database(place) as db:
        queue = open_queue(db)
        layers = await fill(queue, count)
        names = [f"claimer-{number}" for number in range(8)]
        with claimers(place, names, 0, "all") as group:
            said = await asyncio.to_thread(heard, group)
            assert group.end() == [0] * 8
        assert sorted(said["claimed"]) == sorted(said["completed"]) == ids(layers)
        assert sorted(said["released"]) == ids(layers[1:])
        attempts = await db.query("SELECT worker_id FROM attempts")
        assert len(attempts) == count
        assert len({row["worker_id"] for row in attempts}) > 1
        told = Counter(entry.action_type for entry in await queue.audit())
        assert (told[Action.TASK_READY], told[Action.TASK_COMPLETED]) == (count * 3 // 4, count)
        assert await db.check(full=True) == []
        assert list(map(str, (await db.read(verifying.verify)).breaks)) == []


def killed(group: Claimers) -> tuple[Said, str]:
    """Kill one in the middle of its work; what all said until the others ended, and which."""
    said: Said = defaultdict(list)
    busy: list[str] = []
    victim = ""
    for word, subject, name in group.lines():
        said[word].append(subject)
        if word == "completed":
            busy.append(name)
        if len(busy) == 30 and not victim:
            victim = random.choice(busy)
            group.processes[victim].kill()
    return said, victim


async def test_a_killed_process_loses_nothing_and_what_it_held_is_adopted_once(
    place: Path | str, open_queue: OpenQueue
) -> None:
    async with Database(place) as db:
        queue = open_queue(db)
        layers = await fill(queue, 400 if isinstance(place, Path) else 160)
        names = [f"claimer-{number}" for number in range(4)]
        with claimers(place, names, 0, "once") as group:
            before, victim = await asyncio.to_thread(killed, group)
            assert sorted(group.end()) == [-9, 0, 0, 0]
        left = await queue.read(reading.all_tasks)
        done = {task.id for task in left if task.status is TaskStatus.COMPLETED}
        assert set(before["completed"]) <= done
        assert set(before["submitted"]) <= {task.id for task in left}
        held = [task.id for task in left if task.worker_id is not None]
        assert {task.worker_id for task in left} == {victim, None}

        names = [f"later-{number}" for number in range(4)]
        with claimers(place, names, 61, "all") as group:
            after = await asyncio.to_thread(heard, group)
            assert group.end() == [0] * 4
        assert sorted(after["adopted"]) == held
        assert not done & set(after["completed"] + after["claimed"])
        tasks = await queue.read(reading.all_tasks)
        assert {task.status for task in tasks} == {TaskStatus.COMPLETED}
        assert set(ids(layers)) <= {task.id for task in tasks}
        lost = await db.query("SELECT task_id FROM attempts WHERE outcome = ?", [OutcomeKind.LOST])
        assert sorted(row["task_id"] for row in lost) == held
        completed = Counter(
            entry.task_id
            for entry in await queue.audit()
            if entry.action_type is Action.TASK_COMPLETED
        )
        assert completed == Counter(task.id for task in tasks)
        assert await db.check(full=True) == []
        assert list(map(str, (await db.read(verifying.verify)).breaks)) == []
