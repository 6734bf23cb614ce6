"""Brings finished work onto its target: merge without a checkout, verify, move the ref, prove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from abathur.domain.errors import (
    AbathurError,
    DatabaseError,
    GitError,
    IllegalTransitionError,
    ProcessError,
    RefMovedError,
    StaleFenceError,
)
from abathur.domain.landing import Landing, LandingState, Proof
from abathur.domain.runs import Attempt, Command
from abathur.domain.settings import CommandSetting
from abathur.domain.tasks import JsonObject, Task, TaskStatus
from abathur.ports.processes import Launch
from abathur.ports.repository import Conflict, Merge
from abathur.ports.stores import Stores
from abathur.services import landing as landings
from abathur.services import running
from abathur.services.landing import Concluded
from abathur.swarm import workspace
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import LandingRun, State

MAX_PARALLEL: Final = 2
"""Targets that are landed on at once by this process; one target is never by two."""
OUTPUT_TAIL: Final = 4000
LAST_WORDS: Final = 120
MAX_ERRORS: Final = 5
ERROR_PAUSE_SECONDS: Final = 1.0
MOVES_OF_TARGET: Final = 20
"""How often a target may move away under a landing before the landing goes back to the queue."""


class LandingStoppedError(AbathurError):
    """The landing was told to stop, or its lease is gone."""


class Lander:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("lander")
        self._errors: dict[str, int] = {}

    async def loop(self, start: Callable[[LandingRun], asyncio.Task[None]]) -> None:
        """Claim landings until the swarm stops. `start` runs one."""
        while not self._state.stopping.is_set():
            try:
                await self._claim(start)
            except DatabaseError as error:
                self._state.warn(f"landing waits for the database: {error}")
            await self._bell.wait(self._parts.settings.swarm.poll_seconds)

    async def _claim(self, start: Callable[[LandingRun], asyncio.Task[None]]) -> None:
        while len(self._state.landings) < MAX_PARALLEL:
            now = self._parts.clock.now()
            if not await self._parts.db.read(has_landings):
                return
            landing = await self._parts.db.write(
                landings.claim_landing,
                worker_id=self._state.worker_id,
                now=now,
                lease=self._state.lease,
            )
            if landing is None:
                return
            run = LandingRun(landing)
            self._state.landings[landing.id] = run
            start(run)

    async def run_landing(self, run: LandingRun) -> None:
        """One landing to its end; frees its place whatever happens."""
        try:
            await _Approach(self._parts, self._state, run).land()
        except (StaleFenceError, LandingStoppedError):
            await self._release(run)
        except IllegalTransitionError:
            await self._abandon(run)
        except (GitError, ProcessError, OSError) as error:
            await self._after_error(run, error)
        except DatabaseError as error:
            self._state.warn(f"the landing waits for the database: {error}")
            await self._parts.clock.sleep(ERROR_PAUSE_SECONDS)
            await self._release(run)
        except Exception as error:
            # One landing that meets a bug must not take the swarm down.
            await self._after_error(run, error)
        finally:
            self._state.landings.pop(run.landing.id, None)
            self._state.ring_all()

    async def _after_error(self, run: LandingRun, error: Exception) -> None:
        """Try again a few times: locks and full disks pass. What stays fails the task."""
        landing_id = run.landing.id
        self._errors[landing_id] = self._errors.get(landing_id, 0) + 1
        if self._errors[landing_id] >= MAX_ERRORS:
            await _Approach(self._parts, self._state, run).give_up(str(error))
            return
        self._state.warn(f"the landing will be tried again: {error}")
        await self._parts.clock.sleep(ERROR_PAUSE_SECONDS)
        await self._release(run)

    async def _release(self, run: LandingRun) -> None:
        try:
            await self._parts.db.write(landings.release_landing, run.landing)
        except DatabaseError as error:
            self._state.warn(f"a landing stays leased until its lease is over: {error}")

    async def _abandon(self, run: LandingRun) -> None:
        """The task was cancelled meanwhile: keep the work, clear the place."""
        attempt = await self._parts.db.read(_attempt_of, run.landing)
        if attempt is None:
            return
        try:
            await workspace.give_up(self._parts, attempt, "Cancelled before it landed.")
        except (AbathurError, OSError) as error:
            self._state.warn(f"the worktree of cancelled work is left as it is: {error}")


class _Approach:
    """The steps of one landing. Each may be the last before a crash; `land` starts over from it."""

    def __init__(self, parts: Parts, state: State, run: LandingRun) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._task: Task | None = None
        self._stays: dict[str, str] = {}
        """Working trees that were left alone, and the commit that each stands at."""

    @property
    def _landing(self) -> Landing:
        return self._run.landing

    async def land(self) -> None:
        self._task = await self._parts.db.read(lambda s: s.tasks.get(self._landing.task_id))
        if self._task is None or self._task.status is not TaskStatus.RUNNING:
            raise IllegalTransitionError(f"task {self._landing.task_id} no longer wants to land")
        self._tell(SwarmEventKind.LANDING_STARTED, f"landing on {self._landing.target}")
        if await self._finish_interrupted():
            return
        repository = self._parts.repository
        if await repository.tree_equal(self._landing.base_commit, self._landing.work_commit):
            await self._conclude(None, "nothing was changed, so there was nothing to land")
            return
        for _ in range(MOVES_OF_TARGET):
            if await self._try_once():
                return
        raise LandingStoppedError(f"`{self._landing.target}` keeps moving; it will be tried again")

    async def _finish_interrupted(self) -> bool:
        """A merge was announced before a crash: find out whether the ref was moved."""
        landing = self._landing
        if landing.merge_commit is None:
            return False
        proof = await self._proof(landing.merge_commit)
        if proof is None:
            self._run.landing = await self._parts.db.write(landings.withdraw_merge, landing)
            return False
        await self._conclude(proof, await self._bring_along(landing.target_before or "", proof))
        return True

    async def _try_once(self) -> bool:
        """Merge onto the target as it is now; False when it moved away meanwhile."""
        repository, landing = self._parts.repository, self._landing
        onto = await repository.resolve(f"refs/heads/{landing.target}")
        if onto is None:
            raise GitError(f"target branch `{landing.target}` is gone; make it again to land")
        merged = await repository.merge(onto, landing.work_commit, self._message())
        if isinstance(merged, Conflict):
            await self._refuse_conflict(merged)
            return True
        if merged.commit != onto and not await self._verified(merged):
            return True
        return await self._move(merged)

    def _message(self) -> str:
        assert self._task is not None
        return (
            f"{self._task.summary}\n\n"
            f"Abathur-Task: {self._task.id}\nAbathur-Attempt: {self._landing.attempt}\n"
        )

    async def _move(self, merged: Merge) -> bool:
        landing = await self._parts.db.write(
            landings.announce_merge,
            self._landing,
            target_before=merged.onto,
            merge_commit=merged.commit,
        )
        self._run.landing = landing
        try:
            if merged.commit != merged.onto:
                await self._parts.repository.move_branch(
                    landing.target, merged.onto, merged.commit, f"abathur: land {landing.task_id}"
                )
        except RefMovedError:
            self._run.landing = await self._parts.db.write(landings.withdraw_merge, landing)
            return False
        proof = await self._proof(merged.commit)
        if proof is None:
            self._run.landing = await self._parts.db.write(landings.withdraw_merge, landing)
            return False
        await self._conclude(proof, await self._bring_along(merged.onto, proof))
        return True

    async def _proof(self, merge_commit: str | None) -> Proof | None:
        landing = self._landing
        return await self._parts.repository.prove(
            landing.target,
            landing.work_commit,
            merge_commit,
            landing.base_commit,
            self._parts.clock.now(),
        )

    async def _bring_along(self, old: str, proof: Proof) -> str | None:
        """Move clean working trees of the target to the new commit; what to say of the others."""
        repository, target = self._parts.repository, self._landing.target
        if not old or proof.merge_commit is None or old == proof.merge_commit:
            return None
        behind = await self._parts.db.read(_left_behind, target)
        for tree in await repository.checkouts(target, old):
            moved = not tree.is_dirty and await repository.bring_along(
                tree.path, old, proof.target_commit
            )
            if not moved:
                # Left before, it stands where it was left first. Naming an older commit than it
                # stands at does no harm: what it has already is merged with itself.
                self._stays[str(tree.path)] = behind.get(str(tree.path), old)
        texts = [_left_alone(path, target, commit) for path, commit in self._stays.items()]
        for text in texts:
            self._tell(SwarmEventKind.WARNING, text)
        return "; ".join(texts) or None

    async def _conclude(self, proof: Proof | None, detail: str | None) -> None:
        proof = proof or await self._proof(None)
        if proof is None:
            raise GitError(
                f"target `{self._landing.target}` doesn't contain the commit "
                f"{self._landing.base_commit[:12]} that the work started from"
            )
        concluded = await self._parts.db.write(
            landings.conclude,
            self._landing,
            proof,
            detail=detail,
            facts={"left_behind": self._stays} if self._stays else None,
            now=self._parts.clock.now(),
        )
        self._state.tally.completed += 1
        where = proof.merge_commit[:10] if proof.merge_commit else "nothing changed"
        self._tell(
            SwarmEventKind.TASK_COMPLETED,
            f"landed on {proof.target} ({where})" if proof.merge_commit else where,
            {"commit": proof.merge_commit, "target": proof.target},
        )
        await self._clean(concluded)

    async def _clean(self, concluded: Concluded) -> None:
        attempt = await self._parts.db.read(_attempt_of, concluded.landing)
        try:
            await workspace.clean_after_landing(self._parts, concluded.landing, attempt)
        except (AbathurError, OSError) as error:
            self._state.warn(f"the worktree of landed work is left for later: {error}", self._task)

    async def _verified(self, merged: Merge) -> bool:
        """Run the verify command on the merged tree; a failure ends the landing."""
        verify = self._parts.settings.verify
        if verify is None:
            return True
        landing = self._landing
        folder = self._parts.run_folder(landing.task_id, landing.attempt)
        log = folder / "verify.log"
        path = self._parts.worktrees / f"verify-{landing.id}"
        await self._parts.repository.add_detached_worktree(path, merged.commit)
        try:
            failure = await self._run_verify(verify, path, log)
        finally:
            await asyncio.shield(self._parts.repository.remove_detached_worktree(path))
        if failure is None:
            return True
        await self._refuse_rejected(merged, failure, log)
        return False

    async def _run_verify(self, verify: CommandSetting, path: Path, log: Path) -> str | None:
        """None when it passed, else how it ended."""
        landing = self._landing
        log.parent.mkdir(parents=True, exist_ok=True)
        launch = Launch(
            command=Command(argv=verify.argv, pass_env=self._parts.settings.swarm.pass_env),
            cwd=path,
            transcript=log,
            tags={
                WORKER_TAG: self._state.worker_id,
                RUN_TAG: f"{landing.task_id}/{landing.attempt}/verify",
            },
            env={"ABATHUR_TASK_ID": landing.task_id, "ABATHUR_TARGET": landing.target},
            timeout_seconds=verify.timeout_seconds,
            grace_seconds=self._parts.settings.swarm.grace_seconds,
        )
        end = await self._parts.processes.run(
            launch, on_started=lambda _: None, on_line=lambda _: None, stop=self._run.stop
        )
        if end.stopped:
            raise LandingStoppedError("the verification was stopped")
        if end.timed_out:
            return f"timed out after {verify.timeout_seconds} s"
        return None if end.code == 0 else f"ended with exit code {end.code}"

    async def _refuse_conflict(self, conflict: Conflict) -> None:
        ref = await self._keep(self._landing.work_commit)
        shown = ", ".join(conflict.paths[:5]) + (" …" if len(conflict.paths) > 5 else "")
        facts = {
            "kind": "conflict",
            "target": self._landing.target,
            "onto": conflict.onto,
            "paths": list(conflict.paths),
            "message": conflict.message,
            "salvage_ref": ref,
        }
        detail = f"conflicts with {self._landing.target} in {shown}"
        await self._refuse(LandingState.CONFLICTED, detail, facts, None)

    async def _refuse_rejected(self, merged: Merge, failure: str, log: Path) -> None:
        """The merge is kept, for the next attempt starts from it.

        As a commit of its own: the one that was tried says that it lands the task, and would
        stand in the history beside the one that really does.
        """
        merged = await self._as_kept(merged)
        ref = await self._keep(merged.commit)
        facts = {
            "kind": "rejected",
            "target": self._landing.target,
            "onto": merged.onto,
            "merge_commit": merged.commit,
            "exit_code": failure.rpartition(" ")[2],
            "output": _tail(log),
            "salvage_ref": ref,
        }
        detail = f"the verify command {failure} on the merged tree{_last_words(log)}"
        await self._refuse(LandingState.REJECTED, detail, facts, str(_telling(log)))

    async def _as_kept(self, merged: Merge) -> Merge:
        assert self._task is not None
        number = self._landing.attempt
        message = f"{self._task.summary}\n\nAttempt {number}, whose check failed.\n"
        kept = await self._parts.repository.merge(merged.onto, self._landing.work_commit, message)
        return merged if isinstance(kept, Conflict) else kept

    async def give_up(self, message: str) -> None:
        """Fail the task for a landing that can't be done, with its work kept."""
        self._task = await self._parts.db.read(lambda s: s.tasks.get(self._landing.task_id))
        ref = await self._keep(self._landing.work_commit)
        facts = {"kind": "error", "message": message, "salvage_ref": ref}
        await self._refuse(LandingState.REJECTED, message, facts, None, max_rework=0)

    async def _keep(self, commit: str) -> str:
        landing = self._landing
        ref = await self._parts.repository.salvage(landing.task_id, landing.attempt, commit)
        now = self._parts.clock.now()
        await self._parts.db.write(
            running.add_salvage, landing.task_id, landing.attempt, ref, commit, now
        )
        return ref

    async def _refuse(
        self,
        state: LandingState,
        detail: str,
        facts: JsonObject,
        log: str | None,
        *,
        max_rework: int | None = None,
    ) -> None:
        allowed = self._parts.settings.retry.max_rework if max_rework is None else max_rework
        concluded = await self._parts.db.write(
            landings.refuse,
            self._landing,
            state,
            detail=detail,
            facts=facts,
            verify_log=log,
            max_rework=allowed,
            now=self._parts.clock.now(),
        )
        failed = concluded.task.status is TaskStatus.FAILED
        again = "" if failed else "; an agent gets it back with the facts"
        self._tell(SwarmEventKind.LANDING_REFUSED, f"{detail}{again}")
        if failed:
            self._state.tally.failed += 1
            self._tell(SwarmEventKind.TASK_FAILED, detail)
        attempt = await self._parts.db.read(_attempt_of, concluded.landing)
        if attempt is not None:
            await workspace.remove(self._parts, attempt, kept_by=str(facts["salvage_ref"]))

    def _tell(self, kind: SwarmEventKind, text: str, data: JsonObject | None = None) -> None:
        self._state.tell(kind, text, task=self._task, attempt=self._landing.attempt, data=data)


def has_landings(stores: Stores) -> bool:
    return bool(stores.landings.open())


def _attempt_of(stores: Stores, landing: Landing) -> Attempt | None:
    return stores.attempts.get(landing.task_id, landing.attempt)


def _streams(log: Path) -> tuple[Path, Path]:
    return log, log.with_name(log.name + ".stderr")


def _tail(log: Path) -> str:
    """The end of what the verify command said, on both of its streams."""
    texts = [
        path.read_bytes()[-OUTPUT_TAIL:].decode("utf-8", "replace").strip()
        for path in _streams(log)
        if path.is_file()
    ]
    return "\n".join(text for text in texts if text)


def _telling(log: Path) -> Path:
    """The file to look into first: test runners differ in which stream they speak on."""
    said = [path for path in _streams(log) if path.is_file() and path.stat().st_size]
    return said[-1] if said else log


def _last_words(log: Path) -> str:
    lines = [" ".join(line.split()) for line in _tail(log).splitlines() if line.strip()]
    return f": {lines[-1][:LAST_WORDS]}" if lines else ""


def _left_behind(stores: Stores, target: str) -> dict[str, str]:
    """Working trees that the newest landing on the target left alone: path -> commit."""
    ended = stores.landings.recent(100)
    newest = next((one for one in ended if one.target == target and one.proof), None)
    return dict((newest.facts or {}).get("left_behind", {})) if newest else {}


def _left_alone(path: str, target: str, old: str) -> str:
    return (
        f"the working tree {path} has uncommitted changes and was left as it is; to catch up: "
        f"git -C {path} update-ref --no-deref HEAD {old[:12]} && "
        f"git -C {path} checkout --merge {target}"
    )
