"""How Claude Code is started, and rules of reading it that no recording shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import (
    Command,
    EventKind,
    Exit,
    McpServer,
    Outcome,
    OutcomeKind,
    RunEvent,
    RunSpec,
)
from abathur.infrastructure.runtimes.claude import DEFAULT_TOOLS, ClaudeRuntime

NOW = 1_800_000_000.0
KEY = {"ANTHROPIC_API_KEY": "k"}


def spec(**changes: Any) -> RunSpec:
    settings = {"program": "/opt/claude", **changes.pop("settings", {})}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "do it",
        "worktree": Path("/w"),
        "scratch": Path("/s"),
        "session_id": "11111111-1111-4111-8111-111111111111",
    }
    return RunSpec(**{**fields, **changes}, settings=settings)


def command(environ: dict[str, str] | None = None, **changes: Any) -> Command:
    return ClaudeRuntime(environ or {}).command(spec(**changes))


def outcome(*messages: dict[str, Any], code: int = 0, **end: Any) -> Outcome:
    runtime = ClaudeRuntime({}, lambda: NOW)
    events = [event for message in messages for event in runtime.parse(json.dumps(message))]
    return runtime.outcome(Exit(code=code, **end), events)


def result(**changes: Any) -> dict[str, Any]:
    return {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "terminal_reason": "completed",
        "result": "done",
        **changes,
    }


INIT = {"type": "system", "subtype": "init", "model": "m"}


# --- the start ----------------------------------------------------------------------------


def test_the_whole_command_line() -> None:
    made = command(KEY, system_prompt="Be brief", model="sonnet", max_turns=9)
    assert made.argv == (
        "/opt/claude",
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--session-id=11111111-1111-4111-8111-111111111111",
        "--strict-mcp-config",
        "--setting-sources=project",
        "--permission-mode=acceptEdits",
        f"--allowedTools={','.join(DEFAULT_TOOLS)}",
        "--disallowedTools=AskUserQuestion,CronCreate,EnterWorktree,ListAgents,ScheduleWakeup"
        ",SendMessage",
        "--model=sonnet",
        "--max-turns=9",
        "--append-system-prompt=Be brief",
    )
    assert made.stdin == b"do it"


def test_tools_of_the_definition_are_allowed_and_all_there_are() -> None:
    argv = command(tools=("Read", "Bash(git log *)", "mcp__queue__add")).argv
    assert "--allowedTools=Read,Bash(git log *),mcp__queue__add" in argv
    assert "--tools=Read,Bash" in argv


@pytest.mark.parametrize(
    ("tools", "mode"),
    [
        ((), "acceptEdits"),
        (("*",), "acceptEdits"),
        (("Edit",), "acceptEdits"),
        (("Read",), "default"),
    ],
)
def test_an_agent_without_editing_tools_is_not_allowed_to_edit(
    tools: tuple[str, ...], mode: str
) -> None:
    assert f"--permission-mode={mode}" in command(tools=tools).argv


@pytest.mark.parametrize(
    ("model", "flags"),
    [("haiku", ["--model=haiku"]), ("thinking", ["--model=opus"]), ("inherit", []), (None, [])],
)
def test_models(model: str | None, flags: list[str]) -> None:
    assert [item for item in command(model=model).argv if item.startswith("--model")] == flags


def test_a_long_system_prompt_goes_before_the_prompt() -> None:
    made = command(system_prompt="x" * 200_000)
    assert made.stdin == b"x" * 200_000 + b"\n\ndo it"
    assert max(map(len, made.argv)) < 1000


@pytest.mark.parametrize(
    ("environ", "settings", "is_private"),
    [
        ({}, {}, False),
        (KEY, {}, True),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, {}, True),
        ({}, {"env": KEY}, True),
        (KEY, {"private_home": False}, False),
        ({}, {"private_home": "true"}, True),
    ],
)
def test_a_private_home_only_with_credentials(
    environ: dict[str, str], settings: dict[str, Any], is_private: bool
) -> None:
    made = command(environ, settings=settings)
    assert ("CLAUDE_CONFIG_DIR" in made.env) is is_private
    assert ("CLAUDE_CONFIG_DIR" in made.pass_env) is not is_private
    sources = "project" if is_private else "user,project"
    assert f"--setting-sources={sources}" in made.argv


def test_the_persons_variables_win_over_ours() -> None:
    env = command(settings={"env": {"CLAUDE_CODE_MAX_RETRIES": 1, "X": True}}).env
    assert env["CLAUDE_CODE_MAX_RETRIES"] == "1"
    assert env["X"] == "true"
    assert env["TMPDIR"] == env["CLAUDE_CODE_TMPDIR"] == "/s"
    assert env["DISABLE_AUTOUPDATER"] == "1"


def test_marks_of_a_session_around_us_do_not_pass() -> None:
    passed = command(KEY).pass_env
    assert not {"CLAUDE*", "CLAUDECODE", "CLAUDE_CODE_*"} & set(passed)
    assert "AWS_*" not in passed
    assert "AWS_*" in command({"CLAUDE_CODE_USE_BEDROCK": "1"}).pass_env


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--verbose", "--output-format=json"], "`--verbose` would break.*; remove it"),
        (["--add-dir", "/x", "--output-format=json"], "`--output-format` would break"),
        ("--resume abc", "`--resume`"),
        (["-c"], "`-c`"),
        (["--model", "x"], "set `model` instead"),
        (["--dangerously-skip-permissions"], "set `permission_mode: bypassPermissions` instead"),
    ],
)
def test_arguments_that_break_the_protocol_are_refused(args: Any, words: str) -> None:
    with pytest.raises(AgentUnavailableError, match=words):
        command(settings={"args": args})


def test_other_arguments_come_last() -> None:
    assert command(settings={"args": "--add-dir '/a b'"}).argv[-2:] == ("--add-dir", "/a b")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"permission_mode": "yolo"}, "runtimes.claude.permission_mode: one of acceptEdits"),
        ({"private_home": "maybe"}, "runtimes.claude.private_home: one of auto, true, false"),
        ({"max_budget_usd": 0}, "runtimes.claude.max_budget_usd: a number above zero"),
        ({"env": ["A=1"]}, "runtimes.claude.env: names with a text each"),
        ({"args": "'open"}, "the quotes don't match"),
        ({"program": ["claude"]}, "runtimes.claude.program: a text"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(settings: Any, words: str) -> None:
    with pytest.raises(AgentUnavailableError, match=words) as error:
        command(settings=settings)
    assert "\n" not in str(error.value)


# --- the reading --------------------------------------------------------------------------


def test_the_last_of_several_results_counts() -> None:
    failed = result(is_error=True, terminal_reason="api_error", api_error_status=500, result="no")
    assert outcome(INIT, failed, INIT, result()).kind is OutcomeKind.SUCCEEDED
    assert outcome(INIT, result(), INIT, failed).kind is OutcomeKind.FAILED


def test_a_round_that_began_after_the_last_result_is_not_finished() -> None:
    assert outcome(INIT, result(), INIT).kind is OutcomeKind.FAILED


def test_a_report_survives_a_last_word_about_a_background_task() -> None:
    report = result(result='{"execution_status": {"status": "SUCCESS"}}')
    last = result(result="noted", origin={"kind": "task-notification"})
    assert outcome(INIT, report, INIT, last).result_data == {
        "execution_status": {"status": "SUCCESS"}
    }


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"is_error": True, "stop_reason": "stop_sequence"}, OutcomeKind.SUCCEEDED),
        ({"is_error": True, "terminal_reason": "api_error"}, OutcomeKind.FAILED),
        ({"is_error": True, "terminal_reason": None}, OutcomeKind.FAILED),
        ({"terminal_reason": "prompt_too_long"}, OutcomeKind.FAILED),
        ({"terminal_reason": None}, OutcomeKind.SUCCEEDED),
        ({"terminal_reason": "a new one"}, OutcomeKind.SUCCEEDED),
        ({"subtype": "error_during_execution"}, OutcomeKind.FAILED),
        ({"is_error": True, "terminal_reason": "x", "result": "id 14291"}, OutcomeKind.FAILED),
        ({"is_error": True, "terminal_reason": "x", "result": "(429)"}, OutcomeKind.RATE_LIMITED),
        (
            {
                "is_error": True,
                "terminal_reason": "x",
                "result": "You\u2019ve hit your session limit",
            },
            OutcomeKind.RATE_LIMITED,
        ),
    ],
)
def test_success_is_more_than_the_subtype(changes: dict[str, Any], kind: OutcomeKind) -> None:
    assert outcome(result(**changes)).kind is kind


LIMITED = result(is_error=True, terminal_reason="api_error", api_error_status=429, result="429")


def limit_event(**info: Any) -> dict[str, Any]:
    return {"type": "rate_limit_event", "rate_limit_info": info}


def test_a_rejected_limit_says_when_to_come_back() -> None:
    event = limit_event(status="rejected", resetsAt=NOW + 600, rateLimitType="five_hour")
    assert outcome(event, LIMITED).retry_after_seconds == 600
    assert outcome(LIMITED).retry_after_seconds is None


@pytest.mark.parametrize(("resets", "seconds"), [(NOW - 5, 0), (NOW + 1e9, 8 * 86_400)])
def test_the_wait_for_a_limit_stays_reasonable(resets: float, seconds: float) -> None:
    event = limit_event(status="rejected", resetsAt=resets)
    assert outcome(event, LIMITED).retry_after_seconds == seconds


def test_the_reset_time_in_the_text_of_older_versions() -> None:
    text = f"Claude AI usage limit reached|{int(NOW) + 60}"
    limited = result(is_error=True, terminal_reason=None, result=text)
    assert outcome(limited).retry_after_seconds == 60


def test_a_limit_warning_does_not_spoil_a_run() -> None:
    event = limit_event(status="allowed_warning", utilization=0.9)
    assert outcome(event, result()).kind is OutcomeKind.SUCCEEDED


def test_an_api_error_in_prose_tells_the_status_that_the_result_lacks() -> None:
    prose = {
        "type": "assistant",
        "error": "rate_limit",
        "api_error_status": 429,
        "message": {"content": [{"type": "text", "text": "API Error"}]},
    }
    bare = result(is_error=True, terminal_reason=None, result="API Error")
    assert outcome(prose, bare).kind is OutcomeKind.RATE_LIMITED
    assert outcome(prose, code=1).kind is OutcomeKind.RATE_LIMITED


@pytest.mark.parametrize("line", ['{"a":1}', '{"type":"new thing"}', '{"type":"system"}', "[1]"])
def test_unknown_events_are_raw(line: str) -> None:
    assert [event.kind for event in ClaudeRuntime().parse(line)] == [EventKind.RAW]


def test_a_limit_event_inside_another_line_is_found() -> None:
    limit = json.dumps(limit_event(status="rejected", resetsAt=NOW), separators=(",", ":"))
    events = ClaudeRuntime().parse('{"type":"assistant","mes' + limit + 'sage":{}}')
    assert [event.kind for event in events] == [EventKind.LIMIT, EventKind.RAW]


def test_two_messages_on_one_line_are_both_read() -> None:
    line = json.dumps(limit_event(status="rejected")) + json.dumps(result())
    kinds = [event.kind for event in ClaudeRuntime().parse(line)]
    assert kinds == [EventKind.LIMIT, EventKind.USAGE, EventKind.END]


def test_a_result_quoted_in_a_torn_line_ends_nothing() -> None:
    line = '{"type":"user","tool_use_result":' + json.dumps(result())
    assert [event.kind for event in ClaudeRuntime().parse(line)] == [EventKind.RAW]


def test_a_guessed_price_is_unknown() -> None:
    model = {"inputTokens": 5, "costUSD": 1.5, "costBasis": "unknown"}
    usage = outcome(result(total_cost_usd=1.5, modelUsage={"m": model})).usage
    assert usage is not None
    assert usage.cost_usd is None
    assert usage.input_tokens == 5


def test_usage_of_several_models_is_added_up() -> None:
    models = {"a": {"inputTokens": 5, "outputTokens": 1}, "b": {"inputTokens": 7}}
    usage = outcome(result(total_cost_usd=0.5, modelUsage=models)).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (12, 1, 0.5)
    assert usage.cache_read_tokens is None


def test_output_for_the_terminal_is_harmless() -> None:
    content = [{"type": "text", "text": "\x1b[31mred\x1b[0m\n\x07bell " + "x" * 1000}]
    (event,) = ClaudeRuntime().parse(
        json.dumps({"type": "assistant", "message": {"content": content}})
    )
    assert event == RunEvent(EventKind.TEXT, event.text)
    assert event.text.startswith("red bell xxx")
    assert len(event.text) == 300


def test_a_failed_mcp_server_is_a_warning() -> None:
    init = {**INIT, "mcp_servers": [{"name": "queue", "status": "failed"}]}
    events = ClaudeRuntime().parse(json.dumps(init))
    assert [event.text for event in events if event.kind is EventKind.WARNING] == [
        "MCP server queue: failed"
    ]


def test_what_a_run_is_asked_for_reaches_the_command_line() -> None:
    made = command(
        effort="high",
        denied_tools=("WebFetch", "Bash(git push *)"),
        add_dirs=(Path("/lib a"), Path("/docs")),
        output_schema={"type": "object"},
    )
    assert "--effort=high" in made.argv
    (denied,) = [item for item in made.argv if item.startswith("--disallowedTools=")]
    assert denied.endswith(",SendMessage,WebFetch,Bash(git push *)")
    assert [item for item in made.argv if "-dir" in item] == ["--add-dir=/lib a", "--add-dir=/docs"]
    assert '--json-schema={"type": "object"}' in made.argv


def test_a_session_that_is_gone_on_with_is_not_begun() -> None:
    argv = command(resume="22222222-2222-4222-8222-222222222222").argv
    assert "--resume=22222222-2222-4222-8222-222222222222" in argv
    assert not [item for item in argv if item.startswith("--session-id")]


def test_servers_are_named_in_a_private_file_and_never_in_an_argument() -> None:
    queue = McpServer(name="queue", command=("/opt/serve", "--stdio"), env={"TOKEN": "s3cret"})
    remote = McpServer(name="docs", url="https://d.example", headers={"Authorization": "Bearer t0"})
    made = command(mcp_servers=(queue, remote), settings={"mcp_config": "/mine.json"})
    assert [item for item in made.argv if item.startswith("--mcp-config")] == [
        "--mcp-config=/mine.json",
        "--mcp-config=/s/mcp.json",
    ]
    assert json.loads(made.files[Path("/s/mcp.json")])["mcpServers"] == {
        "queue": {
            "type": "stdio",
            "command": "/opt/serve",
            "args": ["--stdio"],
            "env": {"TOKEN": "s3cret"},
        },
        "docs": {
            "type": "http",
            "url": "https://d.example",
            "headers": {"Authorization": "Bearer t0"},
        },
    }
    shown = " ".join((*made.argv, *made.env.values()))
    assert "s3cret" not in shown
    assert "Bearer" not in shown


@pytest.mark.parametrize(
    ("tools", "rules"),
    [
        ((), f"{','.join(DEFAULT_TOOLS)},mcp__queue"),
        (("Read",), "Read,mcp__queue"),
        (("Read", "mcp__queue__add"), "Read,mcp__queue__add"),
    ],
)
def test_a_server_may_be_used_unless_only_some_of_its_tools_are_named(
    tools: tuple[str, ...], rules: str
) -> None:
    queue = McpServer(name="queue", command=("serve",))
    assert f"--allowedTools={rules}" in command(tools=tools, mcp_servers=(queue,)).argv


def test_a_session_that_is_not_known_is_told_from_a_failure() -> None:
    told = outcome(
        result(
            subtype="error_during_execution",
            is_error=True,
            num_turns=0,
            total_cost_usd=0,
            terminal_reason=None,
            result="",
            errors=["No conversation found with session ID: 22222222-2222-4222-8222-222222222222"],
        ),
        code=1,
    )
    assert told.is_not_resumed
    assert told.kind is OutcomeKind.FAILED
    assert not outcome(result()).is_not_resumed


def test_what_it_used_is_that_of_the_whole_session() -> None:
    assert outcome(result(total_cost_usd=0.5)).is_session_usage
    assert not outcome(INIT, code=1).is_session_usage
