"""A whole fleet on one file: clients, visitors, command lines, a swarm and a reader, for minutes.

`python3 dev bench fleet`, or `python -m benchmarks.fleet --seconds 300 --processes 30`. Fails when
any of them failed, the file isn't sound, or something that was acknowledged is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from abathur.bootstrap import new_id
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores, TaskFilter
from abathur.services import submitting
from benchmarks.hands import now
from benchmarks.places import make_project, sandbox
from benchmarks.results import Measured, Row, Size, as_markdown, machine, p99, ratio, rounded

ROOT: Final = Path(__file__).resolve().parents[1]
SETTINGS: Final = {"default_runtime": "fake", "swarm": {"max_agents": 1}}
POLLS_A_SECOND: Final = 10
SECONDS_TO_END: Final = 60.0


@dataclass
class Told:
    """What one process has done."""

    role: str
    operations: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds of each."""
    written: int = 0
    """Tasks that it was told are stored."""


class FleetFailed(Exception):
    """Something went wrong that never may."""


def measure(folder: Path, size: Size) -> Measured:
    processes, seconds = size.pick(12, 30), size.pick(8, 60)
    return _measured(run(folder / "project", processes, seconds), processes, seconds)


def run(folder: Path, processes: int, seconds: float) -> list[Told]:
    """Let them loose, and look at what they left. Raises `FleetFailed`."""
    root = make_project(folder, SETTINGS)
    file = root / ".abathur" / "abathur.db"
    asyncio.run(_make(file))
    children = [_start(role, root, seconds) for role in crew(processes)]
    swarm = _abathur(root, "swarm", "start", "--json")
    try:
        _begin_together(children)
        told = [_heard(child, seconds + SECONDS_TO_END) for child in children]
    finally:
        errors = [_ended(process) for process in (swarm, *children)]
    if swarm.returncode not in (0, 130):
        raise FleetFailed(f"the swarm ended with {swarm.returncode}: {errors[0]}")
    problems = asyncio.run(_problems(file, sum(one.written for one in told)))
    if problems:
        raise FleetFailed("; ".join(problems))
    return told


def crew(processes: int) -> list[str]:
    """Their roles; one more process is the swarm."""
    visitors = (processes - 4) // 4
    clients = processes - 4 - visitors
    return ["reader", "shell", "shell", *["visitor"] * visitors, *["client"] * clients]


async def _make(file: Path) -> None:
    async with Database(file):
        return


def _start(role: str, root: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.fleet", "--role", role]
    command += ["--project", str(root), "--seconds", str(seconds)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)


def _begin_together(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """When all are there: on a busy machine some take longer to start than they work."""
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    begin = time.monotonic() + 1
    for child in children:
        assert child.stdin is not None
        with suppress(OSError):  # what went wrong is told by its end
            child.stdin.write(f"{begin}\n".encode())
            child.stdin.close()
        child.stdin = None


def _abathur(root: Path, *args: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "abathur", "--project", str(root), *args]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)


def _heard(child: subprocess.Popen[bytes], seconds: float) -> Told:
    out, errors = child.communicate(timeout=seconds)
    if child.returncode != 0:
        raise FleetFailed(f"a process failed: {errors.decode()[-2000:]}")
    return Told(**json.loads(out))


def _ended(process: subprocess.Popen[bytes]) -> str:
    """Ask it to end, and see to it; what it said of errors."""
    if process.stderr is None or process.stderr.closed:
        return ""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        _, errors = process.communicate(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    return errors.decode()[-2000:]


async def _problems(file: Path, written: int) -> list[str]:
    """What is wrong with the file, or with what it holds."""
    async with Database(file) as db:
        found = [problem.text for problem in await db.check(full=True)]
        ((tasks, told, entries, last),) = [
            tuple(row.values())
            for row in await db.query(
                "SELECT (SELECT count(*) FROM tasks) AS tasks,"
                " (SELECT count(*) FROM audit WHERE action_type = 'task_submitted') AS told,"
                " (SELECT count(*) FROM audit) AS entries, (SELECT max(id) FROM audit) AS last"
            )
        ]
    if tasks != written:
        found.append(f"{written} tasks were acknowledged, {tasks} are there")
    if told != tasks:
        found.append(f"{tasks} tasks, but {told} of them in the trail")
    if entries != last:
        found.append(f"the trail has {entries} entries but goes up to {last}")
    return found


# --- figures ------------------------------------------------------------------------------


def _measured(told: Sequence[Told], processes: int, seconds: float) -> Measured:
    roles = dict.fromkeys(one.role for one in told)
    return Measured(
        name="fleet",
        title=(
            f"{processes} processes and their agents on one file for {seconds:g} seconds. "
            "Milliseconds that one operation took; `share` is that of the slowest process of a "
            "kind beside the fastest. The file was sound, and nothing acknowledged was missing."
        ),
        rows=[_row(role, [one for one in told if one.role == role], seconds) for role in roles],
    )


def _row(role: str, told: Sequence[Told], seconds: float) -> Row:
    waits = [wait * 1000 for one in told for wait in one.waits]
    counts = [one.operations for one in told]
    return {
        "kind": role,
        "processes": len(told),
        "operations/s": rounded(sum(counts) / seconds),
        "p50 ms": rounded(median(waits)),
        "p99 ms": rounded(p99(waits)),
        "longest ms": rounded(max(waits)),
        "share": ratio(min(counts), max(counts)),
    }


# --- a child ------------------------------------------------------------------------------


@dataclass
class Place:
    root: Path
    end: float

    @property
    def file(self) -> Path:
        return self.root / ".abathur" / "abathur.db"

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self.end


async def client(place: Place, told: Told) -> None:
    """An agent's program that keeps its connection."""
    async with Database(place.file) as db:
        while place.is_open:
            await _timed(told, db.write(_submit))
            told.written += 1


async def visitor(place: Place, told: Told) -> None:
    """One that opens the file for every single thing."""

    async def visit() -> None:
        async with Database(place.file) as db:
            await db.write(_submit)
            await db.read(_look)

    while place.is_open:
        await _timed(told, visit())
        told.written += 1


async def shell(place: Place, told: Told) -> None:
    """Real command lines, one after another; what they submit is the swarm's work."""

    async def command(*args: str) -> None:
        process = await asyncio.to_thread(_abathur, place.root, *args)
        _, errors = await asyncio.to_thread(process.communicate)
        if process.returncode != 0:
            raise FleetFailed(f"`abathur {' '.join(args)}`: {errors.decode()[-2000:]}")

    while place.is_open:
        await _timed(told, command("task", "submit", "Do nothing"))
        told.written += 1
        await _timed(told, command("task", "list", "--limit", "20"))


async def reader(place: Place, told: Told) -> None:
    async with Database(place.file) as db:
        while place.is_open:
            await _timed(told, db.read(_look))
            await asyncio.sleep(1 / POLLS_A_SECOND)


ROLES: Final[dict[str, Callable[[Place, Told], Coroutine[Any, Any, None]]]] = {
    role.__name__: role for role in (client, visitor, shell, reader)
}


async def _timed(told: Told, work: Any) -> None:
    start = time.monotonic()
    await work
    told.waits.append(time.monotonic() - start)
    told.operations += 1


def _submit(stores: Stores) -> None:
    """A task that no swarm takes for now."""
    later = NewTask(prompt="Later", not_before=now() + timedelta(days=1))
    submitting.submit(stores, later, task_id=new_id(), now=now(), actor="cli:fleet")


def _look(stores: Stores) -> None:
    stores.tasks.select(TaskFilter(limit=20))


async def _child(role: str, root: Path, seconds: float) -> Told:
    told = Told(role)
    print("ready", flush=True)
    begin = float(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(max(0.0, begin - time.monotonic()))
    await ROLES[role](Place(root, begin + seconds), told)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=30)
    for name in ("--role", "--project"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        told = asyncio.run(_child(options.role, Path(options.project), options.seconds))
        print(json.dumps(asdict(told)))
        return
    about = machine()
    with sandbox() as folder:
        found = run(folder / "project", options.processes, options.seconds)
    print(as_markdown(about, [_measured(found, options.processes, options.seconds)]))


if __name__ == "__main__":
    main()
