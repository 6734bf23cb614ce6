"""What a person's `abathur reconcile` puts right and no swarm does: what somebody broke by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.domain.landing import Landing
    from abathur.domain.problems import Fix, Problem
    from abathur.ports.repository import Repository
    from abathur.ports.stores import Stores, UnitOfWork


async def settle(
    db: UnitOfWork, repository: Repository, problems: Sequence[Problem], now: datetime, actor: str
) -> list[Fix]:
    """End what was announced for tasks that have ended: the repository tells what became of it.

    Raises `DatabaseError`, `GitError`.
    """
    from abathur.services import reconciling
    from abathur.swarm.reconciler import contains

    fixes: list[Fix] = []
    for problem in problems:
        landing = await db.read(_landing, problem.key or "")
        if problem.code != "landing_announced" or landing is None or not landing.merge_commit:
            continue
        if await repository.resolve(landing.merge_commit) is not None:
            await repository.withdraw_move(landing.merge_commit)
        is_there = await contains(repository, f"refs/heads/{landing.target}", landing.merge_commit)
        fixes += await db.write(
            reconciling.settle, problem, is_there=is_there, now=now, actor=actor
        )
    return fixes


def _landing(stores: Stores, landing_id: str) -> Landing | None:
    return stores.landings.get(landing_id)
