"""The real Codex in a real swarm, against a scripted model: from the task to what has landed."""

from pathlib import Path
from typing import Any

import pytest

from abathur.infrastructure.model_server.script import Ending, ToolCall, Turn, script_of
from abathur.infrastructure.model_server.server import ModelServer
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("codex")]

EDIT = (
    Turn(tools=(ToolCall("exec_command", {"cmd": "echo hi > hello.txt"}),)),
    Turn(texts=('```json\n{"execution_status": {"status": "SUCCESS"}, "deliverables": {}}\n```',)),
)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


def configure(world: Any, server: ModelServer, **sections: Any) -> None:
    settings = {
        "program": str(program("codex")),
        "model": "gpt-5.5-codex",
        "base_url": f"{server.url}/v1",
        "env": {"OPENAI_API_KEY": "dummy"},
    }
    world.configure(default_runtime="codex", runtimes={"codex": settings}, **sections)


async def test_its_work_is_checked_and_lands(world: Any) -> None:
    with ModelServer(script_of(*EDIT, then=Ending.STOP)) as server:
        configure(world, server, verify={"command": ["grep", "-q", "hi", "hello.txt"]})
        task = await world.submit("Write hello.txt")
        result = await world.run_until_idle()
    assert result.completed == 1
    assert world.file("hello.txt") == "hi"
    (attempt,) = await world.attempts(task)
    assert (attempt.runtime, attempt.outcome) == ("codex", "succeeded")
    assert attempt.usage.input_tokens == 2000
    assert "# Task" in str(server.requests[0].body["input"])
    # It chooses the session's name, and doesn't say which version it is.
    transcript = Path(attempt.transcript_path).read_text()
    assert f'"thread_id":"{attempt.session_id}"' in transcript
    events = await world.db.read(lambda stores: stores.attempts.events(task.id, 1))
    (version,) = [event.data["version"] for _, _, event in events if "version" in event.data]
    assert version == "0.169.0"
    await world.assert_sound()


async def test_a_result_that_breaks_its_schema_is_asked_for_in_the_same_session(
    world: Any,
) -> None:
    good = EDIT[1].texts[0].replace('"deliverables": {}', '"deliverables": {"plan": ["one"]}')
    schema = {"properties": {"deliverables": {"required": ["plan"]}}}
    with ModelServer(script_of(*EDIT, Turn(texts=(good,)))) as server:
        configure(world, server, agents={"planner": {"result_schema": schema}})
        task = await world.submit("Plan it", agent_type="planner", max_retries=0)
        result = await world.run_until_idle()
    assert result.completed == 1, world.events
    (attempt,) = await world.attempts(task)
    assert (attempt.result.origin, attempt.result.check) == ("repair", "valid")
    assert (await world.task(task)).result_data["deliverables"] == {"plan": ["one"]}
    last = str(server.requests[-1].body["input"])
    assert "be used as it is" in last
    assert "echo hi > hello.txt" in last, "the question came in a session of its own"
    # It counts over the session, so both runs are in the second one's figure.
    assert attempt.usage.input_tokens == 3000
    await world.assert_sound()
