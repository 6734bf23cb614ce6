"""Supervisors in small: the steps of the real ones, each a point where the schedule may turn.

What changes the queue are the real use cases. What is imitated is the order in which
`swarm/dispatcher.py`, `worker.py`, `lander.py`, `approach.py`, `heartbeat.py` and `lifeline.py`
call them; whom to rescue is decided by the real `lifeline.find_orphans` and `silence.Silence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from abathur.domain.agents import Agent, AgentState
from abathur.domain.errors import DatabaseError, IllegalTransitionError, StaleFenceError
from abathur.domain.landing import Announcement, Landing, LandingState, Proof
from abathur.domain.runs import Attempt, Outcome, OutcomeKind
from abathur.domain.tasks import Task
from abathur.services import claiming, landing, running
from abathur.services.claiming import Claim
from abathur.services.running import Holder, Report
from abathur.swarm.lifeline import close_worker, find_orphans
from abathur.swarm.silence import Silence

if TYPE_CHECKING:
    from tests.simulation.world import World

LEASE = timedelta(seconds=20)
SLOTS = 2
MAX_REWORK = 1
Steps = Iterator[None]


@dataclass(eq=False)
class Supervisor:
    """One process. Dead, it does no further step; frozen, none until it thaws."""

    world: World
    id: str
    is_dead: bool = False
    frozen: bool = False
    threads: list[Steps] = field(default_factory=list)
    runs: dict[str, Claim] = field(default_factory=dict)
    landing: Landing | None = None
    silence: Silence = field(default_factory=lambda: Silence(LEASE.total_seconds()))
    renewed_at: float = 0.0
    idle_before: set[str] = field(default_factory=set)
    idle_landings: set[str] = field(default_factory=set)

    def write(self, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.world.write(use_case, *args, **kwargs)

    # Loops: each call does one round, step by step.

    def dispatch(self) -> Steps:
        free = SLOTS - len(self.runs)
        if free <= 0:
            return
        now = self.world.now
        yield
        claims = self.write(claiming.claim, worker_id=self.id, limit=free, now=now, lease=LEASE)
        for claim in claims:
            self.runs[claim.task.id] = claim
            self.threads.append(self.run(claim))

    def beat(self) -> Steps:
        before = dict(self.runs)
        yield
        now = self.world.now
        try:
            held = self.write(claiming.renew, worker_id=self.id, now=now, lease=LEASE)
        except DatabaseError:
            if self.world.steady - self.renewed_at > LEASE.total_seconds() * 0.7:
                self.runs.clear()
            return
        self.renewed_at = self.world.steady
        for task_id, claim in before.items():
            if held.tasks.get(task_id) != claim.task.fence and self.runs.get(task_id) is claim:
                del self.runs[task_id]

    def run(self, claim: Claim) -> Steps:
        task, attempt = claim.task, claim.attempt
        holder = Holder(task.id, attempt.number, attempt.fence, self.id)
        git, target = self.world.git, self.world.target_of(task)
        yield
        base = git.branches[target]
        branch = f"task/{task.id}/{attempt.number}"
        now = self.world.now
        try:
            self.write(
                running.start, holder, self._agent(task), now, branch=branch, base_commit=base
            )
            yield
            fate = self.world.fate(task, attempt.number)
            work = git.commit((base,), git.commits[base].files | fate.files)
            git.branches[branch] = work
            self.world.made.append(work)
            yield from self._working(claim)
            if self.runs.get(task.id) is not claim:
                raise StaleFenceError("ended by its heartbeat")
            yield from self._report(holder, attempt, base, work, fate.kind)
        except StaleFenceError:
            self._salvage(task.id, attempt.number, work if "work" in locals() else None)
        finally:
            if self.runs.get(task.id) is claim:
                del self.runs[task.id]

    def _agent(self, task: Task) -> Agent:
        return Agent(
            id=self.world.new_id(),
            name="a",
            agent_type=task.agent_type,
            task_id=task.id,
            state=AgentState.BUSY,
            model="m",
            spawned_at=self.world.now,
        )

    def _working(self, claim: Claim) -> Steps:
        for _ in range(self.world.chance.randint(1, 3)):
            if self.runs.get(claim.task.id) is not claim:
                return
            yield

    def _report(
        self, holder: Holder, attempt: Attempt, base: str, work: str, kind: OutcomeKind
    ) -> Steps:
        report = Report(
            outcome=Outcome(kind=kind, message="" if kind is OutcomeKind.SUCCEEDED else "no"),
            base_commit=base,
            head_commit=work,
            target=self.world.target_of_id(holder.task_id),
            landing_id=self.world.new_id(),
        )
        while True:
            if kind is not OutcomeKind.SUCCEEDED:
                self._salvage(holder.task_id, attempt.number, work)
            yield
            try:
                self.write(running.report, holder, report, self.world.policy, self.world.now)
            except DatabaseError:
                continue
            self.world.accepted(holder)
            return

    def _salvage(self, task_id: str, number: int, work: str | None) -> None:
        if work is None:
            return
        ref = f"refs/abathur/salvage/{task_id}/{number}"
        self.world.git.salvaged[ref] = work
        self.world.drop_branch(f"task/{task_id}/{number}")
        self.world.try_write(running.add_salvage, task_id, number, ref, work, self.world.now)

    # Landing, as `lander.py` and `approach.py` do it.

    def land(self) -> Steps:
        if self.landing is not None:
            return
        there = self.world.read(lambda s: s.landings.open())
        self._note()
        if any(self._is_held(one) for one in there):
            return
        yield
        now = self.world.now
        claimed = self.write(
            landing.claim_landings, worker_id=self.id, limit=1, now=now, lease=LEASE
        )
        for taken in claimed:
            self.landing = taken
            self.threads.append(self._landing_steps(taken))

    def _note(self) -> None:
        live = self.world.read(lambda s: s.workers.live())
        self.silence.note(live, self.world.steady)

    def _is_held(self, one: Landing) -> bool:
        if one.state is not LandingState.RUNNING or one.lease_until is None:
            return False
        is_over = self.silence.is_over(one.worker_id, self.world.steady)
        return one.lease_until <= self.world.now and not is_over

    def _landing_steps(self, taken: Landing) -> Steps:
        try:
            yield from self._approach(taken)
        except (StaleFenceError, IllegalTransitionError):
            self.world.try_write(landing.release_landing, self.landing or taken)
        except DatabaseError:
            yield
            self.world.try_write(landing.release_landing, self.landing or taken)
        finally:
            self.landing = None

    def _approach(self, taken: Landing) -> Steps:
        git = self.world.git
        if taken.merge_commit is not None:
            yield
            if not git.contains(taken.target, taken.merge_commit):
                self.world.seal(taken.merge_commit)
                yield
            if git.contains(taken.target, taken.merge_commit):
                yield from self._conclude(taken, taken.merge_commit)
                return
            taken = self.write(landing.withdraw_merge, taken)
        for _ in range(5):
            onto = git.branches[taken.target]
            yield
            merged = git.merge(onto, taken.base_commit, taken.work_commit, taken.task_id)
            if merged is None:
                yield from self._refuse(taken, LandingState.CONFLICTED)
                return
            if not self.world.gate_passes(merged):
                yield from self._refuse(taken, LandingState.REJECTED)
                return
            told = Announcement(landing=taken, target_before=onto, merge_commit=merged)
            (taken,) = self.write(landing.announce, [told], self.world.now)
            self.landing = taken
            yield
            if git.move(taken.target, onto, merged):
                yield from self._conclude(taken, merged)
                return
            yield
            taken = self.write(landing.withdraw_merge, taken)
            self.landing = taken
        raise StaleFenceError("the target keeps moving")

    def _conclude(self, taken: Landing, merged: str) -> Steps:
        yield
        proof = Proof(
            target=taken.target,
            target_commit=self.world.git.branches[taken.target],
            work_commit=taken.work_commit,
            merge_commit=merged,
            checked_at=self.world.now,
        )
        self.write(landing.conclude, taken, proof, detail=None, now=self.world.now)
        self.world.drop_branch(f"task/{taken.task_id}/{taken.attempt}")

    def _refuse(self, taken: Landing, state: LandingState) -> Steps:
        self._salvage(taken.task_id, taken.attempt, taken.work_commit)
        yield
        self.write(
            landing.refuse,
            taken,
            state,
            detail="no",
            facts={"kind": str(state)},
            max_rework=MAX_REWORK,
            now=self.world.now,
        )

    # Rescue, as `lifeline.py` does it.

    def rescue(self) -> Steps:
        self._note()
        now = self.world.now
        orphans = self.world.read(find_orphans, now, lambda worker: self.world.is_gone(worker.id))
        dead = {worker.id for worker in orphans.workers}
        over = [
            task
            for task in orphans.tasks
            if task.worker_id in dead or self.silence.is_over(task.worker_id, self.world.steady)
        ]
        forgotten = self._forgotten()
        self._give_back()
        yield
        for task in [*over, *forgotten]:
            if task.id not in self.runs:
                yield from self._take_over(task)
        for worker in orphans.workers:
            yield
            self.world.try_write(close_worker, worker.id, self.world.now)

    def _forgotten(self) -> list[Task]:
        """Ours by their lease, but nothing here runs them: so it was in the round before too."""
        held = self.world.read(lambda s: s.claims.held(self.id))
        idle = {task.id: task for task in held if task.id not in self.runs}
        before, self.idle_before = self.idle_before, set(idle)
        return [task for task in idle.values() if task.id in before]

    def _give_back(self) -> None:
        held = self.world.read(lambda s: s.landings.held(self.id))
        idle = {one.id: one for one in held if self.landing is None or one.id != self.landing.id}
        before, self.idle_landings = self.idle_landings, set(idle)
        for landing_id in before & idle.keys():
            self.write(landing.release_landing, idle[landing_id])

    def _take_over(self, task: Task) -> Steps:
        try:
            adopted, (attempt,) = self.write(
                claiming.adopt,
                task.id,
                fence=task.fence,
                worker_id=self.id,
                now=self.world.now,
                lease=LEASE,
            )
            yield
            if attempt.branch is not None:
                work = self.world.git.branches.get(attempt.branch)
                self._salvage(task.id, attempt.number, work)
            yield
            self.write(
                running.take_back,
                task.id,
                fence=adopted.fence,
                worker_id=self.id,
                policy=self.world.policy,
                chance=0.0,
                now=self.world.now,
            )
        except StaleFenceError:
            return  # somebody else was faster
