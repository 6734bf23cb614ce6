"""What Claude Code really printed, read and judged. Recorded with 2.1.330 but where a name says.

Those named `documented_` were written by hand after its documentation and the types of its SDK.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from abathur.domain.failures import FailureClass
from abathur.domain.runs import EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage
from abathur.infrastructure.runtimes.claude import ClaudeRuntime

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "transcripts" / "claude"
OK, FAILED, LIMITED = OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.RATE_LIMITED
REPORT = {"execution_status": {"status": "SUCCESS"}}

ENDS: dict[str, tuple[int, OutcomeKind, str]] = {
    "edit": (0, OK, ""),
    "edit_2_1_197": (0, OK, ""),
    "read_only": (0, OK, ""),
    "denied": (0, OK, "denied: Write, Bash; see permission_mode and allowed_tools"),
    "denied_2_1_197": (0, OK, "denied: Write, Bash; see permission_mode and allowed_tools"),
    "subagent": (0, OK, ""),
    "limit_passed": (0, OK, ""),
    "limit": (1, LIMITED, "API Error: Request rejected (429)"),
    "overloaded": (1, LIMITED, "API Error: Repeated 529 Overloaded errors"),
    "auth": (1, FAILED, "Failed to authenticate. API Error: 401"),
    "forbidden": (1, FAILED, "Failed to authenticate"),
    "no_key": (1, FAILED, "Not logged in · Please run /login"),
    "too_long": (1, FAILED, "the prompt is too long for the model"),
    "max_turns": (1, FAILED, "raise runtimes.claude.max_turns"),
    "budget": (1, FAILED, "raise runtimes.claude.max_budget_usd"),
    "refused": (1, FAILED, "API Error: Connection refused"),
    "documented_quota": (1, LIMITED, "hit your limit"),
    "documented_billing": (1, LIMITED, "Credit balance is too low"),
    "documented_model": (1, FAILED, "API Error: 404 model"),
    "documented_server": (1, FAILED, "API Error: 500"),
    "sigint": (0, FAILED, "result_type=user"),
    "sigterm": (143, FAILED, "ended without its final event (killed by SIGTERM)"),
}

CLASSES = {
    "documented_quota": FailureClass.QUOTA,
    "documented_billing": FailureClass.QUOTA,
    "documented_model": FailureClass.MODEL_NOT_FOUND,
    "documented_server": FailureClass.SERVER,
    "limit": FailureClass.CAPACITY,
    "overloaded": FailureClass.CAPACITY,
    "auth": FailureClass.AUTHENTICATION,
    "forbidden": FailureClass.AUTHENTICATION,
    "no_key": FailureClass.AUTHENTICATION,
    "too_long": FailureClass.CONTEXT_OVERFLOW,
    "max_turns": FailureClass.AGENT,
    "budget": FailureClass.BUDGET,
    "refused": FailureClass.NETWORK,
    "sigint": FailureClass.AGENT,
    "sigterm": FailureClass.PROCESS,
}


def read(name: str) -> list[RunEvent]:
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return [event for line in text.splitlines() for event in ClaudeRuntime().parse(line)]


def judged(name: str, end: Exit) -> Outcome:
    return ClaudeRuntime().outcome(end, read(name))


def texts(events: Sequence[RunEvent], kind: EventKind) -> list[str]:
    return [event.text for event in events if event.kind is kind]


@pytest.mark.parametrize("name", sorted(ENDS))
def test_each_recorded_end_is_judged(name: str) -> None:
    code, kind, words = ENDS[name]
    outcome = judged(name, Exit(code=code))
    assert outcome.kind is kind
    assert words in outcome.message if words else outcome.message == ""


@pytest.mark.parametrize("name", ["denied", "denied_2_1_197"])
def test_what_was_denied_is_told_with_the_rule_that_would_allow_it(name: str) -> None:
    write, bash = judged(name, Exit(code=0)).denied
    assert (write.tool, write.rule) == ("Write", "Write")
    assert write.input["file_path"] == "/repo/worktree/hello.txt"
    # A redirection isn't one plain command, so no rule can be trusted to mean just this one.
    assert (bash.tool, bash.rule) == ("Bash", "Bash")
    assert bash.input["command"] == "echo x >> hello.txt; ls"


@pytest.mark.parametrize("name", sorted(ENDS.keys() - {"denied", "denied_2_1_197"}))
def test_nothing_else_was_denied(name: str) -> None:
    assert judged(name, Exit(code=ENDS[name][0])).denied == ()


@pytest.mark.parametrize("name", sorted(ENDS))
def test_each_failure_has_its_class(name: str) -> None:
    outcome = judged(name, Exit(code=ENDS[name][0]))
    assert outcome.failure is CLASSES.get(name)
    assert not outcome.is_guess


@pytest.mark.parametrize(
    "stderr",
    [
        "error: unknown option '--nope'",
        "Error: claude native binary not installed.\n\nRun the postinstall manually.",
        "--dangerously-skip-permissions cannot be used with root/sudo privileges",
    ],
)
def test_what_is_refused_before_the_start_is_the_configuration(stderr: str) -> None:
    outcome = ClaudeRuntime().outcome(Exit(code=1, stderr_tail=stderr), [])
    assert outcome.failure is FailureClass.CONFIGURATION


def test_every_transcript_is_judged_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(ENDS)


def test_an_edit_is_told_step_by_step() -> None:
    events = read("edit")
    assert [event.kind for event in events] == [
        EventKind.STARTED,
        EventKind.TOOL_USE,
        EventKind.TOOL_RESULT,
        EventKind.TOOL_USE,
        EventKind.TOOL_RESULT,
        EventKind.TEXT,
        EventKind.USAGE,
        EventKind.END,
    ]
    assert texts(events, EventKind.TOOL_USE) == ["Write hello.txt", "Bash echo x >> hello.txt; ls"]


def test_usage_is_that_of_the_final_event() -> None:
    assert judged("edit", Exit(code=0)).usage == Usage(
        input_tokens=3000,
        output_tokens=150,
        cache_read_tokens=21,
        cache_write_tokens=9,
        cost_usd=0.015049200000000002,
    )


def test_usage_of_a_killed_run_is_unknown() -> None:
    assert judged("sigterm", Exit(code=143, stopped=True)).usage is None


@pytest.mark.parametrize("name", ["edit", "edit_2_1_197"])
def test_the_report_in_a_fence_is_the_result(name: str) -> None:
    assert judged(name, Exit(code=0)).result_data == REPORT


def test_without_a_report_the_final_text_is_the_result() -> None:
    assert judged("subagent", Exit(code=0)).result_data == {"text": "main done"}


def test_denials_are_events_as_they_happen() -> None:
    assert [event.data["tool"] for event in read("denied") if event.kind is EventKind.DENIED] == [
        "Write",
        "Bash",
    ]


@pytest.mark.parametrize("name", ["limit_passed", "auth", "overloaded"])
def test_retries_of_the_program_are_told(name: str) -> None:
    kind = EventKind.LIMIT if name == "limit_passed" else EventKind.WARNING
    assert any("the API refused" in text for text in texts(read(name), kind))


@pytest.mark.parametrize("name", sorted(ENDS))
def test_a_finished_run_counts_though_it_had_to_be_stopped(name: str) -> None:
    outcome = judged(name, Exit(code=-9, timed_out=True))
    assert outcome.kind is (OK if ENDS[name][1] is OK else OutcomeKind.TIMED_OUT)
