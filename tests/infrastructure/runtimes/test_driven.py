"""What each program has to be told so that it neither waits, nor asks, nor calls home.

Without any one of them it does, and most of the time nobody would notice.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.runs import Command, EventKind, Exit, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.runtimes import load_runtime


def command(runtime: str, **settings: Any) -> Command:
    given = {"program": "/opt/x", "model": "m", "base_url": "http://127.0.0.1:1", **settings}
    spec = RunSpec(
        task_id="t",
        attempt=1,
        agent_type="general",
        prompt="do it",
        worktree=Path("/w"),
        scratch=Path("/s"),
        session_id="11111111-1111-4111-8111-111111111111",
        settings=given,
    )
    return load_runtime(runtime).command(spec)


@pytest.mark.parametrize(
    ("runtime", "variable", "value"),
    [
        ("claude", "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
        ("claude", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("claude", "CLAUDE_CODE_MAX_RETRIES", "4"),
        ("claude", "DISABLE_ERROR_REPORTING", "1"),
        ("claude", "DISABLE_TELEMETRY", "1"),
        ("claude", "ENABLE_TOOL_SEARCH", "false"),
        ("claude", "MCP_TIMEOUT", "30000"),
        ("gemini", "GEMINI_CLI_NO_RELAUNCH", "true"),
        ("opencode", "OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("opencode", "OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("agy", "AGY_CLI_DISABLE_AUTO_UPDATE", "1"),
    ],
)
def test_the_environment_keeps_it_quiet_and_prompt(runtime: str, variable: str, value: str) -> None:
    assert command(runtime).env[variable] == value


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        ("codex", "request_max_retries=2"),
        ("codex", "stream_idle_timeout_ms=300000"),
        ("aider", "--analytics-disable"),
        ("aider", "--no-check-update"),
        ("aider", "--no-detect-urls"),
        ("aider", "--no-dirty-commits"),
        ("aider", "--no-pretty"),
        ("aider", "--no-stream"),
        ("aider", "--no-suggest-shell-commands"),
        ("aider", "--yes-always"),
    ],
)
def test_its_arguments_leave_nothing_to_be_asked_or_waited_for(runtime: str, told: str) -> None:
    assert told in " ".join(command(runtime).argv)


def test_gemini_neither_reports_nor_updates_itself() -> None:
    (settings,) = command("gemini").files.values()
    told = json.loads(settings)
    assert told["privacy"] == {"usageStatisticsEnabled": False}
    assert told["general"]["enableAutoUpdate"] is False


def test_opencode_shares_nothing_and_asks_nothing() -> None:
    config = json.loads(command("opencode").env["OPENCODE_CONFIG_CONTENT"])
    assert (config["share"], config["autoupdate"]) == ("disabled", False)
    asked = {rule: config["permission"][rule] for rule in ("question", "doom_loop")}
    assert asked == {"question": "deny", "doom_loop": "deny"}


def events(runtime: str, *lines: Any) -> list[RunEvent]:
    made = load_runtime(runtime)
    return [event for line in lines for event in made.parse(json.dumps(line))]


@pytest.mark.parametrize("reason", ["length", "content-filter", "error"])
def test_an_answer_of_opencode_that_was_cut_short_is_no_success(reason: str) -> None:
    """It ends with exit code 0, and goes on after no other reason."""
    told = events("opencode", {"type": "step_finish", "part": {"reason": reason}})
    outcome = load_runtime("opencode").outcome(Exit(code=0), told)
    assert outcome.kind is OutcomeKind.FAILED
    assert reason in outcome.message


def test_what_codex_counts_is_said_to_be_of_the_session_while_it_runs() -> None:
    """Else a run that goes on would be ended for what the one before has spent."""
    told = events("codex", {"type": "turn.completed", "usage": {"input_tokens": 5}})
    (usage,) = (event for event in told if event.kind is EventKind.USAGE)
    assert usage.data["of_session"] is True


def test_a_session_of_gemini_is_refused_by_its_code_and_its_words_together() -> None:
    said = "Error resuming session: no such session"
    made = load_runtime("gemini")
    assert made.outcome(Exit(code=42, stderr_tail=said), ()).is_not_resumed
    assert not made.outcome(Exit(code=1, stderr_tail=said), ()).is_not_resumed
    assert not made.outcome(Exit(code=42, stderr_tail="bad input"), ()).is_not_resumed
