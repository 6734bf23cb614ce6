"""Keeping track of providers' limits, and trying one run at a time when they may be over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from abathur.domain.admission import AdmissionRules
from abathur.domain.failures import WAITING, FailureClass
from abathur.domain.pools import (
    PROBE,
    UNKNOWN_RESET,
    Observation,
    Pool,
    PoolKey,
    PoolSource,
    bounded,
    exhausted,
    key_for,
)
from abathur.domain.records import changed
from abathur.domain.retry import RetryPolicy, failure_of, wait_time
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores


@dataclass(frozen=True, slots=True)
class Draws:
    """Which run draws on which pools; the first one is the general one."""

    run: str
    """`TASK/ATTEMPT`"""
    pools: tuple[PoolKey, ...]


def observe(stores: Stores, draws: Draws, seen: Observation, now: datetime) -> Pool | None:
    """Take in what a run's program told of a window; the pool when it is exhausted now."""
    key = key_for(seen.window, draws.pools[0])
    old = stores.pools.get(key, seen.window)
    until = old.exhausted_until if old else None
    refusals = old.refusals if old else 0
    if seen.is_rejected and (old is None or _adds(old, draws.run, now) or seen.resets_at):
        until = exhausted(refusals, seen, now, UNKNOWN_RESET)
        refusals += 1
    pool = Pool(
        provider=key.provider,
        account=key.account,
        limit_window=seen.window,
        exhausted_until=until,
        used_share=1.0 if seen.is_rejected and seen.used_share is None else seen.used_share,
        refusals=refusals,
        probe=None if seen.is_rejected or old is None else old.probe,
        source=seen.source,
        observed_at=now,
    )
    stores.pools.save(pool)
    return pool if seen.is_rejected else None


def _adds(old: Pool, run: str, now: datetime) -> bool:
    """Several runs that are refused at the same time are one refusal."""
    return not old.is_exhausted(now) or old.probe == run


def refused(
    stores: Stores, draws: Draws, outcome: Outcome, policy: RetryPolicy, now: datetime
) -> datetime | None:
    """Close the pool of a run that its provider refused; until when it is to be left alone."""
    failure = failure_of(outcome)
    closed = [pool for pool in stores.pools.closed() if pool.key in draws.pools]
    shut = [p.exhausted_until for p in closed if p.is_exhausted(now) and p.probe != draws.run]
    times = [until for until in shut if until is not None]
    if times:
        return max(times)
    wait = wait_time(failure, outcome.retry_after_seconds, 0, policy, 0.0)
    named = outcome.retry_after_seconds
    seen = Observation(
        window=failure.value,
        is_rejected=True,
        resets_at=bounded(now + wait, now) if named and named > 0 else None,
        source=PoolSource.TEXT if outcome.is_guess else PoolSource.ERROR,
    )
    tried = [pool for pool in closed if pool.probe == draws.run or pool.is_half_open(now)]
    refusals = 0 if outcome.is_guess else max((pool.refusals for pool in tried), default=0)
    until = exhausted(refusals, seen, now, wait)
    if draws.pools[0].is_of_host:
        # Trying costs nothing there, and who brings the network back doesn't want to wait.
        until = min(until, now + max(wait, timedelta(seconds=policy.max_seconds)))
    for pool in tried:
        again = changed(pool, exhausted_until=until, refusals=refusals + 1, probe=None)
        stores.pools.save(changed(again, observed_at=now))
    if not tried:
        stores.pools.save(_shut(draws.pools[0], seen, until, refusals + 1, now))
    return until


def _shut(key: PoolKey, seen: Observation, until: datetime, refusals: int, now: datetime) -> Pool:
    return Pool(
        provider=key.provider,
        account=key.account,
        limit_window=seen.window,
        exhausted_until=until,
        used_share=None,
        refusals=refusals,
        probe=None,
        source=seen.source,
        observed_at=now,
    )


def taken_for(stores: Stores, draws: Draws, outcome: Outcome) -> Outcome:
    """The outcome; of what failed by its host a guess only, as long as others succeed there.

    A host has failed as a whole while its pool is closed: until then it may be the task's doing.
    """
    if not draws.pools[0].is_of_host or not is_refusal(outcome):
        return outcome
    is_closed = any(pool.key in draws.pools for pool in stores.pools.closed())
    return replace(outcome, is_guess=not is_closed)


def answered(stores: Stores, draws: Draws, now: datetime) -> bool:
    """The provider answered a trying run: open its pools; whether any was closed."""
    opened = [stores.pools.open(key, draws.run, now) for key in draws.pools]
    return any(opened)


def shows_answer(outcome: Outcome) -> bool:
    """Whether a run that ended so shows that its provider answers."""
    own = {FailureClass.AGENT, FailureClass.BUDGET, FailureClass.CONTEXT_OVERFLOW}
    if outcome.kind is OutcomeKind.SUCCEEDED:
        return True
    return outcome.kind is OutcomeKind.FAILED and outcome.failure in own


def is_refusal(outcome: Outcome) -> bool:
    is_failure = outcome.kind in {OutcomeKind.FAILED, OutcomeKind.RATE_LIMITED}
    return is_failure and failure_of(outcome) in WAITING


def begin_probes(
    stores: Stores, rules: AdmissionRules, tasks: Sequence[Task], now: datetime
) -> None:
    """Note which of the claimed tasks tries a pool; the others go on waiting for its answer."""
    half_open = [pool for pool in stores.pools.closed() if pool.is_half_open(now)]
    if not half_open:
        return
    for task in tasks:
        drawn = {rules.host_pool, *rules.pools_of(task.agent_type)}
        run = f"{task.id}/{task.attempt_count}"
        for pool in half_open:
            if str(pool.key) in drawn:
                stores.pools.save(changed(pool, exhausted_until=now + PROBE, probe=run))


def abandon(stores: Stores, run: str, now: datetime) -> None:
    """The run, named as in `Draws`, ended without having been able to ask: another one may try.

    Not for one that failed by itself: its provider may be what made it fail.
    """
    for pool in stores.pools.closed():
        if pool.probe == run and pool.is_exhausted(now):
            stores.pools.save(changed(pool, exhausted_until=now, probe=None))


def tried_by(stores: Stores, run: str) -> frozenset[PoolKey]:
    """The pools of which a run, named as in `Draws`, tries whether they are open again."""
    return frozenset(pool.key for pool in stores.pools.closed() if pool.probe == run)
