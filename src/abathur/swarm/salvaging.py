"""Work that was kept without landing: what there is of it, and branches made of it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from abathur.domain.errors import (
    BranchTakenError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)
from abathur.domain.tasks import Task
from abathur.ports.repository import KeptCommit, Repository
from abathur.ports.stores import Stores, UnitOfWork

FOLDERS: Final = ("salvage", "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    ref: str
    kind: str
    commit: str
    committed_at: datetime
    subject: str
    task_id: str | None
    attempt: int | None
    status: str | None
    files: int | None
    base: str | None
    """What it is compared with."""

    @property
    def name(self) -> str:
        """Behind the task in what `restore` takes: the attempt, with `-2` where there are two."""
        return self.ref.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Known:
    """What the queue knows of tasks whose work is kept."""

    tasks: Mapping[str, Task]
    bases: Mapping[str, str]
    """Commit -> what the work in it started from."""

    def status(self, task_id: str | None) -> str | None:
        task = self.tasks.get(task_id or "")
        return task.status.value if task else None


@dataclass(frozen=True, slots=True)
class RestoredWork:
    ref: str
    commit: str
    branch: str
    worktree: Path | None


async def find(
    db: UnitOfWork, repository: Repository, text: str | None = None
) -> Sequence[Salvaged]:
    """Everything that is kept, or what is kept of a task, oldest first.

    Raises `NotFoundError`, `InvalidInputError`.
    """
    kept = [_read(one) for one in await repository.kept_commits(*FOLDERS)]
    if text is not None:
        kept = _of_task(kept, text)
    known = await db.read(_known, {one.task_id for one in kept if one.task_id})
    return await _told(repository, kept, known)


def _read(kept: KeptCommit) -> Salvaged:
    _, _, kind, name = kept.ref.split("/", 3)
    task_id, number = kept.trailers.get("Abathur-Task"), kept.trailers.get("Abathur-Attempt", "")
    if kind == "salvage":
        task_id, _, last = name.partition("/")
        number = last.partition("-")[0]
    return Salvaged(
        ref=kept.ref,
        kind=kind,
        commit=kept.commit,
        committed_at=kept.committed_at,
        subject=kept.subject,
        task_id=task_id,
        attempt=int(number) if number.isdecimal() else None,
        status=None,
        files=None,
        base=None,
    )


def _of_task(kept: Sequence[Salvaged], text: str) -> list[Salvaged]:
    prefix = text.strip().lower()
    found = [one for one in kept if one.task_id and one.task_id.startswith(prefix)]
    tasks = sorted({one.task_id for one in found if one.task_id})
    if not prefix or not found:
        raise NotFoundError(
            f"nothing is kept of a task whose id begins with `{text}`; `abathur salvage list` "
            "shows what is"
        )
    if len(tasks) > 1:
        raise InvalidInputError(
            f"id `{text}` fits several tasks ({', '.join(tasks[:5])}); type more of it"
        )
    return found


def _known(stores: Stores, task_ids: Collection[str]) -> Known:
    tasks = {task.id: task for task in stores.tasks.get_many(sorted(task_ids))}
    bases: dict[str, str] = {}
    for task_id in tasks:
        for attempt in stores.attempts.of_task(task_id):
            if attempt.head_commit and attempt.base_commit:
                bases[attempt.head_commit] = attempt.base_commit
        for one in stores.loops.iterations(task_id):
            bases[one.work_commit] = one.base_commit
        for landing in stores.landings.of_task(task_id):
            facts = landing.facts or {}
            for merge in (facts.get("merge_commit"), landing.merge_commit):
                # A merge brings others' work too; what is of the task is the rest.
                if merge and (onto := facts.get("onto") or landing.target_before):
                    bases[merge] = onto
    return Known(tasks, bases)


async def _told(
    repository: Repository, kept: Sequence[Salvaged], known: Known
) -> Sequence[Salvaged]:
    counted = [one for one in kept if one.commit in known.bases]
    counts = await repository.count_changed(
        [(known.bases[one.commit], one.commit) for one in counted]
    )
    files = {one.ref: number for one, number in zip(counted, counts, strict=True)}
    return [
        replace(
            one,
            status=known.status(one.task_id),
            files=files.get(one.ref),
            base=known.bases.get(one.commit),
        )
        for one in kept
    ]


async def find_one(db: UnitOfWork, repository: Repository, text: str) -> Salvaged:
    """What `TASK` or `TASK/ATTEMPT` means; of several the one that was kept last.

    Raises `NotFoundError`, `InvalidInputError`.
    """
    task, _, name = text.partition("/")
    found = [one for one in await find(db, repository, task) if one.kind == "salvage"]
    named = [one for one in found if not name or one.name == name]
    if not named:
        there = ", ".join(one.name for one in found) or "none"
        raise NotFoundError(f"attempt `{name}` of task `{task}` left nothing; there are: {there}")
    return named[-1]


async def restore(
    repository: Repository, found: Salvaged, branch: str, worktree: Path | None
) -> RestoredWork:
    """Make a branch of what is kept, and check it out in a new folder when one is given.

    Doing it twice is no error as long as the branch is still where it was made. Raises
    `BranchTakenError`, `RefusedError` when the folder isn't free, `GitError`.
    """
    if worktree is not None and _is_taken(worktree):
        raise RefusedError(f"{worktree} is there already and isn't empty; choose another folder")
    try:
        await repository.restore_branch(branch, found.commit)
    except BranchTakenError:
        if await repository.resolve(f"refs/heads/{branch}") != found.commit:
            raise
    if worktree is not None:
        await repository.restore_worktree(worktree, branch)
    return RestoredWork(found.ref, found.commit, branch, worktree)


def _is_taken(place: Path) -> bool:
    return place.exists() and (not place.is_dir() or any(place.iterdir()))
