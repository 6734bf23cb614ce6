"""Mending in small steps, so that writers of a swarm get their turn in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from abathur import bootstrap
from abathur.cli.context import now
from abathur.domain.problems import Repair
from abathur.services import repairing

if TYPE_CHECKING:
    from abathur.ports.stores import UnitOfWork

BATCH: Final = 100
"""Problems that one transaction mends."""


async def rehearse(database: UnitOfWork) -> Sequence[Repair]:
    """What `fix` would do. Nothing is changed."""
    try:
        await database.write(repairing.rehearse, now=now(), actor=bootstrap.actor())
    except repairing.Rehearsed as rehearsal:
        return rehearsal.repairs
    return []


async def fix(database: UnitOfWork) -> Sequence[Repair]:
    """Until nothing is left that can be mended."""
    done: list[Repair] = []
    for _ in range(repairing.ROUNDS):
        found = await database.read(repairing.find_problems)
        before = len(done)
        wanted = repairing.in_order(found)
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            done += await database.write(repairing.mend, some, now=now(), actor=bootstrap.actor())
        if len(done) == before:
            break
    return done
