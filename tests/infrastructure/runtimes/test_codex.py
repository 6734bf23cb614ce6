"""How Codex is started, and rules of judging it that no recording shows."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Exit, McpServer, OutcomeKind, RunSpec
from abathur.infrastructure.runtimes.codex import CodexRuntime

KEY = {"OPENAI_API_KEY": "k3y"}


def command(environ: dict[str, str] | None = None, **changes: Any) -> Command:
    settings = {"program": "/opt/codex", "model": "m", **changes.pop("settings", {})}
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
    return CodexRuntime(environ or {}).command(RunSpec(**{**fields, **changes}, settings=settings))


def options(made: Command) -> dict[str, Any]:
    """What `-c` says, as the program reads it."""
    told = [value for flag, value in zip(made.argv, made.argv[1:], strict=False) if flag == "-c"]
    return tomllib.loads("\n".join(told))


def test_the_whole_command_line() -> None:
    made = command(model="gpt-5.5-codex")
    assert made.argv == (
        *("/opt/codex", "exec", "--json", "--skip-git-repo-check", "-C", "/w"),
        *("-s", "workspace-write", "-m", "gpt-5.5-codex"),
        *("--disable", "unbounded_connection_retries", "--disable", "plugins"),
        *("-c", "analytics.enabled=false", "-c", "check_for_update_on_startup=false", "-"),
    )
    assert made.stdin == b"do it"
    assert made.stop_signal == "INT"


def test_a_model_is_always_named() -> None:
    with pytest.raises(AgentUnavailableError, match=r"needs a model.*runtimes.codex.model"):
        command(settings={"model": None})


def test_with_a_key_it_has_a_home_of_its_own_that_is_not_below_its_temporary_folder() -> None:
    made = command(KEY)
    assert made.env["CODEX_HOME"] == "/h/codex"
    assert made.env["TMPDIR"] == "/s/tmp"
    assert {Path("/h/codex/.keep"), Path("/s/tmp/.keep")} <= set(made.files)
    assert made.pass_env == ("OPENAI_API_KEY",)
    provider = options(made)["model_providers"]["abathur"]
    assert provider["env_key"] == "OPENAI_API_KEY"
    assert provider["base_url"] == "https://api.openai.com/v1"
    assert provider["stream_max_retries"] == 2
    assert "k3y" not in " ".join(made.argv)


def test_without_a_key_it_is_the_persons_login_that_counts() -> None:
    made = command()
    assert "CODEX_HOME" not in made.env
    assert made.pass_env == ("CODEX_HOME",)
    assert "model_provider" not in options(made)


def test_a_local_server_needs_no_key() -> None:
    made = command(settings={"base_url": "http://127.0.0.1:1/v1"})
    provider = options(made)["model_providers"]["abathur"]
    assert provider["base_url"] == "http://127.0.0.1:1/v1"
    assert "env_key" not in provider
    assert "CODEX_HOME" in made.env


def test_what_a_run_is_asked_for_reaches_the_command_line() -> None:
    made = command(
        system_prompt='Say "hi" ☃\nand \\ end',
        effort="high",
        add_dirs=(Path("/lib a"),),
        denied_tools=("WebSearch", "Bash", "mcp__queue__drop"),
        settings={"network": True},
    )
    told = options(made)
    assert told["developer_instructions"] == 'Say "hi" ☃\nand \\ end'
    assert told["model_reasoning_effort"] == "high"
    assert told["web_search"] == "disabled"
    assert told["sandbox_workspace_write"] == {"network_access": True}
    assert told["mcp_servers"]["queue"] == {"disabled_tools": ["drop"]}
    assert made.argv[made.argv.index("--add-dir") + 1] == "/lib a"
    assert {"shell_tool", "unified_exec"} <= set(made.argv)


@pytest.mark.parametrize(
    ("fields", "sandbox"),
    [
        ({}, "workspace-write"),
        ({"tools": ("Read", "Grep")}, "read-only"),
        ({"tools": ("Read", "Edit")}, "workspace-write"),
        ({"denied_tools": ("Edit", "Write")}, "read-only"),
        ({"tools": ("Read",), "allowed": ("workspace-write",)}, "workspace-write"),
        ({"settings": {"sandbox": "danger-full-access"}}, "danger-full-access"),
    ],
)
def test_an_agent_that_does_not_edit_can_not_write(fields: Any, sandbox: str) -> None:
    argv = command(**fields).argv
    assert argv[argv.index("-s") + 1] == sandbox


def test_a_tool_that_it_can_not_be_kept_from_is_refused() -> None:
    with pytest.raises(AgentUnavailableError, match="can't deny `Grep` to agent type `general`"):
        command(denied_tools=("Grep",))


def test_secrets_of_servers_go_by_the_environment() -> None:
    queue = McpServer(name="queue", command=("/opt/serve", "-x"), env={"TOKEN": "s3cret"})
    remote = McpServer(name="docs", url="https://d.example", headers={"Authorization": "Bearer t0"})
    made = command(mcp_servers=(queue, remote))
    servers = options(made)["mcp_servers"]
    assert servers["queue"] == {
        "command": "/opt/serve",
        "args": ["-x"],
        "env_vars": ["TOKEN"],
        "required": True,
        "startup_timeout_sec": 60,
        "default_tools_approval_mode": "approve",
    }
    assert servers["docs"]["env_http_headers"] == {"Authorization": "ABATHUR_MCP_1_0"}
    assert made.env["TOKEN"] == "s3cret"
    assert made.env["ABATHUR_MCP_1_0"] == "Bearer t0"
    assert "s3cret" not in " ".join(made.argv)
    assert "Bearer" not in " ".join(made.argv)


def test_a_servers_name_can_not_break_out_of_its_option() -> None:
    with pytest.raises(AgentUnavailableError, match="MCP server"):
        command(mcp_servers=(McpServer(name="a={}\nb", command=("x",)),))


def test_a_session_is_gone_on_with() -> None:
    assert command(resume="abc").argv[-3:] == ("resume", "abc", "-")


def test_a_session_that_is_not_known_is_told_from_a_failure() -> None:
    said = "Error: thread/resume: thread/resume failed: no rollout found for thread id 01 (code 3)"
    outcome = CodexRuntime().outcome(Exit(code=1, stderr_tail=said), [])
    assert outcome.is_not_resumed
    assert outcome.kind is OutcomeKind.FAILED


def test_long_instructions_go_before_the_prompt() -> None:
    made = command(system_prompt="x" * 200_000)
    assert made.stdin == b"x" * 200_000 + b"\n\ndo it"
    assert max(map(len, made.argv)) < 1000


STRICT = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "is_handed_over"),
    [
        (STRICT, True),
        ({**STRICT, "additionalProperties": True}, False),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "properties": {"a": {"type": "object"}}}, False),
        (None, False),
    ],
)
def test_a_schema_goes_along_only_if_the_provider_takes_it(
    schema: Any, is_handed_over: bool
) -> None:
    made = command(output_schema=schema)
    assert ("--output-schema" in made.argv) is is_handed_over
    assert (Path("/s/output-schema.json") in made.files) is is_handed_over


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("--json", "`--json` would break.*; remove it"),
        ("-s read-only", "set `sandbox` instead"),
        ("--model=x", "set `model` instead"),
        ("resume x", "`resume` would break"),
    ],
)
def test_arguments_that_break_the_protocol_are_refused(args: str, words: str) -> None:
    with pytest.raises(AgentUnavailableError, match=words):
        command(settings={"args": args})


def test_a_patch_that_was_refused_is_a_denial_that_can_be_allowed() -> None:
    runtime = CodexRuntime()
    said = "ERROR: patch rejected: writing is blocked; rejected by user approval settings"
    events = [*runtime.parse('{"type":"turn.completed","usage":{}}')]
    (denial,) = runtime.outcome(Exit(code=0, stderr_tail=said), events).denied
    assert (denial.tool, denial.rule) == ("apply_patch", "workspace-write")
