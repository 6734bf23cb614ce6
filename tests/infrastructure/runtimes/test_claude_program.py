"""The real Claude Code, against a model on this machine: no network, no account, no cost."""

import asyncio
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.runs import EventKind, McpServer, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.model_server.script import Ending, ToolCall, Turn, script_of
from abathur.infrastructure.model_server.server import ModelServer
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.runtimes.claude import ClaudeRuntime
from abathur.ports.processes import Launch
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("claude")]

MCP_SERVER = Path(__file__).resolve().parents[2] / "fixtures" / "mcp_server.py"
SAID = 'Done.\n```json\n{"execution_status": {"status": "SUCCESS"}}\n```'
APPEND = {"command": "echo more >> hello.txt", "description": "add"}
EDIT = (
    Turn(tools=(ToolCall("Write", {"file_path": "hello.txt", "content": "hi\n"}),)),
    Turn(tools=(ToolCall("Bash", APPEND),)),
    Turn(texts=(SAID,)),
)
REPORT = {"execution_status": {"status": "SUCCESS"}}


def model(*turns: Turn) -> ModelServer:
    return ModelServer(script_of(*turns, then=Ending.REPEAT))


def spec_in(folder: Path, url: str, **changes: Any) -> RunSpec:
    for part in ("worktree", "scratch"):
        (folder / part).mkdir()
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "dummy", "CLAUDE_CODE_MAX_RETRIES": "1"}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "Write hello.txt",
        "worktree": folder / "worktree",
        "scratch": folder / "scratch",
        "session_id": str(uuid.uuid4()),
        **changes,
    }
    settings = {"program": str(program("claude")), "env": env, **fields.get("settings", {})}
    return RunSpec(**{**fields, "settings": settings})


async def run(
    spec: RunSpec, stop_at: EventKind | None = None
) -> tuple[Outcome, list[RunEvent], Path]:
    runtime = ClaudeRuntime()
    events: list[RunEvent] = []
    stop = asyncio.Event()

    def on_line(line: str) -> None:
        events.extend(runtime.parse(line))
        if stop_at in {event.kind for event in events}:
            stop.set()

    end = await SystemProcesses().run(
        Launch(
            command=runtime.command(spec),
            cwd=spec.worktree,
            transcript=spec.scratch.with_name("transcript"),
            tags={"ABATHUR_TEST_RUN": spec.session_id},
            env={"HOME": str(spec.scratch)},
            timeout_seconds=90,
            grace_seconds=5,
        ),
        on_started=lambda _process: None,
        on_line=on_line,
        stop=stop,
    )
    return runtime.outcome(end, events), events, spec.worktree


async def test_an_edit_succeeds_with_report_and_usage(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        spec = spec_in(tmp_path, server.url, system_prompt="Be brief. ☃", model="sonnet")
        outcome, events, worktree = await run(spec)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert outcome.result_data == REPORT
    assert (worktree / "hello.txt").read_text() == "hi\nmore\n"
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == 3000
    assert outcome.usage.output_tokens == 150
    assert EventKind.RAW not in [event.kind for event in events]
    assert events[0].data["session_id"] == spec.session_id
    request = server.requests[0].body
    assert "sonnet" in request["model"]
    assert "Be brief. ☃" in str(request["system"])
    offered = {tool["name"] for tool in request["tools"]}
    assert offered.isdisjoint({"AskUserQuestion", "EnterWorktree", "SendMessage", "CronCreate"})


async def test_the_definitions_tools_are_all_there_are(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        tools = ("Read", "Bash(git log *)", "NoSuchTool")
        outcome, _events, worktree = await run(spec_in(tmp_path, server.url, tools=tools))
    assert {tool["name"] for tool in server.requests[0].body["tools"]} == {"Read", "Bash"}
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert "denied: Bash" in outcome.message
    assert not (worktree / "hello.txt").exists()


async def test_only_mcp_tools_means_no_own_tools(tmp_path: Path) -> None:
    with model(Turn(texts=("fine",))) as server:
        outcome, _, _ = await run(spec_in(tmp_path, server.url, tools=("mcp__queue",)))
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert not server.requests[0].body.get("tools")


async def test_denied_tools_are_told(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        settings = {"permission_mode": "default", "allowed_tools": ["Read"]}
        outcome, _, worktree = await run(spec_in(tmp_path, server.url, settings=settings))
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert "denied: Write, Bash" in outcome.message
    assert not (worktree / "hello.txt").exists()


@pytest.mark.parametrize(
    ("turn", "kind", "words"),
    [
        (
            Turn(status=429, headers={"retry-after": "300"}),
            OutcomeKind.RATE_LIMITED,
            "429",
        ),
        (Turn(status=401), OutcomeKind.FAILED, "Failed to authenticate"),
        (Turn(status=529), OutcomeKind.RATE_LIMITED, "529"),
    ],
)
async def test_refusals_of_the_provider(
    tmp_path: Path, turn: Turn, kind: OutcomeKind, words: str
) -> None:
    with model(turn) as server:
        outcome, _, _ = await run(spec_in(tmp_path, server.url))
    assert outcome.kind is kind
    assert words in outcome.message


async def test_limits_of_the_run(tmp_path: Path) -> None:
    with model(*EDIT) as server:
        outcome, _, _ = await run(spec_in(tmp_path, server.url, max_turns=1))
    assert outcome.kind is OutcomeKind.FAILED
    assert "max_turns" in outcome.message


async def test_stopping_ends_its_tools_too(tmp_path: Path) -> None:
    tail = ToolCall("Bash", {"command": "tail -f /dev/null", "description": "wait"})
    with model(Turn(tools=(tail,))) as server:
        outcome, _, _ = await run(spec_in(tmp_path, server.url), EventKind.TOOL_USE)
    assert outcome.kind is OutcomeKind.CANCELLED


async def test_a_huge_prompt_and_system_prompt_arrive(tmp_path: Path) -> None:
    with model(Turn(texts=("read it",))) as server:
        system = "s" * 200_000
        outcome, _, _ = await run(
            spec_in(tmp_path, server.url, prompt="p" * 300_000, system_prompt=system)
        )
    assert outcome.kind is OutcomeKind.SUCCEEDED
    body = str(server.requests[0].body)
    assert "p" * 300_000 in body
    assert system in body


async def test_servers_are_used_and_their_tokens_are_no_arguments(tmp_path: Path) -> None:
    call = ToolCall("mcp__queue__add", {})
    queue = McpServer(
        name="queue", command=(sys.executable, str(MCP_SERVER)), env={"QUEUE_TOKEN": "t-123456"}
    )
    with model(Turn(tools=(call,)), Turn(texts=("fine",))) as server:
        spec = spec_in(tmp_path, server.url, mcp_servers=(queue,))
        assert "t-123456" not in str(ClaudeRuntime().command(spec).argv)
        outcome, events, _ = await run(spec)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert "the token is t-123456" in server.requests[1].asked.last
    assert EventKind.TOOL_RESULT in {event.kind for event in events}


async def test_a_session_is_gone_on_with_and_one_that_isnt_there_is_told(tmp_path: Path) -> None:
    with model(Turn(texts=("first",)), Turn(texts=("second",))) as server:
        spec = spec_in(tmp_path, server.url, prompt="Remember 42")
        await run(spec)
        again = replace(spec, resume=spec.session_id, prompt="What was it?")
        outcome, events, _ = await run(again)
        assert "Remember 42" in "".join(server.requests[1].asked.prompts)
        count = len(server.requests)
        unknown, _, _ = await run(replace(spec, resume=str(uuid.uuid4())))
        assert len(server.requests) == count
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert events[0].data["session_id"] == spec.session_id
    assert outcome.is_session_usage
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == 2000
    assert unknown.kind is OutcomeKind.FAILED
    assert unknown.is_not_resumed
