"""Any program as an agent: its arguments, its words, its end."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError, InvalidInputError
from abathur.domain.runs import Command, Exit, Outcome, OutcomeKind, RunSpec
from abathur.infrastructure.runtimes.command import CommandRuntime


def command(settings: dict[str, Any], **changes: Any) -> Command:
    fields: dict[str, Any] = {
        "task_id": "task-1",
        "attempt": 2,
        "agent_type": "builder",
        "prompt": "do {worktree}",
        "worktree": Path("/w"),
        "scratch": Path("/s"),
        "session_id": "id",
    }
    return CommandRuntime().command(RunSpec(**{**fields, **changes, "settings": settings}))


def outcome(*lines: str, code: int = 0, stderr: str = "") -> Outcome:
    runtime = CommandRuntime()
    events = [event for line in lines for event in runtime.parse(line)]
    return runtime.outcome(Exit(code=code, stderr_tail=stderr), events)


def test_without_a_program_it_says_where_to_put_one() -> None:
    with pytest.raises(AgentUnavailableError, match=r"agents\.builder\.argv or runtimes\.command"):
        command({})


def test_the_prompt_goes_to_stdin() -> None:
    made = command({"argv": "/bin/agent --quick 'a b'"})
    assert made.argv == ("/bin/agent", "--quick", "a b")
    assert made.stdin == b"do {worktree}"


@pytest.mark.parametrize(
    ("argv", "made"),
    [
        (["/a", "-x"], ("/a", "-x", "do {worktree}")),
        (["/a", "--prompt={prompt}", "-x"], ("/a", "--prompt=do {worktree}", "-x")),
    ],
)
def test_the_prompt_as_an_argument(argv: list[str], made: tuple[str, ...]) -> None:
    got = command({"argv": argv, "prompt": "argument"})
    assert got.argv == made
    assert got.stdin == b""


def test_no_prompt_at_all() -> None:
    made = command({"argv": ["/a"], "prompt": "none"})
    assert (made.argv, made.stdin) == (("/a",), b"")


def test_placeholders() -> None:
    argv = ["/a", "{worktree}/{task_id}-{attempt}", "{scratch}", "{input.n}{input.flag}", "{other}"]
    made = command({"argv": argv}, input_data={"n": 3, "flag": True})
    assert made.argv == ("/a", "/w/task-1-2", "/s", "3true", "{other}")


def test_input_data_as_a_whole_is_json() -> None:
    made = command({"argv": ["/a", "{input}"]}, input_data={"n": [1], "s": "ä"})
    assert json.loads(made.argv[1]) == {"n": [1], "s": "ä"}


def test_what_is_put_in_is_never_taken_for_a_placeholder() -> None:
    made = command({"argv": ["/a", "{input.x}"]}, input_data={"x": "{scratch}"})
    assert made.argv[1] == "{scratch}"


@pytest.mark.parametrize(
    ("data", "words"), [({}, "isn't there"), ({"x": [1]}, "holds no single value")]
)
def test_input_that_is_missing_is_named(data: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=f"`x` {words}"):
        command({"argv": ["/a", "{input.x}"]}, input_data=data)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"argv": {"a": 1}}, "runtimes.command.argv: a list of texts"),
        ({"argv": ["/a"], "prompt": "mail"}, "prompt: one of stdin, argument, none"),
        ({"argv": ["/a"], "env": "A=1"}, "env: names with a text each"),
        ({"argv": ["/a"], "pass_env": 3}, "pass_env: a list of texts"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(AgentUnavailableError, match=words):
        command(settings)


def test_environment() -> None:
    made = command({"argv": [sys.executable], "env": {"N": 1}, "pass_env": ["MY_*"]})
    assert made.env == {"N": "1"}
    assert made.pass_env == ("MY_*",)


def test_exit_code_0_is_success() -> None:
    assert outcome("anything").kind is OutcomeKind.SUCCEEDED


@pytest.mark.parametrize(
    ("lines", "stderr", "message"),
    [
        ((), "first\n\nlast\n\n", "exit code 3: last"),
        (("said", "done"), "", "exit code 3: done"),
        ((), "", "exit code 3"),
    ],
)
def test_a_failure_tells_the_last_useful_line(
    lines: tuple[str, ...], stderr: str, message: str
) -> None:
    ended = outcome(*lines, code=3, stderr=stderr)
    assert ended.kind is OutcomeKind.FAILED
    assert ended.message == message


REPORT = {"execution_status": {"status": "PARTIAL"}, "deliverables": {"text": "a  b {"}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(REPORT),
        json.dumps(REPORT, indent=4),
        f"So:\n```json\n{json.dumps(REPORT, indent=2)}\n```\nBye",
        json.dumps({"execution_status": 1}) + "\n" + json.dumps({**REPORT, "x": None} | REPORT),
    ],
)
def test_a_report_is_found(text: str) -> None:
    result = outcome(*text.splitlines()).result_data
    assert result is not None
    assert result["execution_status"] == {"status": "PARTIAL"}
    assert result["deliverables"] == {"text": "a  b {"}


def test_no_report_is_no_result() -> None:
    assert outcome("{", '"execution_status": {}', "hello").result_data is None
