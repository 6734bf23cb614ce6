"""The read side of the queue, for all front doors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.errors import AmbiguousIdError, InvalidInputError, NotFoundError
from abathur.domain.reviews import ReviewKind, ReviewState
from abathur.domain.runs import EventKind
from abathur.domain.tasks import TaskStatus
from abathur.ports.stores import TaskFilter

if TYPE_CHECKING:
    from abathur.domain.agents import Worker
    from abathur.domain.gates import GateRun
    from abathur.domain.landing import Landing
    from abathur.domain.reviews import Review
    from abathur.domain.runs import Attempt, LateReport, RunEvent
    from abathur.domain.tasks import Task
    from abathur.ports.stores import Edge, Stores

# What only one query needs is imported there, so that a mere list starts fast.
if TYPE_CHECKING:
    from abathur.domain.admission import AdmissionRules, Overlap
    from abathur.domain.audit import AuditEntry
    from abathur.domain.explain import Explanation
    from abathur.domain.pools import Pool
    from abathur.services.looping import LoopView

SHOWN_CANDIDATES = 5
SHOWN_REFUSED = 20
SHOWN_FLAKY = 5
SHOWN_LOOPS = 20
LOOKED_AT = 300
"""Of the newest entries of a task's trail, for what its agent has told last."""


def resolve_id(stores: Stores, text: str) -> str:
    """The full id that an id or its unique prefix stands for.

    Raises `NotFoundError`, `AmbiguousIdError`, `InvalidInputError`.
    """
    return _resolve(text, stores.tasks.by_prefix)


def resolve_trail(stores: Stores, text: str) -> str:
    """The same among all tasks that there are or were: pruned ones keep their trail."""
    return _resolve(text, stores.audit.by_prefix)


def _resolve(text: str, by_prefix: Callable[[str, int], Sequence[str]]) -> str:
    prefix = text.strip().lower()
    if not prefix or any(c not in "0123456789abcdef-" for c in prefix):
        raise InvalidInputError(
            f"`{text}` isn't a task id; `abathur task list` shows the ids (a unique prefix will do)"
        )
    found = by_prefix(prefix, SHOWN_CANDIDATES + 1)
    if not found:
        raise NotFoundError(
            f"no task has an id that begins with `{text}`; `abathur task list` shows them all"
        )
    if len(found) > 1:
        raise AmbiguousIdError(text, found[:SHOWN_CANDIDATES])
    return found[0]


def get_task(stores: Stores, text: str) -> Task:
    """The task that an id or its unique prefix stands for."""
    task = stores.tasks.get(resolve_id(stores, text))
    assert task is not None
    return task


def list_tasks(stores: Stores, where: TaskFilter) -> Sequence[Task]:
    return stores.tasks.select(where)


def all_tasks(stores: Stores, ids: Collection[str] | None = None) -> Sequence[Task]:
    """Every task, or those with the given ids, in order of id."""
    if ids is not None:
        return stores.tasks.get_many(sorted(ids))
    found: list[Task] = []
    while page := stores.tasks.select(
        TaskFilter(limit=1000, after_id=found[-1].id if found else None)
    ):
        found.extend(page)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail:
    task: Task
    calculated_priority: float
    prerequisites: Sequence[Task]
    dependents: Sequence[Task]
    attempts: Sequence[Attempt]
    landings: Sequence[Landing]
    gate_runs: Sequence[GateRun]
    """Of all its landings, oldest first."""
    touches: Sequence[str]
    """Patterns of the paths that it declares."""
    may_overlap: bool
    overlaps: Sequence[Overlap]
    """What it and others have both changed, or declared and changed."""
    late_reports: Sequence[LateReport]
    loop: LoopView | None = None
    progress: AuditEntry | None = None
    """What an agent of it has told last of how far it is."""


def task_detail(stores: Stores, text: str, now: datetime) -> TaskDetail:
    from abathur.services.looping import view_if_any

    task = get_task(stores, text)
    paths = stores.admission.paths(task.id)
    return TaskDetail(
        task=task,
        calculated_priority=priority_of(stores, task, now),
        prerequisites=stores.tasks.get_many(task.prerequisites),
        dependents=stores.graph.dependents(task.id),
        attempts=stores.attempts.of_task(task.id),
        landings=stores.landings.of_task(task.id),
        gate_runs=stores.gates.of_task(task.id),
        touches=paths.touches,
        may_overlap=paths.may_overlap,
        overlaps=stores.admission.overlaps(task.id),
        late_reports=stores.attempts.late_reports(task.id),
        loop=view_if_any(stores, task),
        progress=_newest_note(stores, task.id),
    )


def _newest_note(stores: Stores, task_id: str) -> AuditEntry | None:
    from abathur.domain.audit import Action

    for entry in reversed(stores.audit.of_task(task_id, LOOKED_AT)):
        if entry.action_type is Action.PROGRESS_NOTED:
            return entry
    return None


def priority_of(stores: Stores, task: Task, now: datetime) -> float:
    from abathur.domain.priority import Position, calculated_priority

    position = Position(
        priority=task.priority,
        depth=task.dependency_depth,
        blocking=stores.graph.dependent_count(task.id),
        source=task.source,
    )
    return calculated_priority(position, task.deadline, task.estimated_duration_seconds, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A task that is running, and the last sign of life of its agent."""

    task: Task
    attempt: Attempt | None
    last_event_at: datetime | None
    last_event: RunEvent | None
    landing: Landing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmStatus:
    counts: Mapping[TaskStatus, int]
    workers: Sequence[Worker]
    running: Sequence[Running]
    landings: Sequence[Landing]
    """Those under way or waiting."""
    reviews: Sequence[Review]
    """Those that wait for an answer."""
    refused: Sequence[Landing]
    """Of failed tasks whose work a person has to look at, the newest tasks first."""
    flaky: Sequence[GateRun]
    """Gates that passed only when repeated, the newest first."""
    next_due: datetime | None
    is_idle: bool
    """See `is_idle`."""
    pools: Sequence[Pool] = ()
    """Providers' limits, as far as their programs told."""
    loops: Sequence[LoopView] = ()
    """Of tasks that haven't ended, the first ones."""
    held: int = 0
    """How many tasks wait for nothing but an answer."""

    @property
    def scheduled(self) -> int:
        """How many tasks wait for a time."""
        return max(0, self.counts[TaskStatus.PENDING] - self.held)


def is_idle(stores: Stores) -> bool:
    """Nothing runs, lands, is ready or backs off.

    What is scheduled for later doesn't count, nor does what waits for a person's answer.

    Costs the same however many tasks are finished.
    """
    claims = stores.claims
    is_busy = claims.any_ready() or claims.any_running() or claims.any_backing_off()
    return not is_busy and not stores.landings.wanted()


def swarm_status(stores: Stores) -> SwarmStatus:
    from abathur.services.looping import under_way

    tasks = stores.tasks.select(TaskFilter(status=TaskStatus.RUNNING, limit=1000))
    landings = {landing.task_id: landing for landing in stores.landings.open()}
    reviews = stores.reviews.open()
    return SwarmStatus(
        counts=stores.tasks.counts(),
        workers=stores.workers.live(),
        running=[one for task in tasks for one in _running(stores, task, landings.get(task.id))],
        landings=list(landings.values()),
        reviews=reviews,
        held=_held(stores, reviews),
        refused=stores.landings.refused(SHOWN_REFUSED),
        flaky=stores.gates.flaky(SHOWN_FLAKY),
        next_due=stores.claims.next_due(),
        is_idle=is_idle(stores),
        pools=stores.pools.all(),
        loops=under_way(stores, SHOWN_LOOPS),
    )


def _held(stores: Stores, reviews: Sequence[Review]) -> int:
    ids = {one.task_id for one in reviews if one.kind is not ReviewKind.LANDING}
    tasks = stores.tasks.get_many(sorted(ids)) if ids else ()
    return sum(one.status is TaskStatus.PENDING and one.not_before is None for one in tasks)


def _running(stores: Stores, task: Task, landing: Landing | None) -> Iterator[Running]:
    """One for each agent at work, of which a task with candidates has several."""
    attempts = stores.attempts.of_task(task.id)
    at_work = [one for one in attempts if one.ended_at is None and one.fence == task.fence]
    shown: Sequence[Attempt | None] = at_work or attempts[-1:] or [None]
    for attempt in shown:
        last = stores.attempts.last_events(task.id, attempt.number) if attempt else []
        yield Running(
            task=task,
            attempt=attempt,
            last_event_at=last[0][1] if last else None,
            last_event=last[0][2] if last else None,
            landing=landing,
        )


def explain_task(
    stores: Stores,
    text: str,
    now: datetime,
    is_alive: Callable[[Worker], bool | None],
    rules: AdmissionRules | None = None,
    agent_problem: Callable[[str], str | None] = lambda agent_type: None,
) -> tuple[Task, Explanation]:
    """Why the task isn't moving. `is_alive` tells None for a worker on another host.

    `rules` and `agent_problem` are what the configuration restricts and can't run.
    """
    from abathur.domain import questions
    from abathur.domain.explain import Facts, explain
    from abathur.services.looping import sentences
    from abathur.services.waiting_facts import waiting_facts

    task = get_task(stores, text)

    def explained(other: Task) -> str:
        return explain_task(stores, other.id, now, is_alive, rules, agent_problem)[1].summary

    attempt = stores.attempts.get(task.id, task.attempt_count)
    last = stores.attempts.last_events(task.id, task.attempt_count)
    landings = stores.landings.of_task(task.id)
    holder = stores.workers.get(task.worker_id) if task.worker_id else None
    alive = [worker for worker in stores.workers.live() if is_alive(worker) is not False]
    running = stores.tasks.counts()[TaskStatus.RUNNING]
    reviews = stores.reviews.of_task(task.id) if not task.status.is_final else ()
    facts = Facts(
        gate_runs=stores.gates.of_task(task.id),
        task=task,
        now=now,
        unmet=stores.graph.unmet(task.id),
        worker=holder,
        worker_alive=is_alive(holder) if holder else None,
        attempt=attempt,
        last_event_at=last[0][1] if last else None,
        last_event_text=last[0][2].text if last else None,
        landing=landings[-1] if landings else None,
        ahead=stores.tasks.ahead(task),
        live_workers=len(alive),
        free_slots=max(0, sum(worker.max_agents for worker in alive) - running),
        cancelled_by=stores.tasks.get(task.cancelled_by) if task.cancelled_by else None,
        review=next((one for one in reviews if _holds(one, task)), None),
        agent_problem=agent_problem(task.agent_type) if task.status is TaskStatus.READY else None,
        loop=sentences(stores, task),
        **waiting_facts(stores, task, now, rules, explained),
        watched=last[0][2].text if last and last[0][2].kind is EventKind.WATCH else None,
    )
    found = explain(facts)
    told = questions.sentences(reviews) if facts.review is None else ()
    return task, replace(found, details=(*found.details, *told))


def _holds(review: Review, task: Task) -> bool:
    """A question of an agent that is still at work keeps nothing from moving."""
    is_held = review.kind is not ReviewKind.QUESTION or task.status is TaskStatus.PENDING
    return is_held and review.state is ReviewState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPlan:
    """In what order unfinished tasks can run."""

    tasks: Mapping[str, Task]
    batches: Sequence[Sequence[str]]
    """Tasks of one batch don't wait for each other; each batch waits for those before it."""
    critical_path: Sequence[str]
    """The chain of tasks that takes longest; with that many hands it sets the total time."""
    critical_seconds: float


DEFAULT_ESTIMATE_SECONDS = 600.0
"""What a task without an estimate counts for on the critical path."""


def execution_plan(stores: Stores, ids: Collection[str] | None = None) -> ExecutionPlan:
    """For all unfinished tasks, or the given ones. Finished tasks are left out."""
    from abathur.domain import graph

    tasks = {task.id: task for task in all_tasks(stores, ids) if not task.status.is_final}
    waits_for = _graph(tasks, stores.graph.edges(tasks))
    weights = {
        task.id: float(task.estimated_duration_seconds or DEFAULT_ESTIMATE_SECONDS)
        for task in tasks.values()
    }
    path = graph.critical_path(waits_for, weights)
    return ExecutionPlan(
        tasks=tasks,
        batches=graph.batches(waits_for),
        critical_path=path,
        critical_seconds=sum(weights[task_id] for task_id in path),
    )


def _graph(tasks: Mapping[str, Task], edges: Sequence[Edge]) -> dict[str, list[str]]:
    waits_for: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    for edge in edges:
        waits_for[edge.dependent].append(edge.prerequisite)
    return waits_for
