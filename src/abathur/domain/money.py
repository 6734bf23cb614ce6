"""What attempts cost: reported where the agent's program tells, else estimated by a stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from abathur.domain.records import record
from abathur.domain.runs import Usage

ASSUMED_USD: Final = 1.0
"""For an attempt of a model about which nothing is known, when no setting says otherwise."""
FREE_RUNTIMES: Final = frozenset({"command", "fake"})
"""Programs that need not be models: without a word about cost they count as free."""
LAST_KNOWN: Final = 20
"""So many known costs are enough for the median."""
NEVER_STARTED: Final = "the agent was never started"


class CostGroup(StrEnum):
    """What costs can be added up by."""

    TASK = "task"
    TARGET = "target"
    AGENT_TYPE = "agent-type"
    DAY = "day"
    ATTEMPT = "attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What to go by when a program doesn't tell what a run cost."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    """By model; the longest name that the model's begins with counts."""
    assumed_usd: float | None = None
    """For an attempt of which nothing is known; None: 1 dollar for models, 0 for the rest."""

    def price_of(self, model: str | None) -> tuple[str, Price] | None:
        fitting = [name for name in self.prices if model and model.startswith(name)]
        return (found := max(fitting, key=len), self.prices[found]) if fitting else None

    def assumed(self, runtime: str | None) -> float:
        if self.assumed_usd is not None:
            return self.assumed_usd
        return 0.0 if runtime in FREE_RUNTIMES else ASSUMED_USD

    def needs_history(self, runtime: str | None) -> bool:
        """Whether earlier costs say more than the assumption."""
        return runtime not in FREE_RUNTIMES or self.assumed_usd is not None


UNPRICED: Final = Pricing()


@dataclass(frozen=True, slots=True)
class Estimate:
    usd: float
    rule: str


def estimate(
    usage: Usage | None,
    model: str | None,
    runtime: str | None,
    known: Sequence[float],
    pricing: Pricing,
) -> Estimate:
    """What an attempt of unknown cost counts for. `known` are costs of others like it.

    Its own tokens tell most; then what attempts of the same agent type and model cost; then what
    the settings say.
    """
    if usage is not None and (priced := _by_tokens(usage, model, pricing)):
        return priced
    if known:
        # Not by `statistics`: importing that takes longer than a whole command should.
        middle = sorted(known)[len(known) // 2]
        return Estimate(middle, f"median of {len(known)} known of this agent type and model")
    return Estimate(pricing.assumed(runtime), "assumed per attempt")


def _by_tokens(usage: Usage, model: str | None, pricing: Pricing) -> Estimate | None:
    found = pricing.price_of(model)
    if found is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    name, price = found
    usd = (
        (usage.input_tokens or 0) * price.input
        + (usage.output_tokens or 0) * price.output
        + (usage.cache_read_tokens or 0) * price.cache_read
        + (usage.cache_write_tokens or 0) * price.cache_write
    ) / 1e6
    return Estimate(usd, f"tokens by the price of {name}")


@record
class Cost:
    """What one attempt cost."""

    task_id: str
    attempt: int
    target: str
    """The branch; empty when the attempt ended before that was known."""
    agent_type: str
    model: str | None
    day: str
    """The day on which the attempt began, in UTC: `2030-01-31`."""
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reserved_usd: float
    """Counted until the attempt ends, when a budget asks for it."""
    cost_usd: float | None
    """As reported. None is unknown, which isn't zero."""
    estimated_usd: float | None
    """What counts instead of an unknown cost."""
    estimate_rule: str | None
    settled_at: datetime | None
    """None while the attempt runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTotal:
    """Costs added up; what is known and what isn't are kept apart."""

    name: str
    attempts: int
    known_usd: float
    known_attempts: int
    estimated_usd: float
    unknown_attempts: int
    """Those that `estimated_usd` stands for."""
    reserved_usd: float
    running_attempts: int
    """Those that aren't settled; `reserved_usd` stands for them."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int

    @property
    def counted_usd(self) -> float:
        """What budgets go by."""
        return self.known_usd + self.estimated_usd + self.reserved_usd


def day_of(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
