"""Providers' limits, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.cli.text import clean, elapsed, local, short

if TYPE_CHECKING:
    from abathur.domain.pools import Pool


def pool_lines(pools: Iterable[Pool], now: datetime) -> Iterator[str]:
    """One for each limit that is used up, or comes near; nothing while all is well."""
    for pool in pools:
        text = pool_text(pool, now)
        if text:
            yield text


def pool_text(pool: Pool, now: datetime) -> str:
    """`limit five_hour of anthropic/default: used up, 41:07 more (until 15:00)`."""
    name, state = clean(f"limit {pool.limit_window} of {pool.key}"), "used up"
    if pool.key.is_of_host:
        name, state = clean(f"host {pool.account}"), f"no worktrees ({pool.limit_window} failed)"
    if pool.exhausted_until is None:
        near = pool.used_share is not None and pool.used_share > 0
        return f"{name}: {pool.used_share:.0%} used" if near else ""
    if pool.probe is not None:
        return f"{name}: task {short(pool.probe.partition('/')[0])} tries whether it is over"
    if pool.is_half_open(now):
        return f"{name}: its time is over; the next task tries it"
    left = elapsed(now, pool.exhausted_until)
    return f"{name}: {state}, {left} more (until {local(pool.exhausted_until)})"
