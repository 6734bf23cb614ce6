"""How Antigravity CLI is started, and rules of reading it that no transcript shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, EventKind, Exit, Outcome, OutcomeKind, RunSpec
from abathur.infrastructure.runtimes.agy import AgyRuntime

INIT = '{"event":"init","conversation_id":"c","init":{"model":"m"}}'
WELL = '{"event":"result","result":{"status":"SUCCESS","response":"Done."}}'
NOTHING = '{"event":"result","result":{"status":"SUCCESS","response":""}}'


def command(**changes: Any) -> Command:
    settings = {"program": "/opt/agy", "model": "m", **changes.pop("settings", {})}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "do it",
        "worktree": Path("/w"),
        "scratch": Path("/s"),
        "session_id": "11111111-1111-4111-8111-111111111111",
    }
    return AgyRuntime({}).command(RunSpec(**{**fields, **changes}, settings=settings))


def judged(*lines: str, code: int = 0, stderr: str = "") -> Outcome:
    runtime = AgyRuntime()
    events = [event for line in lines for event in runtime.parse(line)]
    return runtime.outcome(Exit(code=code, stderr_tail=stderr), events)


def test_the_prompt_is_one_message_on_stdin() -> None:
    made = command(system_prompt="Be brief.", add_dirs=(Path("/lib"),))
    assert json.loads(made.stdin)["message"] == {"content": "Be brief.\n\ndo it"}
    assert made.stdin.count(b"\n") == 1
    assert made.argv[-6:] == ("--model", "m", "--add-dir", "/w", "--add-dir", "/lib")
    # With a flag for the prompt, the next one is taken for it.
    assert not {"-p", "--print", "--prompt"} & set(made.argv)


def test_neither_its_clock_nor_its_permissions_end_a_run() -> None:
    """It tells both as a success."""
    argv = command().argv
    assert "--dangerously-skip-permissions" in argv
    assert argv[argv.index("--print-timeout") + 1] == "168h"


@pytest.mark.parametrize(
    "wish", [{"tools": ("Read",)}, {"denied_tools": ("Bash",)}, {"denied_tools": ("WebFetch",)}]
)
def test_an_agent_that_must_not_do_everything_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(AgentUnavailableError, match="runtime `agy` can't"):
        command(**wish)


def test_an_argument_that_breaks_how_it_is_driven_is_refused() -> None:
    with pytest.raises(AgentUnavailableError, match=r"`-p` would break.*remove it"):
        command(settings={"args": "-p hello"})


def test_the_last_answer_is_the_result() -> None:
    step = '{"event":"step_update","step_update":{"step_type":"agent_response","state":"ACTIVE",'
    said = f'{step}"text_delta":"I look first."}}}}'
    assert judged(INIT, said, WELL).result_data == {"text": "Done."}


def test_a_run_that_was_kept_from_its_tools_has_failed() -> None:
    stderr = 'jetski: no output produced - a tool required the "command" permission'
    outcome = judged(INIT, NOTHING, stderr=stderr)
    assert outcome.kind is OutcomeKind.FAILED
    assert "was denied a tool" in outcome.message


def test_a_conversation_that_it_does_not_know_is_not_gone_on_with() -> None:
    made = command(resume="c")
    assert made.argv[made.argv.index("--conversation") + 1] == "c"
    outcome = judged(INIT, WELL, stderr='warning: conversation "c" not found\n')
    assert outcome.is_not_resumed
    assert not judged(INIT, WELL).is_not_resumed


def test_a_model_that_it_does_not_have_is_told_so() -> None:
    error = 'Error: invalid model selection (--model "x" --effort ""): not recognized'
    outcome = judged(code=1, stderr=error)
    assert outcome.failure is FailureClass.MODEL_NOT_FOUND


def test_what_a_newer_version_says_is_kept_raw_and_counted() -> None:
    step = '"step_update":{"step_type":"plan","state":"DONE","usage":{"input_tokens":5}}'
    outcome = judged(INIT, f'{{"event":"step_update",{step}}}', WELL)
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == 5
    kinds = [event.kind for event in AgyRuntime().parse(f'{{"event":"step_update",{step}}}')]
    assert kinds == [EventKind.RAW, EventKind.USAGE]


def test_a_step_is_counted_once_and_its_failure_is_one() -> None:
    step = {"step_index": 3, "step_type": "tool", "tool_name": "run_command"}
    active = {**step, "state": "ACTIVE", "usage": {"input_tokens": 5}}
    failed = {**step, "state": "ERROR", "usage": {"input_tokens": 5}}
    lines = [json.dumps({"event": "step_update", "step_update": one}) for one in (active, failed)]
    events = [event for line in lines for event in AgyRuntime().parse(line)]
    assert [event.kind for event in events] == [
        EventKind.TOOL_USE,
        EventKind.TOOL_RESULT,
        EventKind.USAGE,
    ]
    assert events[1].data == {"tool": "run_command", "call": "3", "is_error": True}
