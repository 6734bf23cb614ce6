"""Tables and columns of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from abathur.infrastructure.database import Database
from generating.text import code

TABLES: Final[Mapping[str, str]] = {
    "tasks": "One row a task.",
    "task_dependencies": "Who waits for whom. `resolved_at` is set when the prerequisite is"
    " completed.",
    "attempts": "One row a run of a task. `number` counts from 1 within the task.",
    "run_events": "What agents said and did.",
    "landings": "Work on its way to its target, with the proof in the end.",
    "workers": "Swarms: supervisor processes, with the lease of what they hold.",
    "agents": "The agent processes that served the attempts.",
    "audit": "One row for every change of every task, with gapless ids, chained by hash: see"
    " [the audit trail](../explanation/audit-trail.md). Rows are never changed or deleted.",
    "audit_heads": "The last entry of each task in `audit`, so that its removal is noticed.",
    "holds": "What keeps ready tasks from being claimed, beyond their own status.",
    "task_paths": "The paths that tasks say they will touch.",
    "path_overlaps": "What two tasks turned out to change at the same time.",
    "gate_runs": "Each run of a gate on a tree that was to land.",
    "reviews": "Questions to a person, and the answers with the tree that they were given for.",
    "costs": "What attempts cost: reserved at their start, settled at their end.",
    "budgets": "How much a task, target or day may cost, where a person said so.",
    "pools": "The windows in which providers count, and until when one is used up.",
    "late_reports": "Reports of workers that had lost their lease: kept, not applied.",
    "schedules": "Tasks that come again: what is submitted, and when next.",
    "loops": "Tasks that are refined over several iterations, or made by several candidates.",
    "iterations": "What each iteration of a loop made, measured and led to.",
    "strategy_evidence": "What helped agents of a type against a pattern in a loop's history.",
    "schema_migrations": "Which migrations ran, with the checksum of their text.",
    "legacy_rows": "Rows of a converted [older database](../explanation/older-databases.md), as"
    " they were, of which not all has a place in the other tables.",
    "sessions": "One row a session. Events and state that stand here were written by an older"
    " version; they come before those of the tables below.",
    "session_events": "What happened in sessions, one row an event.",
    "session_state": "What sessions remember, alone or shared by a user, an app or a project.",
    "memories": "What is true of a memory whatever its version: type, importance, expiry, use.",
    "memory_entries": "One row a version of a memory; versions are never changed, but marked as"
    " deleted with their memory.",
    "memory_uses": "Which tasks were given a memory, or looked it up.",
    "document_index": "Documents that are indexed, by path.",
    "vectors": "What passages mean, by the model that says so: unit vectors of 32-bit floats.",
    "vector_blocks": "The signs of many vectors in one row, for searching them all at once.",
    "passages": "What can be searched: the text of a memory, or a part of a document.",
    "checkpoints": "Reserved: only a converted older database has rows.",
    "metrics": "Reserved: only a converted older database has rows.",
}


def database() -> str:
    columns = asyncio.run(_columns())
    assert set(columns) == set(TABLES), set(columns) ^ set(TABLES)
    parts = [
        "# Database",
        "`.abathur/abathur.db`, SQLite in WAL mode. Programs may read it; change it through"
        " `abathur` only, which keeps fences, order and audit trail right. Don't open it with an"
        " SQLite older than 3.51.3 while a swarm runs: that can damage a file which several"
        " processes write.",
        "Times are UTC text of fixed width (`2030-01-31T18:00:00.000000Z`), so the order of texts"
        " is that of times. JSON is compact text, booleans are 0 and 1. `*` marks what can't be"
        " null, **bold** the primary key.",
        "On PostgreSQL the tables and columns are the same, with `bigint` for integers and"
        " `double precision` for reals, and there is one table more, `commit_tokens`: see [decision"
        " 16](../decisions/0016-postgresql.md).",
    ]
    for name, purpose in TABLES.items():
        parts += [f"## {name}", purpose, ", ".join(map(_column, columns[name])) + "."]
    return "\n\n".join(parts)


async def _columns() -> dict[str, list[dict[str, Any]]]:
    async with Database(":memory:") as db:
        tables = await db.query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT LIKE 'passage_words%'"
        )
        return {
            row["name"]: await db.query("SELECT * FROM pragma_table_info(?)", [row["name"]])
            for row in tables
        }


def _column(row: Mapping[str, Any]) -> str:
    name = f"**{row['name']}**" if row["pk"] else code(row["name"])
    return f"{name} {row['type'].lower()}{'*' if row['notnull'] or row['pk'] else ''}"
