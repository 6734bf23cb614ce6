"""When a person is asked, what is masked, and what an agent and a person are told."""

from typing import Any

import pytest

from abathur.domain.briefing import feedback_text, permissions_text
from abathur.domain.masking import LONGEST, masked
from abathur.domain.reviews import is_required


@pytest.mark.parametrize(
    ("required_for", "expected"),
    [
        ((), False),
        (("main",), True),
        (("mai",), False),
        (("m*",), True),
        (("release/*",), False),
        (("agent:junior",), True),
        (("agent:jun*",), True),
        (("agent:senior", "junior"), False),
        (("*",), True),
    ],
)
def test_approval_is_required_by_target_or_agent_type(
    required_for: tuple[str, ...], expected: bool
) -> None:
    assert is_required(required_for, "main", "junior") is expected


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-" + "a1" * 12,
        "ghp_" + "0123456789" * 4,
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3.s3cr3t_signature",
    ],
)
def test_tokens_are_masked_at_any_depth(text: str) -> None:
    told = masked({"a": [f"curl -H 'X: {text}' x", {"b": (text,)}], "n": 1})
    assert text not in str(told)
    assert told["n"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("API_KEY=abc123 make", "API_KEY=[REDACTED] make"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [REDACTED]"),
        ("https://me:pw@example.org/x", "https://me:[REDACTED]@example.org/x"),
        ("make deploy", "make deploy"),
    ],
)
def test_named_secrets_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_long_texts_are_cut() -> None:
    assert len(masked("x" * 10 * LONGEST)) == LONGEST + 1


def test_an_agent_is_told_what_the_person_said() -> None:
    facts: dict[str, Any] = {"kind": "review", "comment": "write more", "salvage_ref": "refs/k"}
    assert "write more" in feedback_text(facts)
    assert "refs/k" in feedback_text(facts)
    assert permissions_text(facts) == ""


def test_an_agent_is_told_what_it_may_and_may_not() -> None:
    facts: dict[str, Any] = {
        "kind": "permission",
        "permissions": {
            "allowed": ["Read"],
            "refused": [{"rules": ["Bash(rm)"], "comment": "keep it"}],
        },
    }
    assert feedback_text(facts) == ""
    told = permissions_text(facts)
    assert "`Read` is allowed now" in told
    assert "`Bash(rm)` stays forbidden: keep it" in told
