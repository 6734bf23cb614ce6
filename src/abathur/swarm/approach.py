"""The steps of one landing: what became of it before, its merge, its proof, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from abathur.domain.errors import IllegalTransitionError
from abathur.domain.landing import (
    Landing,
    LandingState,
    Proof,
    Strategy,
    message_of,
)
from abathur.domain.protection import check_target
from abathur.domain.reviews import REWRITTEN
from abathur.domain.tasks import JsonObject, Task, TaskStatus
from abathur.ports.repository import Conflict, Merge
from abathur.services import landing as landings
from abathur.services import running
from abathur.services.asking import Asking
from abathur.services.landing import Concluded
from abathur.swarm import approvals, bystanders
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.gates import Failure
from abathur.swarm.parts import Parts
from abathur.swarm.state import LandingRun, State

SHOWN_PATHS: Final = 5


class Approach:
    """One landing that is ours. `begin` first: it knows what a crash may have left half done.

    Methods raise `StaleFenceError` and `IllegalTransitionError` when the task no longer wants to
    land, and what git and the database raise.
    """

    def __init__(self, parts: Parts, state: State, run: LandingRun) -> None:
        self._parts, self._state, self.run = parts, state, run
        self._task: Task | None = None
        self._withdrawn: str | None = None

    @property
    def _landing(self) -> Landing:
        return self.run.landing

    async def begin(self) -> str | None:
        """End it if it is over already; the ref that keeps its work then.

        Raises `LandingStoppedError` also when a person has to approve it first.
        """
        self._task = await self._parts.db.read(lambda s: s.tasks.get(self._landing.task_id))
        if self._task is None or self._task.status is not TaskStatus.RUNNING:
            raise IllegalTransitionError(f"task {self._landing.task_id} no longer wants to land")
        self._tell(SwarmEventKind.LANDING_STARTED, f"landing on {self._landing.target}")
        kept_by = await self._finish_interrupted()
        if kept_by is None:
            check_target(self._parts.settings, self._landing.target)
            kept_by = await self._without_change()
        if kept_by is None:
            await approvals.require(self._parts, self._state, self._landing, self._task)
        return kept_by

    async def _finish_interrupted(self) -> str | None:
        """A merge was announced before a crash: find out whether the ref was moved."""
        landing = self._landing
        if landing.merge_commit is None:
            return None
        proof = await self.proof() or await self._withdrawn_or_proven(landing.merge_commit)
        if proof is None:
            await self.withdraw()
            return None
        return await self._arrived(landing.target_before or "", proof)

    async def _withdrawn_or_proven(self, merge_commit: str) -> Proof | None:
        """Who announced it may be frozen right before the move, and go on at any time."""
        await self._parts.repository.withdraw_move(merge_commit)
        self._withdrawn = merge_commit
        return await self.proof()

    def is_withdrawn(self, commit: str) -> bool:
        """Whether no branch can be moved to the commit any more."""
        return commit == self._withdrawn

    async def withdraw(self) -> None:
        self.run.landing = await self._parts.db.write(landings.withdraw_merge, self._landing)

    async def _without_change(self) -> str | None:
        landing, repository = self._landing, self._parts.repository
        if not await repository.tree_equal(landing.base_commit, landing.work_commit):
            return None
        proof = await self.proof()
        if proof is None:
            return await self._refuse_rewritten()
        return await self.conclude(proof, ["nothing was changed, so there was nothing to land"], {})

    async def _refuse_rewritten(self) -> str:
        """Nothing was changed, but there may be something to do on the target as it is now."""
        landing = self._landing
        ref = await self._keep(landing.work_commit)
        detail = (
            f"nothing was changed, but {landing.target} no longer contains the commit "
            f"{landing.base_commit[:12]} that the work began on"
        )
        facts = {"kind": REWRITTEN, "target": landing.target, "salvage_ref": ref}
        await self._refuse(LandingState.REJECTED, detail, facts)
        return ref

    async def merge_onto(self, onto: str) -> Merge | Conflict:
        """Raises `UnrelatedHistoriesError`."""
        landing = self._landing
        message = message_of(self._summary, landing.task_id, landing.attempt)
        strategy = self._parts.settings.strategy_for(landing.target)
        return await self._parts.repository.merge(onto, landing.work_commit, message, strategy)

    @property
    def _summary(self) -> str:
        return self._task.summary if self._task else self._landing.task_id

    async def proof(self) -> Proof | None:
        """Of the announced commit; while there is none, that nothing was changed."""
        landing = self._landing
        return await self._parts.repository.prove(
            landing.target,
            landing.work_commit,
            landing.merge_commit,
            landing.base_commit,
            self._parts.clock.now(),
            landing.strategy,
            landing.onto,
        )

    async def _arrived(self, old: str, proof: Proof) -> str:
        target = self._landing.target
        left: dict[str, str] = {}
        if old and old != proof.merge_commit:
            left = await bystanders.bring_along(self._parts, target, old, proof.target_commit)
        texts = [bystanders.told(path, target, commit) for path, commit in left.items()]
        for text in texts:
            self._tell(SwarmEventKind.WARNING, text)
        return await self.conclude(proof, texts, left)

    async def conclude(self, proof: Proof, texts: Sequence[str], left: Mapping[str, str]) -> str:
        """Complete the task; the ref that keeps its work. `left` are trees that stayed behind."""
        if proof.merge_commit is not None and proof.strategy is not Strategy.MERGE:
            landing, repository = self._landing, self._parts.repository
            work = proof.work_commit
            ref = await repository.keep_landed(landing.task_id, landing.attempt, work)
            proof = replace(proof, work_ref=ref)
        await self._parts.db.write(
            landings.conclude,
            self._landing,
            proof,
            detail="; ".join(texts) or None,
            facts={"left_behind": dict(left)} if left else None,
            now=self._parts.clock.now(),
        )
        self._state.tally.completed += 1
        text = "nothing changed"
        if proof.merge_commit:
            text = f"landed on {proof.target} ({proof.merge_commit[:10]})"
        data = {"commit": proof.merge_commit, "target": proof.target}
        self._tell(SwarmEventKind.TASK_COMPLETED, text, data)
        return proof.work_ref or f"refs/heads/{proof.target}"

    async def refuse_conflict(self, conflict: Conflict) -> str:
        shown = ", ".join(conflict.paths[:SHOWN_PATHS])
        more = " …" if len(conflict.paths) > SHOWN_PATHS else ""
        work = self._landing.work_commit
        both = await self._parts.repository.both_sides(conflict, work)
        facts = {
            "kind": "conflict",
            "target": self._landing.target,
            "onto": conflict.onto,
            "work": work,
            "paths": list(conflict.paths),
            "message": conflict.message,
            **both.facts,
            "salvage_ref": await self._keep(work),
        }
        detail = f"conflicts with {self._landing.target} in {shown}{more}"
        asking = await approvals.about_conflict(self._parts, self._landing, facts)
        await self._refuse(LandingState.CONFLICTED, detail, facts, asking=asking)
        return str(facts["salvage_ref"])

    async def refuse_rejected(self, merged: Merge, failure: Failure) -> str:
        """The merge is kept, for the next attempt starts from it."""
        kept = await self._as_kept(merged)
        facts = {
            "kind": "rejected",
            "target": self._landing.target,
            "onto": kept.onto,
            "merge_commit": kept.commit,
            "gate": failure.gate,
            "exit_code": failure.exit_code,
            "how": failure.how,
            "output": failure.output,
            "log": str(failure.log),
            "salvage_ref": await self._keep(kept.commit),
        }
        words = f": {failure.last_words}" if failure.last_words else ""
        detail = f"gate `{failure.gate}` {failure.how} on the merged tree{words}"
        await self._refuse(LandingState.REJECTED, detail, facts)
        return str(facts["salvage_ref"])

    async def _as_kept(self, merged: Merge) -> Merge:
        """The same merge as a commit of its own.

        The one that was tried says that it lands the task, and would stand in the history beside
        the one that really does.
        """
        message = f"{self._summary}\n\nAttempt {self._landing.attempt}, whose check failed.\n"
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
        work, target = self._landing.work_commit, self._landing.target
        if await self._parts.repository.resolve(work) is None:
            gone = f"the repository no longer has its work, commit {work[:12]}: it was deleted"
            await self._refuse(LandingState.REJECTED, gone, {"kind": "error", "message": gone}, 0)
            return f"refs/heads/{target}"  # by which nothing goes that the target hasn't
        ref = await self._keep(work)
        facts = {"kind": "error", "message": message, "salvage_ref": ref}
        await self._refuse(LandingState.REJECTED, message, facts, 0)
        return ref

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
        max_rework: int | None = None,
        asking: Asking | None = None,
    ) -> None:
        allowed = self._parts.settings.retry.max_rework if max_rework is None else max_rework
        concluded = await self._parts.db.write(
            landings.refuse,
            self._landing,
            state,
            detail=detail,
            facts=facts,
            max_rework=allowed,
            now=self._parts.clock.now(),
            asking=asking,
        )
        self._tell_refused(concluded, detail)

    def _tell_refused(self, concluded: Concluded, detail: str) -> None:
        if concluded.review is not None and self._task is not None:
            self._tell(SwarmEventKind.LANDING_REFUSED, f"{detail}; a person is asked")
            approvals.tell_review(self._state, concluded.review, self._task)
            return
        failed = concluded.task.status is TaskStatus.FAILED
        again = "" if failed else "; an agent gets it back with the facts"
        self._tell(SwarmEventKind.LANDING_REFUSED, f"{detail}{again}")
        if failed:
            self._state.tally.failed += 1
            self._tell(SwarmEventKind.TASK_FAILED, detail)

    def _tell(self, kind: SwarmEventKind, text: str, data: JsonObject | None = None) -> None:
        self._state.tell(kind, text, task=self._task, attempt=self._landing.attempt, data=data)
