"""A queue on every engine: the real use cases, short names, and a clock that only tests move."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import pytest

from abathur.domain.agents import Agent, AgentState, Worker
from abathur.domain.audit import AuditEntry
from abathur.domain.landing import Announcement, Landing, LandingState, Proof
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import Attempt, Outcome, OutcomeKind
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import cancelling, claiming, landing, running, submitting
from abathur.services.asking import Asking
from abathur.services.claiming import Claim
from abathur.services.landing import Concluded
from abathur.services.running import Holder, Report

P = ParamSpec("P")
T = TypeVar("T")

# A line here runs everything below this folder on one more engine.
ENGINES: Final[Mapping[str, Callable[[pytest.FixtureRequest, Path], Database]]] = {
    "memory": lambda _, folder: Database(":memory:"),
    "file": lambda request, folder: Database(
        request.getfixturevalue("new_file")(folder / "queue.db")
    ),
    "postgres": lambda request, _: Database(request.getfixturevalue("postgres_url")),
}
NOON: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
LEASE: Final = timedelta(seconds=60)
POLICY: Final = RetryPolicy(initial_seconds=10, factor=2, max_seconds=60, jitter=0)
ALICE: Final = "cli:alice"
WORKERS: Final = ("w1", "w2")


class Queue:
    """The use cases at the time `now`, done by the workers `w1` and `w2`, who exist."""

    lease = LEASE
    policy = POLICY

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = NOON
        self._numbers = itertools.count(1)

    @property
    def is_ordered(self) -> bool:
        """Whether writes are done in the order in which they were asked for."""
        return not self.db.name.startswith("postgresql:")

    async def prepare(self) -> None:
        for name in WORKERS:
            await self.add_worker(name)

    async def add_worker(self, name: str, max_agents: int = 4) -> None:
        worker = Worker(
            id=name,
            host="here",
            pid=1,
            pid_started_at=1.5,
            repository="/repo",
            max_agents=max_agents,
            started_at=self.now,
            heartbeat_at=self.now,
            lease_until=self.now + LEASE,
        )
        await self.db.write(lambda stores: stores.workers.insert(worker))

    def new_id(self) -> str:
        return f"{next(self._numbers):08x}-0000-7000-8000-000000000000"

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def write(
        self, use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.db.write(use_case, *args, **kwargs)

    async def read(
        self, query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.db.read(query, *args, **kwargs)

    async def submit(self, *needs: Task, prompt: str = "Do it", **fields: Any) -> Task:
        new = NewTask(prompt=prompt, prerequisites=tuple(task.id for task in needs), **fields)
        done = await self.db.write(
            submitting.submit, new, task_id=self.new_id(), now=self.now, actor=ALICE
        )
        return done.task

    async def claim(self, limit: int = 1, worker: str = "w1") -> Sequence[Claim]:
        return await self.db.write(
            claiming.claim, worker_id=worker, limit=limit, now=self.now, lease=LEASE
        )

    async def claim_one(self, worker: str = "w1") -> Claim:
        (claimed,) = await self.claim(1, worker)
        return claimed

    def holder(self, claimed: Claim) -> Holder:
        attempt = claimed.attempt
        return Holder(claimed.task.id, attempt.number, attempt.fence, attempt.worker_id)

    def agent(self, claimed: Claim) -> Agent:
        return Agent(
            id=f"agent-{claimed.task.id}-{claimed.attempt.number}",
            name="Ada",
            agent_type=claimed.task.agent_type,
            task_id=claimed.task.id,
            state=AgentState.BUSY,
            model="small",
            spawned_at=self.now,
        )

    async def start(self, claimed: Claim, **facts: Any) -> None:
        agent = self.agent(claimed)
        await self.db.write(running.start, self.holder(claimed), agent, self.now, **facts)

    async def end(
        self,
        claimed: Claim,
        kind: OutcomeKind = OutcomeKind.FAILED,
        message: str = "it broke",
        asking: Asking | None = None,
        **more: Any,
    ) -> Task:
        """Report an attempt without success."""
        report = Report(outcome=Outcome(kind=kind, message=message, **more), asking=asking)
        return await self.db.write(running.report, self.holder(claimed), report, POLICY, self.now)

    async def succeed(
        self,
        claimed: Claim,
        target: str = "main",
        result: Mapping[str, Any] | None = None,
        asking: Asking | None = None,
    ) -> Landing:
        """Report success; the landing that waits then."""
        task_id, number = claimed.task.id, claimed.attempt.number
        report = Report(
            outcome=Outcome(kind=OutcomeKind.SUCCEEDED, result_data=result),
            base_commit="base",
            head_commit=f"work-{task_id}-{number}",
            target=target,
            landing_id=f"landing-{task_id}-{number}",
            asking=asking,
        )
        await self.db.write(running.report, self.holder(claimed), report, POLICY, self.now)
        return await self.landing(report.landing_id)

    async def claim_landings(self, limit: int = 8, worker: str = "w1") -> Sequence[Landing]:
        return await self.db.write(
            landing.claim_landings, worker_id=worker, limit=limit, now=self.now, lease=LEASE
        )

    async def claim_landing(self, worker: str = "w1") -> Landing | None:
        return next(iter(await self.claim_landings(1, worker)), None)

    async def lander(self, worker: str = "w1") -> Landing:
        """The next landing, which must be there."""
        claimed = await self.claim_landing(worker)
        assert claimed is not None
        return claimed

    async def announce(self, claimed: Landing, merge: str = "merge") -> Landing:
        told = Announcement(landing=claimed, target_before="before", merge_commit=merge)
        return (await self.db.write(landing.announce, [told], self.now))[0]

    def proof(self, claimed: Landing, merge: str | None = "merge") -> Proof:
        return Proof(
            target=claimed.target,
            target_commit=merge or "base",
            work_commit=claimed.work_commit,
            merge_commit=merge,
            checked_at=self.now,
        )

    async def conclude(self, claimed: Landing, merge: str | None = "merge") -> Concluded:
        """Announced first, as a lander does; once more does no harm."""
        if merge is not None:
            claimed = await self.announce(claimed, merge)
        return await self.db.write(
            landing.conclude, claimed, self.proof(claimed, merge), detail=None, now=self.now
        )

    async def refuse(
        self,
        claimed: Landing,
        state: LandingState = LandingState.CONFLICTED,
        max_rework: int = 1,
        log: str | None = None,
        asking: Asking | None = None,
    ) -> Concluded:
        return await self.db.write(
            landing.refuse,
            claimed,
            state,
            detail="a.txt conflicts",
            facts={"kind": "conflict", "files": ["a.txt"], **({"log": log} if log else {})},
            asking=asking,
            max_rework=max_rework,
            now=self.now,
        )

    async def land(self, claimed: Claim, target: str = "main") -> Concluded:
        """From success to proof. Nothing else may be waiting to land."""
        wanted = await self.succeed(claimed, target)
        taken = await self.announce(await self.lander())
        assert taken.id == wanted.id
        return await self.conclude(taken)

    async def complete_next(self) -> Task:
        """Run the most urgent task to its good end."""
        return (await self.land(await self.claim_one())).task

    async def fail_next(self) -> Task:
        """Let the most urgent task, which may not be retried, fail."""
        task = await self.end(await self.claim_one())
        assert task.status is TaskStatus.FAILED
        return task

    async def adopt(
        self, task: Task, worker: str = "w2", fence: int | None = None
    ) -> tuple[Task, Sequence[Attempt]]:
        return await self.db.write(
            claiming.adopt,
            task.id,
            fence=task.fence if fence is None else fence,
            worker_id=worker,
            now=self.now,
            lease=LEASE,
        )

    async def take_back(self, task: Task, worker: str = "w2") -> Task:
        return await self.db.write(
            running.take_back,
            task.id,
            fence=task.fence,
            worker_id=worker,
            policy=POLICY,
            chance=0.0,
            now=self.now,
        )

    async def cancel(self, task: Task, reason: str | None = None) -> Sequence[Task]:
        return await self.db.write(
            cancelling.cancel, task.id, now=self.now, actor=ALICE, reason=reason
        )

    async def retry(self, task: Task) -> Sequence[Task]:
        return await self.db.write(cancelling.retry, task.id, now=self.now, actor=ALICE)

    async def task(self, task: Task | str) -> Task:
        task_id = task if isinstance(task, str) else task.id
        found = await self.db.read(lambda stores: stores.tasks.get(task_id))
        assert found is not None
        return found

    async def statuses(self, *tasks: Task) -> list[TaskStatus]:
        return [(await self.task(task)).status for task in tasks]

    async def attempt(self, claimed: Claim) -> Attempt:
        task_id, number = claimed.task.id, claimed.attempt.number
        found = await self.db.read(lambda stores: stores.attempts.get(task_id, number))
        assert found is not None
        return found

    async def landing(self, landing_id: str) -> Landing:
        found = await self.db.read(lambda stores: stores.landings.get(landing_id))
        assert found is not None
        return found

    async def audit(self, task: Task | None = None) -> Sequence[AuditEntry]:
        """All entries, or those of a task, oldest first."""
        if task is None:
            return await self.db.read(lambda stores: stores.audit.recent(100_000))
        return await self.db.read(lambda stores: stores.audit.of_task(task.id))

    async def contents(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table that the use cases write."""
        tables = ("tasks", "task_dependencies", "attempts", "landings", "agents", "audit")
        return {table: await self.db.query(f"SELECT * FROM {table}") for table in tables}


OpenQueue = Callable[[Database], Queue]


@pytest.fixture(params=tuple(ENGINES))
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with ENGINES[request.param](request, tmp_path) as database:
        yield database


@pytest.fixture
async def queue(db: Database) -> Queue:
    queue = Queue(db)
    await queue.prepare()
    return queue


@pytest.fixture(scope="session")
def open_queue() -> OpenQueue:
    """For tests that open their databases themselves."""
    return Queue
