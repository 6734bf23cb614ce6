"""The runtimes without a foreign program, really started, against a scripted model."""

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import EventKind, Exit, McpServer, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.model_agent.plan import from_json
from abathur.infrastructure.model_agent.running import run_plan
from abathur.infrastructure.model_server.script import (
    FOREVER,
    Api,
    Break,
    Counts,
    Script,
    ToolCall,
    Turn,
    script_of,
)
from abathur.infrastructure.model_server.server import ModelServer
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.runtimes import load_runtime
from abathur.infrastructure.runtimes.anthropic import AnthropicRuntime
from abathur.infrastructure.runtimes.openai import OpenaiRuntime
from abathur.ports.processes import Launch

pytestmark = pytest.mark.slow

WAYS = {
    "messages": ("anthropic", ""),
    "responses": ("openai", "/v1"),
    "chat": ("openai", "/v1"),
}
PRICES = {"input": 10, "output": 100}
SAID = 'Done.\n```json\n{"execution_status": {"status": "SUCCESS"}}\n```'
WRITE = ToolCall("Write", {"file_path": "hello.txt", "content": "hi\n"})
EDIT = (
    Turn(texts=("I'll write.",), thinking="Hm.", tools=(WRITE,), usage=Counts(input=10, output=2)),
    Turn(tools=(ToolCall("Bash", {"command": "echo more >> hello.txt"}),)),
    Turn(texts=(SAID,), usage=Counts(input=30, output=4)),
)
SERVER = """\
from mcp.server import MCPServer
server = MCPServer("t")
@server.tool()
def greet(name: str) -> str:
    return f"hello {name}"
server.run("stdio")
"""


def spec_in(folder: Path, server: ModelServer, way: str = "messages", **changes: Any) -> RunSpec:
    for part in ("worktree", "scratch", "home"):
        (folder / part).mkdir(exist_ok=True)
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "Write hello.txt",
        "worktree": folder / "worktree",
        "scratch": folder / "scratch",
        "home": folder / "home",
        "session_id": str(uuid.uuid4()),
        "model": "some-model",
        **changes,
    }
    settings = {"base_url": server.url + WAYS[way][1], "retry_wait": 0.01, "retries": 1}
    if way != "messages":
        settings["protocol"] = way
    return RunSpec(**{**fields, "settings": {**settings, **fields.get("settings", {})}})


async def run(
    spec: RunSpec, way: str = "messages", stop_at: EventKind | None = None
) -> tuple[Outcome, list[RunEvent]]:
    runtime = load_runtime(WAYS[way][0])
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
            env={"TMPDIR": str(spec.scratch)},
            timeout_seconds=60,
            grace_seconds=5,
        ),
        on_started=lambda _process: None,
        on_line=on_line,
        stop=stop,
    )
    return runtime.outcome(end, events), events


Here = Callable[[RunSpec, str], Awaitable[tuple[Outcome, list[RunEvent]]]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """The same in this process, which saves the second that the SDKs take to be imported."""

    async def run_here(spec: RunSpec, way: str) -> tuple[Outcome, list[RunEvent]]:
        runtime = load_runtime(WAYS[way][0])
        plan = from_json(json.loads(runtime.command(spec).stdin))
        capsys.readouterr()
        ended_well = await run_plan(plan)
        lines = capsys.readouterr().out.splitlines()
        events = [event for line in lines for event in runtime.parse(line)]
        return runtime.outcome(Exit(code=0 if ended_well else 1), events), events

    return run_here


@pytest.mark.parametrize("way", WAYS)
async def test_an_edit_succeeds_with_report_usage_and_cost(way: str, tmp_path: Path) -> None:
    with ModelServer(script_of(*EDIT)) as server:
        spec = spec_in(
            tmp_path, server, way, system_prompt="Be brief. ☃", settings={"prices": PRICES}
        )
        # A file in the worktree is no module of ours.
        (spec.worktree / "json.py").write_text("raise SystemExit(9)")
        outcome, events = await run(spec, way)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert outcome.result_data == {"execution_status": {"status": "SUCCESS"}}
    assert (spec.worktree / "hello.txt").read_text() == "hi\nmore\n"
    usage = outcome.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (1040, 56)
    assert usage.cost_usd == pytest.approx((1040 * 10 + 56 * 100) / 1e6)
    kinds = [event.kind for event in events]
    assert (kinds[0], kinds[-1]) == (EventKind.STARTED, EventKind.END)
    assert kinds.count(EventKind.TOOL_USE) == kinds.count(EventKind.TOOL_RESULT) == 2
    assert events[0].data["session_id"] == spec.session_id
    assert {request.asked.api for request in server.requests} == {Api(way)}
    assert "Be brief. ☃" in server.requests[0].asked.system
    assert "hi" not in server.requests[0].asked.last
    assert "wrote hello.txt" in server.requests[1].asked.last


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_request_is_repeated_and_what_stays_refused_is_told(
    way: str, tmp_path: Path, here: Here
) -> None:
    turns = (Turn(status=500), Turn(texts=("fine",)))
    with ModelServer(script_of(*turns)) as server:
        outcome, events = await here(spec_in(tmp_path, server, way), way)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert [event.data["retry"] for event in events if event.kind is EventKind.WARNING] == [True]
    assert outcome.usage is not None
    assert outcome.usage.cost_usd is None


@pytest.mark.parametrize(
    ("way", "turn", "failure", "asked"),
    [
        ("messages", Turn(status=401), FailureClass.AUTHENTICATION, 1),
        ("chat", Turn(status=401), FailureClass.AUTHENTICATION, 1),
        ("messages", Turn(status=429, headers={"retry-after": "300"}), FailureClass.CAPACITY, 1),
        ("responses", Turn(status=429, error="insufficient_quota"), FailureClass.QUOTA, 1),
        ("messages", Turn(status=529), FailureClass.CAPACITY, 2),
        ("chat", Turn(status=404), FailureClass.MODEL_NOT_FOUND, 1),
        (
            "messages",
            Turn(status=400, message="prompt is too long"),
            FailureClass.CONTEXT_OVERFLOW,
            1,
        ),
        (
            "messages",
            Turn(texts=("half",), fail=Break(3, "overloaded_error", "no")),
            FailureClass.CAPACITY,
            2,
        ),
        ("messages", Turn(texts=("half",), cut=3), FailureClass.NETWORK, 2),
        ("chat", Turn(cut=0), FailureClass.NETWORK, 2),
        ("responses", Turn(texts=("half",), cut=1), FailureClass.NETWORK, 2),
        ("messages", Turn(raw="<html>", content_type="text/html"), FailureClass.SERVER, 2),
        ("chat", Turn(raw="<html>", content_type="text/html"), FailureClass.SERVER, 2),
        ("responses", Turn(raw='{"half": '), FailureClass.SERVER, 2),
    ],
)
async def test_each_failure_has_its_class(
    way: str, turn: Turn, failure: FailureClass, asked: int, tmp_path: Path, here: Here
) -> None:
    with ModelServer(script_of(turn, turn)) as server:
        outcome, _ = await here(spec_in(tmp_path, server, way), way)
        assert len(server.requests) == asked
    assert outcome.failure is failure, outcome
    limits = {FailureClass.CAPACITY, FailureClass.QUOTA}
    limited = OutcomeKind.RATE_LIMITED if failure in limits else OutcomeKind.FAILED
    assert outcome.kind is limited
    if turn.headers:
        assert outcome.retry_after_seconds == 300


async def test_a_server_that_isnt_there_is_the_networks_failure(tmp_path: Path, here: Here) -> None:
    with ModelServer(script_of(Turn())) as server:
        spec = spec_in(tmp_path, server)
    outcome, _ = await here(spec, "messages")
    assert outcome.failure is FailureClass.NETWORK


@pytest.mark.parametrize(
    ("changes", "failure", "words"),
    [
        ({"max_turns": 1}, FailureClass.AGENT, "1 turns, the most"),
        ({"settings": {"max_tokens": 1000}}, FailureClass.BUDGET, "1050 tokens"),
        ({"budget_usd": 0.001, "settings": {"prices": PRICES}}, FailureClass.BUDGET, r"spent \$0"),
    ],
)
async def test_caps_end_the_run(
    changes: Mapping[str, Any], failure: FailureClass, words: str, tmp_path: Path, here: Here
) -> None:
    with ModelServer(script_of(*(Turn(tools=(WRITE,)),) * 3)) as server:
        outcome, _ = await here(spec_in(tmp_path, server, **changes), "messages")
        assert len(server.requests) == 1
    assert outcome.kind is OutcomeKind.FAILED
    assert outcome.failure is failure
    assert outcome.message.startswith(("ended", "used", "spent"))
    assert outcome.usage is not None


@pytest.mark.parametrize("way", WAYS)
async def test_mistakes_of_the_model_are_told_to_it(way: str, tmp_path: Path, here: Here) -> None:
    turns = (
        Turn(
            tools=(
                ToolCall("Fly", {}),
                ToolCall("Read", {"file_path": "../../etc/passwd"}),
                ToolCall("Write", "{not json"),
            )
        ),
        Turn(texts=()),
        Turn(texts=("I see.",)),
    )
    if way == "messages":
        # The SDK can't read such arguments, so they are no answer.
        turns = (replace(turns[0], tools=turns[0].tools[:2]), *turns[1:])
    with ModelServer(script_of(*turns)) as server:
        outcome, events = await here(spec_in(tmp_path, server, way), way)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    results = [event for event in events if event.kind is EventKind.TOOL_RESULT]
    assert all(event.data["is_error"] for event in results)
    assert len(results) == len(turns[0].tools)
    assert "there is no tool `Fly`" in results[0].text
    assert "outside of" in results[1].text


async def test_only_the_definitions_tools_are_offered(tmp_path: Path, here: Here) -> None:
    turns = (Turn(tools=(ToolCall("Bash", {"command": "touch x"}),)), Turn(texts=("so be it",)))
    with ModelServer(script_of(*turns)) as server:
        spec = spec_in(tmp_path, server, tools=("Read", "Bash(git log *)"), denied_tools=("Grep",))
        outcome, _ = await here(spec, "messages")
        offered = {tool.name for tool in server.requests[0].asked.tools}
    assert offered == {"Read", "Bash"}
    assert [denial.rule for denial in outcome.denied] == ["Bash(touch x)"]
    assert not (spec.worktree / "x").exists()


@pytest.mark.parametrize("way", WAYS)
async def test_a_session_is_gone_on_with(way: str, tmp_path: Path, here: Here) -> None:
    with ModelServer(script_of(*EDIT[:1], Turn(status=401), *EDIT[2:])) as server:
        spec = spec_in(tmp_path, server, way)
        failed, _ = await here(spec, way)
        assert failed.failure is FailureClass.AUTHENTICATION
        again = replace(spec, resume=spec.session_id, session_id="other", prompt="Go on")
        outcome, events = await here(again, way)
        asked = server.requests[-1].asked
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert asked.prompts == ("Write hello.txt", "Go on")
    assert asked.answers == 1
    assert events[0].data["session_id"] == spec.session_id


async def test_a_session_that_isnt_there_is_told_as_such(tmp_path: Path, here: Here) -> None:
    with ModelServer(script_of(Turn(texts=("never",)))) as server:
        spec = replace(spec_in(tmp_path, server), resume=str(uuid.uuid4()))
        outcome, _ = await here(spec, "messages")
        assert server.requests == ()
    assert outcome.is_not_resumed
    assert outcome.kind is OutcomeKind.FAILED


async def test_stopping_ends_its_commands_too(tmp_path: Path) -> None:
    call = ToolCall("Bash", {"command": "echo $$ > pid; exec tail -f /dev/null"})
    with ModelServer(script_of(Turn(tools=(call,)))) as server:
        spec = spec_in(tmp_path, server)
        outcome, _ = await run(spec, stop_at=EventKind.TOOL_USE)
    assert outcome.kind is OutcomeKind.CANCELLED
    found = spec.worktree / "pid"
    assert not found.exists() or not Path("/proc", found.read_text().strip()).exists()


async def test_a_model_that_never_answers_can_be_stopped(tmp_path: Path) -> None:
    with ModelServer(script_of(Turn(wait=FOREVER))) as server:
        outcome, _ = await run(spec_in(tmp_path, server), stop_at=EventKind.STARTED)
    assert outcome.kind is OutcomeKind.CANCELLED


async def test_tools_of_servers_are_offered_and_used(tmp_path: Path) -> None:
    call = ToolCall("mcp__greeter__greet", {"name": "Ada"})
    with ModelServer(script_of(Turn(tools=(call,)), Turn(texts=("fine",)))) as server:
        servers = (
            McpServer(name="greeter", command=(sys.executable, "-c", SERVER)),
            McpServer(name="dead", command=("/bin/false",)),
        )
        spec = spec_in(tmp_path, server, mcp_servers=servers, tools=("mcp__greeter",))
        outcome, events = await run(spec)
        assert {tool.name for tool in server.requests[0].asked.tools} == {"mcp__greeter__greet"}
        assert "hello Ada" in server.requests[1].asked.last
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    assert any("`dead` can't be used" in e.text for e in events if e.kind is EventKind.WARNING)


async def test_the_key_is_neither_an_argument_nor_a_variable_of_commands(tmp_path: Path) -> None:
    look = ToolCall("Bash", {"command": "env; tr '\\0' '\\n' < /proc/$PPID/cmdline"})
    with ModelServer(script_of(Turn(tools=(look,)), Turn(texts=("fine",)))) as server:
        spec = spec_in(tmp_path, server)
        runtime = AnthropicRuntime({"ANTHROPIC_API_KEY": "k-123456"})
        command = runtime.command(spec)
        assert "k-123456" not in f"{command.argv} {command.env}"
        assert json.loads(command.stdin)["api_key"] == "k-123456"
        _, events = await run(spec)
    (seen,) = [event.text for event in events if event.kind is EventKind.TOOL_RESULT]
    assert "PYTHONPATH" not in server.requests[1].asked.last
    assert "model_agent" in server.requests[1].asked.last
    assert seen


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "needs a key; set ANTHROPIC_API_KEY"),
        ({"api_key_variable": "MY_KEY"}, "set MY_KEY"),
        ({"base_url": "http://127.0.0.1:1", "model": None}, "needs a model"),
        ({"base_url": "x", "prices": {"input": 1}}, "runtimes.anthropic.prices: US dollars"),
        ({"base_url": "x", "retries": -1}, "runtimes.anthropic.retries"),
    ],
)
def test_what_is_missing_is_told_before_the_start(
    settings: Mapping[str, Any], told: str, tmp_path: Path
) -> None:
    with ModelServer(Script(name="none", conversations=())) as server:
        spec = spec_in(tmp_path, server)
    model = None if "model" in settings else "m"
    with pytest.raises(AgentUnavailableError, match=told):
        AnthropicRuntime({}).command(replace(spec, model=model, settings=settings))


def test_openai_speaks_responses_and_other_servers_chat(tmp_path: Path) -> None:
    with ModelServer(Script(name="none", conversations=())) as server:
        spec = spec_in(tmp_path, server)
    runtime = OpenaiRuntime({"OPENAI_API_KEY": "k"})
    protocols = [
        json.loads(runtime.command(replace(spec, settings=settings)).stdin)["protocol"]
        for settings in ({}, {"base_url": "http://x"}, {"base_url": "x", "protocol": "responses"})
    ]
    assert protocols == ["responses", "chat", "responses"]
