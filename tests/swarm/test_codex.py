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


async def test_its_work_is_checked_and_lands(world: Any) -> None:
    with ModelServer(script_of(*EDIT, then=Ending.STOP)) as server:
        world.configure(
            default_runtime="codex",
            verify={"command": ["grep", "-q", "hi", "hello.txt"]},
            runtimes={
                "codex": {
                    "program": str(program("codex")),
                    "model": "gpt-5.5-codex",
                    "base_url": f"{server.url}/v1",
                    "env": {"OPENAI_API_KEY": "dummy"},
                }
            },
        )
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
