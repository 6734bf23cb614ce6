"""Tells a file of an older version, however incomplete, from that of another program."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

REBUILDS: Final = ("_new", "_old", "_backup", "_tmp", "_temp")
"""What older versions called a table for the time that they rebuilt it."""

SIGNATURES: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "tasks": (
        frozenset({"id", "status", "input_data"}),
        frozenset({"id", "status", "agent_type", "submitted_at"}),
        frozenset({"id", "status", "prompt", "agent_type"}),
        frozenset({"id", "status", "goal_id", "routing"}),
        frozenset({"id", "status", "title", "max_retries", "agent_type"}),
    ),
    "agents": (
        frozenset({"specialization", "task_id", "state"}),
        frozenset({"agent_type", "status", "heartbeat_at"}),
    ),
    "audit": (
        frozenset({"action_type", "agent_id", "task_id"}),
        frozenset({"operation", "actor", "resource_id"}),
    ),
    "audit_log": (frozenset({"entity_type", "entity_id", "action", "rationale"}),),
    "state": (frozenset({"task_id", "key", "value"}),),
    "metrics": (frozenset({"metric_name", "metric_value"}),),
    "checkpoints": (frozenset({"task_id", "iteration", "state"}),),
    "sessions": (frozenset({"app_name", "user_id", "state"}),),
    "memory_entries": (frozenset({"namespace", "key", "memory_type"}),),
    "memories": (frozenset({"namespace", "key", "memory_type"}),),
    "document_index": (frozenset({"file_path", "content_hash"}),),
    "task_dependencies": (
        frozenset({"dependent_task_id", "prerequisite_task_id"}),
        frozenset({"task_id", "depends_on_id"}),
    ),
    "goals": (frozenset({"constraints", "priority", "status", "parent_id"}),),
    "agent_templates": (frozenset({"tier", "system_prompt"}),),
    "prompt_chains": (frozenset({"steps", "validation_rules"}),),
}
"""Columns by which a table is known. Not all versions have all of them, so each set is small."""

RARE: Final = frozenset(
    {"audit", "checkpoints", "document_index", "memory_entries", "task_dependencies"}
)
"""Of the names below, those that hardly another program has together with a second one."""

NAMES: Final = frozenset({*SIGNATURES, "schema_migrations", "_sqlx_migrations"})

OURS: Final = frozenset({"version", "name", "checksum"})
"""The columns of the present table of migrations; older versions had one of the same name."""
VERSIONS: Final = frozenset({"version", "applied_at", "description"})
"""The columns of that one."""
SQLX: Final = frozenset({"version", "description", "installed_on", "execution_time"})


def is_older(tables: Mapping[str, Set[str]]) -> bool:
    """`tables` are the column names of each table; one that can't be read has none."""
    names = {plain_name(name) for name in tables} & NAMES
    if names & RARE and len(names) > 1:
        return True
    if _is_rust(tables):
        return True
    return any(
        wanted <= columns
        for name, columns in tables.items()
        for wanted in SIGNATURES.get(plain_name(name), ())
    )


def _is_rust(tables: Mapping[str, Set[str]]) -> bool:
    """Also one that was killed when it had noted a migration and made no table yet."""
    if tables.get("schema_migrations", frozenset()) == VERSIONS:
        return "tasks" in tables or len(tables) == 1
    return set(tables) == {"_sqlx_migrations"} and tables["_sqlx_migrations"] >= SQLX


def plain_name(table: str) -> str:
    """The name that the table has when no rebuild of it was broken off."""
    for ending in REBUILDS:
        if table.endswith(ending):
            return table.removesuffix(ending)
    return table
