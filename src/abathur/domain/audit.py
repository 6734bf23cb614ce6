"""The trail: one entry for every change of every task, written in the change's own transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from abathur.domain.records import record
from abathur.domain.tasks import JsonObject


class Action(StrEnum):
    """The closed list of what can be done to a task."""

    TASK_SUBMITTED = "task_submitted"
    TASK_READY = "task_ready"
    PREREQUISITE_COMPLETED = "prerequisite_completed"
    TASK_CLAIMED = "task_claimed"
    ATTEMPT_STARTED = "attempt_started"
    ATTEMPT_ENDED = "attempt_ended"
    TASK_ADOPTED = "task_adopted"
    TASK_HANDED_BACK = "task_handed_back"
    TASK_BACKED_OFF = "task_backed_off"
    LANDING_REQUESTED = "landing_requested"
    LANDING_STARTED = "landing_started"
    LANDING_ENDED = "landing_ended"
    RESULT_REPORTED = "result_reported"
    PROGRESS_NOTED = "progress_noted"
    """What the agent at work says of how far it is."""
    WORK_SALVAGED = "work_salvaged"
    REVIEW_ASKED = "review_asked"
    REVIEW_APPROVED = "review_approved"
    REVIEW_REJECTED = "review_rejected"
    REVIEW_VOIDED = "review_voided"
    TASK_WAITS_FOR_REVIEW = "task_waits_for_review"
    BUDGET_SET = "budget_set"
    LATE_REPORT_KEPT = "late_report_kept"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_CANCELLED = "task_cancelled"
    TASK_RETRIED = "task_retried"
    TASK_RERANKED = "task_reranked"
    TASK_FIXED = "task_fixed"
    ROW_FIXED = "row_fixed"
    TASK_PRUNED = "task_pruned"
    LOOP_STARTED = "loop_started"
    LOOP_STOPPED = "loop_stopped"
    TASK_SPLIT = "task_split"
    """It waits for parts of its own."""
    PART_GIVEN_UP = "part_given_up"
    """It doesn't wait for `part` any more, which has ended badly."""
    CANDIDATE_BEGUN = "candidate_begun"
    """A further attempt under the claim that there is."""
    ITERATION_MADE = "iteration_made"
    """Its work is done and kept, and not measured yet."""
    ITERATION_ENDED = "iteration_ended"
    OVERLAP_FOUND = "overlap_found"
    TRANSCRIPTS_REMOVED = "transcripts_removed"
    """`bytes` were taken. What agents said stays among the events of the run."""
    SALVAGE_REMOVED = "salvage_removed"
    """The ref `name` kept `commit`, which `target` contains."""
    WITHDRAWN_REMOVED = "withdrawn_removed"
    """The ref `name` kept anybody from moving a branch to `commit`."""
    REPORT_REMOVED = "report_removed"
    """A file that was set aside, of a report that the database has."""
    HOLD_BEGUN = "hold_begun"
    """Of a task, or with an empty task id of a target, an agent type or everything."""
    HOLD_ENDED = "hold_ended"
    MEMORY_ADDED = "memory_added"
    """As all that follow down to sessions: of the task that it was done for, if there is one."""
    MEMORY_UPDATED = "memory_updated"
    MEMORY_PROMOTED = "memory_promoted"
    MEMORY_DELETED = "memory_deleted"
    MEMORY_RESTORED = "memory_restored"
    DOCUMENT_INDEXED = "document_indexed"
    DOCUMENT_REMOVED = "document_removed"
    SESSION_CREATED = "session_created"
    SESSION_ARCHIVED = "session_archived"
    SCHEDULE_ADDED = "schedule_added"
    """Of a schedule, as all of these: with an empty task id, and `schedule` for its name."""
    SCHEDULE_PAUSED = "schedule_paused"
    SCHEDULE_RESUMED = "schedule_resumed"
    SCHEDULE_REMOVED = "schedule_removed"
    SCHEDULE_FIRED = "schedule_fired"
    """`tasks` were submitted for `due_at`, or as a person asked for it."""
    SCHEDULE_SKIPPED = "schedule_skipped"
    """Nothing was submitted for `due_at`: `problem` says why."""
    TASK_IMPORTED = "task_imported"
    """Taken over from an older version; tells the whole task, as its submission would."""
    LEGACY_RECORDED = "legacy_recorded"
    """An entry of an older version's trail: `action` says what it was, the rest its columns."""


@record
class AuditEntry:
    timestamp: datetime
    task_id: str
    action_type: Action
    actor: str
    """Who did it: `cli:USER`, `worker:ID`, `mcp:TASK`."""
    action_data: JsonObject = field(default_factory=dict)
    """What changed: `status` as [old, new] where it did, and the other new values by column."""
    id: int | None = None
    """Given by the database, without gaps."""


START: Final = "0" * 64
"""What stands for the hash before the first entry of a task."""


def entry_hash(
    previous: str,
    sequence: int,
    row_id: int,
    task_id: str,
    timestamp: str,
    actor: str,
    action_type: str,
    action_data: str,
    *older: str | int | None,
) -> str:
    """SHA-256 in hex over an entry and, by way of `previous`, over all before it of its task.

    Every field, in this order, is written as `LENGTH:TEXT,`: the length in bytes of its UTF-8,
    numbers in decimal. So no two entries have the same bytes. `older` are the columns that only
    rows of older versions fill; they count when one of them is filled, and then all do.
    """
    entry = framed_entry(task_id, timestamp, actor, action_type, action_data)
    if any(value is not None for value in older):
        entry += b"".join(map(framed, older))
    return linked(previous, sequence, row_id, entry)


def framed_entry(
    task_id: str, timestamp: str, actor: str, action_type: str, action_data: str
) -> bytes:
    """What an entry says, as it is hashed. Raises `UnicodeEncodeError`."""
    t, m, a = task_id.encode(), timestamp.encode(), actor.encode()
    y, d = action_type.encode(), action_data.encode()
    return (
        b"%d:%b,%d:%b,%d:%b,%d:%b,%d:%b,"  # all at once: this is the hot path
        % (len(t), t, len(m), m, len(a), a, len(y), y, len(d), d)
    )


def linked(previous: str, sequence: int, row_id: int, entry: bytes) -> str:
    """The hash of a framed entry in its place."""
    p, s, i = previous.encode(), b"%d" % sequence, b"%d" % row_id
    place = b"%d:%b,%d:%b,%d:%b," % (len(p), p, len(s), s, len(i), i)
    return sha256(place + entry).hexdigest()


def framed(value: str | int | None) -> bytes:
    """`LENGTH:TEXT,` of one value; `-,` when there is none."""
    if value is None:
        return b"-,"
    text = str(value).encode()
    return b"%d:%b," % (len(text), text)


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a task's trail, kept apart from it so that its loss is noticed."""

    task_id: str
    sequence: int
    hash: str


@record
class AuditRow:
    """An entry exactly as it is stored."""

    id: int
    sequence: int
    """Counts the entries of the task from 1."""
    hash: str
    task_id: str
    timestamp: str
    actor: str
    action_type: str
    action_data: str
    agent_id: str | None = None
    result: str | None = None
    memory_operation_type: str | None = None
    memory_namespace: str | None = None
    memory_entry_id: int | None = None

    def follows(self, previous: str) -> bool:
        """Whether the row's hash is that of its content after an entry with the hash `previous`."""
        try:
            return self.hash == entry_hash(
                previous,
                self.sequence,
                self.id,
                self.task_id,
                self.timestamp,
                self.actor,
                self.action_type,
                self.action_data,
                self.agent_id,
                self.result,
                self.memory_operation_type,
                self.memory_namespace,
                self.memory_entry_id,
            )
        except (AttributeError, TypeError, UnicodeError):
            # A column was given a value of another type.
            return False
