"""Reading the proof that a target contains a piece of work. See `domain.landing`."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.errors import UnrelatedHistoriesError
from abathur.domain.landing import WORK_TRAILER, Proof, Strategy
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.commit_objects import read_commits
from abathur.infrastructure.git.merging import merge_trees
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import HEADS, is_ancestor, look_up, require_hash


class Proving(Placed):
    async def prove(
        self,
        target: str,
        work: str,
        merge: str | None,
        base: str,
        now: datetime,
        strategy: Strategy = Strategy.MERGE,
        onto: str | None = None,
    ) -> Proof | None:
        require_hash(work)
        tip = (await look_up(self._git, f"{HEADS}{target}^{{commit}}"))[0]
        if tip is None:
            return None
        if merge is None:
            is_proven = await _is_unchanged(self._git, require_hash(base), work, tip)
        elif strategy is Strategy.MERGE:
            is_proven = await _is_merged(self._git, require_hash(merge), work, tip)
        else:
            made = require_hash(merge), require_hash(onto or "")
            is_proven = await _is_made_again(self._git, *made, work, tip)
        if not is_proven:
            return None
        return Proof(
            target=target,
            target_commit=tip,
            work_commit=work,
            merge_commit=merge,
            checked_at=now,
            strategy=strategy,
        )


async def _is_unchanged(git: Git, base: str, work: str, tip: str) -> bool:
    trees = await look_up(git, f"{base}^{{tree}}", f"{work}^{{tree}}")
    return trees[0] is not None and trees[0] == trees[1] and await is_ancestor(git, base, tip)


async def _is_merged(git: Git, merge: str, work: str, tip: str) -> bool:
    """A commit that contained the work already stands for the merge where none was needed."""
    is_there = merge == tip or await is_ancestor(git, merge, tip)
    return is_there and await is_ancestor(git, work, merge)


async def _is_made_again(git: Git, made: str, onto: str, work: str, tip: str) -> bool:
    commit = (await read_commits(git, [made]))[0]
    if commit is None or f"{WORK_TRAILER}: {work}" not in commit.trailers:
        return False
    if made == onto or not await is_ancestor(git, onto, made):
        return False
    if not (made == tip or await is_ancestor(git, made, tip)):
        return False
    try:
        merged = await merge_trees(git, onto, work)
    except UnrelatedHistoriesError:
        return False
    return merged.code == 0 and merged.fields[0].decode() == commit.tree
