"""Other real programs in a real swarm, against a scripted model: from the task to what landed."""

import os
import signal
import threading
from collections.abc import Callable
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

pytestmark = pytest.mark.slow

REPORT = '```json\n{"execution_status": {"status": "SUCCESS"}, "deliverables": {}}\n```'
EDIT = "hello.txt\n```\nhi\n```\n"


def served(*turns: Turn, told: Callable[[Any], None] | None = None) -> ModelServer:
    talk = Conversation(name="all", turns=(*turns, Turn(texts=(REPORT,))), shared=True)
    return ModelServer(Script(name="test", conversations=(talk,)), told=told or (lambda _: None))


def call(name: str, **given: Any) -> Turn:
    return Turn(tools=(ToolCall(name, given),))


LIMIT = Turn(status=429, headers={"retry-after": "0"}, message="Resource has been exhausted")


def with_node(**variables: str) -> dict[str, str]:
    node = program("node")
    found = [str(node.parent)] if node else []
    return {"PATH": os.pathsep.join((*found, os.environ["PATH"])), **variables}


async def worked(world: Any, runtime: str, settings: Any) -> Any:
    """The attempt of a task that had to land what is checked."""
    configure(world, runtime, settings)
    task = await world.submit("Write hello.txt")
    result = await world.run_until_idle()
    assert result.completed == 1, world.events
    assert world.file("hello.txt").strip() == "hi"
    (attempt,) = await world.attempts(task)
    assert (attempt.runtime, attempt.outcome) == (runtime, "succeeded")
    await world.assert_sound()
    return attempt


GEMINI = (
    call("write_file", file_path="half.txt", content="half\n"),
    call("write_file", file_path="hello.txt", content="hi\n"),
)
OPENCODE = (
    call("write", filePath="half.txt", content="half\n"),
    call("write", filePath="hello.txt", content="hi\n"),
)


def configure(world: Any, runtime: str, settings: Any) -> None:
    check = {"command": ["grep", "-q", "hi", "hello.txt"]}
    world.configure(default_runtime=runtime, verify=check, runtimes={runtime: settings})


async def gone_on_with(world: Any, task: Any, cut_off: str, server: ModelServer) -> None:
    """The second run went on in the session and the folder of the first one, with its files."""
    first, second = await world.attempts(task)
    assert (first.outcome, second.outcome) == (cut_off, "succeeded"), world.events
    assert (first.worktree_path, first.session_id) == (second.worktree_path, second.session_id)
    assert (world.file("half.txt").strip(), world.file("hello.txt").strip()) == ("half", "hi")
    last = server.requests[-1].body
    assert "half.txt" in str(last.get("messages") or last["contents"]), "the session began anew"
    # Each run tells its own tokens.
    assert second.usage.input_tokens == 2000
    await world.assert_sound()


@needs("gemini")
async def test_gemini_goes_on_with_its_session_after_a_limit_and_lands(world: Any) -> None:
    with served(GEMINI[0], LIMIT, LIMIT, GEMINI[1]) as server:
        env = with_node(GEMINI_API_KEY="dummy")
        settings = {"model": "gemini-2.5-flash", "base_url": server.url, "env": env}
        configure(world, "gemini", {"program": str(program("gemini")), **settings})
        task = await world.submit("Write hello.txt")
        await world.run_until_idle()
        await gone_on_with(world, task, "rate_limited", server)


@needs("gemini")
async def test_an_agent_of_the_agent_client_protocol_edits_what_lands(world: Any) -> None:
    with served(call("write_file", file_path="hello.txt", content="hi\n")) as server:
        env = with_node(
            GEMINI_API_KEY="dummy",
            GOOGLE_GEMINI_BASE_URL=server.url,
            GEMINI_CLI_HOME=str(world.root.parent / "home"),
            GEMINI_CLI_NO_RELAUNCH="true",
        )
        argv = [str(program("gemini")), "--acp", "--skip-trust", "-m", "gemini-2.5-flash"]
        await worked(world, "acp", {"argv": argv, "env": env})


@needs("opencode")
async def test_opencode_edits_what_is_checked_and_lands(world: Any) -> None:
    with served(call("write", filePath="hello.txt", content="hi\n")) as server:
        attempt = await worked(world, "opencode", opencode_at(server))
    assert attempt.usage.input_tokens == 2000


def opencode_at(server: ModelServer) -> Any:
    env = {"OPENAI_API_KEY": "dummy"}
    settings = {"model": "m", "base_url": f"{server.url}/v1", "env": env}
    return {"program": str(program("opencode")), **settings}


@pytest.mark.skipif("ABATHUR_TEST_SLOW_PROGRAMS" not in os.environ, reason="asked for by its name")
@needs("opencode")
async def test_opencode_goes_on_with_its_session_after_its_swarm_was_killed_and_lands(
    world: Any,
) -> None:
    asked = threading.Semaphore(0)
    turns = (OPENCODE[0], Turn(wait=FOREVER), OPENCODE[1])
    with served(*turns, told=lambda _: asked.release()) as server:
        configure(world, "opencode", opencode_at(server))
        task = await world.submit("Write hello.txt")
        with world.start_swarm("forever") as swarm:
            assert asked.acquire(timeout=120)
            assert asked.acquire(timeout=120)
            swarm.send_signal(signal.SIGKILL)
        await world.run_until_idle()
        await gone_on_with(world, task, "lost", server)


@needs("aider")
async def test_aider_edits_what_is_checked_and_lands(world: Any) -> None:
    with served(Turn(texts=(EDIT,))) as server:
        env = {"OPENAI_API_KEY": "dummy"}
        settings = {"model": "openai/m", "base_url": f"{server.url}/v1", "env": env}
        await worked(world, "aider", {"program": str(program("aider")), **settings})
