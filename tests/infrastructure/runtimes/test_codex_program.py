"""The real Codex, against a model on this machine: no network, no account, no cost."""

import asyncio
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from abathur.domain.failures import FailureClass
from abathur.domain.runs import EventKind, McpServer, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.model_server.script import Ending, ToolCall, Turn, script_of
from abathur.infrastructure.model_server.server import ModelServer
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.runtimes.codex import CodexRuntime
from abathur.ports.processes import Launch
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("codex")]

QUEUE = McpServer(
    name="queue",
    command=(sys.executable, str(Path(__file__).parents[2] / "fixtures" / "mcp_server.py")),
    env={"QUEUE_TOKEN": "s3cret"},
)
PATCH = "*** Begin Patch\n*** Add File: more.txt\n+more\n*** End Patch\n"
SAID = 'Done.\n```json\n{"execution_status": {"status": "SUCCESS"}}\n```'
EDIT = (
    Turn(tools=(ToolCall("exec_command", {"cmd": "echo hi > hello.txt"}),)),
    Turn(tools=(ToolCall("apply_patch", PATCH),)),
    Turn(texts=(SAID,)),
)


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


def model(*turns: Turn) -> ModelServer:
    return ModelServer(script_of(*turns, then=Ending.REPEAT))


def spec_in(folder: Path, url: str, **changes: Any) -> RunSpec:
    for part in ("worktree", "scratch", "home"):
        (folder / part).mkdir(exist_ok=True)
    settings = {
        "program": str(program("codex")),
        "base_url": f"{url}/v1",
        "env": {"OPENAI_API_KEY": "dummy"},
    }
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "Write hello.txt",
        "model": "gpt-5.5-codex",
        "worktree": folder / "worktree",
        "scratch": folder / "scratch",
        "home": folder / "home",
        "session_id": str(uuid.uuid4()),
        "settings": settings,
    }
    return RunSpec(**{**fields, **changes})


async def run(
    spec: RunSpec, stop_at: EventKind | None = None
) -> tuple[Outcome, list[RunEvent], Path]:
    runtime = CodexRuntime()
    events: list[RunEvent] = []
    stop = asyncio.Event()

    def on_line(line: str) -> None:
        events.extend(runtime.parse(line))
        if stop_at in {event.kind for event in events}:
            stop.set()

    transcript = spec.scratch.with_name("transcript")
    transcript.unlink(missing_ok=True)
    end = await SystemProcesses().run(
        Launch(
            command=runtime.command(spec),
            cwd=spec.worktree,
            transcript=transcript,
            tags={"ABATHUR_TEST_RUN": spec.session_id},
            env={"HOME": str(spec.scratch)},
            timeout_seconds=90,
            grace_seconds=5,
        ),
        on_started=lambda _process: None,
        on_line=on_line,
        stop=stop,
    )
    return runtime.outcome(end, events), events, transcript


async def test_an_edit_succeeds_and_its_session_is_gone_on_with(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        spec = spec_in(tmp_path, server.url, system_prompt='Be brief. ☃ "', effort="high")
        outcome, events, _ = await run(spec)
        session = events[0].data["session_id"]
        again, resumed, _ = await run(replace(spec, resume=session))
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert outcome.result_data == {"execution_status": {"status": "SUCCESS"}}
    assert (spec.worktree / "hello.txt").read_text() == "hi\n"
    assert (spec.worktree / "more.txt").read_text() == "more\n"
    assert outcome.usage is not None
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (3000, 150)
    assert EventKind.RAW not in [event.kind for event in events]
    assert 'Be brief. ☃ "' in str(server.requests[0].body["input"]).replace("\\", "")
    assert server.requests[0].body["reasoning"]["effort"] == "high"
    # The second run goes on with the first one's words, and counts both.
    assert again.kind is OutcomeKind.SUCCEEDED
    assert resumed[0].data["session_id"] == session
    assert again.usage is not None
    assert again.usage.input_tokens == 4000
    assert "echo hi > hello.txt" in str(server.requests[-1].body["input"])


async def test_a_session_that_is_not_there_is_told_from_a_failure(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        spec = spec_in(tmp_path, server.url, resume=str(uuid.uuid4()))
        outcome, _, _ = await run(spec)
    assert outcome.is_not_resumed, outcome
    assert not server.requests


async def test_it_calls_a_server_that_was_handed_over_with_its_secret(tmp_path: Path) -> None:
    turns = (Turn(tools=(ToolCall("mcp__queue__add", {}),)), Turn(texts=("called",)))
    with model(*turns) as server:
        outcome, events, transcript = await run(
            spec_in(tmp_path, server.url, mcp_servers=(QUEUE,), denied_tools=("Bash",))
        )
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert "the token is s3cret" in [e.text for e in events if e.kind is EventKind.TOOL_RESULT]
    offered = {tool.get("name") for tool in server.requests[0].body["tools"]}
    assert "exec_command" not in offered
    assert transcript.exists()


async def test_an_agent_that_does_not_edit_can_not_write(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        spec = spec_in(tmp_path, server.url, tools=("Read", "Bash"))
        outcome, _, _ = await run(spec)
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert [denial.rule for denial in outcome.denied] == ["workspace-write"]
    assert list(spec.worktree.iterdir()) == []


@pytest.mark.parametrize(
    ("turn", "failure"),
    [
        (Turn(status=429, headers={"retry-after": "1"}), FailureClass.CAPACITY),
        (Turn(status=401), FailureClass.AUTHENTICATION),
    ],
)
async def test_refusals_of_the_provider(tmp_path: Path, turn: Turn, failure: FailureClass) -> None:
    with model(turn) as server:
        outcome, _, _ = await run(spec_in(tmp_path, server.url))
    assert outcome.failure is failure, outcome


async def test_nobody_answering_ends_the_run(tmp_path: Path) -> None:
    """Left to itself it waits for the network for ever."""
    outcome, _, _ = await run(spec_in(tmp_path, "http://127.0.0.1:1"))
    assert outcome.failure is FailureClass.NETWORK, outcome


async def test_stopping_ends_its_tools_too_and_keeps_the_transcript(tmp_path: Path) -> None:
    tail = Turn(tools=(ToolCall("exec_command", {"cmd": "tail -f /dev/null"}),))
    with model(tail) as server:
        outcome, _, transcript = await run(spec_in(tmp_path, server.url), EventKind.TOOL_USE)
    assert outcome.kind is OutcomeKind.CANCELLED
    assert "tail -f /dev/null" in transcript.read_text()
    assert not [one for one in psutil.process_iter(["cmdline"]) if _is_of(one, tmp_path)]


def _is_of(process: psutil.Process, folder: Path) -> bool:
    return str(folder) in " ".join(process.info["cmdline"] or ())


async def test_a_huge_prompt_arrives(tmp_path: Path) -> None:
    with model(Turn(texts=("read it",))) as server:
        system = "s" * 120_000
        outcome, _, _ = await run(
            spec_in(tmp_path, server.url, prompt="p" * 300_000, system_prompt=system)
        )
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    body = str(server.requests[0].body["input"])
    assert "p" * 300_000 in body
    assert system in body
