"""What an attempt's agent is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.prompts import Recalled
from abathur.domain.tasks import Task
from abathur.services.prompting import prompt_facts
from abathur.swarm.memory import recalled
from abathur.swarm.parts import Parts

PLAIN_RUNTIMES: Final = frozenset({"command", "fake"})
"""Programs that get the prompt as it was typed: they may take it for a script."""


def is_briefed(spec: AgentSpec) -> bool:
    """Whether the prompt is made from templates."""
    return bool(spec.settings.get("briefing", spec.runtime not in PLAIN_RUNTIMES))


async def prompt_for(
    parts: Parts,
    task: Task,
    spec: AgentSpec,
    target: str,
    attempt: int | None = None,
    continued: str = "",
) -> str:
    """`continued` says why a session was cut off that is gone on with.

    Raises `ConfigError`, `DatabaseError`.
    """
    if not is_briefed(spec):
        return task.prompt
    memories = tuple(Recalled(source, text) for source, text in await recalled(parts, task))
    facts = await parts.db.read(prompt_facts, task.id, spec, target, attempt)
    return parts.prompts.write(replace(facts, memories=memories, continued=continued))
