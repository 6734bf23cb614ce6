"""What every runtime must do, with its program really started: see `ports.runtimes`."""

import asyncio
import hashlib
import json
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import (
    EventKind,
    Exit,
    McpServer,
    Outcome,
    OutcomeKind,
    RunEvent,
    RunSpec,
)
from abathur.infrastructure.processes import SystemProcesses
from abathur.infrastructure.runtimes import load_runtime, runtime_names
from abathur.ports.processes import Launch
from abathur.ports.runtimes import AgentRuntime

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
STAND_IN = str(FIXTURES / "stand_in.py")

FOREIGN = ("acp", "agy", "aider", "claude", "codex", "gemini", "opencode")
"""Programs of others, which the stand-in plays."""
NAMES = (*FOREIGN, "command", "fake")
ALL = (*NAMES, "anthropic", "openai")
"""With those whose program is our own: tests/infrastructure/runtimes/test_own_loop.py runs it."""
WITH_FINAL_EVENT = (*FOREIGN, "fake")
TELLING_EVENTS = ("agy", "claude", "codex", "fake", "gemini", "opencode")
"""What others print is either read as text, or told by a program of ours."""

FAKE_SCRIPTS: Mapping[str, Any] = {
    "edit": [{"write": {"path": "edited.txt", "text": "edited\n"}}],
    "fail": [{"say": "trying"}, {"fail": "the work can't be done"}],
    "die": [{"die": "KILL"}],
    "lying": [{"fail": "the work can't be done"}],
    "wait": [{"say": "waiting"}, {"hang": True}],
    "silent": [{"say": "and then nothing"}, {"die": 0}],
    "torn": [{"tear": True}, {"tear": "never"}, {"say": "lost"}, {"say": "nearly done"}],
    "garbage": [{"garbage": True}, {"say": "nearly done"}],
    "grandchild": [{"spawn": {"argv": ["tail", "-f", "/dev/null"], "setsid": True}}],
}


@dataclass(frozen=True)
class Ran:
    outcome: Outcome
    events: tuple[RunEvent, ...]
    worktree: Path

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]


Run = Callable[[str], Ran]


def spec_for(name: str, scenario: str, folder: Path, prompt: str = "Do the work") -> RunSpec:
    settings_by_name: Mapping[str, Any] = {
        **{
            program: {"program": STAND_IN, "model": "m", "env": {"SCENARIO": scenario}}
            for program in FOREIGN
        },
        "acp": {"argv": [sys.executable, STAND_IN, "--acp"], "env": {"SCENARIO": scenario}},
        "command": {"argv": [sys.executable, STAND_IN], "env": {"SCENARIO": scenario}},
        "fake": {"script": FAKE_SCRIPTS.get(scenario, [])},
    }
    for part in ("worktree", "scratch"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return RunSpec(
        task_id="01234567-89ab-7cde-8000-000000000000",
        attempt=1,
        agent_type="general",
        prompt=prompt,
        worktree=folder / "worktree",
        scratch=folder / "scratch",
        session_id=str(uuid.uuid4()),
        settings=settings_by_name[name],
    )


async def started(
    runtime: AgentRuntime,
    spec: RunSpec,
    stop: asyncio.Event | None = None,
    stop_at: str | None = None,
) -> Ran:
    events: list[RunEvent] = []
    stop = stop or asyncio.Event()

    def on_line(line: str) -> None:
        events.extend(runtime.parse(line))
        if stop_at is not None and any(stop_at in event.text for event in events):
            stop.set()

    launch = Launch(
        command=runtime.command(spec),
        cwd=spec.worktree,
        transcript=spec.scratch / "transcript",
        tags={"ABATHUR_TEST_RUN": spec.session_id},
        env={},
        timeout_seconds=60,
        grace_seconds=2,
    )
    end = await SystemProcesses().run(
        launch,
        on_started=lambda _process: None,
        on_line=on_line,
        stop=stop,
    )
    return Ran(runtime.outcome(end, events), tuple(events), spec.worktree)


async def run(name: str, scenario: str, folder: Path) -> Ran:
    return await started(load_runtime(name), spec_for(name, scenario, folder))


@pytest.mark.parametrize("name", NAMES)
async def test_a_run_that_edits_a_file_succeeds(name: str, tmp_path: Path) -> None:
    ran = await run(name, "edit", tmp_path)
    assert (ran.worktree / "edited.txt").read_text() == "edited\n"
    assert ran.outcome.kind is OutcomeKind.SUCCEEDED
    assert ran.outcome.exit_code == 0
    assert ran.outcome.message == ""


@pytest.mark.parametrize("name", NAMES)
async def test_a_long_prompt_arrives_whole(name: str, tmp_path: Path) -> None:
    prompt = "".join(f"{number} ä\n" for number in range(600_000))
    assert len(prompt) > 5_000_000
    spec = spec_for(name, "prompt", tmp_path, prompt)
    ran = await started(load_runtime(name), spec)
    assert ran.outcome.kind is OutcomeKind.SUCCEEDED
    if name == "fake":
        assert ran.events[0].data["prompt"] == len(prompt)
    else:
        data = prompt.encode()
        digest = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
        assert (ran.worktree / "digest.txt").read_text() == digest


@pytest.mark.parametrize("name", NAMES)
async def test_a_failure_is_told_in_the_programs_words(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "fail", tmp_path)).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "the work can't be done" in outcome.message
    assert "\n" not in outcome.message


@pytest.mark.parametrize("name", NAMES)
async def test_dying_by_a_signal_is_a_failure_that_names_it(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "die", tmp_path)).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "SIGKILL" in outcome.message
    assert outcome.exit_code == -9


@pytest.mark.parametrize("name", WITH_FINAL_EVENT)
async def test_no_final_event_is_a_failure_despite_exit_code_0(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "silent", tmp_path)).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "ended without its final event" in outcome.message
    assert outcome.exit_code == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scenario", ["torn", "garbage"])
async def test_spoilt_lines_do_no_harm(name: str, scenario: str, tmp_path: Path) -> None:
    ran = await run(name, scenario, tmp_path)
    assert ran.outcome.kind is OutcomeKind.SUCCEEDED
    assert "nearly done" in [event.text for event in ran.events]
    assert all(len(event.text) <= 300 and event.text.isprintable() for event in ran.events)


@pytest.mark.parametrize("name", TELLING_EVENTS)
@pytest.mark.parametrize("scenario", ["torn", "garbage"])
async def test_what_is_not_understood_is_kept_raw(name: str, scenario: str, tmp_path: Path) -> None:
    assert EventKind.RAW in (await run(name, scenario, tmp_path)).kinds()


async def test_output_held_open_by_a_grandchild_keeps_nobody_waiting(tmp_path: Path) -> None:
    """All at once, for each has to wait a little for output that may still come."""
    ran = await asyncio.gather(*(run(name, "grandchild", tmp_path / name) for name in NAMES))
    kinds = {name: one.outcome.kind for name, one in zip(NAMES, ran, strict=True)}
    assert kinds == dict.fromkeys(NAMES, OutcomeKind.SUCCEEDED)


@pytest.mark.parametrize("name", WITH_FINAL_EVENT)
async def test_a_failure_that_the_exit_code_hides_is_one(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "lying", tmp_path)).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "the work can't be done" in outcome.message


@pytest.mark.parametrize("name", ["agy", "aider", "claude", "codex", "gemini", "opencode"])
async def test_of_two_results_in_one_run_the_last_one_counts(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "twice", tmp_path)).outcome
    assert outcome.kind is OutcomeKind.FAILED
    assert "the second round failed" in outcome.message


async def test_a_run_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    specs = {name: spec_for(name, "wait", tmp_path / name) for name in NAMES}
    ran = await asyncio.gather(
        *(started(load_runtime(name), spec, stop_at="waiting") for name, spec in specs.items())
    )
    kinds = {name: one.outcome.kind for name, one in zip(NAMES, ran, strict=True)}
    assert kinds == dict.fromkeys(NAMES, OutcomeKind.CANCELLED)
    sessions = {spec.session_id: name for name, spec in specs.items()}
    found = [sessions.get(_run_of(process)) for process in psutil.process_iter(["environ"])]
    assert [name for name in found if name] == []
    told = [name for name, spec in specs.items() if "waiting" in transcript_of(spec)]
    assert told == list(NAMES)


def _run_of(process: psutil.Process) -> str:
    return str((process.info["environ"] or {}).get("ABATHUR_TEST_RUN", ""))


def transcript_of(spec: RunSpec) -> str:
    return (spec.scratch / "transcript").read_text()


@pytest.mark.parametrize("name", [name for name in FOREIGN if name != "aider"])
async def test_the_session_is_told_at_the_beginning(name: str, tmp_path: Path) -> None:
    ran = await run(name, "edit", tmp_path)
    assert ran.events[0].kind is EventKind.STARTED
    assert ran.events[0].data["session_id"] == "s"


@pytest.mark.parametrize("name", [name for name in FOREIGN if name != "aider"])
def test_a_session_that_is_gone_on_with_reaches_the_program(name: str, tmp_path: Path) -> None:
    spec = replace(spec_for(name, "edit", tmp_path), resume="earlier-one")
    made = load_runtime(name).command(spec)
    assert "earlier-one" in " ".join((*made.argv, made.stdin.decode()))
    assert spec.session_id not in " ".join(made.argv)


@pytest.mark.parametrize("name", FOREIGN)
def test_secrets_of_servers_and_prompts_stay_out_of_the_arguments(
    name: str, tmp_path: Path
) -> None:
    queue = McpServer(name="queue", command=("serve",), env={"TOKEN": "s3cret"})
    remote = McpServer(name="docs", url="https://d.example", headers={"Authorization": "t0ken"})
    spec = replace(spec_for(name, "edit", tmp_path, "pr0mpt"), mcp_servers=(queue, remote))
    told = " ".join(load_runtime(name).command(spec).argv)
    assert not [word for word in ("s3cret", "t0ken", "pr0mpt") if word in told]


@pytest.mark.parametrize("name", FOREIGN)
def test_files_for_the_program_lie_in_the_runs_own_folders(name: str, tmp_path: Path) -> None:
    made = load_runtime(name).command(spec_for(name, "edit", tmp_path))
    assert all(path.is_relative_to(tmp_path / "scratch") for path in made.files)


@pytest.mark.parametrize("name", FOREIGN)
def test_instructions_reach_the_program_whole(name: str, tmp_path: Path) -> None:
    spec = replace(spec_for(name, "edit", tmp_path), system_prompt="Be brief. " * 30_000)
    made = load_runtime(name).command(spec)
    told = "".join((*made.argv, made.stdin.decode(), *made.files.values()))
    assert "Be brief. " * 30_000 in told
    assert max(map(len, made.argv)) < 128 * 1024


@pytest.mark.parametrize("name", [name for name in NAMES if name != "aider"])
async def test_unknown_usage_is_none(name: str, tmp_path: Path) -> None:
    assert (await run(name, "edit", tmp_path)).outcome.usage is None


@pytest.mark.parametrize("name", [*FOREIGN, "command"])
async def test_a_structured_result_is_handed_back(name: str, tmp_path: Path) -> None:
    outcome = (await run(name, "edit", tmp_path)).outcome
    assert outcome.result_data == {"execution_status": {"status": "SUCCESS"}}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (Exit(code=-15, stopped=True), OutcomeKind.CANCELLED),
        (Exit(code=143, timed_out=True), OutcomeKind.TIMED_OUT),
        (Exit(code=None), OutcomeKind.FAILED),
    ],
)
def test_an_end_that_was_ours_is_named_as_such(name: str, end: Exit, kind: OutcomeKind) -> None:
    outcome = load_runtime(name).outcome(end, ())
    assert outcome.kind is kind
    assert outcome.message


@pytest.mark.parametrize("name", ALL)
def test_runtimes_know_their_names(name: str) -> None:
    assert name in runtime_names()
    assert load_runtime(name).name == name


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AgentUnavailableError, match=r"`clod` doesn't exist.*claude.*command, fake"):
        load_runtime("clod")


@pytest.mark.parametrize("name", ["claude", "command"])
def test_a_missing_program_is_refused_before_the_start(name: str, tmp_path: Path) -> None:
    spec = spec_for(name, "edit", tmp_path)
    missing = {"program": "no-such-agent", "argv": ["no-such-agent"]}
    spec = RunSpec(**{**_fields(spec), "settings": missing})
    with pytest.raises(AgentUnavailableError, match="`no-such-agent` isn't on PATH"):
        load_runtime(name).command(spec)


def _fields(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in RunSpec.__dataclass_fields__}


# --- no line makes a runtime stumble ------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = SCALARS | st.lists(SCALARS | st.dictionaries(st.text(max_size=8), SCALARS), max_size=4)
WORDS = st.sampled_from(
    (
        *("system", "assistant", "user", "result", "rate_limit_event", "init", "api_retry"),
        *("permission_denied", "success", "error_max_turns", "text", "tool_use", "tool_result"),
        *("rejected", "end", "usage", "limit", "started", "completed"),
    )
)
KEYS = st.sampled_from(
    (
        *("type", "subtype", "message", "content", "text", "input", "usage", "modelUsage"),
        *("is_error", "result", "errors", "error", "permission_denials", "rate_limit_info"),
        *("status", "resetsAt", "terminal_reason", "api_error_status", "total_cost_usd"),
        *("mcp_servers", "event", "ok", "retry_after_seconds", "limited", "origin"),
        *("class", "denied", "whole", "cost_usd", "input_tokens"),
    )
)
FLAT = WORDS | SCALARS | st.lists(WORDS | SCALARS, max_size=3)
NESTED = FLAT | st.dictionaries(KEYS, FLAT, max_size=4)
MESSAGES = NESTED | st.lists(NESTED, max_size=3) | st.dictionaries(KEYS, NESTED, max_size=4)

LINES = st.text() | JSON.map(json.dumps) | st.dictionaries(KEYS, MESSAGES).map(json.dumps)
GLUED = st.lists(LINES, max_size=3).map("".join)
ENDS = st.builds(
    Exit,
    code=st.none() | st.integers(-70, 255),
    timed_out=st.booleans(),
    stopped=st.booleans(),
    stderr_tail=st.text(max_size=50),
)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=150)
@given(lines=st.lists(LINES | GLUED, max_size=6), end=ENDS)
def test_no_output_makes_a_runtime_raise(name: str, lines: list[str], end: Exit) -> None:
    runtime = load_runtime(name)
    events = [event for line in lines for event in runtime.parse(line)]
    outcome = runtime.outcome(end, events)
    assert outcome.kind is OutcomeKind.SUCCEEDED or outcome.message
    assert all(event.text.isprintable() for event in events)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("opening", ["[", '{"a":', '{"type":'])
def test_endless_nesting_makes_no_runtime_raise(name: str, opening: str) -> None:
    runtime = load_runtime(name)
    events = runtime.parse(opening * 100_000)
    assert runtime.outcome(Exit(code=1), events).kind is OutcomeKind.FAILED


@pytest.mark.parametrize("name", ALL)
def test_half_a_character_never_reaches_a_database(name: str) -> None:
    runtime = load_runtime(name)
    line = (
        '{"type":"result","event":"end","result":"\\ud800\\u0000",'
        '"execution_status":{"a":"\\udc00"}}'
    )
    events = runtime.parse(line)
    outcome = runtime.outcome(Exit(code=0), events)
    told = repr(outcome.result_data).encode() + "".join(event.text for event in events).encode()
    assert b"\\x00" not in told
