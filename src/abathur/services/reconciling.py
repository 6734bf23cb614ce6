"""Deriving the state of what is open from the facts, and repairing what the rows alone prove."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain.admission import Hold
from abathur.domain.agents import Worker
from abathur.domain.landing import Landing, LandingState
from abathur.domain.problems import Fix, Problem
from abathur.domain.records import changed
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import fixing, pausing

LIMIT: Final = 1000
"""Of one kind in one round; the rest comes with the next."""
RECENT: Final = 100
"""Ended landings whose proof is compared with the repository."""
ROUNDS: Final = 100
"""Repairing one row may show what is wrong with the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the database says about everything that is open, or ended lately."""

    problems: Sequence[Problem]
    """Where its rows contradict each other."""
    overdue: Sequence[Hold]
    """Holds that hold nothing any more."""
    at_work: Sequence[tuple[Task, Worker]]
    """Running tasks and who holds them."""
    open_landings: Sequence[Landing]
    landed: Sequence[Landing]
    """The newest ones, with their proofs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    fixes: Sequence[Fix]
    ended: Sequence[Hold]


def facts(stores: Stores, now: datetime) -> Facts:
    """Costs the same however many tasks are finished. Writes nothing."""
    workers = {worker.id: worker for worker in stores.workers.live()}
    return Facts(
        problems=stores.upkeep.open_problems(LIMIT),
        overdue=pausing.overdue(stores, now),
        at_work=[
            (task, worker) for worker in workers.values() for task in stores.claims.held(worker.id)
        ],
        open_landings=stores.landings.open(),
        landed=[one for one in stores.landings.recent(RECENT) if one.proof is not None],
    )


def lost_workers(found: Facts, is_alive: Callable[[Worker], bool | None]) -> Iterator[Problem]:
    """Tasks whose worker's process is gone. A swarm that runs takes them back by itself."""
    for task, worker in found.at_work:
        if is_alive(worker) is False:
            yield Problem(
                code="worker_dead",
                text=f"task {task.id} is running, but process {worker.pid} on {worker.machine}, "
                "which held it, is gone; a swarm that runs takes it back with its work",
                table="tasks",
                key=task.id,
                task_id=task.id,
            )


def lost_proof(landing: Landing) -> Problem:
    assert landing.proof is not None
    commit = landing.proof.merge_commit or landing.proof.target_commit
    return _about(
        landing,
        "proof_lost",
        f"task {landing.task_id} is completed, but {landing.target} no longer contains "
        f"{commit[:12]}, by which it landed; the target was moved back or rewritten. Its work is "
        f"commit {landing.work_commit[:12]}: `git branch --contains` tells where it still is",
    )


def lost_work(landing: Landing) -> Problem:
    return _about(
        landing,
        "work_lost",
        f"task {landing.task_id} waits to land on {landing.target}, but the repository no "
        f"longer has its work, commit {landing.work_commit[:12]}; cancel the task and retry it",
    )


def unrecorded(landing: Landing) -> Problem:
    return _about(
        landing,
        "landing_unrecorded",
        f"the work of task {landing.task_id} is on {landing.target}, but that isn't recorded; "
        "a swarm that runs records it with its proof",
    )


def _about(landing: Landing, code: str, text: str) -> Problem:
    return Problem(code=code, text=text, table="landings", key=landing.id, task_id=landing.task_id)


def may_be_unrecorded(landing: Landing, now: datetime) -> bool:
    """Its merge was announced, and nobody is at it."""
    if landing.merge_commit is None:
        return False
    is_held = landing.lease_until is not None and landing.lease_until > now
    return landing.state is LandingState.QUEUED or not is_held


def settle(
    stores: Stores, problem: Problem, *, is_there: bool, now: datetime, actor: str
) -> Sequence[Fix]:
    """End the announced landing of a task that doesn't run, and write down what became of it.

    Only once its merge is withdrawn: nobody can move the target to it any more. `is_there` says
    whether the target had it by then.
    """
    landing, before = stores.landings.get(problem.key or ""), stores.upkeep.row(problem)
    task = stores.tasks.get(landing.task_id) if landing else None
    if landing is None or landing.state.is_final or landing.merge_commit is None:
        return ()
    if task is None or task.status is TaskStatus.RUNNING:
        return ()
    has = "has" if is_there else "doesn't have"
    ended = changed(
        landing,
        state=LandingState.CANCELLED,
        ended_at=now,
        lease_until=None,
        fence=landing.fence + 1,
        detail=f"its task was {task.status} already; {landing.target} {has} its merge "
        f"{landing.merge_commit[:12]}",
    )
    stores.landings.save(ended, landing.fence, landing)
    done = fixing.compared(problem, before, stores.upkeep.row(problem))
    fixing.tell(stores, done, landing.task_id, actor, now)
    return (done,)


def repair(
    stores: Stores,
    problems: Collection[Problem],
    *,
    now: datetime,
    actor: str,
    end_holds: bool = True,
) -> Repairs:
    """Fix what of the problems is still there, and clear away what is overdue.

    Each is judged afresh by the rows of this transaction, and each gets its audit entry.
    """
    fixes: list[Fix] = []
    left: Collection[Problem] = problems
    for _ in range(ROUNDS):
        done = fixing.fix(stores, list(left), now=now, actor=actor)
        if not done:
            break
        fixes += done
        left = stores.upkeep.open_problems(LIMIT)
    ended = pausing.end_overdue(stores, now=now, actor=actor) if end_holds else ()
    return Repairs(fixes=fixes, ended=ended)


def rehearse(stores: Stores, problems: Collection[Problem], *, now: datetime, actor: str) -> None:
    """Repair, then raise `fixing.Rehearsed`, which undoes it. Overdue holds are left out."""
    done = repair(stores, problems, now=now, actor=actor, end_holds=False)
    raise fixing.Rehearsed(done.fixes)
