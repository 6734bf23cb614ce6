"""One schedule: a queue, a repository, supervisors, a clock, and chance that decides what is next.

Everything is decided by the seed of the plan, so the same plan gives the same history.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from abathur.domain.agents import Worker
from abathur.domain.errors import DatabaseError, IllegalTransitionError
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import cancelling, submitting, verifying
from abathur.services.running import Holder
from tests.simulation.actors import LEASE, Supervisor
from tests.simulation.git import START, Git

T = TypeVar("T")

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
TARGETS = ("main", "main", "release")
FAULTS = ("crash", "freeze", "away", "cancel", "jump", "outsider", "flaky gate")
LONGEST_END = 4000
"""Steps within which a queue that is left alone must come to rest."""


class Violation(AssertionError):
    """Something that was promised isn't so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a schedule depends on."""

    seed: int
    tasks: int = 5
    steps: int = 120
    faults: tuple[str, ...] = FAULTS


@dataclass(frozen=True, slots=True)
class Fate:
    files: frozenset[str]
    kind: OutcomeKind


@dataclass
class World:
    plan: Plan
    stores: Stores
    chance: random.Random
    git: Git = field(default_factory=Git)
    now: datetime = NOON
    steady: float = 0.0
    policy: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(initial_seconds=1, factor=2, max_seconds=10, jitter=0)
    )
    tasks: list[Task] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    supervisors: list[Supervisor] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """Commits of agents."""
    persons: list[str] = field(default_factory=list)
    """Commits that a person made on main."""
    away: int = 0
    """Steps for which the database can't be written."""
    fences: dict[str, int] = field(default_factory=dict)
    reports: set[tuple[str, int]] = field(default_factory=set)
    history: list[str] = field(default_factory=list)
    _ids: int = 0

    # What supervisors ask for

    def write(self, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.away > 0:
            raise DatabaseError("the disk is full")
        return use_case(self.stores, *args, **kwargs)

    def try_write(self, use_case: Callable[..., Any], *args: Any) -> None:
        try:
            self.write(use_case, *args)
        except DatabaseError:
            return  # somebody does it later

    def read(self, query: Callable[..., T], *args: Any) -> T:
        return query(self.stores, *args)

    def new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:08x}-0000-7000-8000-000000000000"

    def is_gone(self, supervisor_id: str) -> bool:
        return next(one for one in self.supervisors if one.id == supervisor_id).is_dead

    def seal(self, commit: str) -> None:
        self.git.sealed.add(commit)

    def drop_branch(self, branch: str) -> None:
        self.git.branches.pop(branch, None)

    def target_of(self, task: Task) -> str:
        return task.feature_branch or "main"

    def target_of_id(self, task_id: str) -> str:
        return self.target_of(next(task for task in self.tasks if task.id == task_id))

    def fate(self, task: Task, number: int) -> Fate:
        """What the agent makes of the task in that attempt."""
        kind, own = self.fates[task.id], f"{task.id}.txt"
        if kind == "hopeless" or (kind == "bad once" and number == 1):
            return Fate(frozenset({"bad", own}), OutcomeKind.SUCCEEDED)
        if kind == "fails once" and number == 1:
            return Fate(frozenset({own}), OutcomeKind.FAILED)
        if kind == "clash" and number == 1:
            return Fate(frozenset({"shared", own}), OutcomeKind.SUCCEEDED)
        return Fate(frozenset({own}), OutcomeKind.SUCCEEDED)

    def accepted(self, holder: Holder) -> None:
        run = (holder.task_id, holder.number)
        if run in self.reports:
            raise Violation(f"the report of attempt {run} was taken twice")
        self.reports.add(run)

    # The schedule

    def play(self) -> None:
        self.git.branches.update(main=START, release=START)
        for _ in range(self.plan.tasks):
            self._submit()
        self._start()
        self._start()
        for _ in range(self.plan.steps):
            self._turn()
            self.check()
        self._bring_to_rest()

    def _submit(self) -> None:
        kinds = ("plain", "plain", "clash", "clash", "fails once", "bad once", "hopeless")
        alive = [t for t in self.tasks if self.fates[t.id] != "hopeless"]
        needs = (self.chance.choice(alive).id,) if alive and self.chance.random() < 0.2 else ()
        target = self.chance.choice(TARGETS)
        new = NewTask(
            prompt="x",
            prerequisites=needs,
            max_retries=2,
            feature_branch=None if target == "main" else target,
        )
        done = self.write(
            submitting.submit, new, task_id=self.new_id(), now=self.now, actor="person"
        )
        self.tasks.append(done.task)
        self.fates[done.task.id] = self.chance.choice(kinds)

    def _start(self) -> None:
        one = Supervisor(self, f"s{len(self.supervisors) + 1}")
        row = Worker(
            id=one.id,
            host="here",
            pid=1,
            pid_started_at=1.0,
            repository="/r",
            max_agents=2,
            started_at=self.now,
            heartbeat_at=self.now,
            lease_until=self.now + LEASE,
        )
        one.renewed_at = self.steady
        self.write(lambda stores: stores.workers.insert(row))
        self.supervisors.append(one)

    def _turn(self) -> None:
        self.away = max(0, self.away - 1)
        if self.plan.faults and self.chance.random() < 0.12:
            self._fault(self.chance.choice(self.plan.faults))
        elif self.chance.random() < 0.15:
            self._pass(self.chance.choice((0.5, 2.0, 8.0)))
        else:
            self._step()

    def _alive(self) -> list[Supervisor]:
        return [one for one in self.supervisors if not one.is_dead]

    def _fault(self, kind: str) -> None:
        self.history.append(kind)
        one = self.chance.choice(self._alive())
        if kind == "crash" and len(self.supervisors) < 6 and self.away == 0:
            one.is_dead = True
            self._start()
        elif kind == "freeze":
            one.frozen = not one.frozen
            # Longer than a lease, now and then: then others take over what it has.
            self._pass(self.chance.choice((0.0, 12.0)))
        elif kind == "away":
            self.away = self.chance.randint(1, 6)
        elif kind == "cancel":
            self._cancel(self.chance.choice(self.tasks))
        elif kind == "jump":
            self.now += timedelta(seconds=self.chance.choice((-3600, 3600)))
        elif kind == "outsider":
            self._outsider()

    def _cancel(self, task: Task) -> None:
        try:
            self.write(cancelling.cancel, task.id, now=self.now, actor="person", reason=None)
        except (IllegalTransitionError, DatabaseError):
            return  # it has ended, or is landing

    def _outsider(self) -> None:
        """A person commits to the target."""
        tip = self.git.branches["main"]
        files = self.git.commits[tip].files | {f"person-{len(self.git.commits)}"}
        self.git.branches["main"] = self.git.commit((tip,), files)
        self.persons.append(self.git.branches["main"])

    def gate_passes(self, commit: str) -> bool:
        """A flaky one: it fails now and then, but never lets through what is bad."""
        is_flaky = "flaky gate" in self.plan.faults and self.chance.random() < 0.1
        return not is_flaky and "bad" not in self.git.commits[commit].files

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.steady += seconds

    def _step(self) -> None:
        """One step of one thread of one supervisor that can take any."""
        awake = [one for one in self._alive() if not one.frozen]
        if not awake:
            return
        one = self.chance.choice(awake)
        if self.chance.random() < 0.4 or not one.threads:
            loop = self.chance.choice(
                (one.dispatch, one.dispatch, one.land, one.land, one.beat, one.beat, one.rescue)
            )
            one.threads.append(loop())
        thread = self.chance.choice(one.threads)
        self.history.append(f"{one.id} {thread.__name__}")  # type: ignore[attr-defined]
        try:
            next(thread)
        except (StopIteration, DatabaseError):
            one.threads.remove(thread)

    # What must be so

    def check(self) -> None:
        rows = self.read(lambda stores: stores.tasks.get_many([t.id for t in self.tasks]))
        if len(rows) != len(self.tasks):
            raise Violation("an acknowledged task is gone")
        landed = {name: self.git.landings(name) for name in ("main", "release")}
        everywhere = [task_id for names in landed.values() for task_id in names]
        for row in rows:
            if row.fence < self.fences.get(row.id, 0):
                raise Violation(f"the fence of {row.id} fell")
            self.fences[row.id] = row.fence
            count = everywhere.count(row.id)
            if count > 1:
                raise Violation(f"{row.id} landed {count} times")
            if row.status is TaskStatus.COMPLETED and row.id not in landed[self.target_of(row)]:
                raise Violation(f"{row.id} is completed, and isn't in its target")
            if row.status.is_final and row.status is not TaskStatus.COMPLETED and count:
                raise Violation(f"{row.id} is {row.status}, and is in a target")
        if not self.git.ancestors(self.git.branches["main"]).issuperset(self.persons):
            raise Violation("a person's commit is gone from main")
        for name in ("main", "release"):
            if "bad" in self.git.commits[self.git.branches[name]].files:
                raise Violation(f"{name} holds what the gate refuses")

    def _bring_to_rest(self) -> None:
        """Everybody wakes up, nothing disturbs any more; soon all is done."""
        self.away = 0
        for one in self.supervisors:
            one.frozen = False
        for number in range(LONGEST_END):
            self._step()
            if number % 5 == 0:
                self._pass(1.0)
            if number % 500 == 499:
                self._pass(3600)  # a clock that went back makes who backs off wait for longer
            if number % 20 == 0:
                self.check()
                if self._is_at_rest():
                    break
        else:
            raise Violation("the queue doesn't come to rest")
        self.check()
        self._check_ended()

    def _is_at_rest(self) -> bool:
        rows = self.read(lambda stores: stores.tasks.get_many([t.id for t in self.tasks]))
        busy = any(one.runs or one.landing for one in self._alive())
        return not busy and all(row.status.is_final for row in rows)

    def _check_ended(self) -> None:
        if broken := self.read(verifying.verify).breaks:
            raise Violation(f"the audit doesn't verify: {broken[0]}")
        if problems := self.stores.upkeep.problems(1):
            raise Violation(f"db check: {problems[0]}")
        kept = [*self.git.branches.values(), *self.git.salvaged.values()]
        reachable = set[str]().union(*map(self.git.ancestors, kept))
        if lost := set(self.made) - reachable:
            raise Violation(f"commits of agents are on no ref: {sorted(lost)}")


Meddle = Callable[[World], None]


class Queue:
    """One database for many schedules: each is undone at its end.

    A schedule is a single use case, as nothing else is as fast: the steps in it are the real use
    cases on the real tables. That a use case that raises leaves nothing behind is the engine's
    promise, and isn't at stake here; those that are called check before they write.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._db = Database(":memory:")
        self._loop.run_until_complete(self._db.initialize())

    def close(self) -> None:
        self._loop.run_until_complete(self._db.close())
        self._loop.close()

    def play(self, plan: Plan, meddle: Meddle | None = None) -> Violation | None:
        """What the schedule violates, None for nothing."""
        try:
            self._loop.run_until_complete(self._db.write(_schedule, plan, meddle))
        except _Over as over:
            return over.violation
        raise AssertionError("a schedule always ends by being undone")


class _Over(Exception):
    def __init__(self, violation: Violation | None) -> None:
        self.violation = violation


def _schedule(stores: Stores, plan: Plan, meddle: Meddle | None) -> None:
    world = World(plan, stores, random.Random(plan.seed))
    if meddle is not None:
        meddle(world)
    try:
        world.play()
    except Violation as violation:
        raise _Over(violation) from None
    except Exception as error:
        raise _Over(Violation(f"{type(error).__name__}: {error}")) from None
    raise _Over(None)


def smaller(plan: Plan) -> Iterator[Plan]:
    """Plans that are a bit less than this one."""
    from dataclasses import replace

    for steps in sorted({0, plan.steps // 2, plan.steps * 3 // 4, plan.steps - 1}):
        if 0 <= steps < plan.steps:
            yield replace(plan, steps=steps)
    if plan.tasks > 1:
        yield replace(plan, tasks=1)
        yield replace(plan, tasks=plan.tasks - 1)
    for fault in plan.faults:
        yield replace(plan, faults=tuple(other for other in plan.faults if other != fault))


def shrunk(queue: Queue, plan: Plan, meddle: Meddle | None = None, tries: int = 200) -> Plan:
    """The least plan that is found to fail too."""
    while tries > 0:
        for other in smaller(plan):
            tries -= 1
            if queue.play(other, meddle) is not None:
                plan = other
                break
        else:
            return plan
    return plan
