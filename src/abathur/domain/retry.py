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
from abathur.domain.failures import MAX_GUESSED_WAITS, RULES, FailureClass, Reaction
from abathur.domain.runs import Outcome, OutcomeKind

MAX_BACK_OFF_SECONDS: Final = 30 * 86_400
FREE_LOSSES: Final = 2
"""Losses in a row that are taken for accidents: a reboot, and a worker killed by a person."""
MIN_RATE_LIMIT_SECONDS: Final = 30.0
"""The wait when the provider names none: most limits are counted by the minute."""
MAX_RATE_LIMIT_SECONDS: Final = 7 * 86_400.0
"""The longest window that a provider is known to count in; more is a misread answer."""
MIN_WAIT_SECONDS: Final = 1.0
"""Between two tries of what isn't the task's doing, under any policy: it must never spin."""


class RetryAction(StrEnum):
    RETRY = "retry"
    ASK = "ask"
    """Back to the queue, where it is held until a person has mended something."""
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
    outcome: Outcome,
    *,
    retry_count: int,
    max_retries: int,
    lost_count: int,
    wait_count: int = 0,
    policy: RetryPolicy,
    chance: float,
) -> Decision:
    """What to do with the task, given how its attempt ended.

    `retry_count` is what was charged before this attempt ended; `lost_count` are the losses in a
    row with this one included, `wait_count` the attempts in a row before it that the provider
    refused. The last failure gives up and is not charged, so `retry_count` never exceeds
    `max_retries`.
    """
    match outcome.kind:
        case OutcomeKind.TIMED_OUT | OutcomeKind.SILENT:
            return _charged(retry_count, max_retries, policy, chance)
        case OutcomeKind.FAILED | OutcomeKind.RATE_LIMITED:
            failure = failure_of(outcome)
            rule = RULES[failure]
            if rule.reaction is Reaction.ASK and not outcome.is_guess:
                return Decision(RetryAction.ASK)
            is_doubtful = outcome.is_guess and wait_count >= MAX_GUESSED_WAITS
            if rule.reaction is Reaction.WAIT and not is_doubtful:
                named = outcome.retry_after_seconds
                wait = wait_time(failure, named, wait_count, policy, chance)
                return Decision(RetryAction.RETRY, wait)
            allowed = max_retries if rule.most is None else min(rule.most, max_retries)
            return _charged(retry_count, allowed, policy, chance)
        case OutcomeKind.LOST if lost_count > FREE_LOSSES:
            # It may be the task that kills its workers, so it mustn't take them down in a row.
            return Decision(RetryAction.RETRY, policy.delay(lost_count - FREE_LOSSES, chance))
        case OutcomeKind.RELEASED:
            # None of the task's doing either, so nothing is charged for what it waits for.
            wait = timedelta(seconds=outcome.retry_after_seconds or 0.0)
            return Decision(RetryAction.RETRY, wait)
        case OutcomeKind.LOST:
            return Decision(RetryAction.RETRY)
        case OutcomeKind.SUCCEEDED | OutcomeKind.CANCELLED:
            return Decision(RetryAction.LEAVE)


def failure_of(outcome: Outcome) -> FailureClass:
    """The class of a failure. One of no known class is the agent's own."""
    if outcome.failure is not None:
        return outcome.failure
    is_limit = outcome.kind is OutcomeKind.RATE_LIMITED
    return FailureClass.QUOTA if is_limit else FailureClass.AGENT


def is_refused(outcome: Outcome) -> bool:
    """Whether the run is not to blame: its provider, a limit, or how it is set up."""
    return RULES[failure_of(outcome)].reaction in {Reaction.WAIT, Reaction.ASK}


def _charged(retry_count: int, allowed: int, policy: RetryPolicy, chance: float) -> Decision:
    if retry_count >= allowed:
        return Decision(RetryAction.GIVE_UP)
    return Decision(RetryAction.RETRY, policy.delay(retry_count + 1, chance), spends=True)


def may_rework(failure: FailureClass, rework_count: int, max_rework: int) -> bool:
    """Whether work that couldn't land goes back to an agent once more."""
    return RULES[failure].reaction is Reaction.REWORK and rework_count < max_rework


def wait_time(
    failure: FailureClass,
    retry_after: float | None,
    wait_count: int,
    policy: RetryPolicy,
    chance: float,
) -> timedelta:
    """How long to leave a provider alone after it refused for the `wait_count`+1st time in a row.

    What it asked for, and never less. Else a quota waits for the policy's cap, at least half a
    minute, and what may be over at any moment backs off step by step.
    """
    named = retry_after is not None and math.isfinite(retry_after) and retry_after > 0
    if named or failure is FailureClass.QUOTA:
        return _limit_delay(retry_after, policy, chance)
    steady = policy.delay(wait_count + 1, chance)
    return max(steady, timedelta(seconds=MIN_WAIT_SECONDS))


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
