"""The Agent Client Protocol, with an agent that the protocol's own package speaks for."""

import asyncio
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from abathur.domain.continuing import Unfinished
from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import (
    EventKind,
    McpServer,
    Outcome,
    OutcomeKind,
    RunEvent,
    RunSpec,
    Usage,
)
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.runtimes.acp import AcpRuntime
from abathur.ports.processes import Launch
from abathur.swarm.continuing import of_this_run

pytestmark = pytest.mark.skipif(find_spec("acp") is None, reason="its package isn't installed")

AGENT = str(Path(__file__).parents[2] / "fixtures" / "acp_agent.py")
QUEUE = McpServer(name="queue", command=("serve",), env={"TOKEN": "s3cret"})


def spec_in(folder: Path, **changes: Any) -> RunSpec:
    for part in ("worktree", "scratch"):
        (folder / part).mkdir(exist_ok=True)
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "do it ☃",
        "worktree": folder / "worktree",
        "scratch": folder / "scratch",
        "session_id": "11111111-1111-4111-8111-111111111111",
    }
    settings = {"argv": [sys.executable, AGENT], **changes.pop("settings", {})}
    return RunSpec(**{**fields, **changes}, settings=settings)


async def run(spec: RunSpec) -> tuple[Outcome, list[RunEvent]]:
    runtime, events = AcpRuntime(), list[RunEvent]()
    end = await SystemProcesses().run(
        Launch(
            command=runtime.command(spec),
            cwd=spec.worktree,
            transcript=spec.scratch / "transcript",
            tags={"ABATHUR_TEST_RUN": spec.session_id},
            env={},
            timeout_seconds=60,
            grace_seconds=2,
        ),
        on_started=lambda _process: None,
        on_line=lambda line: events.extend(runtime.parse(line)),
        stop=asyncio.Event(),
    )
    return runtime.outcome(end, events), events


async def test_a_prompt_is_answered_and_what_is_asked_for_is_allowed(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, system_prompt="Be brief.", mcp_servers=(QUEUE,))
    outcome, events = await run(spec)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert (spec.worktree / "edited.txt").read_text() == "edited\n"
    assert events[0].text == "scribe 7.1"
    assert events[0].data["session_id"] == "session-1"
    assert [event.kind for event in events] == [
        EventKind.STARTED,
        EventKind.TOOL_USE,
        EventKind.TOOL_RESULT,
        EventKind.TEXT,
        EventKind.USAGE,
        EventKind.USAGE,
        EventKind.END,
    ]
    assert events[1].text == "write edited.txt", "told before it was known what it is about"
    assert outcome.result_data == {"text": "told 'Be brief.\\n\\ndo it ☃' with ['queue']"}


async def test_the_cost_of_the_session_and_the_tokens_of_the_run_are_told_apart(
    tmp_path: Path,
) -> None:
    outcome, events = await run(spec_in(tmp_path))
    assert outcome.usage == Usage(input_tokens=5, output_tokens=2, cost_usd=0.5)
    assert outcome.is_session_cost
    assert not outcome.is_session_usage
    cost, tokens = (event.data for event in events if event.kind is EventKind.USAGE)
    assert (cost.get("of_session"), tokens.get("of_session")) == (True, None)
    before = Usage(input_tokens=100, cost_usd=0.25)
    own = of_this_run(outcome, Unfinished(cast(Any, None), "s", "/w", "b", before)).usage
    assert own == Usage(input_tokens=5, output_tokens=2, cost_usd=0.25)


@pytest.mark.parametrize(
    "changes",
    [
        {"denied_tools": ("Edit",)},
        {"tools": ("Read", "Bash")},
        {"settings": {"allow": False}},
    ],
)
async def test_a_kind_of_tool_that_it_must_not_have_is_refused(
    changes: Any, tmp_path: Path
) -> None:
    spec = spec_in(tmp_path, **changes)
    outcome, events = await run(spec)
    assert EventKind.DENIED in [event.kind for event in events]
    assert [denial.rule for denial in outcome.denied] == ["edit"]
    assert not (spec.worktree / "edited.txt").exists()


async def test_what_a_person_has_allowed_is_allowed(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, settings={"allow": False}, allowed=("edit",))
    await run(spec)
    assert (spec.worktree / "edited.txt").exists()


async def test_an_agent_that_can_not_go_on_with_a_session_says_so(tmp_path: Path) -> None:
    outcome, _ = await run(spec_in(tmp_path, resume="earlier"))
    assert outcome.is_not_resumed
    assert "can't go on with a session" in outcome.message


async def test_an_agent_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": 9}})
    argv = ["sh", "-c", f"read line; echo '{answer}'; read line"]
    outcome, _ = await run(spec_in(tmp_path, settings={"argv": argv}))
    assert outcome.kind is OutcomeKind.FAILED
    assert "speaks version 9 of the protocol" in outcome.message


def test_without_a_program_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(AgentUnavailableError, match=r"runtimes\.acp\.argv"):
        AcpRuntime().command(spec_in(tmp_path, settings={"argv": []}))
