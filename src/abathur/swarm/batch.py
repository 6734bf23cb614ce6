"""Several landings of one target, brought on together: merged one after another, judged once.

Each keeps a commit and a proof of its own. When a gate refuses them all, they are halved until it
is known which one it refuses, and the others land.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from abathur.domain.errors import (
    GitError,
    IllegalTransitionError,
    RefMovedError,
    StaleFenceError,
)
from abathur.domain.landing import Announcement, Proof
from abathur.ports.repository import Merge
from abathur.services import landing as landings
from abathur.swarm import bystanders
from abathur.swarm.admission import admission_rules
from abathur.swarm.approach import Approach
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.gates import Failure, Gates, LandingStoppedError
from abathur.swarm.parts import Parts
from abathur.swarm.state import LandingRun, State

MOVES_OF_TARGET: Final = 20
"""How often a target may move away under landings before they go back to the queue."""

Group = Sequence[Approach]


@dataclass(frozen=True, slots=True)
class Link:
    """A landing, and the commit that brings it onto the target or the landing before."""

    approach: Approach
    merge: Merge


class Batch:
    """The steps of landings from claim to end. Each may be the last before a crash."""

    def __init__(
        self,
        parts: Parts,
        state: State,
        runs: Sequence[LandingRun],
        *,
        on_end: Callable[[LandingRun, str], None],
        on_lost: Callable[[LandingRun], Awaitable[None]],
    ) -> None:
        """`on_end` hears of each that came to its end, with the ref that keeps its work."""
        self._parts, self._state = parts, state
        self._open = {run.landing.id: Approach(parts, state, run) for run in runs}
        self._target = runs[0].landing.target
        self._on_end, self._on_lost = on_end, on_lost
        self._moves = 0
        self._onto: str | None = None
        """Where the target was when it was last looked at."""

    @property
    def open(self) -> Sequence[LandingRun]:
        """Those that haven't come to their end."""
        return [approach.run for approach in self._open.values()]

    async def land(self) -> None:
        """Bring all to their ends, whichever.

        Raises `LandingStoppedError`, and what git, the database and processes raise; what has ended
        before that stays so.
        """
        await self._drop_lost(list(self._open.values()))
        self._onto = await self._parts.repository.resolve(f"refs/heads/{self._target}")
        for approach in list(self._open.values()):
            await self._begin(approach)
        groups: deque[Group] = deque([list(self._open.values())])
        while groups:
            group = groups.popleft()
            if group:
                groups.extendleft(reversed(await self._round(group)))

    async def _begin(self, approach: Approach) -> None:
        """One that has to wait for a person, or isn't ours any more, doesn't keep the others."""
        try:
            kept_by = await approach.begin()
        except (LandingStoppedError, StaleFenceError, IllegalTransitionError):
            await self._let_go(approach.run)
        else:
            if kept_by is not None:
                self._end(approach, kept_by)

    async def _let_go(self, run: LandingRun) -> None:
        del self._open[run.landing.id]
        await self._on_lost(run)

    def _end(self, approach: Approach, kept_by: str) -> None:
        del self._open[approach.run.landing.id]
        self._on_end(approach.run, kept_by)

    async def _round(self, group: Group) -> Sequence[Group]:
        """Try to land the group; the groups to go on with, in their order."""
        onto = await self._parts.repository.resolve(f"refs/heads/{self._target}")
        if onto is None:
            raise GitError(f"target branch `{self._target}` is gone; make it again to land")
        await self._check_forward(onto)
        links, apart = await self._chain(onto, group)
        alone = [[approach] for approach in apart]
        if any(link.approach.is_withdrawn(link.merge.commit) for link in links):
            # Made within the same second, it is the same commit.
            await self._parts.clock.sleep(1)
            return [group]
        try:
            return [*await self._judged(onto, links), *alone]
        except (LandingStoppedError, StaleFenceError, IllegalTransitionError):
            rest = await self._drop_lost(group)
            if len(rest) == len(group) or any(one.run.stop.is_set() for one in rest):
                raise
            return [rest]

    async def _check_forward(self, onto: str) -> None:
        """Moved back meanwhile: the landings begin anew, and are asked about where it matters."""
        before, self._onto = self._onto, onto
        if before not in {None, onto} and not await self._parts.repository.contains(onto, before):
            raise LandingStoppedError(f"`{self._target}` was moved back")

    async def _chain(self, onto: str, group: Group) -> tuple[list[Link], list[Approach]]:
        """Commits on top of each other, and landings that don't fit onto those before them."""
        links: list[Link] = []
        apart: list[Approach] = []
        tip = onto
        for approach in group:
            merged = await approach.merge_onto(tip)
            if isinstance(merged, Merge):
                links.append(Link(approach, merged))
                tip = merged.commit
            elif tip == onto:
                self._end(approach, await approach.refuse_conflict(merged))
            else:
                apart.append(approach)
        return links, apart

    async def _judged(self, onto: str, links: Sequence[Link]) -> Sequence[Group]:
        if not links:
            return []
        failure = await self._failure(links)
        if failure is None:
            return await self._move(onto, links)
        if len(links) == 1:
            (link,) = links
            self._end(link.approach, await link.approach.refuse_rejected(link.merge, failure))
            return []
        group = [link.approach for link in links]
        self._tell_split(group, failure)
        half = (len(group) + 1) // 2
        return [group[:half], group[half:]]

    async def _failure(self, links: Sequence[Link]) -> Failure | None:
        tree = next((link.merge.tree for link in reversed(links) if link.merge.tree), None)
        if tree is None:
            return None  # the target has it all already
        runs = [link.approach.run for link in links]
        return await Gates(self._parts, self._state, runs, links[-1].merge.commit, tree).judge()

    async def _move(self, onto: str, links: Sequence[Link]) -> Sequence[Group]:
        """Announce all, move the target past all, prove each; those to be tried again."""
        self._check_open()
        told = [_announcement(link, onto) for link in links]
        now = self._parts.clock.now()
        announced = await self._parts.db.write(landings.announce, told, now)
        for link, landing in zip(links, announced, strict=True):
            link.approach.run.landing = landing
        proofs: Sequence[Proof | None] = [None] * len(links)
        if await self._moved(onto, links):
            proofs = [await link.approach.proof() for link in links]
        arrived = [(link.approach, p) for link, p in zip(links, proofs, strict=True) if p]
        if arrived:
            await self._arrive(onto, links[-1].merge.commit, arrived)
        again = [link.approach for link, p in zip(links, proofs, strict=True) if p is None]
        for approach in again:
            await approach.withdraw()
        if again:
            self._count_move()
        return [again]

    def _check_open(self) -> None:
        """It may have been protected or taken away while the gates ran."""
        closure = admission_rules(self._parts).closures([self._target]).get(self._target)
        if closure is not None:
            raise LandingStoppedError(f"{closure.text}, so nothing lands there")

    def _count_move(self) -> None:
        self._moves += 1
        if self._moves >= MOVES_OF_TARGET:
            raise LandingStoppedError(f"`{self._target}` keeps moving; it will be tried again")

    async def _moved(self, onto: str, links: Sequence[Link]) -> bool:
        commits = [link.merge.commit for link in links]
        if commits[-1] == onto:
            return True  # the target had the work already
        ids = ", ".join(link.approach.run.landing.task_id for link in links)
        try:
            await self._parts.repository.move_branch(
                self._target, onto, commits[-1], f"abathur: land {ids}", commits
            )
        except RefMovedError:
            return False
        return True

    async def _arrive(self, old: str, new: str, arrived: Sequence[tuple[Approach, Proof]]) -> None:
        left: dict[str, str] = {}
        if old != new:
            tip = arrived[-1][1].target_commit
            left = await bystanders.bring_along(self._parts, self._target, old, tip)
        texts = [bystanders.told(path, self._target, commit) for path, commit in left.items()]
        for text in texts:
            self._state.warn(text)
        # At once: they share a commit of the database.
        concluding = [one.conclude(proof, texts, left) for one, proof in arrived]
        done = await asyncio.gather(*concluding, return_exceptions=True)
        for (approach, _), kept_by in zip(arrived, done, strict=True):
            if not isinstance(kept_by, BaseException):
                self._end(approach, kept_by)
        for error in done:
            if isinstance(error, BaseException):
                raise error

    async def _drop_lost(self, group: Group) -> Group:
        """Let go of those that are no longer ours to land; the others."""
        runs = [approach.run for approach in group if approach.run.landing.id in self._open]
        lost = await self._parts.db.read(landings.lost, [run.landing for run in runs])
        for run in runs:
            if run.landing.id in lost:
                await self._let_go(run)
        return [approach for approach in group if approach.run.landing.id in self._open]

    def _tell_split(self, group: Group, failure: Failure) -> None:
        self._state.tell(
            SwarmEventKind.LANDING_SPLIT,
            f"gate `{failure.gate}` {failure.how} on {len(group)} landings together; "
            "they are tried in halves",
            data={"tasks": [approach.run.landing.task_id for approach in group]},
        )


def _announcement(link: Link, target_before: str) -> Announcement:
    return Announcement(
        landing=link.approach.run.landing,
        target_before=target_before,
        merge_commit=link.merge.commit,
        strategy=link.merge.strategy,
        onto=link.merge.onto,
    )
