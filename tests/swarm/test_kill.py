"""SIGKILL of a running swarm at random moments: nothing is lost, doubled or left over."""

import random
import signal
import subprocess
from typing import Any

import pytest

from tests.forked import Forked
from tests.swarm.test_kill_points import LEFT_BEHIND

KILLS_PER_SEED = 10
GIVE_UP_SECONDS = 60


def backlog(index: int) -> list[dict[str, Any]]:
    """An agent that takes some time, leaves a process behind and writes its own file."""
    return [
        {"say": f"working on {index}"},
        {"write": {"path": f"out/{index}.txt", "text": f"{index}\n"}},
        {"spawn": {"argv": LEFT_BEHIND, "setsid": True}},
        {"sleep": 0.05},
        {"commit": f"Write {index}"},
        {"append": {"path": f"out/{index}.txt", "text": "done\n"}},
        {"sleep": 0.05},
    ]


async def fill(world: Any, count: int) -> list[Any]:
    tasks: list[Any] = []
    for index in range(count):
        needs = (tasks[index - 3].id,) if index % 4 == 3 else ()
        tasks.append(await world.submit(f"Task {index}", backlog(index), prerequisites=needs))
    return tasks


def kill_somewhere(swarm: Forked, chance: random.Random) -> bool:
    """Kill it some moments after a random event; False when it came to its end before."""
    for _ in range(chance.randint(1, 18)):
        if not swarm.stdout.readline():
            return False
    try:
        swarm.wait(timeout=chance.uniform(0, 0.06))
        return False
    except subprocess.TimeoutExpired:
        swarm.send_signal(signal.SIGKILL)
        swarm.wait()
        return True


def finish(world: Any) -> str:
    """Run a swarm to idle; what it said."""
    with world.start_swarm() as swarm:
        try:
            output, _ = swarm.communicate(timeout=GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            swarm.kill()
            output, _ = swarm.communicate()
    assert swarm.returncode == 0, (output, world.swarm_errors())
    return str(output)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(5))
async def test_a_killed_swarm_goes_on_where_it_was(world: Any, seed: int) -> None:
    chance = random.Random(seed)
    world.configure(verify={"command": ["test", "-d", "out"], "timeout": 30})
    tasks = await fill(world, 15)
    killed = 0
    while killed < KILLS_PER_SEED:
        with world.start_swarm() as swarm:
            if kill_somewhere(swarm, chance):
                killed += 1
                continue
            # It was faster than the kills: more work for it.
            swarm.kill()
            tasks += await fill_more(world, len(tasks))
    output = finish(world)
    assert "warning" not in output
    statuses = {task.status for task in await world.tasks()}
    assert statuses == {"completed"}, output
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    for index in range(len(tasks)):
        assert world.file(f"out/{index}.txt") == f"{index}\ndone"
    await world.assert_sound()


async def fill_more(world: Any, start: int) -> list[Any]:
    return [
        await world.submit(f"Task {index}", backlog(index)) for index in range(start, start + 6)
    ]
