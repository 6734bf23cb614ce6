"""Silent is not dead: a run that says nothing is looked at, given time, and ended last.

Agents are real processes; the swarm's steady clock stands still until the test puts it forward.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.silence import Usage
from abathur.infrastructure.clock import SystemClock
from abathur.infrastructure.evidence import SystemEvidence
from abathur.ports.processes import ProcessId
from abathur.services.reading import explain_task
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from abathur.swarm.supervisor import Supervisor

SECONDS = 60
"""After which something hangs."""
AFTER = 20.0
SWARM = {"max_agents": 1, "grace_seconds": 2, "heartbeat_seconds": 1000, "lease_seconds": 100_000}
SILENCE = {"after": AFTER, "extensions": 1, "longest": 60}
WRITE = [{"write": {"path": "whole.txt", "text": "whole\n"}}]
# A shell that does nothing at all: it waits in the opening of a pipe.
WAIT = "mkfifo $TMPDIR/pipe; touch $TMPDIR/up; read word < $TMPDIR/pipe"
TIDY = """\
import os, signal, sys
def tidy(*_):
    os.unlink("half.txt")
    sys.exit(1)
signal.signal(signal.SIGTERM, tidy)
open("half.txt", "w").write("half\\n")
print("here", flush=True)
while True:
    signal.pause()
"""


@dataclass
class Standing(SystemClock):
    """A steady clock that moves only when it is told to."""

    steady: float = 1000.0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def monotonic(self) -> float:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        until = self.steady + seconds
        while self.steady < until:
            await self.moved.wait()

    def forward(self, seconds: float) -> None:
        self.steady += seconds
        self.moved.set()
        self.moved = asyncio.Event()


@dataclass
class Seen(SystemEvidence):
    """What the watch sees, and when it has looked."""

    looked: asyncio.Event = field(default_factory=asyncio.Event)
    leader: ProcessId | None = None
    worktree: Path = Path()

    async def processes(
        self, leader: ProcessId | None, tags: Mapping[str, str]
    ) -> Mapping[int, Usage]:
        self.leader = leader
        return await super().processes(leader, tags)

    async def newest_change(self, folder: Path) -> float:
        self.worktree = folder
        found = await super().newest_change(folder)
        self.looked.set()
        return found


@dataclass
class Quiet:
    """A swarm whose one agent has fallen silent."""

    world: Any
    supervisor: Supervisor
    clock: Standing
    seen: Seen
    told: list[SwarmEvent]

    async def look(self, seconds: float = AFTER) -> str:
        """Let the time pass; what was told after the look, nothing after the first one."""
        count = len(self.told)
        self.seen.looked.clear()
        self.clock.forward(seconds)
        await self.seen.looked.wait()
        for _ in range(3):  # the verdict follows in the same turn of the loop
            await asyncio.sleep(0)
        return self.told[-1].text if len(self.told) > count else ""


@asynccontextmanager
async def quiet(world: Any, word: str = "here", up: Path | None = None) -> Any:
    """Runs until the agent has said the word, its last one, and the file `up` is there."""
    parts = (await world.supervisor())._parts
    clock, seen, said = Standing(), Seen(), asyncio.Event()
    told: list[SwarmEvent] = []

    def hear(event: SwarmEvent) -> None:
        world.events.append(event)
        if event.kind is SwarmEventKind.AGENT_SILENT:
            told.append(event)
        if word in event.text:
            said.set()

    supervisor = Supervisor(replace(parts, clock=clock, evidence=seen), hear)
    made = Quiet(world, supervisor, clock, seen, told)
    running = asyncio.create_task(supervisor.run(until_idle=True))
    try:
        async with asyncio.timeout(SECONDS):
            await said.wait()
            while up is not None and not up.exists():  # noqa: ASYNC110 - made by another process
                await asyncio.sleep(0)
            assert await made.look(AFTER / 2) == ""
            yield made
            await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def hang(*before: Any) -> dict[str, Any]:
    return {"1": [*before, {"say": "here"}, {"hang": True}], "*": WRITE}


async def test_a_run_in_which_nothing_moves_is_warned_then_ended(world: Any) -> None:
    world.configure(swarm=SWARM, silence=SILENCE)
    half = {"write": {"path": "half.txt", "text": "half\n"}}
    task = await world.submit("Hang once", hang(half))
    async with quiet(world) as run:
        assert "nothing moves; it is given the same time once more" in await run.look()
        assert "nothing moves; it is ended" in await run.look()
        run.clock.forward(AFTER)  # for the wait before the second attempt
    first, second = await world.attempts(task)
    assert (first.outcome, second.outcome) == ("silent", "succeeded")
    assert "no output for" in first.error_message
    assert first.error_message.endswith("; it said last: here")
    assert (await world.task(task)).retry_count == 1
    assert world.git("show", f"{first.salvage_ref}:half.txt") == "half"
    assert world.git("for-each-ref", "--format=%(refname)", "refs/abathur") == first.salvage_ref
    await world.assert_sound()


async def test_what_an_agent_tidies_away_at_its_end_is_kept(world: Any) -> None:
    world.configure(
        swarm=SWARM,
        silence={**SILENCE, "extensions": 0},
        agents={"tidy": {"runtime": "command", "argv": [sys.executable, "-c", TIDY]}},
    )
    task = await world.submit("Tidy", agent_type="tidy", max_retries=0)
    async with quiet(world) as run:
        await run.look()
    (attempt,) = await world.attempts(task)
    assert attempt.outcome == "silent"
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    await world.assert_sound()


async def test_a_time_out_keeps_what_an_agent_tidies_away(world: Any) -> None:
    world.configure(
        swarm=SWARM,
        agents={"tidy": {"runtime": "command", "argv": [sys.executable, "-c", TIDY]}},
        silence=SILENCE,
    )
    task = await world.submit(
        "Tidy", agent_type="tidy", max_retries=0, max_execution_timeout_seconds=100
    )
    async with quiet(world) as run:
        run.clock.forward(100)
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.error_message) == ("timed_out", "timed out after 100 s")
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"


async def end(run: Quiet) -> None:
    while "it is ended" not in await run.look(100):
        pass
    run.clock.forward(100)


async def test_a_run_that_uses_the_processor_is_left_alone(world: Any) -> None:
    world.configure(swarm=SWARM, silence={**SILENCE, "extensions": 0})
    busy = {"spawn": {"argv": ["sh", "-c", "while :; do :; done"], "setsid": True}}
    await world.submit("Compute", hang(busy))
    async with quiet(world) as run:
        for _ in range(3):
            before = await cpu(run)
            while await cpu(run) < before + 0.2:
                pass
            assert await run.look() == f"no output for {silent(run)}; CPU active"
        run.supervisor.stop(now=True)


async def cpu(run: Quiet) -> float:
    found = await SystemEvidence().processes(run.seen.leader, {})
    tags = {"ABATHUR_RUN": f"{next(iter(run.supervisor._state.runs))[0]}/1"}
    found = {**found, **await SystemEvidence().processes(None, tags)}
    return sum(one.cpu_seconds for one in found.values())


def silent(run: Quiet) -> str:
    seconds = int(run.told[-1].data["silent_seconds"]) if run.told else 0
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"


async def test_a_run_that_writes_files_is_left_alone(world: Any) -> None:
    world.configure(swarm=SWARM, silence={**SILENCE, "extensions": 0})
    task = await world.submit("Write", hang())
    async with quiet(world) as run:
        (run.seen.worktree / "new.txt").write_text("by a process that nobody knows\n")
        assert (await run.look()).endswith("; files changed")
        await end(run)
    assert [one.outcome for one in await world.attempts(task)] == ["silent", "succeeded"]


@pytest.mark.parametrize(
    ("before", "sign"),
    [
        ({"run": 'echo 45m > "$ABATHUR_BUSY"'}, "declared busy"),
        ({"run": WAIT}, "a tool call is open"),
    ],
)
async def test_what_is_only_said_is_believed_for_a_while(
    world: Any, before: Any, sign: str
) -> None:
    world.configure(swarm=SWARM, silence={**SILENCE, "extensions": 0})
    task = await world.submit("Be slow", hang(before))
    is_open = before["run"] == WAIT
    up = world.root / ".abathur" / "runs" / task.id / "1" / "scratch" / "up"
    async with quiet(world, "run " if is_open else "here", up if is_open else None) as run:
        assert (await run.look()).endswith(f"; {sign}")
        assert (await run.look()).endswith(f"; {sign}")
        assert "it is ended" in await run.look()
        run.clock.forward(AFTER)
    assert [one.outcome for one in await world.attempts(task)] == ["silent", "succeeded"]


async def test_an_agent_type_has_its_own_patience(world: Any) -> None:
    world.configure(
        swarm=SWARM,
        silence={"after": 10_000},
        agents={"hasty": {"silence": {"after": AFTER, "extensions": 0}}},
    )
    task = await world.submit("Hang", hang(), agent_type="hasty")
    async with quiet(world) as run:
        assert "it is ended" in await run.look()
        run.clock.forward(AFTER)
    assert [one.outcome for one in await world.attempts(task)] == ["silent", "succeeded"]


async def test_why_tells_what_was_seen(world: Any) -> None:
    world.configure(swarm=SWARM, silence=SILENCE)
    task = await world.submit("Hang", hang())
    async with quiet(world) as run:
        await run.look()
        (held,) = run.supervisor._state.runs.values()
        async with world.db.wakeups() as wakeups:
            while True:
                _, told = await world.db.read(
                    explain_task, task.id, run.clock.now(), lambda _: True
                )
                if "the swarm looked" in told.summary:
                    break
                await wakeups.wait(1)
        assert "no output for" in told.summary
        assert held.attempt.number == 1
        await end(run)
