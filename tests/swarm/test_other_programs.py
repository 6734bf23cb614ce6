"""Other real programs in a real swarm, against a scripted model: from the task to what landed."""

import os
from typing import Any

import pytest

from abathur.infrastructure.model_server.script import Conversation, Script, ToolCall, Turn
from abathur.infrastructure.model_server.server import ModelServer
from tests.programs import needs, program

pytestmark = pytest.mark.slow

REPORT = '```json\n{"execution_status": {"status": "SUCCESS"}, "deliverables": {}}\n```'
EDIT = "hello.txt\n```\nhi\n```\n"


def served(*turns: Turn) -> ModelServer:
    talk = Conversation(name="all", turns=(*turns, Turn(texts=(REPORT,))), shared=True)
    return ModelServer(Script(name="test", conversations=(talk,)))


def call(name: str, **given: Any) -> Turn:
    return Turn(tools=(ToolCall(name, given),))


def with_node(**variables: str) -> dict[str, str]:
    node = program("node")
    found = [str(node.parent)] if node else []
    return {"PATH": os.pathsep.join((*found, os.environ["PATH"])), **variables}


async def worked(world: Any, runtime: str, settings: Any) -> Any:
    """The attempt of a task that had to land what is checked."""
    check = {"command": ["grep", "-q", "hi", "hello.txt"]}
    world.configure(default_runtime=runtime, verify=check, runtimes={runtime: settings})
    task = await world.submit("Write hello.txt")
    result = await world.run_until_idle()
    assert result.completed == 1, world.events
    assert world.file("hello.txt").strip() == "hi"
    (attempt,) = await world.attempts(task)
    assert (attempt.runtime, attempt.outcome) == (runtime, "succeeded")
    await world.assert_sound()
    return attempt


@needs("gemini")
async def test_gemini_edits_what_is_checked_and_lands(world: Any) -> None:
    with served(call("write_file", file_path="hello.txt", content="hi\n")) as server:
        env = with_node(GEMINI_API_KEY="dummy")
        settings = {"model": "gemini-2.5-flash", "base_url": server.url, "env": env}
        attempt = await worked(world, "gemini", {"program": str(program("gemini")), **settings})
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (2000, 100)
    assert "# Task" in str(server.requests[0].asked.prompts)


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
        env = {"OPENAI_API_KEY": "dummy"}
        settings = {"model": "m", "base_url": f"{server.url}/v1", "env": env}
        attempt = await worked(world, "opencode", {"program": str(program("opencode")), **settings})
    assert attempt.usage.input_tokens == 2000


@needs("aider")
async def test_aider_edits_what_is_checked_and_lands(world: Any) -> None:
    with served(Turn(texts=(EDIT,))) as server:
        env = {"OPENAI_API_KEY": "dummy"}
        settings = {"model": "openai/m", "base_url": f"{server.url}/v1", "env": env}
        await worked(world, "aider", {"program": str(program("aider")), **settings})
