"""How aider is started, and rules of reading it that no recording shows."""

from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Exit, OutcomeKind, RunSpec
from abathur.infrastructure.runtimes.aider import AiderRuntime

TOKENS = "Tokens: 1.2k sent, 3.4k cache write, 50 received. Cost: $0.01 message, $0.03 session."


def command(**changes: Any) -> Command:
    settings = {"program": "/opt/aider", "model": "openai/m", **changes.pop("settings", {})}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": 1,
        "agent_type": "general",
        "prompt": "do it",
        "worktree": Path("/w"),
        "scratch": Path("/s"),
        "session_id": "11111111-1111-4111-8111-111111111111",
    }
    return AiderRuntime({}).command(RunSpec(**{**fields, **changes}, settings=settings))


def judged(*lines: str, code: int = 0) -> Any:
    runtime = AiderRuntime()
    return runtime.outcome(Exit(code=code), [e for line in lines for e in runtime.parse(line)])


def test_it_leaves_nothing_of_its_own_in_the_tree() -> None:
    made = command(system_prompt="Be brief.", settings={"files": "a.py, b.py", "base_url": "u"})
    assert {"--no-auto-commits", "--no-gitignore", "--map-tokens"} <= set(made.argv)
    for kind in ("input", "chat", "llm"):
        place = made.argv[made.argv.index(f"--{kind}-history-file") + 1]
        assert place.startswith("/s/")
    assert made.argv[-6:-2] == ("--file", "a.py", "--file", "b.py")
    assert made.files == {Path("/s/message.md"): "Be brief.\n\ndo it"}
    assert made.env["OPENAI_API_BASE"] == "u"


def test_an_agent_that_does_not_edit_is_only_asked() -> None:
    assert "--chat-mode" in command(tools=("Read",)).argv
    assert "--chat-mode" not in command().argv


def test_a_tool_that_it_can_not_be_kept_from_is_refused() -> None:
    with pytest.raises(AgentUnavailableError, match="can't deny `Read`"):
        command(denied_tools=("Read",))


def test_an_answer_that_was_counted_is_a_success_with_its_cost() -> None:
    outcome = judged("Aider v0.86.2", "I did it.", TOKENS, "Applied edit to a.py")
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert outcome.usage.input_tokens == 1200
    assert outcome.usage.output_tokens == 50
    assert outcome.usage.cost_usd == 0.01


@pytest.mark.parametrize(
    "error",
    [
        "litellm.InternalServerError: it broke",
        "Only 3 reflections allowed, stopping.",
        "Model openai/m has hit a token limit!",
    ],
)
def test_an_error_after_it_takes_that_back(error: str) -> None:
    assert judged("Aider v0.86.2", TOKENS, error).kind is not OutcomeKind.SUCCEEDED


def test_an_error_that_was_overcome_is_none() -> None:
    lines = ("litellm.RateLimitError: slow down", "Retrying in 0.2 seconds...", TOKENS)
    assert judged("Aider v0.86.2", *lines).kind is OutcomeKind.SUCCEEDED
