"""How a definition and the configuration make an agent type."""

from pathlib import Path
from typing import Any

import pytest

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.domain.settings import Settings
from abathur.domain.specs import AgentDefinition, definition, resolve_agent

FILE = Path("/p/reviewer.md")


def made(**front: Any) -> AgentDefinition:
    return definition(front, " You review. \n", FILE, lambda key: f"reviewer.md:{len(key)}")


def resolved(settings: Settings, given: AgentDefinition | None = None) -> AgentSpec:
    return resolve_agent(settings, {given.name: given} if given else {}, "reviewer")


def test_the_file_name_is_the_name_when_none_is_given() -> None:
    assert made().name == "reviewer"
    assert made().system_prompt == "You review."


def test_a_system_prompt_among_the_keys_wins_over_the_text() -> None:
    assert made(system_prompt="From a key").system_prompt == "From a key"


@pytest.mark.parametrize(
    ("front", "told"),
    [
        ({"name": "a b"}, "reviewer.md:4: name: `a b` can't be an agent type"),
        ({"name": "-a"}, "`-a` can't be an agent type"),
        ({"name": "ä"}, "`ä` can't be an agent type"),
        ({"model": ["a"]}, "reviewer.md:5: model: a text is expected"),
        ({"runtime": True}, "reviewer.md:7: runtime: a text is expected, not True"),
        ({"tools": [1]}, "reviewer.md:5: tools: a list of names is expected"),
        ({"settings": "a"}, "reviewer.md:8: settings: a section of keys is expected"),
    ],
)
def test_mistakes_name_their_place(front: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        made(**front)
    assert told in str(error.value)


def test_a_type_that_nobody_speaks_of_gets_the_default_runtime() -> None:
    assert resolved(Settings(default_runtime="fake")) == AgentSpec(
        agent_type="reviewer", runtime="fake"
    )


@pytest.mark.parametrize(
    ("section", "given", "runtime"),
    [
        ({}, None, "claude"),
        ({}, "command", "command"),
        ({"runtime": "fake"}, "command", "fake"),
        ({"model": "x"}, None, "claude"),
    ],
)
def test_which_runtime(section: dict[str, Any], given: str | None, runtime: str) -> None:
    settings = Settings(agents={"reviewer": section})
    assert resolved(settings, made(runtime=given)).runtime == runtime


@pytest.mark.parametrize(
    ("own", "given", "general", "model"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, None, None, None),
    ],
)
def test_the_nearest_model_wins(own: Any, given: Any, general: Any, model: Any) -> None:
    settings = Settings(
        agents={"reviewer": {"model": own}}, runtimes={"claude": {"model": general}}
    )
    assert resolved(settings, made(model=given)).model == model


def test_settings_are_merged_from_general_to_special() -> None:
    settings = Settings(
        runtimes={
            "claude": {"max_turns": 1, "program": "p", "env": {"A": 1, "B": 1, "C": 1}},
            "fake": {"unused": 1},
        },
        agents={"reviewer": {"max_turns": 3, "env": {"C": 3}, "settings": {"args": ["-x"]}}},
    )
    spec = resolved(settings, made(max_turns=2, args=["-y"], env={"B": 2}, color="red"))
    assert spec.settings == {
        "max_turns": 3,
        "program": "p",
        "env": {"A": 1, "B": 2, "C": 3},
        "args": ["-x"],
    }


def test_everything_of_the_definition_is_kept() -> None:
    given = made(description="Reads  a\nlot", tools="Read, Edit")
    spec = resolved(Settings(), given)
    assert spec.description == "Reads a lot"
    assert spec.tools == ("Read", "Edit")
    assert spec.system_prompt == "You review."
    assert spec.source == FILE


def test_the_configuration_can_replace_tools_and_system_prompt() -> None:
    settings = Settings(agents={"reviewer": {"tools": "Bash", "system_prompt": "Other"}})
    spec = resolved(settings, made(tools="Read"))
    assert (spec.tools, spec.system_prompt, spec.settings) == (("Bash",), "Other", {})


def test_a_mistake_in_the_configuration_names_the_agent_type() -> None:
    with pytest.raises(ConfigError, match=r"configuration, agents\.reviewer: runtime: a text"):
        resolved(Settings(agents={"reviewer": {"runtime": ["x"]}}))
