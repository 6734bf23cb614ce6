"""What the swarm adds to a task whose agent does next to nothing."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.services import submitting
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from benchmarks.bare_swarm import BareSwarm
from benchmarks.hands import now
from benchmarks.places import git, make_project, make_repository
from benchmarks.results import Measured, Row, Size, ratio, rounded


def settings(agents: int) -> Mapping[str, Any]:
    return {"default_runtime": "fake", "verify": "true", "swarm": {"max_agents": agents}}


@dataclass(frozen=True)
class Cost:
    """Seconds, of the clock and of all processors."""

    wall: float
    cpu: float


class Meter:
    """Counts this process and the children it has waited for."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def read(self) -> Cost:
        return Cost(time.perf_counter() - self._wall, _cpu_seconds() - self._cpu)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(folder: Path, size: Size) -> Measured:
    many = size.pick(3, 20)
    # One task alone shows the bare overhead: with more, landing overlaps with the next run.
    cases = ((1, 1), (many, 1), (many, 4))
    runs: dict[tuple[int, int], list[tuple[Cost, Cost, Cost]]] = {case: [] for case in cases}
    for number in range(size.pick(1, 5)):
        for (count, agents), place in runs.items():
            name = f"{number}-{count}-{agents}"
            bare = _bare(folder / f"bare-{name}", count, agents)
            place.append((bare, *asyncio.run(_ours(folder / name, count, agents))))
    return Measured(
        name="swarm",
        title=(
            "Milliseconds a task: worktree, agent that writes a file, commit, merge, verify with "
            "`true`, move the branch and its checkout, tidy. `CPU` is of all processes, without "
            "that of starting and stopping the swarm."
        ),
        rows=[_row(*case, place) for case, place in runs.items()],
    )


def _row(count: int, agents: int, runs: Sequence[tuple[Cost, Cost, Cost]]) -> Row:
    bare, ours, around = zip(*runs, strict=True)
    wall, bare_wall = _middle(cost.wall for cost in ours), _middle(cost.wall for cost in bare)
    cpu, bare_cpu = _middle(cost.cpu for cost in ours), _middle(cost.cpu for cost in bare)
    return {
        "tasks": count,
        "agents at once": agents,
        "bare loop ms": rounded(bare_wall / count),
        "swarm ms": rounded(wall / count),
        "ratio": ratio(wall, bare_wall),
        "bare CPU ms": rounded(bare_cpu / count),
        "swarm CPU ms": rounded(cpu / count),
        "CPU ratio": ratio(cpu, bare_cpu),
        "start and stop ms": rounded(_middle(cost.wall for cost in around)),
    }


def _middle(seconds: Iterable[float]) -> float:
    return median(seconds) * 1000


def _bare(folder: Path, count: int, agents: int) -> Cost:
    root = make_repository(folder)
    meter = Meter()
    BareSwarm(root, folder.with_name(f"{folder.name}-trees")).run(count, agents)
    cost = meter.read()
    _check(root, count)
    return cost


@dataclass
class Watch:
    """When the first task was claimed, and when all had landed and was tidied up."""

    first: float = 0.0
    last: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def see(self, event: SwarmEvent) -> None:
        if event.kind is SwarmEventKind.TASK_CLAIMED and not self.first:
            self.first = time.perf_counter()
        elif event.kind is SwarmEventKind.SWARM_STOPPING:
            self.last = time.perf_counter()
        elif event.kind is SwarmEventKind.WARNING:
            self.warnings.append(event.text)


async def _ours(folder: Path, count: int, agents: int) -> tuple[Cost, Cost]:
    """For all tasks, and for starting and stopping a swarm that has none."""
    root = make_project(folder, settings(agents))
    project = bootstrap.load_project(root, env={})
    async with bootstrap.open_database(project) as db:
        around, _ = await _run(project, db)
        await _submit(db, count)
        whole, watch = await _run(project, db)
    assert not watch.warnings, watch.warnings
    _check(root, count)
    return Cost(watch.last - watch.first, whole.cpu - around.cpu), around


async def _run(project: bootstrap.Project, db: Database) -> tuple[Cost, Watch]:
    watch = Watch()
    supervisor = await supervision.build_supervisor(project, db, watch.see, is_own=True)
    meter = Meter()
    await supervisor.run(until_idle=True)
    # With it goes the process that forked the agents, which hands in what they have used.
    del supervisor
    gc.collect()
    return meter.read(), watch


async def _submit(db: Database, count: int) -> None:
    for number in range(count):
        script = [{"write": {"path": f"made-{number}.txt", "text": "made\n"}}]
        new = NewTask(prompt=f"Make {number}", input_data={"script": script})
        await db.write(
            submitting.submit, new, task_id=bootstrap.new_id(), now=now(), actor="cli:bench"
        )


def _check(root: Path, count: int) -> None:
    made = [name for name in git(root, "ls-files").splitlines() if name.startswith("made-")]
    assert len(made) == count, made
    assert git(root, "status", "--porcelain") == ""
