"""Asking a person: what can't go on by itself is held, with the reason and what to do."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.budgets import SpendingRules
from abathur.domain.failures import RULES, FailureClass
from abathur.domain.runs import Outcome
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores
from abathur.services import budgeting
from abathur.services.pausing import pause


def ask(
    stores: Stores,
    task: Task,
    outcome: Outcome,
    spending: SpendingRules,
    actor: str,
    now: datetime,
) -> None:
    """Hold what would fail again in the same way: the task, or all of its agent type."""
    if outcome.failure is FailureClass.BUDGET:
        if not budgeting.ask_for_shared(stores, spending, task, now):
            budgeting.hold_task(stores, spending, task, outcome.message, now)
        return
    advice = RULES[outcome.failure].advice if outcome.failure else ""
    reason = "; ".join(part for part in (outcome.message.rstrip(". "), advice) if part)
    hold = Hold(
        id=f"{HoldCause.AUTHENTICATION}:{task.agent_type}",
        scope=HoldScope.AGENT_TYPE,
        name=task.agent_type,
        cause=HoldCause.AUTHENTICATION,
        reason=reason,
        hold_until=None,
        created_by=actor,
        created_at=now,
    )
    pause(stores, hold)
