"""Compares the queue with what is: rows with each other, proofs with refs, workers with processes.

What the rows prove is repaired; what other loops repair, or only a person can judge, is told. An
orderly queue costs a few reads a minute and no write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from abathur.domain.agents import Worker
from abathur.domain.errors import AbathurError, GitError
from abathur.domain.landing import Landing
from abathur.domain.problems import Problem
from abathur.ports.repository import Repository
from abathur.ports.stores import UnitOfWork
from abathur.services import reconciling
from abathur.services.claiming import actor_of
from abathur.services.reconciling import Facts
from abathur.swarm.parts import Parts
from abathur.swarm.state import State

INTERVAL_SECONDS: Final = 60.0
MAX_OPEN: Final = 100
"""Waiting landings that are looked at in a round; the first ones are the next to land."""


@dataclass(slots=True)
class Seen:
    """Proofs that were found in order, so that a round looks at what is new only."""

    tips: dict[str, str] = field(default_factory=dict)
    """Target -> where it was."""
    landings: dict[str, set[str]] = field(default_factory=dict)
    """Target -> ids of landings that it contained there."""


async def examine(
    db: UnitOfWork,
    repository: Repository,
    is_alive: Callable[[Worker], bool | None],
    now: datetime,
    seen: Seen,
) -> tuple[Facts, list[Problem]]:
    """The facts, and all that is wrong by them. Only looks. Raises `DatabaseError`, `GitError`."""
    found = await db.read(reconciling.facts, now)
    return found, [
        *found.problems,
        *reconciling.lost_workers(found, is_alive),
        *await _of_open(repository, found.open_landings, now),
        *await _of_ended(repository, found.landed, seen),
    ]


async def _of_open(
    repository: Repository, landings: Sequence[Landing], now: datetime
) -> list[Problem]:
    problems = []
    for landing in landings[:MAX_OPEN]:
        if await repository.resolve(landing.work_commit) is None:
            problems.append(reconciling.lost_work(landing))
        elif landing.merge_commit is not None and reconciling.may_be_unrecorded(landing, now):
            target = f"refs/heads/{landing.target}"
            if await contains(repository, target, landing.merge_commit):
                problems.append(reconciling.unrecorded(landing))
    return problems


async def _of_ended(
    repository: Repository, landings: Sequence[Landing], seen: Seen
) -> list[Problem]:
    by_target: dict[str, list[Landing]] = {}
    for landing in landings:
        by_target.setdefault(landing.target, []).append(landing)
    problems = []
    for target, there in by_target.items():
        known = await _known(repository, target, seen)
        for landing in there:
            if landing.id in known:
                continue
            if await is_proven(repository, landing):
                known.add(landing.id)
            else:
                problems.append(reconciling.lost_proof(landing))
    return problems


async def _known(repository: Repository, target: str, seen: Seen) -> set[str]:
    """Landings that needn't be looked at: the target was only moved forward since."""
    tip = await repository.resolve(f"refs/heads/{target}")
    before = seen.tips.get(target)
    if tip is None or (
        before is not None and before != tip and not await contains(repository, tip, before)
    ):
        seen.landings.pop(target, None)
    if tip is not None:
        seen.tips[target] = tip
    return seen.landings.setdefault(target, set())


async def is_proven(repository: Repository, landing: Landing) -> bool:
    """Whether the target still contains what the landing's proof says. Raises `GitError`."""
    assert landing.proof is not None
    commit = landing.proof.merge_commit or landing.proof.target_commit
    return await contains(repository, f"refs/heads/{landing.target}", commit)


async def contains(repository: Repository, target: str, commit: str) -> bool:
    """False also when either isn't there any more."""
    try:
        return await repository.contains(target, commit)
    except GitError:
        there = [await repository.resolve(name) for name in (target, commit)]
        if None in there:
            return False
        raise


class Reconciler:
    """Repairs only what was wrong in the round before too: what is on its way isn't wrong."""

    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._seen = Seen()
        self._before: set[Problem] = set()
        self._told: set[Problem] = set()

    async def loop(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._parts.clock.sleep(INTERVAL_SECONDS)
            await self.round()

    async def round(self) -> None:
        try:
            await self._reconcile()
        except AbathurError as error:
            self._state.warn(f"comparing the queue with the repository waits: {error}")

    async def _reconcile(self) -> None:
        parts = self._parts
        now = parts.clock.now()
        found, problems = await examine(
            parts.db, parts.repository, lambda worker: None, now, self._seen
        )
        before, self._before = self._before, set(problems)
        lasting = [problem for problem in problems if problem in before]
        fixable = [problem for problem in lasting if problem.fixable]
        if fixable or found.overdue:
            await self._repair(fixable, now)
        self._tell([problem for problem in lasting if not problem.fixable])

    async def _repair(self, problems: Collection[Problem], now: datetime) -> None:
        done = await self._parts.db.write(
            reconciling.repair, problems, now=now, actor=actor_of(self._state.worker_id)
        )
        for fix in done.fixes:
            self._state.warn(f"repaired: {fix.problem.text}")
        self._state.ring_all()

    def _tell(self, problems: Collection[Problem]) -> None:
        """Once each, as long as it lasts."""
        for problem in problems:
            if problem not in self._told:
                advice = f"; {problem.advice}" if problem.advice else ""
                self._state.warn(f"{problem.text}{advice}")
        self._told = set(problems)
