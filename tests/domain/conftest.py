"""Values to vary: each fixture takes the fields that a test is about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.domain.agents import Worker
from abathur.domain.explain import Explanation, Facts, explain
from abathur.domain.landing import Landing, LandingState
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task, TaskSource, TaskStatus

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)

TASK = Task(
    id="t-1",
    summary="Fix the login page",
    prompt="Fix the login page",
    agent_type="general",
    priority=5,
    status=TaskStatus.READY,
    source=TaskSource.HUMAN,
    parent_task_id=None,
    deadline=None,
    estimated_duration_seconds=None,
    max_retries=3,
    max_execution_timeout_seconds=3600,
    input_data={},
    result_data=None,
    error_message=None,
    feature_branch=None,
    task_branch=None,
    worktree_path=None,
    idempotency_key=None,
    created_by=None,
    submitted_at=NOON - timedelta(hours=1),
    started_at=None,
    completed_at=None,
    last_updated_at=NOON - timedelta(hours=1),
    not_before=None,
    dependency_depth=0,
    unmet_count=0,
    rank=0,
    fence=7,
    worker_id=None,
    lease_until=None,
    attempt_count=0,
    retry_count=0,
    rework_count=0,
    lost_count=0,
    cancelled_by=None,
)

ATTEMPT = Attempt(
    task_id="t-1",
    number=1,
    fence=7,
    worker_id="w-1",
    runtime="claude",
    model="opus",
    session_id=None,
    branch=None,
    worktree_path=None,
    base_commit=None,
    head_commit=None,
    salvage_ref=None,
    transcript_path=None,
    pid=4711,
    pid_started_at=1.0,
    lease_until=NOON + timedelta(minutes=1),
    started_at=NOON - timedelta(minutes=5),
    ended_at=None,
    outcome=None,
    exit_code=None,
    error_message=None,
    usage=None,
    feedback=None,
)

LANDING = Landing(
    id="l-1",
    task_id="t-1",
    attempt=1,
    target="main",
    base_commit="b" * 40,
    work_commit="c" * 40,
    state=LandingState.QUEUED,
    rank=0,
    worker_id=None,
    lease_until=None,
    fence=0,
    requested_at=NOON - timedelta(minutes=2),
    started_at=None,
    ended_at=None,
    target_before=None,
    merge_commit=None,
    verify_log=None,
    detail=None,
    proof=None,
    facts=None,
)

WORKER = Worker(
    id="w-1",
    host="anvil",
    pid=99,
    pid_started_at=1.0,
    repository="/repo",
    max_agents=4,
    started_at=NOON - timedelta(hours=2),
    heartbeat_at=NOON - timedelta(seconds=5),
    lease_until=NOON + timedelta(seconds=55),
)

FACTS = Facts(
    task=TASK,
    now=NOON,
    unmet=(),
    worker=None,
    worker_alive=None,
    attempt=None,
    last_event_at=None,
    last_event_text=None,
    landing=None,
    ahead=0,
    live_workers=1,
    free_slots=1,
    cancelled_by=None,
)


@pytest.fixture(scope="session")
def noon() -> datetime:
    return NOON


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    return lambda **changes: replace(TASK, **changes)


@pytest.fixture(scope="session")
def make_attempt() -> Callable[..., Attempt]:
    return lambda **changes: replace(ATTEMPT, **changes)


@pytest.fixture(scope="session")
def make_landing() -> Callable[..., Landing]:
    return lambda **changes: replace(LANDING, **changes)


@pytest.fixture(scope="session")
def make_worker() -> Callable[..., Worker]:
    return lambda **changes: replace(WORKER, **changes)


@pytest.fixture(scope="session")
def why() -> Callable[..., Explanation]:
    """Explain a task of the given status; `task` are its fields, the rest are facts."""

    def explained(
        status: TaskStatus, task: dict[str, Any] | None = None, **facts: Any
    ) -> Explanation:
        mine = replace(TASK, status=status, **(task or {}))
        return explain(replace(FACTS, task=mine, **facts))

    return explained
