"""How a row becomes a domain value. Reading is tolerant where older files are loose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from abathur.domain.agents import Agent, AgentState, Worker
from abathur.domain.audit import Action, AuditEntry
from abathur.domain.landing import Landing, LandingState, Proof
from abathur.domain.runs import Attempt, EventKind, OutcomeKind, RunEvent, Usage
from abathur.domain.tasks import Task, TaskSource, TaskStatus
from abathur.infrastructure.database.codecs import json_of, time_of

Row = Mapping[str, Any]

TASK_TIMES = (
    "deadline",
    "started_at",
    "completed_at",
    "not_before",
    "lease_until",
)
TASK_PLAIN = (
    "id",
    "summary",
    "prompt",
    "agent_type",
    "priority",
    "parent_task_id",
    "estimated_duration_seconds",
    "max_retries",
    "max_execution_timeout_seconds",
    "error_message",
    "feature_branch",
    "task_branch",
    "worktree_path",
    "idempotency_key",
    "created_by",
    "dependency_depth",
    "unmet_count",
    "rank",
    "fence",
    "worker_id",
    "attempt_count",
    "retry_count",
    "rework_count",
    "lost_count",
    "cancelled_by",
)


def moment(value: object) -> datetime:
    """A time that must be there."""
    found = time_of(value)
    if found is None:
        raise ValueError("a time is missing in a row that can't be without it")
    return found


def task_of(row: Row) -> Task:
    prerequisites = row.get("prerequisites")
    plain: dict[str, Any] = {name: row[name] for name in TASK_PLAIN}
    times: dict[str, Any] = {name: time_of(row[name]) for name in TASK_TIMES}
    return Task(
        **plain,
        **times,
        status=TaskStatus(row["status"]),
        source=TaskSource(row["source"]),
        submitted_at=moment(row["submitted_at"]),
        last_updated_at=moment(row["last_updated_at"]),
        input_data=json_of(row["input_data"]) or {},
        result_data=json_of(row["result_data"]),
        prerequisites=tuple(json.loads(prerequisites)) if prerequisites else (),
    )


def task_row(task: Task) -> dict[str, Any]:
    return {
        name: getattr(task, name) for name in Task.__dataclass_fields__ if name != "prerequisites"
    }


def usage_of(value: object) -> Usage | None:
    found = json_of(value)
    return None if found is None else Usage(**found)


def attempt_of(row: Row) -> Attempt:
    plain = {name: row[name] for name in Attempt.__dataclass_fields__}
    return Attempt(
        **{
            **plain,
            "lease_until": time_of(row["lease_until"]),
            "started_at": moment(row["started_at"]),
            "ended_at": time_of(row["ended_at"]),
            "outcome": OutcomeKind(row["outcome"]) if row["outcome"] else None,
            "usage": usage_of(row["usage"]),
            "feedback": json_of(row["feedback"]),
        }
    )


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    row = {name: getattr(attempt, name) for name in Attempt.__dataclass_fields__}
    return {**row, "usage": asdict(attempt.usage) if attempt.usage else None}


def event_of(row: Row) -> RunEvent:
    return RunEvent(EventKind(row["kind"]), row["text"], json_of(row["data"]) or {})


def proof_of(value: object) -> Proof | None:
    found = json_of(value)
    if found is None:
        return None
    return Proof(**{**found, "checked_at": moment(found["checked_at"])})


def landing_of(row: Row) -> Landing:
    plain = {name: row[name] for name in Landing.__dataclass_fields__}
    return Landing(
        **{
            **plain,
            "state": LandingState(row["state"]),
            "lease_until": time_of(row["lease_until"]),
            "requested_at": moment(row["requested_at"]),
            "started_at": time_of(row["started_at"]),
            "ended_at": time_of(row["ended_at"]),
            "proof": proof_of(row["proof"]),
            "facts": json_of(row["facts"]),
        }
    )


def landing_row(landing: Landing) -> dict[str, Any]:
    row = {name: getattr(landing, name) for name in Landing.__dataclass_fields__}
    proof = landing.proof
    packed = None
    if proof is not None:
        packed = {**asdict(proof), "checked_at": proof.checked_at.isoformat()}
    return {**row, "proof": packed}


def worker_of(row: Row) -> Worker:
    plain = {name: row[name] for name in Worker.__dataclass_fields__}
    return Worker(
        **{
            **plain,
            "started_at": moment(row["started_at"]),
            "heartbeat_at": moment(row["heartbeat_at"]),
            "lease_until": moment(row["lease_until"]),
            "stop_requested_at": time_of(row["stop_requested_at"]),
            "stopped_at": time_of(row["stopped_at"]),
        }
    )


def worker_row(worker: Worker) -> dict[str, Any]:
    return {name: getattr(worker, name) for name in Worker.__dataclass_fields__}


def agent_of(row: Row) -> Agent:
    return Agent(
        id=row["id"],
        name=row["name"],
        agent_type=row["specialization"],
        task_id=row["task_id"],
        state=AgentState(row["state"]),
        model=row["model"],
        spawned_at=moment(row["spawned_at"]),
        terminated_at=time_of(row["terminated_at"]),
    )


def audit_of(row: Row) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        timestamp=moment(row["timestamp"]),
        task_id=row["task_id"],
        actor=row["actor"],
        action_type=Action(row["action_type"]),
        action_data=json_of(row["action_data"]) or {},
    )
