"""What the configuration says about who may be claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abathur.domain.admission import AdmissionRules
from abathur.domain.agents import AgentSpec
from abathur.domain.budgets import SpendingRules
from abathur.domain.closed_targets import closure_of
from abathur.domain.errors import AbathurError
from abathur.domain.pools import pools_of
from abathur.domain.settings import Settings
from abathur.swarm.parts import Parts

Resolve = Callable[[str], AgentSpec]


def admission_rules(parts: Parts) -> AdmissionRules:
    return rules_of(
        parts.settings, parts.host, parts.resolve_agent, parts.checked_out(), parts.lacks_branch
    )


def rules_of(
    settings: Settings,
    host: str,
    resolve: Resolve,
    checked_out: str | None,
    lacks_branch: Callable[[str], bool],
) -> AdmissionRules:
    """For the swarm and for the views alike, so that both say the same.

    What is checked out is where work lands that names no target, where the settings name none.
    """
    return AdmissionRules(
        limits=settings.limits,
        host=host,
        default_target=settings.target_branch or checked_out,
        may_overlap=settings.swarm.overlap == "run",
        pools_of=lambda agent_type: _pools_of(resolve, agent_type),
        spending=_spending(settings, resolve),
        closure=lambda target: closure_of(settings, target, lacks_branch),
    )


def spending_rules(parts: Parts) -> SpendingRules:
    return _spending(parts.settings, parts.resolve_agent)


def _spending(settings: Settings, resolve: Resolve) -> SpendingRules:
    return SpendingRules(
        budgets=settings.budget.budgets,
        pricing=settings.budget.pricing,
        kind_of=lambda agent_type: _kind_of(resolve, agent_type),
    )


def _pools_of(resolve: Resolve, agent_type: str) -> Sequence[str]:
    """None for an agent type that isn't to be had: its run will tell what is wrong with it."""
    try:
        return [str(key) for key in pools_of(resolve(agent_type))]
    except AbathurError:
        return ()


def _kind_of(resolve: Resolve, agent_type: str) -> tuple[str | None, str | None]:
    try:
        spec = resolve(agent_type)
    except AbathurError:
        return None, None
    return spec.runtime, spec.model
