"""Kinds of failure: the one table, and what is read from words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.failure_texts import by_text
from abathur.domain.failures import RULES, FailureClass, Reaction, by_status
from abathur.domain.retry import RetryAction, RetryPolicy, decide, may_rework
from abathur.domain.runs import Outcome, OutcomeKind

F = FailureClass
POLICY = RetryPolicy(10, 2, 300, 0.2)

# As Codex, Gemini CLI, opencode, aider and their providers are documented to say it.
SAID = [
    ("You've hit your usage limit. Upgrade to Pro or try again in 3 days.", F.QUOTA),
    ("You\u2019ve hit your limit \u00b7 resets 2pm (Asia/Shanghai)", F.QUOTA),
    ("error: insufficient_quota", F.QUOTA),
    ("TerminalQuotaError: You have exhausted your daily quota", F.QUOTA),
    ("exceeded retry limit, last status: 429 Too Many Requests", F.CAPACITY),
    ('{"type":"error","error":{"code":429}}', F.CAPACITY),
    ("litellm.RateLimitError: slow down", F.CAPACITY),
    ("API Error: Repeated 529 Overloaded errors", F.CAPACITY),
    ("context_length_exceeded: the maximum context length is 200000 tokens", F.CONTEXT_OVERFLOW),
    ("Prompt is too long, rate limit 429", F.CONTEXT_OVERFLOW),
    ("unexpected status 401 Unauthorized: Incorrect API key provided", F.AUTHENTICATION),
    ("The model `gpt-9` does not exist or you do not have access to it", F.MODEL_NOT_FOUND),
    ("stream disconnected: idle timeout waiting for SSE", F.NETWORK),
    ("connect ECONNREFUSED 127.0.0.1:443", F.NETWORK),
    ("HTTP 502 Bad Gateway", F.SERVER),
]
SAYS_NOTHING = [
    "14290 files changed",
    "main.py:429: syntax error",
    "0.429 s",
    "build 429-rc1 failed",
    "ran 500 tests, 401 passed",
    "commit a429bc",
    "429.5 points",
    "",
]


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_words_are_recognised(text: str, kind: FailureClass) -> None:
    assert by_text(text) is kind


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_numbers_within_other_things_mean_nothing(text: str) -> None:
    assert by_text(text) is None


@given(st.from_regex(r"[0-9]{1,6}429[0-9]{0,6}", fullmatch=True))
def test_a_429_within_digits_never_counts(text: str) -> None:
    assert by_text(f"line {text} failed") is None


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert by_text(text) in {None, *FailureClass}


@pytest.mark.parametrize("kind", FailureClass)
def test_every_class_has_a_rule(kind: FailureClass) -> None:
    assert RULES[kind].reaction in Reaction


@given(
    st.sampled_from(FailureClass),
    st.booleans(),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 50),
    st.none() | st.floats(),
)
def test_no_decision_spins_and_none_overdraws(
    kind: FailureClass, guess: bool, spent: int, allowed: int, waits: int, named: float | None
) -> None:
    outcome = Outcome(
        kind=OutcomeKind.FAILED, failure=kind, is_guess=guess, retry_after_seconds=named
    )
    decision = decide(
        outcome,
        retry_count=spent,
        max_retries=allowed,
        lost_count=0,
        wait_count=waits,
        policy=POLICY,
        chance=0.5,
    )
    if decision.spends:
        assert spent < allowed
    elif decision.action is RetryAction.RETRY:
        assert decision.delay.total_seconds() >= 1
        assert RULES[kind].reaction is Reaction.WAIT
    if decision.action is RetryAction.ASK:
        assert RULES[kind].reaction is Reaction.ASK
        assert not guess


def test_landing_sends_work_back_as_often_as_is_allowed() -> None:
    assert may_rework(F.CONFLICT, 0, 1)
    assert not may_rework(F.VERIFICATION, 1, 1)
    assert not may_rework(F.QUOTA, 0, 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, None),
        (200, None),
        (404, None),
        (401, F.AUTHENTICATION),
        (429, F.CAPACITY),
        (500, F.SERVER),
        (599, F.SERVER),
        (529, F.CAPACITY),
    ],
)
def test_a_status_is_translated(status: int | None, kind: FailureClass | None) -> None:
    assert by_status(status) is kind
