"""Clears away what is left over: places of work that somebody died before removing.

Goes by what lies on the disk and in the refs, so an empty queue costs it next to nothing.
"""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from abathur.domain import branches
from abathur.domain.errors import AbathurError, DatabaseError, GitError
from abathur.domain.landing import landed_ref
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import continuing
from abathur.swarm import workspace
from abathur.swarm.continuing import forget_session
from abathur.swarm.parts import RUN_TAG, Parts
from abathur.swarm.state import State

INTERVAL_SECONDS: Final = 60.0


class Caretaker:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._told: dict[str, str] = {}
        """Why something is left, once each for as long as it lasts."""

    async def loop(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._parts.clock.sleep(INTERVAL_SECONDS)
            await self.tidy()

    async def tidy(self) -> None:
        """One round. What can't be proven to be kept elsewhere stays, with a warning."""
        try:
            for path in sorted(await self._places()):
                await self._try(path.name, self._tidy_folder(path))
            for home in sorted(self._homes()):
                await self._try(home.name, self._tidy_home(home))
            for branch in sorted(await self._parts.repository.branches()):
                if branches.is_task_branch(branch):
                    await self._try(branch, self._tidy_branch(branch))
        except (DatabaseError, GitError) as error:
            self._state.warn(f"tidying waits: {error}")

    async def _places(self) -> set[Path]:
        """Where work was done, or git was told that it will be, though no folder may be there.

        What is half removed has a name made of the first one.
        """
        folder = self._parts.worktrees
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        names |= await self._parts.repository.recorded_in(folder)
        return {folder / branches.before_removal(name) for name in names}

    async def _try(self, name: str, tidying: Coroutine[Any, Any, None]) -> None:
        try:
            await tidying
        except DatabaseError:
            raise
        except (AbathurError, OSError) as error:
            why = str(error)
            if self._told.get(name) != why:
                self._state.warn(f"{name} is left as it is: {why}")
            self._told[name] = why
        else:
            self._told.pop(name, None)

    async def _tidy_folder(self, path: Path) -> None:
        if path.name.startswith(workspace.VERIFY_PREFIX):
            await self._tidy_verification(path)
            return
        parsed = branches.parse_worktree_name(path.name)
        if parsed is not None:
            await self._tidy_attempt(await self._parts.db.read(_placed, path.name, *parsed))

    def _homes(self) -> list[Path]:
        folder = self._parts.sessions
        return list(folder.iterdir()) if folder.is_dir() else []

    async def _tidy_home(self, home: Path) -> None:
        """What a program remembers of a session that nobody will go on with."""
        parsed = branches.parse_worktree_name(home.name)
        if parsed is None:
            return
        task_id, number = parsed
        if await self._parts.db.read(continuing.is_session_over, task_id, home.name, number):
            await forget_session(home)

    async def _tidy_branch(self, branch: str) -> None:
        """One whose worktree is gone: somebody died between removing the two."""
        attempt = await self._parts.db.read(lambda stores: stores.attempts.on_branch(branch))
        if attempt is not None:
            found = await self._parts.db.read(_look_up, attempt.task_id, attempt.number)
            await self._tidy_attempt(found)

    async def _tidy_attempt(self, found: tuple[Task, Attempt] | None) -> None:
        if found is None or not _is_left_over(*found):
            return
        task, attempt = found
        if not await self._is_being_ended(attempt):
            run = {RUN_TAG: f"{task.id}/{attempt.number}"}
            await self._parts.processes.reap(run, self._parts.settings.swarm.grace_seconds)
            await self._clear(task, attempt)

    async def _is_being_ended(self, attempt: Attempt) -> bool:
        """Its worker lives and has yet to end the agent: the task was cancelled under it."""
        if attempt.worker_id == self._state.worker_id:
            return (attempt.task_id, attempt.number) in self._state.runs
        worker = await self._parts.db.read(lambda stores: stores.workers.get(attempt.worker_id))
        if worker is None or worker.stopped_at is not None:
            return False
        return worker.lease_until > self._parts.clock.now()

    async def _tidy_verification(self, path: Path) -> None:
        landing_id = path.name.removeprefix(workspace.VERIFY_PREFIX).rpartition("-")[0]
        landing = await self._parts.db.read(lambda stores: stores.landings.get(landing_id))
        if landing is not None and landing.state.is_final:
            await self._parts.repository.remove_detached_worktree(path)

    async def _clear(self, task: Task, attempt: Attempt) -> None:
        if (
            task.status is TaskStatus.COMPLETED
            and self._parts.settings.swarm.keep_finished_worktrees
        ):
            return
        target = await workspace.target_of(self._parts, task)
        head = attempt.head_commit
        landed = landed_ref(task.id, attempt.number)
        keepers = [ref for ref in (attempt.salvage_ref, f"refs/heads/{target}", landed) if ref]
        kept_by = await workspace.first_keeper(self._parts, head, keepers) if head else None
        if kept_by is not None:
            await workspace.remove(self._parts, attempt, kept_by=kept_by)
        else:
            await workspace.give_up(self._parts, attempt, f"{task.summary}\n\nLeft over.")


def _placed(stores: Stores, folder: str, task_id: str, number: int) -> tuple[Task, Attempt] | None:
    """Several attempts may have gone on in one folder, which has the name of the first."""
    newest = continuing.newest_in(stores, task_id, folder, number)
    return None if newest is None else _look_up(stores, task_id, newest.number)


def _look_up(stores: Stores, task_id: str, number: int) -> tuple[Task, Attempt] | None:
    task, attempt = stores.tasks.get(task_id), stores.attempts.get(task_id, number)
    return None if task is None or attempt is None else (task, attempt)


def _is_left_over(task: Task, attempt: Attempt) -> bool:
    """Nobody works there and no landing will: the run has ended, and the task has gone on."""
    if attempt.ended_at is None:
        return False
    is_current = attempt.number == task.attempt_count or attempt.fence == task.fence
    return not (is_current and task.status is TaskStatus.RUNNING)
