"""Which model a run is given where its agent type leaves that to a rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from abathur.domain.agent_stats import (
    AUTO,
    StatsBy,
    chance_of,
    choose_model,
    model_rule,
    summed,
)
from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.domain.model_names import resolved
from abathur.domain.runs import Attempt
from abathur.swarm.parts import Parts

NEWEST: Final = 500
"""How far back it looks: agents and models change."""


async def chosen(parts: Parts, spec: AgentSpec, attempt: Attempt) -> tuple[AgentSpec, str | None]:
    """The agent type with a model, and why that one; None where nothing was to be chosen.

    Raises `ConfigError`, `DatabaseError`.
    """
    if spec.model != AUTO:
        return spec, None
    try:
        rule = model_rule(spec.settings.get("model_rule"))
    except ValueError as error:
        raise ConfigError(f"agents.{spec.agent_type}: model_rule: {error}") from error
    runs = await parts.db.read(
        lambda stores: stores.agent_runs.newest(NEWEST, agent_type=spec.agent_type)
    )
    same = [run for run in runs if run.runtime == spec.runtime]
    names = [
        resolved(model, spec.runtime, parts.settings.models) or model
        for model in spec.settings.get("models") or ()
    ]
    chance = chance_of(attempt.task_id, attempt.number)
    model, why = choose_model(names, summed(same, StatsBy.MODEL), rule, chance)
    return replace(spec, model=model), why
