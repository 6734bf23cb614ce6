"""One landing: merge without a checkout, verify, move the ref, prove; or refuse with the facts."""

from __future__ import annotations

from typing import Final

from abathur.domain.errors import GitError, IllegalTransitionError, RefMovedError
from abathur.domain.landing import Landing, LandingState, Proof
from abathur.domain.tasks import JsonObject, Task, TaskStatus
from abathur.ports.repository import Conflict, Merge
from abathur.services import landing as landings
from abathur.services import running
from abathur.swarm import approvals, bystanders
from abathur.swarm.checking import Failure, LandingStoppedError, check
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import LandingRun, State

MOVES_OF_TARGET: Final = 20
"""How often a target may move away under a landing before the landing goes back to the queue."""
SHOWN_PATHS: Final = 5


class Approach:
    """The steps of one landing. Each may be the last before a crash; `land` starts over from it."""

    def __init__(self, parts: Parts, state: State, run: LandingRun) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._task: Task | None = None
        self._withdrawn: str | None = None

    @property
    def _landing(self) -> Landing:
        return self._run.landing

    async def land(self) -> str:
        """Bring the landing to its end, whichever; the ref that keeps the work from now on.

        Raises `StaleFenceError`, `LandingStoppedError` (also when a person has to approve first),
        `IllegalTransitionError` when the task no longer wants to land, and what git, the database
        and processes raise.
        """
        self._task = await self._parts.db.read(lambda s: s.tasks.get(self._landing.task_id))
        if self._task is None or self._task.status is not TaskStatus.RUNNING:
            raise IllegalTransitionError(f"task {self._landing.task_id} no longer wants to land")
        self._tell(SwarmEventKind.LANDING_STARTED, f"landing on {self._landing.target}")
        kept = await self._finish_interrupted() or await self._without_change()
        if kept is None:
            await approvals.require(self._parts, self._state, self._landing, self._task)
        for _ in range(MOVES_OF_TARGET):
            if kept is not None:
                return kept
            kept = await self._try_once()
        raise LandingStoppedError(f"`{self._landing.target}` keeps moving; it will be tried again")

    async def _finish_interrupted(self) -> str | None:
        """A merge was announced before a crash: find out whether the ref was moved."""
        landing = self._landing
        if landing.merge_commit is None:
            return None
        proof = await self._proof(landing.merge_commit) or await self._withdrawn_or_proven(
            landing.merge_commit
        )
        if proof is None:
            self._run.landing = await self._parts.db.write(landings.withdraw_merge, landing)
            return None
        return await self._arrived(landing.target_before or "", proof)

    async def _withdrawn_or_proven(self, merge_commit: str) -> Proof | None:
        """Who announced it may be frozen right before the move, and go on at any time."""
        await self._parts.repository.withdraw_move(merge_commit)
        self._withdrawn = merge_commit
        return await self._proof(merge_commit)

    async def _without_change(self) -> str | None:
        landing, repository = self._landing, self._parts.repository
        if landing.merge_commit is not None:
            return None
        if not await repository.tree_equal(landing.base_commit, landing.work_commit):
            return None
        proof = await self._proof(None)
        if proof is None:
            raise GitError(
                f"target `{landing.target}` doesn't contain the commit "
                f"{landing.base_commit[:12]} that the work started from"
            )
        return await self._conclude(proof, "nothing was changed, so there was nothing to land", {})

    async def _try_once(self) -> str | None:
        """Merge onto the target as it is now; None when it moved away meanwhile."""
        repository, landing = self._parts.repository, self._landing
        onto = await repository.resolve(f"refs/heads/{landing.target}")
        if onto is None:
            raise GitError(f"target branch `{landing.target}` is gone; make it again to land")
        merged = await repository.merge(onto, landing.work_commit, self._message())
        if isinstance(merged, Conflict):
            return await self._refuse_conflict(merged)
        if merged.commit == self._withdrawn:
            # Made within the same second, it is the same commit.
            await self._parts.clock.sleep(1)
            return None
        if merged.commit != onto:
            failure = await check(self._parts, self._run, merged.commit)
            if failure is not None:
                return await self._refuse_rejected(merged, failure)
        return await self._move(merged)

    def _message(self) -> str:
        assert self._task is not None
        return (
            f"{self._task.summary}\n\n"
            f"Abathur-Task: {self._task.id}\nAbathur-Attempt: {self._landing.attempt}\n"
        )

    async def _move(self, merged: Merge) -> str | None:
        landing = await self._parts.db.write(
            landings.announce_merge,
            self._landing,
            target_before=merged.onto,
            merge_commit=merged.commit,
        )
        self._run.landing = landing
        proof = await self._proof(merged.commit) if await self._moved(merged) else None
        if proof is None:
            self._run.landing = await self._parts.db.write(landings.withdraw_merge, landing)
            return None
        return await self._arrived(merged.onto, proof)

    async def _moved(self, merged: Merge) -> bool:
        if merged.commit == merged.onto:
            return True  # the target had the work already
        target, reason = self._landing.target, f"abathur: land {self._landing.task_id}"
        try:
            await self._parts.repository.move_branch(target, merged.onto, merged.commit, reason)
        except RefMovedError:
            return False
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

    async def _arrived(self, old: str, proof: Proof) -> str:
        target = self._landing.target
        left: dict[str, str] = {}
        if old and old != proof.merge_commit:
            left = await bystanders.bring_along(self._parts, target, old, proof.target_commit)
        texts = [bystanders.told(path, target, commit) for path, commit in left.items()]
        for text in texts:
            self._tell(SwarmEventKind.WARNING, text)
        return await self._conclude(proof, "; ".join(texts) or None, left)

    async def _conclude(self, proof: Proof, detail: str | None, left: dict[str, str]) -> str:
        await self._parts.db.write(
            landings.conclude,
            self._landing,
            proof,
            detail=detail,
            facts={"left_behind": left} if left else None,
            now=self._parts.clock.now(),
        )
        self._state.tally.completed += 1
        text = "nothing changed"
        if proof.merge_commit:
            text = f"landed on {proof.target} ({proof.merge_commit[:10]})"
        data = {"commit": proof.merge_commit, "target": proof.target}
        self._tell(SwarmEventKind.TASK_COMPLETED, text, data)
        return f"refs/heads/{proof.target}"

    async def _refuse_conflict(self, conflict: Conflict) -> str:
        shown = ", ".join(conflict.paths[:SHOWN_PATHS])
        more = " …" if len(conflict.paths) > SHOWN_PATHS else ""
        facts = {
            "kind": "conflict",
            "target": self._landing.target,
            "onto": conflict.onto,
            "paths": list(conflict.paths),
            "message": conflict.message,
            "salvage_ref": await self._keep(self._landing.work_commit),
        }
        detail = f"conflicts with {self._landing.target} in {shown}{more}"
        return await self._refuse(LandingState.CONFLICTED, detail, facts)

    async def _refuse_rejected(self, merged: Merge, failure: Failure) -> str:
        """The merge is kept, for the next attempt starts from it."""
        kept = await self._as_kept(merged)
        facts = {
            "kind": "rejected",
            "target": self._landing.target,
            "onto": kept.onto,
            "merge_commit": kept.commit,
            "exit_code": failure.exit_code,
            "how": failure.how,
            "output": failure.output,
            "log": str(failure.log),
            "salvage_ref": await self._keep(kept.commit),
        }
        words = f": {failure.last_words}" if failure.last_words else ""
        detail = f"the verify command {failure.how} on the merged tree{words}"
        return await self._refuse(LandingState.REJECTED, detail, facts)

    async def _as_kept(self, merged: Merge) -> Merge:
        """The same merge as a commit of its own.

        The one that was tried says that it lands the task, and would stand in the history beside
        the one that really does.
        """
        assert self._task is not None
        number = self._landing.attempt
        message = f"{self._task.summary}\n\nAttempt {number}, whose check failed.\n"
        kept = await self._parts.repository.merge(merged.onto, self._landing.work_commit, message)
        return merged if isinstance(kept, Conflict) else kept

    async def give_up(self, message: str) -> str:
        """Fail the task for a landing that can't be done; the ref that keeps its work.

        Unless its work has arrived: then the task is completed, whatever the trouble was.
        """
        self._task = await self._parts.db.read(lambda s: s.tasks.get(self._landing.task_id))
        kept = await self._finish_interrupted()
        if kept is not None:
            return kept
        ref = await self._keep(self._landing.work_commit)
        facts = {"kind": "error", "message": message, "salvage_ref": ref}
        return await self._refuse(LandingState.REJECTED, message, facts, max_rework=0)

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
        *,
        max_rework: int | None = None,
    ) -> str:
        allowed = self._parts.settings.retry.max_rework if max_rework is None else max_rework
        concluded = await self._parts.db.write(
            landings.refuse,
            self._landing,
            state,
            detail=detail,
            facts=facts,
            verify_log=facts.get("log"),
            max_rework=allowed,
            now=self._parts.clock.now(),
        )
        failed = concluded.task.status is TaskStatus.FAILED
        again = "" if failed else "; an agent gets it back with the facts"
        self._tell(SwarmEventKind.LANDING_REFUSED, f"{detail}{again}")
        if failed:
            self._state.tally.failed += 1
            self._tell(SwarmEventKind.TASK_FAILED, detail)
        return str(facts["salvage_ref"])

    def _tell(self, kind: SwarmEventKind, text: str, data: JsonObject | None = None) -> None:
        self._state.tell(kind, text, task=self._task, attempt=self._landing.attempt, data=data)
