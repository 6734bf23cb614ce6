"""What follows an attempt that didn't succeed: again, when, and whether it is charged.

Failures are charged against the task's retries. What isn't the task's doing (a provider's limit, an
orderly stop, a worker that is gone) is not, however often it happens, so it must never spin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.runs import OutcomeKind

MAX_BACK_OFF_SECONDS: Final = 30 * 86_400
FREE_LOSSES: Final = 2
"""Losses in a row that are taken for accidents: a reboot, and a worker killed by a person."""
MIN_RATE_LIMIT_SECONDS: Final = 30.0
"""The wait when the provider names none: most limits are counted by the minute."""
MAX_RATE_LIMIT_SECONDS: Final = 7 * 86_400.0
"""The longest window that a provider is known to count in; more is a misread answer."""


class RetryAction(StrEnum):
    RETRY = "retry"
    GIVE_UP = "give_up"
    LEAVE = "leave"
    """Nothing is to be decided: the work goes on to its landing, or a cancelling settled it."""


@dataclass(frozen=True, slots=True)
class Decision:
    action: RetryAction
    delay: timedelta = timedelta()
    """Zero is at once."""
    spends: bool = False
    """Whether `retry_count` goes up."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Raises `InvalidInputError` when a value makes no sense."""

    initial_seconds: float
    factor: float
    max_seconds: float
    jitter: float
    """The share of a delay that is left to chance, 0 to 1."""

    def __post_init__(self) -> None:
        _check("initial_seconds", self.initial_seconds, 0, MAX_BACK_OFF_SECONDS)
        _check("factor", self.factor, 1, 100)
        _check("max_seconds", self.max_seconds, 0, MAX_BACK_OFF_SECONDS)
        _check("jitter", self.jitter, 0, 1)

    def delay(self, retry_number: int, chance: float) -> timedelta:
        """How long to wait before the given retry; the first one is 1. `chance` is in [0, 1).

        Exponential, capped, then shortened by up to the share `jitter`: of tasks that failed
        together, in an outage say, not all come back together. Jitter shortens rather than
        lengthens so that `max_seconds` is what it says, and it takes a share rather than all
        so that a failing task is never retried at once.
        """
        return timedelta(seconds=self._capped(retry_number) * (1 - self.jitter * chance))

    def _capped(self, retry_number: int) -> float:
        try:
            grown = self.initial_seconds * float(self.factor) ** max(0, retry_number - 1)
        except OverflowError:
            return self.max_seconds if self.initial_seconds else 0.0
        return min(grown, self.max_seconds)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # false for NaN too
        raise InvalidInputError(f"retry.{name}: {value!r} isn't a number from {low} to {high}")


def decide(
    outcome: OutcomeKind,
    *,
    retry_count: int,
    max_retries: int,
    lost_count: int,
    retry_after_seconds: float | None,
    policy: RetryPolicy,
    chance: float,
) -> Decision:
    """What to do with the task, given how its attempt ended.

    `retry_count` is what was charged before this attempt ended; `lost_count` are the losses in a
    row with this one included. The last failure gives up and is not charged, so `retry_count`
    never exceeds `max_retries`.
    """
    match outcome:
        case OutcomeKind.FAILED | OutcomeKind.TIMED_OUT | OutcomeKind.SILENT:
            if retry_count >= max_retries:
                return Decision(RetryAction.GIVE_UP)
            return Decision(RetryAction.RETRY, policy.delay(retry_count + 1, chance), spends=True)
        case OutcomeKind.RATE_LIMITED:
            return Decision(RetryAction.RETRY, _limit_delay(retry_after_seconds, policy, chance))
        case OutcomeKind.LOST if lost_count > FREE_LOSSES:
            # It may be the task that kills its workers, so it mustn't take them down in a row.
            return Decision(RetryAction.RETRY, policy.delay(lost_count - FREE_LOSSES, chance))
        case OutcomeKind.LOST | OutcomeKind.RELEASED:
            return Decision(RetryAction.RETRY)
        case OutcomeKind.SUCCEEDED | OutcomeKind.CANCELLED:
            return Decision(RetryAction.LEAVE)


def _limit_delay(retry_after: float | None, policy: RetryPolicy, chance: float) -> timedelta:
    """What the provider asked for, and never less; else the policy's cap, at least 30 seconds.

    Jitter lengthens here, unlike in a back-off: before its time a limit answers no again.
    """
    if retry_after is None or not math.isfinite(retry_after) or retry_after <= 0:
        wait = max(MIN_RATE_LIMIT_SECONDS, policy.max_seconds)
    else:
        wait = max(1.0, retry_after)
    spread = policy.jitter * chance * max(1.0, policy.initial_seconds)
    return timedelta(seconds=min(wait, MAX_RATE_LIMIT_SECONDS) + spread)
