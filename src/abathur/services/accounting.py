"""Writing down what attempts cost, and adding it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.money import (
    LAST_KNOWN,
    NEVER_STARTED,
    Cost,
    CostTotal,
    Estimate,
    day_of,
    estimate,
)
from abathur.domain.records import made
from abathur.domain.runs import Usage

if TYPE_CHECKING:
    from abathur.domain.money import CostGroup, Pricing
    from abathur.domain.runs import Attempt
    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores

NOTHING_TOLD = Usage()


def is_known(attempt: Attempt) -> bool:
    """Whether what it cost can be told without looking at what others did."""
    if attempt.usage is None:
        return attempt.pid is None
    return attempt.usage.cost_usd is not None


def cost_of(
    stores: Stores,
    task: Task,
    attempt: Attempt,
    target: str | None,
    pricing: Pricing,
    now: datetime,
) -> Cost:
    """What an attempt that has ended cost, estimated where that isn't known."""
    usage = attempt.usage or NOTHING_TOLD
    known = usage.cost_usd
    counted: Estimate | None = None
    if known is None and attempt.pid is None and attempt.usage is None:
        counted = Estimate(0.0, NEVER_STARTED)
    elif known is None:
        counted = _estimate(stores, task.agent_type, attempt, pricing)
    values = {
        "task_id": task.id,
        "attempt": attempt.number,
        "target": target or task.feature_branch or "",
        "agent_type": task.agent_type,
        "model": attempt.model,
        "day": day_of(attempt.started_at),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reserved_usd": 0.0,
        "cost_usd": known,
        "estimated_usd": counted.usd if counted else None,
        "estimate_rule": counted.rule if counted else None,
        "settled_at": now,
    }
    return made(Cost, values)


def _estimate(stores: Stores, agent_type: str, attempt: Attempt, pricing: Pricing) -> Estimate:
    history = known_costs(stores, agent_type, attempt.runtime, attempt.model, pricing)
    return estimate(attempt.usage, attempt.model, attempt.runtime, history, pricing)


def known_costs(
    stores: Stores, agent_type: str, runtime: str | None, model: str | None, pricing: Pricing
) -> Sequence[float]:
    """What others like it cost, where that says more than an assumption."""
    if not pricing.needs_history(runtime):
        return ()
    return stores.costs.known(agent_type, model, LAST_KNOWN)


def correct(stores: Stores, task_id: str, number: int, usage: Usage) -> bool:
    """Put a figure that came late in the place of an estimate. Evidence: needs no fence."""
    if usage.cost_usd is None:
        return False
    return stores.costs.correct(task_id, number, usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    by: CostGroup
    since: str | None
    """The first day."""
    groups: Sequence[CostTotal]
    total: CostTotal
    rules: Sequence[tuple[str, int]]
    """By which rules unknown costs were estimated, and how many attempts."""


def cost_report(stores: Stores, by: CostGroup, since_day: str | None) -> CostReport:
    groups = stores.costs.totals(by, since_day or "")
    return CostReport(
        by=by,
        since=since_day,
        groups=groups,
        total=_sum(groups),
        rules=stores.costs.rules(since_day or ""),
    )


def _sum(groups: Sequence[CostTotal]) -> CostTotal:
    names = [name for name in CostTotal.__dataclass_fields__ if name != "name"]
    return CostTotal(
        name="total", **{name: sum(getattr(one, name) for one in groups) for name in names}
    )
