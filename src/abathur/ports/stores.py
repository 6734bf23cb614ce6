"""What the use cases need from the database: stores inside one transaction.

A use case is a plain function whose first argument is `Stores`. It runs inside one transaction:
it can't await, so none is held open by accident, and one that raises leaves nothing behind. It may
be run again when the transaction has to be repeated, so it does nothing but read and write stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from abathur.ports.agent_runs import AgentRunStores
from abathur.ports.figures import FigureStores
from abathur.ports.loops import LoopStores
from abathur.ports.many import ManyStores
from abathur.ports.memory import KnowledgeStores
from abathur.ports.schedules import ScheduleStores

if TYPE_CHECKING:
    from abathur.domain.agents import Agent, Worker
    from abathur.domain.audit import AuditEntry, AuditRow, Head
    from abathur.domain.gates import Gate, GateRun
    from abathur.domain.legacy import LegacyCount, LegacyRow
    from abathur.domain.reviews import Review
    from abathur.domain.runs import Attempt, LateReport, RunEvent
    from abathur.domain.tasks import Task, TaskSource, TaskStatus
    from abathur.ports.admission import AdmissionStore
    from abathur.ports.landings import LandingStore
    from abathur.ports.money import CostStore, PoolStore
    from abathur.ports.overview import OverviewStore
    from abathur.ports.upkeep import UpkeepStore

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """All conditions must hold. None doesn't ask."""

    status: TaskStatus | None = None
    exclude_status: TaskStatus | None = None
    agent_type: str | None = None
    source: TaskSource | None = None
    feature_branch: str | None = None
    parent_task_id: str | None = None
    text: str | None = None
    """Part of the summary or prompt, any case."""
    limit: int = 100
    after_id: str | None = None
    """For paging: ids above this one. Ids of new tasks are ordered by time."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`dependent` waits for `prerequisite`."""

    prerequisite: str
    dependent: str


class TaskStore(Protocol):
    def insert(self, task: Task) -> None:
        """Write the task and its edges. A used id or key raises."""
        ...

    def get(self, task_id: str) -> Task | None: ...

    def foresee(self, task_id: str) -> None:
        """Say that `get` is going to ask for it; see `foreseen_by`."""
        ...

    def get_many(self, task_ids: Iterable[str]) -> Sequence[Task]:
        """Those that exist, in the order asked for; with their prerequisites."""
        ...

    def by_key(self, idempotency_key: str) -> Task | None: ...

    def by_keys(self, idempotency_keys: Iterable[str]) -> Mapping[str, Task]:
        """Those that exist, by their keys; with their prerequisites."""
        ...

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]: ...

    def select(self, where: TaskFilter) -> Sequence[Task]:
        """In order of id, prerequisites included."""
        ...

    def save(self, task: Task, fence: int, only: tuple[str, ...] | None = None) -> None:
        """Write every column that can change, or of these `only`, if its fence still is `fence`.

        Raises `StaleFenceError` otherwise. Edges are not touched.
        """
        ...

    def rerank(self, task_id: str, rank: int) -> None:
        """Change the place in the order of claiming; no change of status, so no new fence."""
        ...

    def counts(self) -> Mapping[TaskStatus, int]: ...

    def ahead(self, task: Task) -> int:
        """How many ready tasks are claimed before this one."""
        ...


class ClaimStore(Protocol):
    """Which tasks may run, and who runs them until when."""

    def claim(
        self, worker_id: str, limit: int, now: datetime, lease_until: datetime
    ) -> Sequence[Task] | None:
        """Make up to `limit` ready tasks running, smallest rank first, and return them so.

        Of none while the database holds anything against claiming, see
        `AdmissionStore.restrictions`, or while there is any that is `due`. None itself may be
        returned where it is known that nothing is ready, is due, or restricts.
        """
        ...

    def claim_these(
        self, worker_id: str, ids: Sequence[str], now: datetime, lease_until: datetime
    ) -> Sequence[Task]:
        """The same for those with these ids, whatever restricts; who isn't ready is left out."""
        ...

    def renew(self, worker_id: str, lease_until: datetime) -> Mapping[str, int]:
        """Prolong the leases of a worker's running tasks; id -> fence of those it still holds."""
        ...

    def held(self, worker_id: str) -> Sequence[Task]: ...

    def expired(self, now: datetime) -> Sequence[Task]:
        """Running tasks whose lease is over."""
        ...

    def due(self, now: datetime) -> Sequence[Task]:
        """Pending tasks whose time has come."""
        ...

    def next_due(self) -> datetime | None:
        """When the first pending task becomes ready."""
        ...

    def any_ready(self) -> bool: ...

    def any_running(self) -> bool:
        """Whether a task is running that doesn't wait for a person's approval."""
        ...

    def any_backing_off(self) -> bool:
        """Whether a pending task was tried before, so that it isn't merely scheduled."""
        ...


class GraphStore(Protocol):
    """The edges between tasks."""

    def dependents(self, task_id: str) -> Sequence[Task]: ...

    def add(self, task_id: str, prerequisites: Sequence[str], now: datetime) -> None:
        """Let a task wait for more than before. Its count of unmet ones isn't changed."""
        ...

    def remove(self, task_id: str, prerequisite: str) -> None:
        """Let it not wait for that one. Its count of unmet ones isn't changed."""
        ...

    def foresee(self, task_id: str) -> None: ...  # as of tasks, for `at_end`

    def resolve(self, task_id: str, now: datetime) -> Sequence[Task]:
        """Mark the edges from a completed task, count down its dependents and return them.

        The rows are locked in order of id where the engine has row locks, so two prerequisites
        that finish at the same moment can't miss each other.
        """
        ...

    def at_end(self, task_id: str) -> tuple[bool, bool]:
        """Whether a person is still asked about it, and whether tasks wait for it, in one look."""
        ...

    def edges(self, task_ids: Iterable[str] | None = None) -> Sequence[Edge]:
        """All edges, or those with both ends among `task_ids`."""
        ...

    def unmet(self, task_id: str) -> Sequence[Task]:
        """The prerequisites that aren't completed."""
        ...

    def dependent_count(self, task_id: str) -> int:
        """How many unfinished tasks wait directly for this one."""
        ...


class AttemptStore(Protocol):
    def insert(self, attempt: Attempt) -> None: ...

    def get(self, task_id: str, number: int) -> Attempt | None: ...

    def foresee(self, task_id: str, number: int) -> None:
        """As `TaskStore.foresee`."""
        ...

    def of_task(self, task_id: str) -> Sequence[Attempt]: ...

    def on_branch(self, branch: str) -> Attempt | None:
        """The attempt that was given the branch."""
        ...

    def save(self, attempt: Attempt, old: Attempt | None = None) -> None:
        """Write every column that can change, or those that differ from `old`, which was read."""
        ...

    def unended(self, worker_id: str | None = None) -> Sequence[Attempt]: ...

    def add_events(
        self, task_id: str, number: int, events: Iterable[tuple[int, datetime, RunEvent]]
    ) -> None:
        """(sequence number, time, event); a sequence number that is there already is skipped."""
        ...

    def events(
        self, task_id: str, number: int, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, datetime, RunEvent]]: ...

    def last_events(
        self, task_id: str, number: int, limit: int = 1
    ) -> Sequence[tuple[int, datetime, RunEvent]]:
        """In their order."""
        ...

    def add_late_report(self, late: LateReport) -> None:
        """One that is there already, by task, attempt and fence, is skipped."""
        ...

    def late_reports(self, task_id: str) -> Sequence[LateReport]:
        """In order of attempt and fence."""
        ...


class GateStore(Protocol):
    def insert(self, runs: Iterable[GateRun]) -> None: ...

    def of_task(self, task_id: str) -> Sequence[GateRun]:
        """In the order in which they ran."""
        ...

    def has_passed(self, gate: Gate, tree: str) -> bool:
        """Whether this very command has passed on a tree with this hash."""
        ...

    def flaky(self, limit: int) -> Sequence[GateRun]:
        """The newest runs that passed only when repeated; one for each tree."""
        ...


class ReviewStore(Protocol):
    """Questions to a person."""

    def insert(self, review: Review) -> None: ...

    def save(self, review: Review) -> None:
        """Write the answer. Raises `IllegalTransitionError` for one that is rejected or void."""
        ...

    def get(self, review_id: str) -> Review | None: ...

    def of_task(self, task_id: str) -> Sequence[Review]:
        """Oldest first."""
        ...

    def open(self) -> Sequence[Review]:
        """All that wait for an answer, oldest first."""
        ...

    def recent(self, limit: int) -> Sequence[Review]:
        """The newest ones, oldest first."""
        ...

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]: ...


class WorkerStore(Protocol):
    def insert(self, worker: Worker) -> None: ...

    def get(self, worker_id: str) -> Worker | None: ...

    def live(self) -> Sequence[Worker]:
        """Workers that haven't said that they stopped: alive, or dead without a word."""
        ...

    def beat(self, worker_id: str, now: datetime, lease_until: datetime) -> Worker | None:
        """Say that the worker lives; its row afterwards."""
        ...

    def resize(self, worker_id: str, max_agents: int) -> None:
        """Write down how many agents it runs at most from now on."""
        ...

    def request_stop(self, worker_id: str, now: datetime) -> bool: ...

    def mark_stopped(self, worker_id: str, now: datetime) -> None: ...

    def insert_agent(self, agent: Agent) -> None: ...

    def end_agents(self, task_id: str, now: datetime) -> None:
        """Mark all agents of a task as gone."""
        ...

    def end_agent(self, task_id: str, attempt: int, now: datetime) -> None: ...

    def agents(self, task_id: str | None = None) -> Sequence[Agent]: ...


class AuditLog(Protocol):
    def append(self, entry: AuditEntry) -> None:
        """Write the entry and chain it to the one before it of its task."""
        ...

    def of_task(self, task_id: str, limit: int = 1000) -> Sequence[AuditEntry]:
        """The newest entries of a task, oldest first."""
        ...

    def recent(self, limit: int) -> Sequence[AuditEntry]:
        """The newest entries of all, oldest first."""
        ...

    def after(
        self, row_id: int, limit: int = 1000, task_id: str | None = None
    ) -> Sequence[AuditEntry]:
        """The first entries with a higher id, of all tasks or of one, in order of id."""
        ...

    def rows(self) -> Iterator[AuditRow]:
        """Every entry as it is stored, by task id and sequence; fetched page by page."""
        ...

    def rows_of(self, task_id: str) -> Sequence[AuditRow]:
        """The same of one task."""
        ...

    def heads(self, task_ids: Iterable[str]) -> Sequence[Head]:
        """Those that there are, in any order."""
        ...

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]:
        """Ids of all tasks that there are or were, pruned ones among them."""
        ...

    def removed(self) -> Sequence[Head]:
        """Heads whose rows are gone, all of them."""
        ...

    def tasks_without(self) -> Sequence[str]:
        """Ids of tasks that have no entry at all."""
        ...

    def gaps(self) -> Sequence[tuple[int, int]]:
        """First and last of the ids that are missing; always none if the engine leaves gaps."""
        ...


class LegacyStore(Protocol):
    """What was kept of a database that an older version wrote."""

    def counts(self) -> Sequence[LegacyCount]:
        """By table, the most frequent reason first."""
        ...

    def select(
        self, source_table: str | None = None, *, after_id: int = 0, limit: int = 1000
    ) -> Sequence[LegacyRow]:
        """In order of id."""
        ...


class Stores(
    AgentRunStores,
    FigureStores,
    KnowledgeStores,
    LoopStores,
    ManyStores,
    ScheduleStores,
    Protocol,
):
    """One transaction's view of the database."""

    @property
    def tasks(self) -> TaskStore: ...

    @property
    def claims(self) -> ClaimStore: ...

    @property
    def admission(self) -> AdmissionStore: ...

    @property
    def graph(self) -> GraphStore: ...

    @property
    def attempts(self) -> AttemptStore: ...

    @property
    def landings(self) -> LandingStore: ...

    @property
    def gates(self) -> GateStore: ...

    @property
    def reviews(self) -> ReviewStore: ...

    @property
    def workers(self) -> WorkerStore: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def upkeep(self) -> UpkeepStore: ...

    @property
    def legacy(self) -> LegacyStore: ...

    @property
    def costs(self) -> CostStore: ...

    @property
    def pools(self) -> PoolStore: ...

    @property
    def overview(self) -> OverviewStore: ...


def foreseen_by(tell: Callable[..., None]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a use case say what it is going to read, before it is run.

    `tell` takes the same arguments. An engine that does many use cases in one transaction may read
    for all of them at once.
    """

    def mark(use_case: Callable[P, T]) -> Callable[P, T]:
        vars(use_case)["foresee"] = tell
        return use_case

    return mark


class UnitOfWork(Protocol):
    """The database, to those who only need transactions."""

    async def write(
        self, use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the use case in a transaction and return when it is durable.

        Whatever the use case raises comes out and undoes only what it did itself. Cancelling the
        wait doesn't undo a use case that was begun. Raises `DatabaseError`.
        """
        ...

    async def read(
        self, query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query on a snapshot; never waits for writers and never blocks them."""
        ...
