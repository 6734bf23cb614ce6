"""How opencode is started, and rules of judging it that no recording shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, Exit, McpServer, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.runtimes.opencode import OpencodeRuntime


def command(environ: dict[str, str] | None = None, **changes: Any) -> Command:
    settings = {"program": "/opt/opencode", "model": "lab/m", **changes.pop("settings", {})}
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
    spec = RunSpec(**{**fields, **changes}, settings=settings)
    return OpencodeRuntime(environ or {}).command(spec)


def config(made: Command) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(made.env["OPENCODE_CONFIG_CONTENT"])
    return read


def test_the_whole_command_line() -> None:
    made = command(effort="high")
    assert made.argv == (
        *("/opt/opencode", "run", "--format", "json", "--pure", "--title", "t/1"),
        *("-m", "lab/m", "--print-logs", "--log-level", "ERROR", "--variant", "high"),
    )
    assert made.stdin == b"do it"
    assert config(made)["small_model"] == "lab/m"


def test_a_model_is_always_named() -> None:
    with pytest.raises(AgentUnavailableError, match="needs a model"):
        command(settings={"model": None})


def test_nothing_is_left_to_be_asked() -> None:
    made = command(denied_tools=("Bash", "mcp__queue__drop"), add_dirs=(Path("/lib"),))
    rules = config(made)["permission"]
    assert rules["*"] == "allow"
    assert (rules["bash"], rules["queue_drop"]) == ("deny", "deny")
    assert rules["external_directory"] == {"*": "deny", "/lib/*": "allow"}
    assert "ask" not in json.dumps(rules)


def test_the_tools_of_a_definition_are_all_there_are() -> None:
    rules = config(command(tools=("Read", "Grep")))["permission"]
    assert (rules["edit"], rules["bash"], rules["webfetch"]) == ("deny", "deny", "deny")
    assert "read" not in rules


def test_a_tool_that_it_can_not_be_kept_from_is_refused() -> None:
    with pytest.raises(AgentUnavailableError, match="can't deny `NotebookEdit`"):
        command(denied_tools=("NotebookEdit",))


def test_a_local_server_is_a_provider_of_its_own() -> None:
    made = command(settings={"base_url": "http://127.0.0.1:1/v1", "model": "m1"})
    provider = config(made)["provider"]["abathur"]
    assert provider["options"] == {
        "baseURL": "http://127.0.0.1:1/v1",
        "apiKey": "{env:OPENAI_API_KEY}",
    }
    assert made.argv[made.argv.index("-m") + 1] == "abathur/m1"
    assert made.env["XDG_DATA_HOME"] == "/h/opencode/data"


def test_without_a_key_it_is_the_persons_login_that_counts() -> None:
    assert "XDG_DATA_HOME" not in command().env
    assert command({"OPENROUTER_API_KEY": "k"}).env["XDG_DATA_HOME"] == "/h/opencode/data"


def test_instructions_and_servers_stay_out_of_the_arguments() -> None:
    queue = McpServer(name="queue", command=("/opt/serve", "-x"), env={"TOKEN": "s3cret"})
    remote = McpServer(name="docs", url="https://d.example", headers={"Authorization": "Bearer t0"})
    made = command(system_prompt="Be brief ☃", mcp_servers=(queue, remote))
    assert made.files == {Path("/s/instructions.md"): "Be brief ☃"}
    told = config(made)
    assert told["instructions"] == ["/s/instructions.md"]
    assert told["mcp"]["queue"] == {
        "type": "local",
        "command": ["/opt/serve", "-x"],
        "environment": {"TOKEN": "s3cret"},
    }
    assert told["mcp"]["docs"]["headers"] == {"Authorization": "Bearer t0"}
    assert "s3cret" not in " ".join(made.argv)


def test_a_session_is_gone_on_with() -> None:
    assert command(resume="ses_1").argv[-2:] == ("-s", "ses_1")


def test_a_session_that_is_not_known_is_told_from_a_failure() -> None:
    end = Exit(code=1, stderr_tail="Error: Session not found")
    assert OpencodeRuntime().outcome(end, []).is_not_resumed


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["tool-calls", "stop"], OutcomeKind.SUCCEEDED),
        (["tool-calls"], OutcomeKind.FAILED),
        (["unknown", "unknown"], OutcomeKind.FAILED),
        (["length"], OutcomeKind.FAILED),
        (["stop", "tool-calls"], OutcomeKind.FAILED),
        ([], OutcomeKind.FAILED),
    ],
)
def test_only_a_last_step_that_stopped_is_a_success(reasons: list[str], kind: OutcomeKind) -> None:
    runtime = OpencodeRuntime()
    events: list[RunEvent] = []
    for reason in reasons:
        events += runtime.parse('{"type":"step_start","sessionID":"s"}')
        events += runtime.parse(json.dumps({"type": "step_finish", "part": {"reason": reason}}))
    assert runtime.outcome(Exit(code=0), events).kind is kind


def test_what_it_calls_unknown_is_read_from_its_log() -> None:
    runtime = OpencodeRuntime()
    error = {
        "name": "UnknownError",
        "data": {"message": "Unexpected server error. Check server logs.", "ref": "err_1"},
    }
    log = (
        'timestamp=T level=ERROR message=failed ref=err_0 error="Other: x"\n'
        'timestamp=T level=ERROR run=1 message=failed ref=err_1 error="ProviderModelNotFoundError: '
        'Model not found: a/b. Did you mean \\"c\\"?" cause="ProviderModelNotFoundError: ..."'
    )
    events = runtime.parse(json.dumps({"type": "error", "error": error}))
    outcome = runtime.outcome(Exit(code=0, stderr_tail=log), events)
    assert outcome.failure is FailureClass.MODEL_NOT_FOUND
    assert outcome.message.startswith(
        'ProviderModelNotFoundError: Model not found: a/b. Did you mean "c"?'
    )


def test_a_model_that_a_server_does_not_have_is_asked_about() -> None:
    runtime = OpencodeRuntime()
    error = {"name": "APIError", "data": {"message": "model: sonet", "statusCode": 404}}
    outcome = runtime.outcome(
        Exit(code=0), runtime.parse(json.dumps({"type": "error", "error": error}))
    )
    assert outcome.failure is FailureClass.MODEL_NOT_FOUND
