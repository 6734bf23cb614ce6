"""What a swarm adds to the run of an agent, beside the same program started by hand."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.runs import RunSpec
from abathur.domain.tasks import NewTask
from abathur.infrastructure import private_files
from abathur.infrastructure.database import Database
from abathur.infrastructure.environment import clean_environment
from abathur.infrastructure.model_server.script import Ending, ToolCall, Turn, script_of
from abathur.infrastructure.model_server.server import ModelServer
from abathur.infrastructure.runtimes import load_runtime
from abathur.services import submitting
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from benchmarks.hands import now
from benchmarks.places import make_project
from benchmarks.results import Measured, Row, Size, rounded
from benchmarks.swarm import Meter

PROGRAMS: Final = Path(__file__).parents[1] / ".tools" / "npm" / "node_modules"
FOLDER_VARIABLE: Final = "ABATHUR_AGENT_PROGRAMS"
CLAUDE: Final = "@anthropic-ai/claude-code-*/claude"
CODEX: Final = "@openai/codex-*/vendor/*/bin/codex"
FIRST_BYTE: Final = "head -c 1 >/dev/null; date +%s.%N >> {}; cat >/dev/null; echo made > made.txt"
"""The smallest agent: it notes when the first byte of its prompt came."""
# The sandbox takes our variables away before a benchmark begins.
_GIVEN: Final = os.environ.get(FOLDER_VARIABLE)


@dataclass
class Ran:
    wall: float
    cpu: float
    begun: float
    """From the claim, or from the start by hand, until the agent has its prompt or asks a model."""


@dataclass
class Notes:
    """Moments, by the clock of the day."""

    claimed: float = 0.0
    ended: float = 0.0
    asked: list[float] = field(default_factory=list)

    def see(self, event: SwarmEvent) -> None:
        if event.kind is SwarmEventKind.TASK_CLAIMED:
            self.claimed = time.time()
        elif event.kind is SwarmEventKind.ATTEMPT_ENDED:
            self.ended = time.time()


def measure(folder: Path, size: Size) -> Measured:
    warm = folder / "warm"
    warm.mkdir()
    # What is imported once would count for the first agent alone.
    _pair(warm, *next(_agents(folder / "begun")), folder / "begun")
    runs: dict[str, list[tuple[Ran, Ran]]] = {}
    for number in range(size.pick(1, 7)):
        for name, settings in _agents(folder / "begun"):
            place = folder / f"{name}-{number}"
            place.mkdir()
            runs.setdefault(name, []).append(_pair(place, name, settings, folder / "begun"))
    return Measured(
        name="runs",
        title=(
            "Milliseconds of one run in which the agent writes a file: the program started by "
            "hand, and by a swarm from the claim to the report, with worktree, keeper, events and "
            "commit. `begun` is until a shell has the first byte of its prompt, or a program asks "
            "its model, which is a script on this machine. `CPU` is of all processes."
        ),
        rows=[_row(name, pairs) for name, pairs in runs.items()],
    )


def _agents(begun: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "command", {"argv": ["sh", "-c", FIRST_BYTE.format(begun)]}
    yield "anthropic", {"model": "claude-opus-5-5"}
    programs = Path(_GIVEN) / "node_modules" if _GIVEN else PROGRAMS
    for name, pattern, model in (
        ("claude", CLAUDE, "claude-opus-5-5"),
        ("codex", CODEX, "gpt-5.5"),
    ):
        if found := sorted(programs.glob(pattern)):
            yield name, {"program": str(found[0]), "model": model}


def _row(name: str, pairs: Sequence[tuple[Ran, Ran]]) -> Row:
    def middle(pick: Any) -> tuple[float, float, float]:
        bare, ours = ([pick(one) for one in side] for side in zip(*pairs, strict=True))
        added = median(our - own for own, our in zip(bare, ours, strict=True))
        return median(bare) * 1000, median(ours) * 1000, added * 1000

    row: dict[str, Any] = {"agent": name}
    for what in ("wall", "cpu", "begun"):
        shown = "CPU" if what == "cpu" else what
        by_hand, swarm, added = middle(lambda ran, what=what: getattr(ran, what))
        row |= {
            f"{shown} by hand": rounded(by_hand),
            f"{shown} in a swarm": rounded(swarm),
            f"{shown} added": rounded(added),
        }
    return row


def _pair(place: Path, name: str, given: Mapping[str, Any], begun: Path) -> tuple[Ran, Ran]:
    notes = Notes()
    with ModelServer(
        _script(name), told=lambda _request: notes.asked.append(time.time())
    ) as server:
        settings = {**given, **_pointed(name, server.url)}
        bare = _by_hand(place, name, settings, notes, begun)
        notes.asked.clear()
        ours = asyncio.run(_by_swarm(place, name, settings, notes, begun))
    return bare, ours


def _script(name: str) -> Any:
    if name == "codex":
        call = ToolCall("exec_command", {"cmd": "echo made > made.txt"})
    else:
        call = ToolCall("Write", {"file_path": "made.txt", "content": "made\n"})
    turns = (Turn(tools=(call,)), Turn(texts=("Made.",)))
    return script_of(*turns, then=Ending.STOP)


def _pointed(name: str, url: str) -> Mapping[str, Any]:
    match name:
        case "claude" | "anthropic":
            return {"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "scripted"}}
        case "codex":
            return {"base_url": f"{url}/v1", "env": {"OPENAI_API_KEY": "scripted"}}
    return {}


def _by_hand(place: Path, name: str, settings: Mapping[str, Any], notes: Notes, begun: Path) -> Ran:
    root = make_project(place / "by-hand", {})
    scratch = place / "scratch"
    scratch.mkdir()
    spec = RunSpec(
        task_id=str(uuid4()),
        attempt=1,
        agent_type="general",
        prompt="Make it",
        worktree=root,
        scratch=scratch,
        session_id=str(uuid4()),
        settings=settings,
    )
    command = load_runtime(name).command(spec)
    begun.unlink(missing_ok=True)
    private_files.write(command.files)
    meter, began = Meter(), time.time()
    env = clean_environment(command.pass_env, {"TMPDIR": str(scratch), **command.env})
    subprocess.run(
        command.argv, cwd=root, env=env, input=command.stdin, capture_output=True, check=True
    )
    cost = meter.read()
    assert (root / "made.txt").exists(), name
    return Ran(cost.wall, cost.cpu, _begun(notes, begun) - began)


def _begun(notes: Notes, begun: Path) -> float:
    return notes.asked[0] if notes.asked else float(begun.read_text().split()[0])


async def _by_swarm(
    place: Path, name: str, settings: Mapping[str, Any], notes: Notes, begun: Path
) -> Ran:
    config = {"default_runtime": name, "runtimes": {name: settings}}
    project = bootstrap.load_project(make_project(place / "swarm", config), env={})
    begun.unlink(missing_ok=True)
    async with bootstrap.open_database(project) as db:
        around = await _swarm_run(project, db, notes)
        new = NewTask(prompt="Make it")
        await db.write(submitting.submit, new, task_id=str(uuid4()), now=now(), actor="cli:bench")
        whole = await _swarm_run(project, db, notes)
    wall = notes.ended - notes.claimed
    return Ran(wall, whole - around, _begun(notes, begun) - notes.claimed)


async def _swarm_run(project: bootstrap.Project, db: Database, notes: Notes) -> float:
    """CPU seconds of a swarm from its start to its end."""
    meter = Meter()
    supervisor = await supervision.build_supervisor(project, db, notes.see, is_own=True)
    await supervisor.run(until_idle=True)
    # With it goes the process that forked the agents, which hands in what they have used.
    del supervisor
    gc.collect()
    return meter.read().cpu
