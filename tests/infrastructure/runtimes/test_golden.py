"""What agent programs really printed, read and judged: `fixtures/transcripts/PROGRAM`.

Recorded with the versions that `runtimes/support.py` names, against a scripted model; those of agy
are written as its documentation and reports of others tell, for it can't be had here.
"""

from pathlib import Path

import pytest

from abathur.domain.failures import FailureClass
from abathur.domain.runs import EventKind, Exit, Outcome, OutcomeKind, RunEvent
from abathur.infrastructure.runtimes import load_runtime

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "transcripts"
OK, FAILED, LIMITED = OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.RATE_LIMITED
REPORT = {"execution_status": {"status": "SUCCESS"}}

End = tuple[int, OutcomeKind, FailureClass | None, str]

ENDS: dict[str, dict[str, End]] = {
    "codex": {
        "edit": (0, OK, None, ""),
        "failing_tool": (0, OK, None, ""),
        "mcp": (0, OK, None, ""),
        "read_only": (0, OK, None, ""),
        "resumed": (0, OK, None, ""),
        "limit": (1, LIMITED, FailureClass.CAPACITY, "429 Too Many Requests"),
        "usage_limit": (1, LIMITED, FailureClass.QUOTA, "hit your usage limit"),
        "quota": (1, LIMITED, FailureClass.QUOTA, "Quota exceeded"),
        "overloaded": (1, LIMITED, FailureClass.CAPACITY, "503 Service Unavailable"),
        "auth": (1, FAILED, FailureClass.AUTHENTICATION, "401 Unauthorized"),
        "context_overflow": (1, FAILED, FailureClass.CONTEXT_OVERFLOW, "ran out of room"),
        "model_not_found": (1, FAILED, FailureClass.MODEL_NOT_FOUND, "does not exist"),
        "refused": (1, FAILED, FailureClass.NETWORK, "Connection failed"),
        "sigint": (1, FAILED, FailureClass.PROCESS, "ended without its final event"),
    },
    "gemini": {
        "edit": (0, OK, None, ""),
        "resumed": (0, OK, None, ""),
        "limit": (173, LIMITED, FailureClass.CAPACITY, "Resource has been exhausted"),
        "overloaded": (247, LIMITED, FailureClass.CAPACITY, "The model is overloaded"),
        "auth": (145, FAILED, FailureClass.AUTHENTICATION, "UNAUTHENTICATED"),
        "wrong_key": (144, FAILED, FailureClass.AUTHENTICATION, "API key not valid"),
        "max_turns": (53, FAILED, FailureClass.AGENT, "Reached max session turns"),
    },
    "opencode": {
        "edit": (0, OK, None, ""),
        "mcp": (0, OK, None, ""),
        "resumed": (0, OK, None, ""),
        "limit": (1, LIMITED, FailureClass.CAPACITY, "Rate limit reached"),
        "auth": (1, FAILED, FailureClass.AUTHENTICATION, "Invalid API key"),
        "context_overflow": (1, FAILED, FailureClass.CONTEXT_OVERFLOW, "maximum context length"),
        "denied": (0, FAILED, FailureClass.AGENT, "after it was denied: bash"),
    },
    "agy": {
        "edit": (0, OK, None, ""),
        "denied": (0, FAILED, FailureClass.AGENT, "after it was denied: RunCommand"),
        "auth": (1, FAILED, FailureClass.AUTHENTICATION, "authentication failed"),
        "limit": (0, LIMITED, FailureClass.CAPACITY, "RESOURCE_EXHAUSTED"),
        "cut_short": (0, FAILED, FailureClass.AGENT, "context canceled"),
    },
    "aider": {
        "edit": (0, OK, None, ""),
        "auth": (0, FAILED, FailureClass.AUTHENTICATION, "AuthenticationError"),
        "context_overflow": (0, FAILED, FailureClass.CONTEXT_OVERFLOW, "hit a token limit"),
        "limit": (-15, LIMITED, FailureClass.CAPACITY, "Rate limit reached"),
    },
}
STREAMING = sorted(ENDS.keys() - {"aider"})
"""Those that tell events. The others print what a person would read."""
ALL = sorted((runtime, name) for runtime, ends in ENDS.items() for name in ends)


def lines(runtime: str, name: str) -> list[str]:
    (file,) = (FOLDER / runtime).glob(f"{name}.*")
    return file.read_text(encoding="utf-8").splitlines()


def read(runtime: str, name: str) -> list[RunEvent]:
    made = load_runtime(runtime)
    return [event for line in lines(runtime, name) for event in made.parse(line)]


def judged(runtime: str, name: str, end: Exit | None = None) -> Outcome:
    end = end or Exit(code=ENDS[runtime][name][0])
    return load_runtime(runtime).outcome(end, read(runtime, name))


@pytest.mark.parametrize(("runtime", "name"), ALL)
def test_each_recorded_end_is_judged(runtime: str, name: str) -> None:
    _, kind, failure, words = ENDS[runtime][name]
    outcome = judged(runtime, name)
    assert (outcome.kind, outcome.failure) == (kind, failure)
    assert words in outcome.message if words else outcome.message == ""
    assert not outcome.is_guess


@pytest.mark.parametrize("runtime", sorted(ENDS))
def test_every_transcript_is_judged_here(runtime: str) -> None:
    assert {path.stem for path in (FOLDER / runtime).iterdir()} == set(ENDS[runtime])


@pytest.mark.parametrize(("runtime", "name"), ALL)
def test_exit_codes_prove_nothing(runtime: str, name: str) -> None:
    """Neither 0 for a failure, nor another one for a success."""
    outcome = judged(runtime, name, Exit(code=0))
    assert (outcome.kind is OK) is (ENDS[runtime][name][1] is OK)
    assert (judged(runtime, name, Exit(code=1)).kind is OK) is (outcome.kind is OK)


@pytest.mark.parametrize(("runtime", "name"), ALL)
def test_a_finished_run_counts_though_it_had_to_be_stopped(runtime: str, name: str) -> None:
    outcome = judged(runtime, name, Exit(code=-9, timed_out=True))
    is_ok = ENDS[runtime][name][1] is OK
    assert outcome.kind is (OK if is_ok else OutcomeKind.TIMED_OUT)


@pytest.mark.parametrize(("runtime", "name"), [one for one in ALL if one[0] in STREAMING])
def test_without_its_last_line_no_run_has_succeeded(runtime: str, name: str) -> None:
    made = load_runtime(runtime)
    events = [event for line in lines(runtime, name)[:-1] for event in made.parse(line)]
    assert made.outcome(Exit(code=0), events).kind is not OK


@pytest.mark.parametrize("runtime", sorted(ENDS))
def test_everything_that_these_versions_say_is_understood(runtime: str) -> None:
    for name in ENDS[runtime]:
        assert EventKind.RAW not in [event.kind for event in read(runtime, name)], name


@pytest.mark.parametrize("runtime", sorted(ENDS))
def test_the_report_in_a_fence_is_the_result(runtime: str) -> None:
    assert judged(runtime, "edit").result_data == REPORT


@pytest.mark.parametrize("runtime", STREAMING)
def test_each_use_of_a_tool_is_answered(runtime: str) -> None:
    events = read(runtime, "edit")
    used = [e.data["call"] for e in events if e.kind is EventKind.TOOL_USE]
    answered = [e.data["call"] for e in events if e.kind is EventKind.TOOL_RESULT]
    assert len(used) == 2
    assert used == answered


@pytest.mark.parametrize("runtime", STREAMING)
def test_the_first_event_names_the_session(runtime: str) -> None:
    first = read(runtime, "edit")[0]
    assert first.kind is EventKind.STARTED
    assert first.data["session_id"]


TOKENS = {
    "codex": (2979, 150, 21, None),
    "agy": (3076, 155, 21, None),
    "aider": (1000, 50, None, None),
    "gemini": (2979, 150, 21, None),
    "opencode": (2979, 150, 21, 0.007458),
}


@pytest.mark.parametrize("runtime", sorted(TOKENS))
def test_what_a_run_used_is_told(runtime: str) -> None:
    usage = judged(runtime, "edit").usage
    assert usage is not None
    told = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cost_usd)
    assert told == TOKENS[runtime]


def test_codex_counts_over_all_runs_of_a_session() -> None:
    usage = judged("codex", "resumed").usage
    assert usage is not None
    assert usage.input_tokens == 2 * 993
    assert judged("codex", "resumed").is_session_usage


def test_retries_of_a_limited_codex_are_told_as_a_limit() -> None:
    kinds = [event.kind for event in read("codex", "limit")]
    assert kinds.count(EventKind.LIMIT) == 2
    assert EventKind.LIMIT not in [event.kind for event in read("codex", "overloaded")]
