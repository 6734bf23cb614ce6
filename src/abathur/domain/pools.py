"""Providers' limits: one pool per provider and account, in which several windows are counted.

A pool is open; or exhausted until a time; or, after that time, half-open: one run tries whether
the provider answers again, and its first answer opens the pool for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.hosts import POOL, machine_of
from abathur.domain.records import record
from abathur.domain.retry import MAX_RATE_LIMIT_SECONDS
from abathur.domain.runs import EventKind, RunEvent

MIN_EXHAUSTED: Final = timedelta(seconds=1)
UNKNOWN_RESET: Final = timedelta(minutes=5)
"""When a provider says that a limit is reached, but not until when."""
MAX_EXHAUSTED: Final = timedelta(seconds=MAX_RATE_LIMIT_SECONDS)
PROBE: Final = timedelta(minutes=2)
"""How long a trying run may stay without an answer before another one tries."""
LONGEST_REFUSAL: Final = timedelta(hours=1)
"""The back-off of a pool that refuses again and again ends here."""

_PROVIDERS: Final[Mapping[str, str]] = {
    "claude": "anthropic",
    "codex": "openai",
    "gemini": "google",
}
_SHARES_NOTHING: Final = frozenset({"command"})
"""Runtimes whose agent types have nothing in common: each has a pool of its own."""
_MODELS: Final = ("opus", "sonnet", "haiku")
DEFAULT_ACCOUNT: Final = "default"


class PoolSource(StrEnum):
    """What an observation rests on, from certain to guessed."""

    EVENT = "event"
    """The program's own event about limits."""
    ERROR = "error"
    """The status of a refusal."""
    TEXT = "text"


@dataclass(frozen=True, slots=True, order=True)
class PoolKey:
    provider: str
    account: str = DEFAULT_ACCOUNT

    def __str__(self) -> str:
        return f"{self.provider}/{self.account}"

    @property
    def is_of_host(self) -> bool:
        return self.provider == POOL


@record
class Pool:
    """One window of a pool, as it was seen last."""

    provider: str
    account: str
    limit_window: str
    """As the provider calls it, like `five_hour`; or the class of failure, like `capacity`."""
    exhausted_until: datetime | None
    """Nothing is started before; once it has passed, one run tries. None: it is open."""
    used_share: float | None
    """0 to 1, as far as the provider told."""
    refusals: int
    """How often in a row it was exhausted without an answer in between."""
    probe: str | None
    """`TASK/ATTEMPT` of the run that tries whether it is open again."""
    source: PoolSource
    observed_at: datetime

    @property
    def key(self) -> PoolKey:
        return PoolKey(self.provider, self.account)

    def is_exhausted(self, now: datetime) -> bool:
        return self.exhausted_until is not None and self.exhausted_until > now

    def is_half_open(self, now: datetime) -> bool:
        return self.exhausted_until is not None and self.exhausted_until <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a run saw of one window."""

    window: str
    is_rejected: bool
    resets_at: datetime | None = None
    used_share: float | None = None
    source: PoolSource = PoolSource.EVENT


def pools_of(spec: AgentSpec) -> tuple[PoolKey, ...]:
    """The pools that an agent type draws on; its settings `provider` and `account` decide first.

    Some windows count one model alone: these are accounts of their own, beside the one for all.
    When it isn't known which model runs, it may be any.
    """
    own = spec.agent_type if spec.runtime in _SHARES_NOTHING else spec.runtime
    provider = _name(spec.settings.get("provider")) or _PROVIDERS.get(spec.runtime, own)
    account = _name(spec.settings.get("account")) or DEFAULT_ACCOUNT
    models = [name for name in _MODELS if spec.model is None or name in spec.model.lower()]
    own_windows = [PoolKey(provider, f"{account}:{name}") for name in models]
    return (PoolKey(provider, account), *own_windows)


def host_pool(host: str) -> PoolKey:
    """What worktrees and `setup` need there: the network, servers and the disk."""
    return PoolKey(POOL, machine_of(host))


def _name(value: object) -> str:
    return "".join(str(value).split()).replace("/", "-") if isinstance(value, str | int) else ""


def key_for(window: str, general: PoolKey) -> PoolKey:
    """The pool that a window belongs to: `seven_day_opus` is about Opus alone."""
    about = next((name for name in _MODELS if name in window.lower()), None)
    return PoolKey(general.provider, f"{general.account}:{about}") if about else general


def observation(event: RunEvent, now: datetime) -> Observation | None:
    """What a `limit` event says of a window; None when it says nothing that lasts."""
    if event.kind is not EventKind.LIMIT:
        return None
    status = event.data.get("status")
    if status not in {"rejected", "allowed_warning"}:
        return None
    return Observation(
        window=str(event.data.get("type") or "unknown")[:60],
        is_rejected=status == "rejected",
        resets_at=reset_time(event.data.get("resets_at"), now),
        used_share=_share(event.data.get("utilization")),
    )


def reset_time(epoch: object, now: datetime) -> datetime | None:
    """Seconds or milliseconds since 1970 as a time; bounded, and None when it is no number.

    One that has passed means at once, and none is further away than a week.
    """
    if not isinstance(epoch, int | float) or isinstance(epoch, bool) or not math.isfinite(epoch):
        return None
    seconds = epoch / 1000 if epoch > 1e11 else epoch
    try:
        named = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return bounded(named, now)


def bounded(until: datetime, now: datetime) -> datetime:
    return min(max(until, now + MIN_EXHAUSTED), now + MAX_EXHAUSTED)


def exhausted(refusals: int, seen: Observation, now: datetime, wait: timedelta) -> datetime:
    """Until when a window is to be left alone after a refusal; `wait` when no time was named.

    Without a named time it backs off further with each refusal in a row, as counted before.
    """
    if seen.resets_at is not None and seen.resets_at > now + MIN_EXHAUSTED:
        return bounded(seen.resets_at, now)
    grown = wait * 2 ** min(refusals, 20)
    return bounded(now + min(grown, max(wait, LONGEST_REFUSAL)), now)


def _share(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        return None
    return min(1.0, max(0.0, float(value)))
