"""Files as older versions made them, written by hand from what is known of their schemas."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

UUIDS: Final = [f"{n:08x}-0000-4000-8000-{n:012x}" for n in range(1, 40)]

FIRST: Final = """
CREATE TABLE tasks (id TEXT PRIMARY KEY, template_name TEXT NOT NULL, priority INTEGER NOT NULL
  DEFAULT 5, status TEXT NOT NULL, input_data TEXT NOT NULL, result_data TEXT, error_message TEXT,
  retry_count INTEGER DEFAULT 0, max_retries INTEGER DEFAULT 3, submitted_at TIMESTAMP NOT NULL,
  started_at TIMESTAMP, completed_at TIMESTAMP, created_by TEXT, parent_task_id TEXT,
  dependencies TEXT);
CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT NOT NULL, specialization TEXT NOT NULL,
  task_id TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL, spawned_at TIMESTAMP NOT NULL,
  terminated_at TIMESTAMP, resource_usage TEXT);
CREATE TABLE state (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT NOT NULL, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL);
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TIMESTAMP NOT NULL,
  agent_id TEXT, task_id TEXT NOT NULL, action_type TEXT NOT NULL, action_data TEXT, result TEXT);
"""
LAST: Final = """
CREATE TABLE sessions (id TEXT PRIMARY KEY, app_name TEXT NOT NULL, user_id TEXT NOT NULL,
  project_id TEXT, status TEXT NOT NULL DEFAULT 'created', events TEXT NOT NULL DEFAULT '[]',
  state TEXT NOT NULL DEFAULT '{}', metadata TEXT DEFAULT '{}',
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, terminated_at TIMESTAMP,
  archived_at TIMESTAMP);
CREATE TABLE memory_entries (id INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL,
  key TEXT NOT NULL, value TEXT NOT NULL, memory_type TEXT NOT NULL, version INTEGER NOT NULL
  DEFAULT 1, is_deleted BOOLEAN NOT NULL DEFAULT 0, metadata TEXT DEFAULT '{}', created_by TEXT,
  updated_by TEXT, created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE document_index (id INTEGER PRIMARY KEY AUTOINCREMENT, file_path TEXT NOT NULL,
  title TEXT NOT NULL, document_type TEXT, content_hash TEXT NOT NULL, chunk_count INTEGER
  DEFAULT 1,
  embedding_model TEXT, embedding_blob BLOB, metadata TEXT DEFAULT '{}', last_synced_at TIMESTAMP,
  sync_status TEXT DEFAULT 'pending', created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE tasks (id TEXT PRIMARY KEY, prompt TEXT NOT NULL, agent_type TEXT NOT NULL DEFAULT
  'general', priority INTEGER NOT NULL DEFAULT 5, status TEXT NOT NULL, input_data TEXT NOT NULL,
  result_data TEXT, error_message TEXT, retry_count INTEGER DEFAULT 0, max_retries INTEGER DEFAULT
  3, max_execution_timeout_seconds INTEGER DEFAULT 3600, submitted_at TIMESTAMP NOT NULL,
  started_at TIMESTAMP, completed_at TIMESTAMP, last_updated_at TIMESTAMP, created_by TEXT,
  parent_task_id TEXT, dependencies TEXT, session_id TEXT, source TEXT NOT NULL DEFAULT 'human',
  dependency_type TEXT NOT NULL DEFAULT 'sequential', calculated_priority REAL NOT NULL DEFAULT 5.0,
  deadline TIMESTAMP, estimated_duration_seconds INTEGER, dependency_depth INTEGER DEFAULT 0,
  feature_branch TEXT, task_branch TEXT, worktree_path TEXT, summary TEXT NOT NULL DEFAULT 'Task');
CREATE TABLE task_dependencies (id TEXT PRIMARY KEY, dependent_task_id TEXT NOT NULL,
  prerequisite_task_id TEXT NOT NULL, dependency_type TEXT NOT NULL DEFAULT 'sequential',
  created_at TIMESTAMP NOT NULL, resolved_at TIMESTAMP);
CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT NOT NULL, specialization TEXT NOT NULL,
  task_id TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL, spawned_at TIMESTAMP NOT NULL,
  terminated_at TIMESTAMP, resource_usage TEXT, session_id TEXT);
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TIMESTAMP NOT NULL,
  agent_id TEXT, task_id TEXT, action_type TEXT NOT NULL, action_data TEXT, result TEXT,
  memory_operation_type TEXT, memory_namespace TEXT, memory_entry_id INTEGER);
CREATE TABLE checkpoints (task_id TEXT NOT NULL, iteration INTEGER NOT NULL, state TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL, session_id TEXT, PRIMARY KEY (task_id, iteration));
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TIMESTAMP NOT NULL,
  metric_name TEXT NOT NULL, metric_value REAL NOT NULL, labels TEXT);
CREATE TABLE state (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, key TEXT NOT NULL,
  value TEXT NOT NULL, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL);
"""
GOALS: Final = """
CREATE TABLE tasks (id TEXT PRIMARY KEY, parent_id TEXT, goal_id TEXT, title TEXT NOT NULL,
  description TEXT, status TEXT NOT NULL DEFAULT 'pending', priority TEXT NOT NULL DEFAULT 'normal',
  agent_type TEXT, routing TEXT, context TEXT, retry_count INTEGER DEFAULT 0, max_retries INTEGER
  DEFAULT 3, worktree_path TEXT, idempotency_key TEXT UNIQUE, version INTEGER DEFAULT 1,
  source_type TEXT NOT NULL DEFAULT 'human', created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  started_at TEXT, completed_at TEXT);
CREATE TABLE task_dependencies (task_id TEXT NOT NULL, depends_on_id TEXT NOT NULL,
  PRIMARY KEY (task_id, depends_on_id)) WITHOUT ROWID;
CREATE TABLE goals (id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT, priority TEXT,
  parent_id TEXT, constraints TEXT);
CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, applied_at TEXT, description TEXT);
INSERT INTO schema_migrations VALUES (14, '2026-01-05 12:00:00', 'the last');
"""


def make(
    path: Path, sql: str, rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None
) -> None:
    """A closed file in WAL mode, as older versions left it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(sql)
    insert(connection, rows or {})
    connection.commit()
    connection.close()


def insert(connection: sqlite3.Connection, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    for table, each in rows.items():
        for row in each:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', [*row.values()])


def virtual(path: Path, module: str = "vss0") -> None:
    """A table of a module that isn't there, as an entry of the schema, with its shadow table."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE document_embeddings_data (rowid INTEGER PRIMARY KEY AUTOINCREMENT, _);"
        "CREATE TABLE document_embeddings_index (rowid INTEGER PRIMARY KEY AUTOINCREMENT, idx);"
    )
    insert(connection, {"document_embeddings_index": [{"idx": bytes(range(256))}]})
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table',"
        " 'document_embeddings', 'document_embeddings', 0, ?)",
        [f"CREATE VIRTUAL TABLE document_embeddings USING {module}(embedding(768))"],
    )
    connection.commit()
    connection.close()


def task(number: int, **values: Any) -> dict[str, Any]:
    """A row of the last Python schema."""
    hour = f"2025-10-{1 + number % 28:02}T10:00:00"
    return {
        "id": UUIDS[number],
        "prompt": f"Do thing {number}",
        "summary": f"Thing {number}",
        "agent_type": "requirements-gatherer",
        "status": "ready",
        "input_data": "{}",
        "submitted_at": f"{hour}.123456+00:00",
        "last_updated_at": f"{hour}.123456+00:00",
        **values,
    }


def first_task(number: int, **values: Any) -> dict[str, Any]:
    """A row of the first schema."""
    return {
        "id": UUIDS[number],
        "template_name": f"Do thing {number}",
        "status": "pending",
        "input_data": "{}",
        "submitted_at": "2025-10-09T10:00:00",
        **values,
    }


def goal_task(number: int, **values: Any) -> dict[str, Any]:
    """A row of the last Rust schema."""
    return {
        "id": UUIDS[number],
        "title": f"Thing {number}",
        "description": f"Do thing {number}",
        "created_at": "2026-01-05T12:00:00.123456789+00:00",
        "updated_at": "2026-01-05 12:00:00",
        **values,
    }


def edge(number: int, prerequisite: int, dependent: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"edge-{number}",
        "prerequisite_task_id": UUIDS[prerequisite],
        "dependent_task_id": UUIDS[dependent],
        "created_at": "2025-10-10 10:00:00",
        **values,
    }


def listed(*numbers: int) -> str:
    """Prerequisites as the column of a task had them."""
    return json.dumps([UUIDS[number] for number in numbers])


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables that can be read."""
    connection = sqlite3.connect(path)
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    connection.row_factory = sqlite3.Row
    try:
        names: Sequence[Any] = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
        ).fetchall()
        found = {}
        for (name,) in names:
            try:
                rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            except sqlite3.OperationalError:
                continue
            found[name] = [dict(row) for row in rows]
        return found
    finally:
        connection.close()
