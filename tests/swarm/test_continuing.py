"""A run that was cut off from outside is gone on with: its session, its folder and its files."""

import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from abathur.infrastructure.model_server.script import (
    FOREVER,
    Conversation,
    Script,
    ToolCall,
    Turn,
)
from abathur.infrastructure.model_server.server import ModelServer
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("codex")]

HALF = Turn(tools=(ToolCall("exec_command", {"cmd": "echo half > half.txt"}),))
WHOLE = Turn(tools=(ToolCall("exec_command", {"cmd": "cat half.txt > whole.txt"}),))
DONE = Turn(texts=("Done.",))
LIMIT = Turn(status=429, headers={"retry-after": "0"}, message="Rate limit reached")
HANG = Turn(wait=FOREVER)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


class Served(ModelServer):
    """Plays each turn once, whichever session asks."""

    def __init__(self, *turns: Turn) -> None:
        talk = Conversation(name="all", turns=turns, shared=True)
        super().__init__(Script(name="test", conversations=(talk,)), told=self._see)
        self._arrivals = threading.Semaphore(0)

    def _see(self, _: object) -> None:
        self._arrivals.release()

    def wait_for(self, count: int) -> None:
        """Until so many requests more have come."""
        for _ in range(count):
            assert self._arrivals.acquire(timeout=60)


def configure(world: Any, server: Served) -> None:
    settings = {
        "program": str(program("codex")),
        "model": "gpt-5.5-codex",
        "base_url": f"{server.url}/v1",
        "env": {"OPENAI_API_KEY": "dummy"},
    }
    world.configure(default_runtime="codex", runtimes={"codex": settings})


def sessions(world: Any) -> list[Path]:
    folder = world.root / ".abathur" / "sessions"
    return list(folder.iterdir()) if folder.exists() else []


def kill_swarm_at(world: Any, server: Served, requests: int) -> None:
    with world.start_swarm("forever") as swarm:
        server.wait_for(requests)
        swarm.send_signal(signal.SIGKILL)


async def test_after_a_limit_the_same_session_goes_on_with_its_files(world: Any) -> None:
    with Served(HALF, LIMIT, LIMIT, LIMIT, WHOLE, DONE) as server:
        configure(world, server)
        task = await world.submit("Write whole.txt")
        await world.run_until_idle()
    first, second = await world.attempts(task)
    assert (first.outcome, second.outcome) == ("rate_limited", "succeeded")
    assert (first.worktree_path, first.session_id) == (second.worktree_path, second.session_id)
    assert world.file("whole.txt") == "half"
    told = str(server.requests[-1].body["input"])
    assert "echo half > half.txt" in told, "the session began anew"
    assert "limit was reached" in told
    # The first run told no usage, and the program counts over the session.
    assert (first.usage, second.usage.input_tokens) == (None, 3000)
    assert sessions(world) == []
    await world.assert_sound()


async def test_a_killed_swarms_session_goes_on_and_one_that_is_gone_begins_anew_once(
    world: Any,
) -> None:
    with Served(HALF, HANG, HANG, WHOLE, DONE) as server:
        configure(world, server)
        task = await world.submit("Write whole.txt")
        kill_swarm_at(world, server, 2)
        kill_swarm_at(world, server, 1)
        (kept,) = sessions(world)
        shutil.rmtree(kept)
        await world.run_until_idle()
    first, second, third = await world.attempts(task)
    assert [one.outcome for one in (first, second, third)] == ["lost", "lost", "succeeded"]
    assert first.session_id == second.session_id != third.session_id
    assert first.worktree_path == second.worktree_path == third.worktree_path
    _, _, resumed, anew, _ = (str(one.body["input"]) for one in server.requests)
    assert "echo half > half.txt" in resumed
    assert "echo half > half.txt" not in anew
    assert "was begun already" in anew
    assert world.file("whole.txt") == "half"
    assert sessions(world) == []
    await world.assert_sound()


ONE = Turn(tools=(ToolCall("exec_command", {"cmd": "echo line >> work.txt"}),))
TWO = {"passes": "test $(wc -l < work.txt) -ge 2"}


async def test_the_next_iteration_of_a_loop_goes_on_in_the_same_session_and_folder(
    world: Any,
) -> None:
    with Served(ONE, DONE, ONE, DONE) as server:
        configure(world, server)
        task = await world.submit("Grow work.txt", loop={"until": TWO})
        await world.run_until_idle()
    first, second = await world.attempts(task)
    assert (await world.task(task)).status == "completed"
    assert (first.worktree_path, first.session_id) == (second.worktree_path, second.session_id)
    told = str(server.requests[2].body["input"])
    assert "echo line >> work.txt" in told, "the session began anew"
    assert "This is iteration 2" in told
    assert "cut off" not in told
    assert world.file("work.txt") == "line\nline"
    # The program counts over the session: each run is charged for what it has used itself.
    assert first.usage.input_tokens == second.usage.input_tokens
    assert sessions(world) == []
    await world.assert_sound()


async def test_an_iteration_that_starts_afresh_has_a_session_of_its_own(world: Any) -> None:
    loop = {"until": TWO, "strategies": ["fresh_start", "ask"], "max_iterations": 3}
    still = Turn(tools=(ToolCall("exec_command", {"cmd": "echo line > work.txt"}),))
    more = Turn(tools=(ToolCall("exec_command", {"cmd": "printf 'a\\nb\\n' > work.txt"}),))
    with Served(still, DONE, still, DONE, more, DONE) as server:
        configure(world, server)
        task = await world.submit("Grow work.txt", loop=loop)
        await world.run_until_idle()
    first, second, third = await world.attempts(task)
    assert first.session_id == second.session_id != third.session_id
    assert (await world.task(task)).status == "completed"
    assert sessions(world) == []
    await world.assert_sound()


async def test_an_iteration_that_was_cut_off_goes_on_with_its_files(world: Any) -> None:
    copy = Turn(tools=(ToolCall("exec_command", {"cmd": "cat half.txt >> work.txt"}),))
    with Served(ONE, DONE, HALF, LIMIT, LIMIT, LIMIT, copy, DONE) as server:
        configure(world, server)
        task = await world.submit("Grow work.txt", loop={"until": TWO})
        await world.run_until_idle()
    runs = await world.attempts(task)
    assert [one.outcome for one in runs] == ["succeeded", "rate_limited", "succeeded"]
    assert len({(one.session_id, one.worktree_path) for one in runs}) == 1
    history = await world.db.read(lambda stores: stores.loops.iterations(task.id))
    assert [one.attempt for one in history] == [1, 3]
    assert "limit was reached" in str(server.requests[-1].body["input"])
    assert world.file("work.txt") == "line\nhalf"
    assert sessions(world) == []
    await world.assert_sound()
