"""How a row becomes a domain value. Reading is tolerant where older files are loose."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from abathur.domain.agents import Agent, AgentState, Worker
from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import DatabaseCorruptError
from abathur.domain.failures import FailureClass
from abathur.domain.gates import GateRun, Verdict
from abathur.domain.landing import Landing, LandingState, Proof, Strategy
from abathur.domain.records import made
from abathur.domain.results import ResultCheck, ResultOrigin, TaskResult
from abathur.domain.runs import Attempt, EventKind, LateReport, OutcomeKind, RunEvent, Usage
from abathur.domain.tasks import Task, TaskSource, TaskStatus
from abathur.infrastructure.database.codecs import json_of, moment, time_of

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row

STATUSES: Final = {status.value: status for status in TaskStatus}
LANDING_STATES: Final = {state.value: state for state in LandingState}
STRATEGIES: Final = {strategy.value: strategy for strategy in Strategy}
SOURCES: Final = {source.value: source for source in TaskSource}
TASK_TIMES: Final = ("deadline", "started_at", "completed_at", "not_before", "lease_until")
LANDING_TIMES: Final = ("lease_until", "started_at", "ended_at")


def task_of(row: Row) -> Task:
    """The row becomes the task's own, as in all functions here that return a `made` record."""
    row.pop("session_id", None)
    listed = row.get("prerequisites")
    row["prerequisites"] = tuple(json.loads(listed)) if listed and listed != "[]" else ()
    row["status"] = STATUSES[row["status"]]
    row["source"] = SOURCES.get(row["source"]) or TaskSource(row["source"])
    row["submitted_at"] = moment(row["submitted_at"])
    row["last_updated_at"] = moment(row["last_updated_at"])
    row["input_data"] = json_of(row["input_data"]) or {}
    row["result_data"] = json_of(row["result_data"])
    _read_times(row, TASK_TIMES)
    return made(Task, row)


def _read_times(row: Row, names: Iterable[str]) -> None:
    for name in names:
        if row[name] is not None:
            row[name] = time_of(row[name])


def task_row(task: Task) -> Row:
    """With more names than columns; those are left alone."""
    return vars(task)


def usage_of(value: object) -> Usage | None:
    found = json_of(value)
    return None if found is None else Usage(**found)


def attempt_of(row: Row) -> Attempt:
    row["started_at"] = moment(row["started_at"])
    row["outcome"] = OutcomeKind(row["outcome"]) if row["outcome"] else None
    row["usage"] = usage_of(row["usage"])
    row["failure_class"] = FailureClass(row["failure_class"]) if row["failure_class"] else None
    row["feedback"] = json_of(row["feedback"])
    row["result"] = result_of(row["result"])
    _read_times(row, ("lease_until", "ended_at"))
    return made(Attempt, row)


def result_of(value: object) -> TaskResult | None:
    found = json_of(value)
    if found is None:
        return None
    origin, check = ResultOrigin(found["origin"]), ResultCheck(found["check"])
    return TaskResult(**{**found, "origin": origin, "check": check})


def attempt_row(attempt: Attempt) -> Row:
    if attempt.usage is None and attempt.result is None:
        return vars(attempt)
    return {**vars(attempt), "usage": _fields(attempt.usage), "result": _fields(attempt.result)}


def _fields(value: Usage | TaskResult | Proof | None) -> Row | None:
    """As `asdict` of them, which would copy all that is below too, and takes long for that."""
    if value is None:
        return None
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def late_report_of(row: Row) -> LateReport:
    received, report = moment(row["received_at"]), json_of(row["report"]) or {}
    return LateReport(**{**row, "received_at": received, "report": report})


def late_report_row(late: LateReport) -> Row:
    return {name: getattr(late, name) for name in LateReport.__dataclass_fields__}


def event_of(row: Row) -> RunEvent:
    return RunEvent(EventKind(row["kind"]), row["text"], json_of(row["data"]) or {})


def proof_of(value: object) -> Proof | None:
    found = json_of(value)
    if found is None:
        return None
    strategy = Strategy(found.get("strategy", Strategy.MERGE))
    return Proof(**{**found, "checked_at": moment(found["checked_at"]), "strategy": strategy})


def landing_of(row: Row) -> Landing:
    row["state"] = LANDING_STATES.get(row["state"]) or LandingState(row["state"])
    row["requested_at"] = moment(row["requested_at"])
    row["proof"] = proof_of(row["proof"])
    row["facts"] = json_of(row["facts"])
    row["strategy"] = STRATEGIES.get(row["strategy"]) or Strategy(row["strategy"])
    _read_times(row, LANDING_TIMES)
    return made(Landing, row)


def landing_row(landing: Landing) -> Row:
    proof = landing.proof
    if proof is None:
        return vars(landing)
    told = _fields(proof) or {}
    return {**vars(landing), "proof": {**told, "checked_at": proof.checked_at.isoformat()}}


def gate_run_of(row: Row) -> GateRun:
    del row["id"]
    row["started_at"], row["ended_at"] = moment(row["started_at"]), moment(row["ended_at"])
    row["verdict"] = Verdict(row["verdict"])
    return made(GateRun, row)


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


def worker_row(worker: Worker) -> Row:
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
        action_type=_action(row),
        action_data=json_of(row["action_data"]) or {},
    )


def _action(row: Row) -> Action:
    try:
        return Action(row["action_type"])
    except ValueError as error:
        raise DatabaseCorruptError(
            f"row {row['id']} of the audit trail tells of `{row['action_type']!s:.60}`, which no "
            "task knows; run `abathur audit verify`"
        ) from error
