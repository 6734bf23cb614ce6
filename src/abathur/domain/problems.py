"""What can be wrong with a database, what of it can be fixed, and what fixing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OF_A_TASK: Final = frozenset(
    {
        "unmet_counts",
        "blocked_without_reason",
        "started_too_early",
        "waits_for_dead_end",
        "waits_for_nothing",
        "running_without_holder",
        "holder_gone",
        "lease_without_run",
        "attempt_count_behind",
        "fence_behind",
    }
)
"""Code words of problems that are fixed by working out afresh where the task stands."""

OF_A_ROW: Final = frozenset(
    {
        "lease_without_end",
        "attempt_unended",
        "landing_open",
        "landing_without_holder",
        "review_open",
        "agent_unended",
        "edge_resolved_early",
        "edge_unresolved",
        "orphan_edge",
        "orphan_attempt",
        "orphan_events",
        "orphan_landing",
        "orphan_review",
        "orphan_agent",
        "orphan_checkpoint",
        "parent_gone",
        "canceller_gone",
        "session_gone",
        "landing_worker_gone",
        "attempt_worker_gone",
        "schedule_task_gone",
        "agent_session_gone",
        "checkpoint_session_gone",
        "orphan_loop",
        "orphan_iteration",
        "orphan_late_report",
        "orphan_path",
        "orphan_overlap",
        "orphan_gate_run",
        "orphan_memory_use",
        "orphan_session_event",
        "orphan_passage",
        "orphan_vector",
        "passage_words",
    }
)
"""Code words of problems that a statement of their own fixes."""

OF_A_TRAIL: Final = frozenset({"time_in_tasks", "json_in_tasks", "unknown_source"})
"""Code words of problems that are fixed by what the task's trail tells, while it is whole."""

OF_A_MEMORY: Final = frozenset(
    {
        "memory_empty",
        "memory_without_version",
        "version_without_memory",
        "memory_passage",
        "document_passages",
        "passage_owner",
        "vector_length",
    }
)
"""Code words of problems of memories, and of what is searched, which is made of them."""

OF_VERSIONS: Final = frozenset({"memory_without_version", "version_without_memory"})
"""Those of a memory that becomes what its newest version says."""

SHOWN: Final = 10_000
"""Problems of one kind that are told at once."""

FIXABLE: Final = OF_A_TASK | OF_A_ROW | OF_A_TRAIL | OF_A_MEMORY


_RESTORE: Final = "go back to a backup with `abathur db restore`"
_READ: Final = f"{_RESTORE}, or set it by hand to what `abathur audit show` tells"
ADVICE: Final[Mapping[str, str]] = {
    "ran_too_early": "look whether its work needs what came later; submit a task that goes over it",
    "completed_without_proof": "look whether its target has the work; if not, submit it again",
    "landing_announced": "run `abathur reconcile`, which looks whether the target has it",
    "cycle": "cancel one of them with `abathur task cancel`",
    "unknown_outcome": _READ,
    "time_in": _READ,
    "json_in": _READ,
    "vector_unlisted": "run `abathur mem embed`",
    "audit_gap": f"`abathur audit verify` tells whose entries they are; {_RESTORE}",
    "audit_end": f"`abathur audit verify` tells whose entries they are; {_RESTORE}",
    "trail_broken": f"`abathur audit show` tells what is left of it; {_RESTORE}",
    "trail_unread": _RESTORE,
    "key_without_row": "remove the row by hand, or put back what it points to",
    "not_durable": "have the administrator switch it on",
    "index_invalid": "have the administrator rebuild it with REINDEX",
    "pages_damaged": _RESTORE,
}
"""What a person does about what `--fix` leaves, by code word, or how several of them begin."""

SPARSE_RISK: Final = (
    "the sparse checkout leaves `.abathur` out, so git removes it, with the queue and all agents' "
    "folders, as soon as somebody changes what is checked out"
)
SPARSE_REMEDY: Final = "run `git sparse-checkout add .abathur`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    code: str
    """A word for programs; the same for all problems of one kind."""
    text: str
    """One line for a person."""
    table: str | None = None
    """None when it is about the file."""
    key: str | None = None
    """Of the row; the parts of a compound one are joined by `/`."""
    task_id: str | None = None

    @property
    def fixable(self) -> bool:
        return self.code in FIXABLE

    @property
    def advice(self) -> str | None:
        """What to do; None where `--fix` does it, or where the text says it."""
        if self.fixable:
            return None
        return ADVICE.get(self.code) or ADVICE.get("_".join(self.code.split("_")[:2]))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One row that was fixed."""

    problem: Problem
    before: Mapping[str, Any]
    """The columns that were changed; the whole row where it was removed, nothing where made."""
    after: Mapping[str, Any] | None
    """The same columns; the whole row where it was made, None where it was removed."""
