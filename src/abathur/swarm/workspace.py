"""The place that an attempt works in: making it, and giving it up without losing what is in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.domain import branches
from abathur.domain.continuing import Unfinished
from abathur.domain.errors import GitError, UnknownBranchError
from abathur.domain.loop_feedback import ITERATION
from abathur.domain.protection import check_target
from abathur.domain.reviews import REJECTION
from abathur.domain.runs import Attempt
from abathur.domain.tasks import JsonObject, Task
from abathur.services import continuing, running
from abathur.swarm.continuing import start_of
from abathur.swarm.parts import Parts

VERIFY_PREFIX: Final = "verify-"
"""Of the folders that only a check runs in; the landing's id and fence follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    path: Path
    branch: str
    target: str
    base: str
    """The commit of the target that the work is based on."""
    start: str
    """What is checked out at first: `base`, or `base` with the earlier attempt's work merged."""


async def target_of(parts: Parts, task: Task) -> str:
    """The branch that the task's work lands on. Raises `UnknownBranchError`."""
    named = task.feature_branch or parts.settings.target_branch
    target = named or await parts.repository.current_branch()
    if target is None:
        raise UnknownBranchError(
            "no branch is checked out and no target is set; name one with `target_branch:` in "
            ".abathur/config.yaml"
        )
    return target


async def plan_workspace(
    parts: Parts,
    task: Task,
    attempt: Attempt,
    taken: Collection[str] = (),
    unfinished: Unfinished | None = None,
) -> Workspace:
    """Decide where the attempt will work. Makes nothing yet, so that it can be recorded first.

    Raises `UnknownBranchError`, `ProtectedTargetError`. What is `unfinished` is gone on with at its
    own place, with its files as they were.

    `taken` are names of branches that can't be used although they don't exist yet.
    """
    target = await target_of(parts, task)
    check_target(parts.settings, target)
    tip = await parts.repository.resolve(f"refs/heads/{target}")
    if tip is None:
        raise UnknownBranchError(
            f"target branch `{target}` doesn't exist; make it with `git branch {target}`"
        )
    path = parts.worktrees / branches.worktree_name(task.id, attempt.number)
    base, start = await _starting_point(parts, attempt.feedback, tip)
    if unfinished is not None and not unfinished.is_cut_off:
        path = Path(unfinished.worktree_path)
    elif unfinished is not None and (left := await start_of(parts, unfinished)):
        path, base, start = Path(unfinished.worktree_path), unfinished.base_commit, left
    in_the_way = branches.names_in_the_way(task.summary, attempt.started_at)
    if taken or await parts.repository.have_branches(in_the_way):
        taken = {*await parts.repository.branches(), *taken}
    return Workspace(
        path=path,
        branch=branches.task_branch(task.summary, attempt.started_at, taken),
        target=target,
        base=base,
        start=start,
    )


async def _starting_point(parts: Parts, feedback: JsonObject | None, tip: str) -> tuple[str, str]:
    """After a failed check: the very tree that failed. After a person's no, and in a loop: the work
    as it was.

    Otherwise the target as it is now.

    After a conflict the agent starts afresh, on a clean tree: a program that isn't made for
    conflict markers would work on broken files. It is told what both sides did instead.
    """
    facts = feedback or {}
    as_it_was = facts.get("kind") in {REJECTION, ITERATION}
    earlier = facts.get("work_commit" if as_it_was else "merge_commit")
    if earlier and await parts.repository.resolve(earlier):
        return facts["onto"], earlier
    return tip, tip


async def keep_work(parts: Parts, attempt: Attempt, message: str) -> str | None:
    """Commit what lies in the attempt's worktree and write its salvage ref; None if it's empty.

    Returns the ref that keeps the work. Raises `GitError`.
    """
    if attempt.worktree_path is None or attempt.base_commit is None:
        return None
    place = await _own_place(parts, attempt)
    head = await _last_commit(parts, attempt, place, message)
    if head is None or await parts.repository.contains(attempt.base_commit, head):
        return None
    ref = await parts.repository.salvage(attempt.task_id, attempt.number, head)
    now = parts.clock.now()
    await parts.db.write(running.add_salvage, attempt.task_id, attempt.number, ref, head, now)
    return ref


async def _own_place(parts: Parts, attempt: Attempt) -> str | None:
    """The attempt's folder, also after the repository was moved with it."""
    place = await parts.db.read(continuing.own_place, attempt)
    if place is None or await asyncio.to_thread(os.path.lexists, place):
        return place
    return str(parts.worktrees / Path(place).name)


async def _last_commit(
    parts: Parts, attempt: Attempt, place: str | None, message: str
) -> str | None:
    if place is not None and await parts.repository.head(Path(place)) is not None:
        return await parts.repository.commit_leftovers(Path(place), message)
    if attempt.branch is None:
        return None
    return await parts.repository.resolve(f"refs/heads/{attempt.branch}")


async def give_up(parts: Parts, attempt: Attempt, message: str) -> str | None:
    """Keep the work of an attempt that won't land, then remove its worktree and branch.

    The salvage ref, or None when there was nothing to keep. Raises `GitError`; then everything
    that wasn't proven to be kept is still there.
    """
    ref = await keep_work(parts, attempt, message)
    await remove(parts, attempt, kept_by=ref or attempt.base_commit or "")
    return ref


async def remove(parts: Parts, attempt: Attempt, *, kept_by: str) -> None:
    """Remove worktree and branch of an attempt whose work `kept_by` contains. Idempotent.

    A folder in which a later attempt goes on is that one's.
    """
    place = await _own_place(parts, attempt)
    if place is not None:
        await parts.repository.remove_worktree(Path(place), kept_by=kept_by)
    if attempt.branch is not None:
        await _delete_branch(parts, attempt, attempt.branch, kept_by)


async def _delete_branch(parts: Parts, attempt: Attempt, branch: str, kept_by: str) -> None:
    """An agent that went on elsewhere may have left commits on its branch: they are kept too."""
    try:
        await parts.repository.delete_branch(branch, kept_by=kept_by)
    except GitError:
        tip = await parts.repository.resolve(f"refs/heads/{branch}")
        if tip is None:
            return
        ref = await parts.repository.salvage(attempt.task_id, attempt.number, tip)
        await parts.repository.delete_branch(branch, kept_by=ref)


async def first_keeper(parts: Parts, commit: str, candidates: Sequence[str]) -> str | None:
    """The first of the refs that contains the commit."""
    for ref in candidates:
        try:
            if await parts.repository.contains(ref, commit):
                return ref
        except GitError:
            continue
    return None
