"""Which rule would allow what Claude Code was denied, and when a person is asked about it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from abathur.domain.runs import Exit, Outcome, OutcomeKind
from abathur.infrastructure.runtimes.claude import ClaudeRuntime


def judged(*denials: tuple[str, Mapping[str, Any]], **more: Any) -> Outcome:
    final = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "terminal_reason": "completed",
        "result": "I wasn't allowed to",
        "permission_denials": [
            {"tool_name": tool, "tool_use_id": "t", "tool_input": given} for tool, given in denials
        ],
        **more,
    }
    runtime = ClaudeRuntime()
    return runtime.outcome(Exit(code=0), runtime.parse(json.dumps(final)))


@pytest.mark.parametrize(
    ("tool", "given", "rule"),
    [
        ("Bash", {"command": "make deploy"}, "Bash(make deploy)"),
        ("Bash", {"command": "make; rm -rf /"}, "Bash"),
        ("Bash", {"command": "echo $(id)"}, "Bash"),
        ("Bash", {"command": "a,b"}, "Bash"),
        ("Bash", {"command": "a\nb"}, "Bash"),
        ("Bash", {"command": "x" * 300}, "Bash"),
        ("WebFetch", {"url": "https://example.org/a?b"}, "WebFetch(domain:example.org)"),
        ("WebFetch", {"url": "http://[nonsense"}, "WebFetch"),
        ("mcp__files__read", {"path": "a"}, "mcp__files__read"),
    ],
)
def test_a_rule_is_as_narrow_as_it_can_be_trusted(
    tool: str, given: Mapping[str, Any], rule: str
) -> None:
    outcome = judged((tool, given), subtype="error_max_turns", is_error=True)
    assert outcome.kind is OutcomeKind.FAILED
    assert [one.rule for one in outcome.denied] == [rule]


def test_the_same_thing_is_told_once() -> None:
    outcome = judged(*[("Edit", {"file_path": f"{n}"}) for n in range(50)], is_error=True)
    assert [one.rule for one in outcome.denied] == ["Edit"]


def test_after_a_good_end_only_edits_count() -> None:
    assert judged(("Bash", {"command": "ls"})).denied == ()
    tools = [one.tool for one in judged(("Bash", {"command": "ls"}), ("Write", {})).denied]
    assert tools == ["Bash", "Write"]


@pytest.mark.parametrize("cause", [{"api_error_status": 500}, {"subtype": "error_max_budget_usd"}])
def test_what_failed_for_another_reason_is_no_question(cause: Mapping[str, Any]) -> None:
    outcome = judged(("Write", {}), **{"is_error": True, **cause})
    assert (outcome.kind, outcome.denied) == (OutcomeKind.FAILED, ())


def test_secrets_are_masked_before_anything_is_stored() -> None:
    outcome = judged(("Write", {"content": "password=hunter2"}))
    assert outcome.denied[0].input == {"content": "password=[REDACTED]"}
