"""How agents have done, and which model the next run is given by that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from abathur.domain.errors import ConfigError
from abathur.domain.failures import RULES, FailureClass, Reaction
from abathur.domain.runs import OutcomeKind

AUTO: Final = "auto"
NOTHING_TO_CHOOSE: Final = "model: auto needs `models`, a list to choose from"
"""As a model: one of the agent type's `models`, by its `model_rule`."""
DEFAULT_MIN_RUNS: Final = 5
DEFAULT_EXPLORE: Final = 0.1


class StatsBy(StrEnum):
    TYPE = "type"
    VERSION = "version"
    """Of the definition: its agent type and the hash of its file."""
    MODEL = "model"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """One attempt that has ended."""

    agent_type: str
    runtime: str | None
    model: str | None
    definition_version: str | None
    outcome: OutcomeKind
    failure: FailureClass | None
    is_refused: bool
    """It said that it was done, but its work couldn't land or wasn't verified."""
    seconds: float
    usd: float | None
    """None when nobody knows, not even roughly."""

    @property
    def counts(self) -> bool:
        """Whether it says anything about the agent: not so where a limit or an outage ended it."""
        if self.outcome is OutcomeKind.SUCCEEDED:
            return True
        reaction = RULES[self.failure].reaction if self.failure else None
        return self.outcome.spends_retry and reaction not in {Reaction.WAIT, Reaction.ASK}

    @property
    def is_success(self) -> bool:
        return self.outcome is OutcomeKind.SUCCEEDED and not self.is_refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStats:
    name: str
    runs: int
    """Those that count: see `AgentRun.counts`."""
    succeeded: int
    refused: int
    failed: int
    other: int
    """Handed back, lost, cancelled, or ended by a limit."""
    seconds: float
    """Of those that count, on average."""
    usd: float | None
    """Known and estimated, on average of those of which it is known."""
    total_usd: float

    @property
    def success_rate(self) -> float | None:
        return self.succeeded / self.runs if self.runs else None

    @property
    def expected_rate(self) -> float:
        """By the rule of succession (Laplace): a few runs don't make it 0 or 1."""
        return (self.succeeded + 1) / (self.runs + 2)


NAMES: Final[Mapping[StatsBy, Callable[[AgentRun], str]]] = {
    StatsBy.TYPE: lambda run: run.agent_type,
    StatsBy.VERSION: lambda run: f"{run.agent_type}@{(run.definition_version or '-')[:12]}",
    StatsBy.MODEL: lambda run: run.model or "-",
    StatsBy.RUNTIME: lambda run: run.runtime or "-",
}


def summed(runs: Iterable[AgentRun], by: StatsBy) -> Sequence[AgentStats]:
    """In order of name."""
    groups: dict[str, list[AgentRun]] = {}
    for run in runs:
        groups.setdefault(NAMES[by](run), []).append(run)
    return [_stats(name, groups[name]) for name in sorted(groups)]


def _stats(name: str, runs: Sequence[AgentRun]) -> AgentStats:
    counted = [run for run in runs if run.counts]
    costs = [run.usd for run in counted if run.usd is not None]
    succeeded = sum(run.is_success for run in counted)
    refused = sum(run.is_refused for run in counted)
    return AgentStats(
        name=name,
        runs=len(counted),
        succeeded=succeeded,
        refused=refused,
        failed=len(counted) - succeeded - refused,
        other=len(runs) - len(counted),
        seconds=sum(run.seconds for run in counted) / len(counted) if counted else 0.0,
        usd=sum(costs) / len(costs) if costs else None,
        total_usd=sum(run.usd or 0.0 for run in runs),
    )


# --- which model ------------------------------------------------------------------------------


class Prefer(StrEnum):
    SUCCESS_RATE = "success_rate"
    COST = "cost"
    """Dollars for each success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    prefer: Prefer = Prefer.SUCCESS_RATE
    min_runs: int = DEFAULT_MIN_RUNS
    """Each model is tried so often before any is preferred."""
    explore: float = DEFAULT_EXPLORE
    """The share of runs that go to one of the others, so that what has changed is noticed."""


def model_rule(value: Any) -> ModelRule:
    """Raises `ValueError`."""
    section = {} if value is None else value
    if not isinstance(section, Mapping) or not set(section) <= {"prefer", "min_runs", "explore"}:
        raise ValueError("a section is expected, with `prefer`, `min_runs`, `explore`")
    prefer, least = section.get("prefer", "success_rate"), section.get("min_runs", DEFAULT_MIN_RUNS)
    explore = section.get("explore", DEFAULT_EXPLORE)
    if prefer not in set(Prefer):
        raise ValueError(f"prefer: one of {', '.join(Prefer)} is expected")
    if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= 1000:
        raise ValueError("min_runs: a whole number from 1 to 1000 is expected")
    if isinstance(explore, bool) or not isinstance(explore, int | float) or not 0 <= explore <= 1:
        raise ValueError("explore: a share from 0 to 1 is expected")
    return ModelRule(prefer=Prefer(prefer), min_runs=least, explore=float(explore))


def chance_of(task_id: str, attempt: int) -> float:
    """In [0, 1), the same for the same attempt: a choice can be told again."""
    digest = sha256(f"{task_id}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def choose_model(
    models: Sequence[str], known: Sequence[AgentStats], rule: ModelRule, chance: float
) -> tuple[str, str]:
    """The model for the next run, and why, in words. Raises `ConfigError` without any model."""
    if not models:
        raise ConfigError(NOTHING_TO_CHOOSE)
    by_name = {one.name: one for one in known}
    runs = {model: by_name[model].runs if model in by_name else 0 for model in models}
    rarest = min(models, key=lambda model: runs[model])
    if runs[rarest] < rule.min_runs:
        return rarest, f"tried {runs[rarest]} of {rule.min_runs} times before one is preferred"
    best = max(models, key=lambda model: _worth(by_name[model], rule))
    others = [model for model in models if model != best]
    if others and chance < rule.explore:
        return others[int(chance / rule.explore * len(others))], "explored, to notice changes"
    return best, _told(by_name[best], rule, len(models))


def _worth(stats: AgentStats, rule: ModelRule) -> float:
    if rule.prefer is Prefer.SUCCESS_RATE:
        return stats.expected_rate
    return -((stats.usd or 0.0) / stats.expected_rate)


def _told(stats: AgentStats, rule: ModelRule, of: int) -> str:
    rate = f"{(stats.success_rate or 0) * 100:.0f} % of {stats.runs} runs"
    if rule.prefer is Prefer.SUCCESS_RATE:
        return f"the best of {of}: {rate} succeeded"
    usd = (stats.usd or 0.0) / stats.expected_rate
    return f"the cheapest of {of}: about ${usd:.2f} for a success, {rate}"
