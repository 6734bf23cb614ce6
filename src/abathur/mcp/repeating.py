"""Which requests may be sent once more when a server has ended before it answered."""

from __future__ import annotations

from typing import Any, Final

REPEATABLE: Final = frozenset(
    {
        "document_index",
        "document_semantic_search",
        "feature_branch_blockers",
        "feature_branch_list",
        "feature_branch_summary",
        "memory_delete",
        "memory_get",
        "memory_search",
        "question_list",
        "session_get",
        "session_get_state",
        "session_set_state",
        "task_ask",
        "task_cancel",
        "task_execution_plan",
        "task_extend",
        "task_get",
        "task_list",
        "task_queue_status",
        "task_report",
        "task_wait",
        "task_why",
    }
)
"""Tools that only read, or change nothing more when the same call comes again. Importing the tools
themselves would take a second."""


def can_be_repeated(message: dict[str, Any]) -> bool:
    """Whether a request that may have been done already does no more when it is done again."""
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return True
    args = params.get("arguments")
    has_key = isinstance(args, dict) and bool(args.get("idempotency_key"))
    return has_key or params.get("name") in REPEATABLE
