"""What an agent type's section asks of every run."""

from pathlib import Path
from typing import Any

import pytest

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.domain.run_specs import run_spec
from abathur.domain.runs import RunSpec


def asked(**settings: Any) -> RunSpec:
    spec = AgentSpec(agent_type="scribe", runtime="fake", model="small", settings=settings)
    return run_spec(
        spec,
        Path("/repo"),
        task_id="t",
        attempt=1,
        prompt="p",
        worktree=Path("/w"),
        scratch=Path("/s"),
        session_id="s",
    )


def test_what_an_agent_type_says_is_what_the_runtime_is_told() -> None:
    made = asked(
        effort="high",
        denied_tools="WebFetch, Bash",
        max_turns=7,
        add_dirs=["../lib", "/docs"],
        result_schema={"type": "object"},
    )
    assert made.output_schema == {"type": "object"}
    assert (made.agent_type, made.model, made.effort) == ("scribe", "small", "high")
    assert made.denied_tools == ("WebFetch", "Bash")
    assert made.max_turns == 7
    assert made.add_dirs == (Path("/repo/../lib"), Path("/docs"))


def test_what_is_not_said_is_left_to_the_program() -> None:
    made = asked()
    assert (made.effort, made.denied_tools, made.max_turns, made.add_dirs) == (None, (), None, ())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_turns": 0}, "agent type `scribe`: max_turns: a whole number above zero"),
        ({"max_turns": True}, "max_turns: a whole number"),
        ({"max_turns": "9"}, "max_turns: a whole number"),
        ({"effort": ["high"]}, "effort: a word"),
        ({"denied_tools": 3}, "denied_tools: a list of texts"),
        ({"add_dirs": [1]}, "add_dirs: a list of texts"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_one_line(settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        asked(**settings)
