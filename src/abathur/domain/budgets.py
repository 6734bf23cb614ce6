"""How much may be spent, and whether there is room for one more attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from abathur.domain.money import Pricing

EPSILON: Final = 1e-9
"""Sums of floating-point dollars are off by less than this."""


class BudgetScope(StrEnum):
    TASK = "task"
    TARGET = "target"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """As configured, in US dollars. None is without end."""

    task_usd: float | None = None
    """For each task that has no budget of its own."""
    target_usd: float | None = None
    """For each target that isn't named in `targets`."""
    targets: Mapping[str, float] = field(default_factory=dict)
    day_usd: float | None = None

    def __bool__(self) -> bool:
        return bool(self.targets) or any(
            limit is not None for limit in (self.task_usd, self.target_usd, self.day_usd)
        )

    def of(self, scope: BudgetScope, name: str) -> float | None:
        match scope:
            case BudgetScope.TASK:
                return self.task_usd
            case BudgetScope.TARGET:
                return self.targets.get(name, self.target_usd)
            case BudgetScope.DAY:
                return self.day_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a person said about one budget: another limit, or more on top of it."""

    limit_usd: float | None = None
    granted_usd: float = 0.0
    asked_usd: float = 0.0
    """What somebody is being asked to grant."""
    needed_usd: float = 0.0
    """What the attempt counts that had no room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One budget at a moment."""

    scope: BudgetScope
    name: str
    limit_usd: float
    spent_usd: float
    """Settled costs, known and estimated."""
    reserved_usd: float
    """For attempts that run."""

    @property
    def left_usd(self) -> float:
        return self.limit_usd - self.spent_usd - self.reserved_usd

    def has_room(self, usd: float) -> bool:
        """Whether one more attempt that will cost so much fits.

        When nothing is left nothing starts, even if it were free.
        """
        return self.left_usd > EPSILON and usd <= self.left_usd + EPSILON

    def is_used_up(self, usd: float) -> bool:
        """Whether it wouldn't fit either when all that runs turned out to be free."""
        left = self.limit_usd - self.spent_usd
        return left <= EPSILON or usd > left + EPSILON

    def told(self, usd: float) -> str:
        """The figures, for a person."""
        reserved = f" and ${self.reserved_usd:.2f} reserved" if self.reserved_usd else ""
        return (
            f"${self.spent_usd:.2f} spent{reserved} of ${self.limit_usd:.2f}, and the next attempt "
            f"counts ${usd:.2f}"
        )


def effective_limit(configured: float | None, allowance: Allowance | None) -> float | None:
    """The limit that holds, None when there is none."""
    own = allowance.limit_usd if allowance and allowance.limit_usd is not None else configured
    return None if own is None else own + (allowance.granted_usd if allowance else 0.0)


def _unknown_kind(agent_type: str) -> tuple[str | None, str | None]:
    return None, None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingRules:
    """What the swarm knows about money and the database doesn't."""

    budgets: Budgets = field(default_factory=Budgets)
    pricing: Pricing = field(default_factory=Pricing)
    kind_of: Callable[[str], tuple[str | None, str | None]] = _unknown_kind
    """Agent type -> runtime and model."""


UNBUDGETED: Final = SpendingRules()
