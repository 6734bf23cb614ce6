"""What the name of a model means for which runtime."""

import pytest

from abathur.domain.model_names import ALIASES, resolved
from abathur.domain.settings import Settings
from abathur.domain.specs import AgentDefinition, resolve_agent


@pytest.mark.parametrize(
    ("model", "runtime", "name"),
    [
        ("thinking", "claude", "opus"),
        ("fast", "claude", "haiku"),
        ("fast", "codex", None),
        ("sonnet", "anthropic", "claude-sonnet-5-5"),
        ("sonnet", "codex", None),
        ("sonnet", "aider", "sonnet"),
        ("inherit", "claude", None),
        ("gpt-9", "codex", "gpt-9"),
        (None, "claude", None),
    ],
)
def test_an_alias_means_what_its_runtime_has(
    model: str | None, runtime: str, name: str | None
) -> None:
    assert resolved(model, runtime, {}) == name


def test_the_configuration_wins_over_the_table() -> None:
    own = {"fast": {"codex": "gpt-9-mini"}, "house": {"*": "local-7b"}}
    assert resolved("fast", "codex", own) == "gpt-9-mini"
    assert resolved("fast", "claude", own) == ALIASES["fast"]["claude"]
    assert resolved("house", "openai", own) == "local-7b"


def test_an_agent_type_gets_the_name_that_its_runtime_takes() -> None:
    settings = Settings(agents={"a": {"runtime": "codex"}}, models={"fast": {"codex": "gpt-9"}})
    given = AgentDefinition(name="a", model="fast")
    assert resolve_agent(settings, {"a": given}, "a").model == "gpt-9"
