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

OF_A_MEMORY: Final = frozenset(
    {"memory_passage", "document_passages", "passage_owner", "vector_length"}
)
"""Code words of problems of what is searched, which is made of memories and documents."""

SHOWN: Final = 10_000
"""Problems of one kind that are told at once."""

FIXABLE: Final = OF_A_TASK | OF_A_ROW | OF_A_MEMORY


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

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One row that was fixed."""

    problem: Problem
    before: Mapping[str, Any]
    """The columns that were changed, or the whole row where it was removed."""
    after: Mapping[str, Any] | None
    """The same columns; None when the row was removed."""
