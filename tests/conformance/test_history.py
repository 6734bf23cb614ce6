"""Any history of the queue, against a model of it that is small enough to be believed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, StaleFenceError
from abathur.domain.landing import Landing
from abathur.domain.plans import Plan, PlannedTask
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.services import claiming, pausing, planning, reading, verifying
from abathur.services import landing as landings
from abathur.services.claiming import Claim

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue
    from tests.postgres import Cleaner

OpenQueue = Callable[[Database], "Queue"]
T = TypeVar("T")

S = TaskStatus
DEAD = {S.FAILED, S.CANCELLED}
LEASE = timedelta(seconds=60)
ENDS = (OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.RELEASED)
TARGETS = ("main", "main", "release")

indexes = st.integers(0, 9)
workers = st.sampled_from(("w1", "w2"))


@dataclass(eq=False)
class Known:
    """A task as the model sees it."""

    id: str
    needs: list[Known]
    max_retries: int
    target: str
    status: TaskStatus = S.READY
    due: datetime | None = None
    retries: int = 0
    reworks: int = 0
    losses: int = 0
    cancelled_by: Known | None = None
    claim: Claim | None = None
    until: datetime | None = None
    landing: Landing | None = None
    """The open one, as its newest lander was given it."""
    landing_until: datetime | None = None
    announced: bool = False
    fence: int = -1
    seen: TaskStatus | None = None
    stale: list[Claim] = field(default_factory=list)

    @property
    def unmet(self) -> list[Known]:
        return [need for need in self.needs if need.status is not S.COMPLETED]

    @property
    def depth(self) -> int:
        return max((need.depth + 1 for need in self.needs), default=0)

    def let_go(self) -> None:
        if self.claim is not None:
            self.stale.append(self.claim)
        self.claim = self.until = self.landing = self.landing_until = None
        self.announced = False

    def wait(self, now: datetime) -> None:
        """Where it belongs when nobody runs it."""
        self.let_go()
        if self.unmet:
            self.status = S.BLOCKED
        else:
            self.status = S.PENDING if self.due is not None and self.due > now else S.READY


def back_off(number: int) -> timedelta:
    return timedelta(seconds=min(60, 10 * 2 ** (number - 1)))


def pick(tasks: Sequence[Known], index: int) -> Known:
    return tasks[index % len(tasks)]


class History(RuleBasedStateMachine):
    open_queue: ClassVar[Callable[[Database], Any]]
    new_database: ClassVar[Callable[[], Database]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.db = type(self).new_database()
        self.run(self.db.initialize())
        self.queue: Queue = type(self).open_queue(self.db)
        self.run(self.queue.prepare())
        self.tasks: list[Known] = []
        self.holds: set[str] = set()
        """Ids of tasks, and "" for everything."""
        self.plans = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        verified = self.run(self.queue.read(verifying.verify))
        self.run(self.db.close())
        assert list(map(str, verified.breaks)) == []
        self.loop.close()

    def where(self, *statuses: TaskStatus) -> list[Known]:
        return [task for task in self.tasks if task.status in statuses]

    def held(self) -> list[Known]:
        return [task for task in self.tasks if task.claim is not None]

    def taken_landings(self) -> list[Known]:
        return [task for task in self.tasks if task.landing_until is not None]

    def taken(self, index: int) -> tuple[Known, Landing]:
        task = pick(self.taken_landings(), index)
        assert task.landing is not None
        return task, task.landing

    def end_badly(self, task: Known, status: TaskStatus) -> None:
        """And all that waits for it, at any distance."""
        task.let_go()
        task.status = status
        reached = [task]
        while reached:
            near = reached.pop()
            for other in self.tasks:
                if near in other.needs and not other.status.is_final:
                    other.status, other.cancelled_by = S.CANCELLED, task
                    reached.append(other)

    def fail(self, task: Known) -> None:
        if task.retries >= task.max_retries:
            self.end_badly(task, S.FAILED)
            return
        task.retries += 1
        task.losses = 0
        task.due = self.queue.now + back_off(task.retries)
        task.wait(self.queue.now)

    @initialize(priorities=st.lists(st.integers(0, 10), min_size=3, max_size=8))
    def fill(self, priorities: list[int]) -> None:
        for number in priorities:
            self.submit([number] if number % 3 == 0 else [], None, number % 2, number, "main")

    @rule(
        needs=st.lists(indexes, max_size=3),
        later=st.sampled_from((None, None, 20)),
        max_retries=st.integers(0, 1),
        priority=st.integers(0, 10),
        branch=st.sampled_from(TARGETS),
    )
    def submit(
        self, needs: list[int], later: int | None, max_retries: int, priority: int, branch: str
    ) -> None:
        chosen = list(dict.fromkeys(pick(self.tasks, n) for n in needs if self.tasks))
        due = self.queue.now + timedelta(seconds=later) if later else None
        rows = [self.run(self.queue.task(need.id)) for need in chosen]
        fields: dict[str, Any] = {
            "not_before": due,
            "max_retries": max_retries,
            "priority": priority,
        }
        if any(need.status in DEAD for need in chosen):
            with pytest.raises(InvalidInputError):
                self.run(self.queue.submit(*rows, **fields))
            return
        made = self.run(self.queue.submit(*rows, **fields))
        task = Known(made.id, chosen, max_retries, branch, due=due)
        task.wait(self.queue.now)
        self.tasks.append(task)

    @rule(needs=st.booleans())
    def plan(self, needs: bool) -> None:
        """Two tasks at once; applied again, the plan changes nothing."""
        self.plans += 1
        one = PlannedTask(name="one", new=NewTask(prompt="One"), needs=(), line=1, needs_line=1)
        two = replace(one, name="two", new=NewTask(prompt="Two"), needs=("one",) if needs else ())
        plan = Plan(name=f"p{self.plans}", file="p", tasks={"one": one, "two": two})
        for is_first in (True, False):
            applied = self.run(
                self.queue.write(
                    planning.apply_plan,
                    plan,
                    new_id=self.queue.new_id,
                    now=self.queue.now,
                    actor="cli:alice",
                )
            )
            assert [done.created for _, done in applied.submitted] == [is_first] * 2
        made = {name: done.task.id for name, done in applied.submitted}
        first = Known(made["one"], [], 3, "main")
        second = Known(made["two"], [first] if needs else [], 3, "main")
        for task in sorted((first, second), key=lambda task: task.id):
            task.wait(self.queue.now)
            self.tasks.append(task)

    @precondition(lambda self: self.tasks)
    @rule(index=st.none() | indexes)
    def pause(self, index: int | None) -> None:
        """A task, or everything."""
        task = None if index is None else pick(self.tasks, index)
        hold = Hold(
            id=self.queue.new_id(),
            scope=HoldScope.EVERYTHING if task is None else HoldScope.TASK,
            name=task.id if task else "",
            cause=HoldCause.PERSON,
            reason="not now",
            hold_until=None,
            created_by="cli:alice",
            created_at=self.queue.now,
        )
        if task is not None and task.status.is_final:
            with pytest.raises(IllegalTransitionError):
                self.run(self.queue.write(pausing.pause, hold))
            return
        self.run(self.queue.write(pausing.pause, hold))
        self.holds.add(hold.name)

    @precondition(lambda self: self.holds)
    @rule()
    def resume(self) -> None:
        now = self.queue.now
        ended = self.run(self.queue.write(pausing.resume_all, now=now, actor="cli:alice"))
        assert {hold.name for hold in ended} == self.holds
        self.holds.clear()

    @rule(worker=workers, limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> None:
        now = self.queue.now
        for task in self.where(S.PENDING):
            if task.due is not None and task.due <= now:
                task.status, task.due = S.READY, None
        held = self.where(S.READY) if "" in self.holds else []
        ready = {
            task.id: task
            for task in self.where(S.READY)
            if task not in held and task.id not in self.holds
        }
        claims = self.run(self.queue.claim(limit, worker))
        assert len(claims) == min(limit, len(ready))
        for one in claims:
            task = ready.pop(one.task.id)
            task.status, task.claim, task.until = S.RUNNING, one, now + LEASE
        left = [self.run(self.queue.task(task_id)) for task_id in ready]
        order = [(one.task.rank, one.task.id) for one in claims]
        assert order == sorted([*order, *((task.rank, task.id) for task in left)])[: len(order)]

    @rule(worker=workers)
    def renew(self, worker: str) -> None:
        now = self.queue.now
        held = self.run(self.queue.write(claiming.renew, worker_id=worker, now=now, lease=LEASE))
        mine = [task for task in self.held() if task.claim and task.claim.task.worker_id == worker]
        assert held.tasks == {task.id: task.fence for task in mine}
        for task in mine:
            task.until = now + LEASE
        landers = {task.landing: task for task in self.taken_landings() if task.landing}
        kept = {one.id: one.fence for one in landers if one.worker_id == worker}
        assert held.landings == kept
        for landing, task in landers.items():
            if landing.id in kept:
                task.landing_until = now + LEASE

    @precondition(lambda self: self.held())
    @rule(index=indexes, kind=st.sampled_from(ENDS))
    def report(self, index: int, kind: OutcomeKind) -> None:
        task = pick(self.held(), index)
        assert task.claim is not None
        if kind is OutcomeKind.SUCCEEDED:
            landing = self.run(self.queue.succeed(task.claim, task.target))
            task.let_go()
            task.losses, task.landing = 0, landing
            return
        self.run(self.queue.end(task.claim, kind))
        if kind is OutcomeKind.FAILED:
            self.fail(task)
        else:
            task.losses, task.due = 0, None
            task.wait(self.queue.now)

    @precondition(lambda self: any(task.stale for task in self.tasks))
    @rule(index=indexes, number=indexes)
    def report_too_late(self, index: int, number: int) -> None:
        task = pick([task for task in self.tasks if task.stale], index)
        old = task.stale[number % len(task.stale)]
        with pytest.raises(StaleFenceError):
            self.run(self.queue.succeed(old))

    @rule(worker=workers)
    def rescue(self, worker: str) -> None:
        """Adopt and queue again what dead workers held."""
        now = self.queue.now
        expired = self.run(self.queue.read(lambda stores: stores.claims.expired(now)))
        gone = [task for task in self.held() if task.until is not None and task.until <= now]
        assert {task.id for task in expired} == {task.id for task in gone}
        for task in gone:
            row = next(one for one in expired if one.id == task.id)
            adopted, _ = self.run(self.queue.adopt(row, worker))
            with pytest.raises(StaleFenceError):
                self.run(self.queue.adopt(row, worker))
            self.run(self.queue.take_back(adopted, worker))
            task.losses += 1
            task.due = now + back_off(task.losses - 2) if task.losses > 2 else None
            task.wait(now)

    @rule(seconds=st.sampled_from((1, 10, 61)))
    def pass_time(self, seconds: int) -> None:
        self.queue.pass_time(seconds)

    @rule(worker=workers)
    def work(self, worker: str) -> None:
        self.claim(worker, 3)
        while self.held():
            self.report(0, OutcomeKind.SUCCEEDED)

    @rule(worker=workers)
    def claim_landing(self, worker: str) -> None:
        now = self.queue.now
        over = [t for t in self.taken_landings() if t.landing_until and t.landing_until <= now]
        busy = {task.target for task in self.taken_landings() if task not in over}
        waiting = [task for task in self.tasks if task.landing and not task.landing_until]
        free = [task for task in waiting if task.target not in busy]
        begun = [task for task in free if task.announced]
        landing = self.run(self.queue.claim_landing(worker))
        eligible = {task.id: task for task in over or begun or free}
        if landing is None:
            assert not eligible
            return
        task = eligible[landing.task_id]
        assert landing.rank == min(t.landing.rank for t in eligible.values() if t.landing)
        assert (landing.merge_commit is not None) is task.announced
        task.landing, task.landing_until = landing, now + LEASE

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def announce(self, index: int) -> None:
        task, landing = self.taken(index)
        self.run(self.queue.announce(landing))
        task.announced = True

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def withdraw(self, index: int) -> None:
        """The target wasn't moved, so the announcement is taken back."""
        task, landing = self.taken(index)
        self.run(self.queue.write(landings.withdraw_merge, landing))
        task.announced = False

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def give_landing_back(self, index: int) -> None:
        task, landing = self.taken(index)
        self.run(self.queue.write(landings.release_landing, landing))
        self.run(self.queue.write(landings.release_landing, landing))  # does nothing
        task.landing_until = None
        with pytest.raises(StaleFenceError):
            self.run(self.queue.announce(landing))

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def conclude(self, index: int) -> None:
        task, landing = self.taken(index)
        done = self.run(self.queue.conclude(landing))
        task.let_go()
        task.status = S.COMPLETED
        released = [one for one in self.where(S.BLOCKED) if task in one.needs and not one.unmet]
        assert {one.id for one in done.released} == {other.id for other in released}
        for other in released:
            other.wait(self.queue.now)

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def refuse(self, index: int) -> None:
        task, landing = self.taken(index)
        self.run(self.queue.refuse(landing))
        if task.reworks:
            self.end_badly(task, S.FAILED)
        else:
            task.reworks, task.due = 1, None
            task.wait(self.queue.now)

    @rule(worker=workers)
    def land(self, worker: str) -> None:
        self.claim_landing(worker)
        while self.taken_landings():
            self.announce(0)
            self.conclude(0)

    @precondition(lambda self: self.taken_landings())
    @rule(index=indexes)
    def land_too_late(self, index: int) -> None:
        _, landing = self.taken(index)
        old = replace(landing, fence=landing.fence - 1)
        for write in (self.queue.announce, self.queue.conclude, self.queue.refuse):
            with pytest.raises(StaleFenceError):
                self.run(write(old))

    @precondition(lambda self: self.tasks)
    @rule(index=indexes)
    def cancel(self, index: int) -> None:
        task = pick(self.tasks, index)
        row = self.run(self.queue.task(task.id))
        if task.announced or task.status in {S.COMPLETED, S.FAILED}:
            with pytest.raises(IllegalTransitionError):
                self.run(self.queue.cancel(row))
            return
        self.run(self.queue.cancel(row))
        if task.status is not S.CANCELLED:
            self.end_badly(task, S.CANCELLED)

    @precondition(lambda self: self.tasks)
    @rule(index=indexes)
    def retry(self, index: int) -> None:
        task = pick(self.tasks, index)
        row = self.run(self.queue.task(task.id))
        if task.status not in DEAD or any(need.status in DEAD for need in task.needs):
            with pytest.raises(IllegalTransitionError):
                self.run(self.queue.retry(row))
            return
        revived = {one.id for one in self.run(self.queue.retry(row))}
        self.revive(task)
        expected = [task]
        for other in sorted(self.tasks, key=lambda one: one.depth):
            was_taken_along = other.status is S.CANCELLED and other.cancelled_by is not None
            waits_for_revived = any(need in expected for need in other.needs)
            is_free = not any(need.status in DEAD for need in other.needs)
            if was_taken_along and waits_for_revived and is_free:
                expected.append(other)
                self.revive(other)
        assert revived == {one.id for one in expected}

    def revive(self, task: Known) -> None:
        task.retries = task.reworks = task.losses = 0
        task.cancelled_by = None
        task.wait(self.queue.now)

    @invariant()
    def rows_are_as_in_the_model(self) -> None:
        rows: Sequence[Task] = self.run(self.queue.read(reading.all_tasks))
        assert [row.id for row in rows] == [task.id for task in self.tasks]
        for row, task in zip(rows, self.tasks, strict=True):
            assert row.status is task.status
            assert row.unmet_count == len(task.unmet)
            assert row.worker_id == (task.claim.task.worker_id if task.claim else None)
            assert row.lease_until == task.until
            assert row.status.is_final or not any(need.status in DEAD for need in task.needs)
            assert (row.retry_count, row.rework_count) == (task.retries, task.reworks)
            assert row.cancelled_by == (task.cancelled_by.id if task.cancelled_by else None)
            assert (
                row.fence > task.fence if row.status is not task.seen else row.fence >= task.fence
            )
            task.fence, task.seen = row.fence, row.status

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        assert self.run(self.db.check()) == []


def check_histories(
    open_queue: OpenQueue, new_database: Callable[[], Database], examples: int, steps: int
) -> None:
    class Chosen(History):
        pass

    Chosen.open_queue = staticmethod(open_queue)
    Chosen.new_database = staticmethod(new_database)
    # The same histories everywhere but at a developer's desk.
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, derandomize="CI" in os.environ
    )
    run_state_machine_as_test(Chosen, settings=chosen)


def test_any_history_is_as_the_model_says(open_queue: OpenQueue) -> None:
    check_histories(open_queue, lambda: Database(":memory:"), examples=60, steps=50)


def test_any_history_on_postgresql_is_as_the_model_says(
    open_queue: OpenQueue, postgres_cleaner: Cleaner
) -> None:
    def new_database() -> Database:
        postgres_cleaner.clean()
        return Database(postgres_cleaner.url)

    check_histories(open_queue, new_database, examples=10, steps=25)
