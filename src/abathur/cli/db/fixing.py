"""Fixing in small steps, so that writers of a swarm get their turn in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from abathur import bootstrap
from abathur.cli.context import now
from abathur.domain.problems import Fix
from abathur.services import fixing

if TYPE_CHECKING:
    from abathur.ports.stores import UnitOfWork

BATCH: Final = 100
"""Problems that one transaction fixes."""


async def rehearse(database: UnitOfWork) -> Sequence[Fix]:
    """What `fix` would do. Nothing is changed."""
    try:
        await database.write(fixing.rehearse, now=now(), actor=bootstrap.actor())
    except fixing.Rehearsed as rehearsal:
        return rehearsal.fixes
    return []


async def fix(database: UnitOfWork) -> Sequence[Fix]:
    """Until nothing is left that can be fixed."""
    done: list[Fix] = []
    for _ in range(fixing.ROUNDS):
        found = await database.read(fixing.find_problems)
        before = len(done)
        wanted = fixing.in_order(found)
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            done += await database.write(fixing.fix, some, now=now(), actor=bootstrap.actor())
        if len(done) == before:
            break
    return done
