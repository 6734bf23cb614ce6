"""How Gemini CLI is started, and rules of judging it that no recording shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, Exit, McpServer, OutcomeKind, RunSpec
from abathur.infrastructure.runtimes.gemini import GeminiRuntime

SETTINGS = Path("/h/gemini/.gemini/settings.json")


def command(**changes: Any) -> Command:
    settings = {"program": "/opt/gemini", "model": "m", **changes.pop("settings", {})}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "do it",
        "worktree": Path("/w"),
        "scratch": Path("/s"),
        "home": Path("/h"),
        "session_id": "11111111-1111-4111-8111-111111111111",
    }
    return GeminiRuntime({}).command(RunSpec(**{**fields, **changes}, settings=settings))


def settings_of(made: Command) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(made.files[SETTINGS])
    return read


def test_the_whole_command_line() -> None:
    made = command(system_prompt="Be brief", model="gemini-2.5-pro", add_dirs=(Path("/lib"),))
    assert made.argv == (
        *("/opt/gemini", "--output-format", "stream-json", "--skip-trust"),
        *("--approval-mode", "yolo", "-m", "gemini-2.5-pro"),
        *("--session-id", "11111111-1111-4111-8111-111111111111"),
        *("--include-directories", "/lib"),
    )
    assert made.stdin == b"Be brief\n\ndo it"
    assert made.env["GEMINI_CLI_HOME"] == "/h/gemini"


def test_a_model_is_always_named() -> None:
    with pytest.raises(AgentUnavailableError, match="needs a model"):
        command(settings={"model": None})


def test_its_own_retries_are_few_and_its_turns_bounded() -> None:
    told = settings_of(command(max_turns=7))
    assert told["general"]["maxAttempts"] == 2
    assert told["model"] == {"maxSessionTurns": 7}
    assert "model" not in settings_of(command())


def test_what_it_may_use_is_in_its_settings() -> None:
    queue = McpServer(name="queue", command=("/opt/serve", "-x"), env={"TOKEN": "s3cret"})
    made = command(
        tools=("Read", "Edit"), denied_tools=("Bash", "mcp__queue__drop"), mcp_servers=(queue,)
    )
    told = settings_of(made)
    assert told["tools"] == {
        "core": ["list_directory", "read_file", "read_many_files", "replace"],
        "exclude": ["run_shell_command"],
    }
    assert told["mcpServers"]["queue"] == {
        "command": "/opt/serve",
        "args": ["-x"],
        "env": {"TOKEN": "s3cret"},
        "trust": True,
        "excludeTools": ["drop"],
    }
    assert "s3cret" not in " ".join((*made.argv, *made.env.values()))


def test_a_tool_that_it_can_not_be_kept_from_is_refused() -> None:
    with pytest.raises(AgentUnavailableError, match="can't deny `Bash\\(git push \\*\\)`"):
        command(denied_tools=("Bash(git push *)",))


def test_a_session_is_gone_on_with() -> None:
    argv = command(resume="22222222-2222-4222-8222-222222222222").argv
    assert argv[-2:] == ("--resume", "22222222-2222-4222-8222-222222222222")
    assert "--session-id" not in argv


def test_a_session_that_is_not_known_is_told_from_a_failure() -> None:
    said = "Error resuming session: No previous sessions found for this project."
    outcome = GeminiRuntime().outcome(Exit(code=42, stderr_tail=said), [])
    assert outcome.is_not_resumed


def test_its_exit_at_a_signal_is_no_success() -> None:
    runtime = GeminiRuntime()
    events = runtime.parse('{"type":"init","session_id":"s","model":"m"}')
    assert runtime.outcome(Exit(code=0), events).kind is OutcomeKind.FAILED


def test_a_text_in_parts_is_put_together() -> None:
    runtime = GeminiRuntime()
    parts = ['{"execution_', 'status": {"status": "SUC', 'CESS"}}']
    lines = [{"type": "message", "role": "assistant", "content": p, "delta": True} for p in parts]
    lines.append({"type": "result", "status": "success"})
    events = [event for line in lines for event in runtime.parse(json.dumps(line))]
    outcome = runtime.outcome(Exit(code=0), events)
    assert outcome.result_data == {"execution_status": {"status": "SUCCESS"}}


def test_a_key_that_is_missing_is_asked_for_in_its_own_words() -> None:
    said = (
        "YOLO mode is enabled.\n"
        "When using Gemini API, you must specify the GEMINI_API_KEY environment variable.\n"
        "Update your environment and try again (no reload needed if using .env)!\n"
    )
    outcome = GeminiRuntime().outcome(Exit(code=41, stderr_tail=said), [])
    assert outcome.failure is FailureClass.AUTHENTICATION
    assert "you must specify the GEMINI_API_KEY environment variable" in outcome.message


def test_what_the_shell_says_instead_of_the_program_is_asked_about() -> None:
    said = "/usr/bin/env: 'node': No such file or directory"
    outcome = GeminiRuntime().outcome(Exit(code=127, stderr_tail=said), [])
    assert outcome.failure is FailureClass.CONFIGURATION
    begun = GeminiRuntime().parse('{"type":"init","session_id":"s","model":"m"}')
    outcome = GeminiRuntime().outcome(Exit(code=127, stderr_tail=said), begun)
    assert outcome.failure is FailureClass.PROCESS
