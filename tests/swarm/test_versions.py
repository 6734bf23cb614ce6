"""Which version of an agent's program runs is asked beside its agents, and does them no harm."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from abathur.domain.runs import Command
from abathur.infrastructure.processes import SystemProcesses
from abathur.ports.processes import Launch
from abathur.swarm.parts import RUN_TAG, WORKER_TAG
from abathur.swarm.state import State
from abathur.swarm.versions import version_event


async def test_who_is_asked_for_its_version_takes_no_agent_along(world: Any) -> None:
    supervisor = await world.supervisor()
    parts, state = supervisor._parts, supervisor._state
    assert isinstance(state, State)
    folder = Path(world.root, ".abathur", "runs", "t", "1")
    folder.mkdir(parents=True)
    processes, began = SystemProcesses(), asyncio.get_running_loop().create_future()
    started, stop = asyncio.Event(), asyncio.Event()

    agent = Launch(
        command=Command(argv=("sh", "-c", "echo begun; tail -f /dev/null")),
        cwd=folder,
        transcript=folder / "transcript",
        tags={WORKER_TAG: state.worker_id, RUN_TAG: "t/1"},
        env={},
        timeout_seconds=60,
        grace_seconds=1,
    )
    running = asyncio.create_task(
        processes.run(
            agent, on_started=began.set_result, on_line=lambda _: started.set(), stop=stop
        )
    )
    await started.wait()
    process = await began
    program = Command(argv=(sys.executable,))
    event = await version_event(parts, state, "codex", program, folder)
    assert event is not None
    assert event.data["version"].startswith("3.")
    assert processes.is_alive(process)
    stop.set()
    await running
