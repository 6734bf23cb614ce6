"""Files of older versions are converted when they are opened."""

import asyncio
import json
import logging
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import DatabaseBusyError, DatabaseCorruptError, MigrationError
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.legacy import writing
from tests.infrastructure.database.legacy.conftest import Converted
from tests.infrastructure.database.legacy.found import jsonable, lost
from tests.infrastructure.database.legacy.older import (
    FIRST,
    GOALS,
    LAST,
    UUIDS,
    contents,
    edge,
    first_task,
    goal_task,
    listed,
    make,
    task,
    virtual,
)

Convert = Callable[[], Converted]
StartChild = Callable[..., "subprocess.Popen[str]"]

HALF_A_FILE = LAST[: LAST.index("CREATE TABLE tasks")]


def open_in_a_process(path: Path) -> "subprocess.Popen[str]":
    script = (
        "import asyncio, sys; from pathlib import Path;"
        "from abathur.infrastructure.database import Database;"
        "db = Database(Path(sys.argv[1]));"
        "asyncio.run(db.initialize()); print(asyncio.run(db.query("
        "'SELECT count(*) AS n FROM tasks'))[0]['n'])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- every line of schemas ----------------------------------------------------------------


def test_the_first_schema_where_the_template_was_the_prompt(path: Path, converted: Convert) -> None:
    rows = [first_task(1), first_task(2, status="completed"), first_task(3, template_name=" ")]
    make(path, FIRST, {"tasks": rows})
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert found.tasks[UUIDS[1]].prompt == found.tasks[UUIDS[1]].summary == "Do thing 1"
    assert found.tasks[UUIDS[1]].status is TaskStatus.READY
    # Nobody could run it.
    assert found.tasks[UUIDS[3]].status is TaskStatus.FAILED
    assert lost(older, found.tables) == []


def test_the_last_python_schema(path: Path, converted: Convert) -> None:
    session = {"id": "s", "app_name": "a", "user_id": "u", "state": '{"k": 1}'}
    memory = {"id": 7, "namespace": "n", "key": "k", "value": "{}", "memory_type": "semantic"}
    rows: dict[str, Any] = {
        "sessions": [session],
        "memory_entries": [memory],
        "tasks": [task(1, session_id="s", status="completed", deadline="2030-01-01 00:00:00")],
        "agents": [
            {"id": "a", "name": "n", "specialization": "s", "task_id": UUIDS[1], "model": "m"}
            | {"state": "busy", "spawned_at": "2025-10-10 10:00:00"}
        ],
        "checkpoints": [{"task_id": UUIDS[1], "iteration": 1, "state": "{}", "created_at": "x"}],
        "metrics": [{"timestamp": "2025-10-10T10:00:00", "metric_name": "m", "metric_value": 1.5}],
        "state": [
            {"task_id": UUIDS[1], "key": "k", "value": "v", "created_at": 1, "updated_at": 2}
        ],
        "document_index": [{"file_path": "f", "title": "t", "content_hash": "h"}],
    }
    make(path, LAST, rows)
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert lost(older, found.tables) == []
    assert found.tables["tasks"][0]["session_id"] == "s"
    assert found.tables["memory_entries"][0]["id"] == 7
    assert found.tables["agents"][0]["state"] == "terminated"
    assert [json.loads(row["content"])["key"] for row in found.kept("state")] == ["k"]
    assert found.kept("sessions") == []


def test_the_rust_line(path: Path, converted: Convert) -> None:
    rows = {
        "tasks": [
            goal_task(1, status="complete", priority="critical"),
            goal_task(2, status="validating", source_type="subtask", parent_id=UUIDS[1]),
            goal_task(3, status="canceled", goal_id="g"),
        ],
        "task_dependencies": [{"task_id": UUIDS[2], "depends_on_id": UUIDS[1]}],
        "goals": [{"id": "g", "name": "Stay clean"}],
    }
    make(path, GOALS, rows)
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert lost(older, found.tables) == []
    assert found.tasks[UUIDS[1]].priority == 10
    assert found.tasks[UUIDS[1]].status is TaskStatus.COMPLETED
    assert found.tasks[UUIDS[2]].status is TaskStatus.READY
    assert found.tasks[UUIDS[2]].prerequisites == (UUIDS[1],)
    assert found.tasks[UUIDS[3]].status is TaskStatus.CANCELLED
    assert len(found.kept("goals")) == 1


def test_a_file_that_two_lines_wrote(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    make(path, GOALS[GOALS.index("CREATE TABLE goals") :], {"goals": [{"id": "g", "name": "G"}]})
    older = contents(path)
    found = converted()
    assert found.tasks[UUIDS[1]].prompt == "Do thing 1"
    assert lost(older, found.tables) == []
    assert [row["name"] for row in found.tables["schema_migrations"]] == [
        migration.name for migration in migrate.load("sqlite")
    ]


def test_half_a_schema_is_enough(path: Path, converted: Convert) -> None:
    make(path, HALF_A_FILE)
    assert converted().problems == []


def test_tables_without_most_of_their_columns(path: Path, converted: Convert) -> None:
    make(
        path,
        "CREATE TABLE tasks (id, status); CREATE TABLE audit (id, task_id, note);"
        "INSERT INTO tasks VALUES ('a', 'completed'), (NULL, 'ready'), (5, NULL);"
        "INSERT INTO audit VALUES (1, 'a', 'without a time')",
    )
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert {task_id: task.status.value for task_id, task in found.tasks.items()} == {
        "a": "completed",
        "5": "failed",
    }
    assert lost(older, found.tables) == []


# --- what broken-off rebuilds left --------------------------------------------------------


def test_the_rows_of_a_rebuild_that_was_killed(path: Path, converted: Convert) -> None:
    entry = {"timestamp": "2025-10-10 10:00:00", "task_id": UUIDS[1], "action_type": "task_started"}
    make(
        path,
        LAST + "ALTER TABLE audit RENAME TO audit_old;"
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, timestamp, task_id, action_type, agent_id);",
        {"tasks": [task(1)], "audit_old": [entry]},
    )
    found = converted()
    assert found.history(UUIDS[1]) == ["legacy_recorded", "task_imported"]


def test_rows_that_stand_in_both_tables_of_a_rebuild_count_once(
    path: Path, converted: Convert
) -> None:
    make(
        path,
        LAST + "CREATE TABLE tasks_new AS SELECT * FROM tasks WHERE 0;",
        {
            "tasks": [task(1), task(2)],
            "tasks_new": [task(1), task(2, prompt="Another text"), task(3)],
        },
    )
    found = converted()
    assert sorted(found.tasks) == sorted(UUIDS[1:4])
    assert found.tasks[UUIDS[2]].prompt == "Do thing 2"
    (kept,) = found.kept("tasks_new")[:1]
    assert json.loads(kept["content"])["prompt"] == "Another text"
    assert kept["reason"] == "not converted: another row has this id"


def test_rows_that_stand_in_both_tables_may_have_to_be_changed(
    path: Path, converted: Convert
) -> None:
    """The rebuild was killed while tasks were under way, whose status isn't what it was."""
    rows = [task(1, status="running"), task(2, status="pending", priority=99)]
    make(
        path,
        LAST + "CREATE TABLE tasks_new AS SELECT * FROM tasks WHERE 0;",
        {"tasks": rows, "tasks_new": rows},
    )
    found = converted()
    assert {one.status for one in found.tasks.values()} == {"ready"}
    assert found.kept("tasks_new") == []
    assert len(found.kept("tasks")) == 2


def test_only_the_new_table_of_a_rebuild_is_there(path: Path, converted: Convert) -> None:
    make(path, LAST + "ALTER TABLE tasks RENAME TO tasks_new;", {"tasks_new": [task(1)]})
    assert list(converted().tasks) == [UUIDS[1]]


# --- what stands in rows ------------------------------------------------------------------


def test_values_that_do_not_fit_are_changed_and_their_rows_kept(
    path: Path, converted: Convert
) -> None:
    odd: dict[int, dict[str, Any]] = {
        1: {"status": "sleeping"},
        2: {"priority": 99},
        3: {"summary": "x" * 141},
        4: {"summary": ""},
        5: {"submitted_at": "yesterday"},
        6: {"input_data": "no JSON"},
        7: {"input_data": "[1, 2]"},
        8: {"result_data": '{"x": NaN}'},
        9: {"agent_type": "../../evil"},
        10: {"parent_task_id": UUIDS[11]},
        11: {"parent_task_id": UUIDS[10]},
        12: {"parent_task_id": UUIDS[12]},
        13: {"parent_task_id": "nobody"},
        14: {"estimated_duration_seconds": 0},
        15: {"max_retries": -3},
        16: {"prompt": "a\0b"},
        17: {"prompt": b"\xff\xfe"},
        18: {"source": "requirements-gatherer"},
        19: {"session_id": "gone"},
        20: {"deadline": "9999-12-31T23:59:59-14:00"},
        21: {"input_data": '{"half": "\\ud800"}'},
        22: {"submitted_at": 1760000000},
        23: {"status": "running", "completed_at": "2025-10-10"},
    }
    make(path, LAST, {"tasks": [task(number, **values) for number, values in odd.items()]})
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert lost(older, found.tables) == []
    shown = {number: found.tasks[UUIDS[number]] for number in odd}
    assert (shown[1].status, shown[2].priority) == (TaskStatus.FAILED, 10)
    assert (len(shown[3].summary), shown[4].summary) == (140, "Do thing 4")
    assert shown[6].input_data == {"text": "no JSON"}
    assert shown[7].input_data == {"value": [1, 2]}
    assert shown[9].agent_type == "general"
    assert None in (shown[10].parent_task_id, shown[11].parent_task_id)
    assert shown[12].parent_task_id is None
    assert shown[17].prompt == "Thing 17"
    assert shown[18].source.value == "agent_requirements"
    assert shown[22].submitted_at.year == 2025
    assert (shown[23].status, shown[23].completed_at) == (TaskStatus.READY, None)
    reasons = {json.loads(row["content"])["id"]: row["reason"] for row in found.kept("tasks")}
    assert "priority" in reasons[UUIDS[2]]
    assert "agent_type" in reasons[UUIDS[9]]


def test_text_that_is_no_unicode_is_kept_as_its_bytes(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE tasks SET created_by = CAST(x'ff00fe' AS TEXT)")
    connection.commit()
    connection.close()
    (kept,) = converted().kept("tasks")
    assert json.loads(kept["content"])["created_by"] == {"$base64": "/wD+"}


def test_statuses_follow_from_what_tasks_wait_for(path: Path, converted: Convert) -> None:
    rows = [
        task(1, status="completed"),
        task(2, status="running", dependencies=listed(1)),
        task(3, status="ready", dependencies=listed(2)),
        task(4, status="pending"),
        task(5, status="blocked"),
        task(6, status="blocked"),
    ]
    edges = [edge(1, 1, 5), edge(2, 4, 5, resolved_at="2025-10-10 10:00:00"), edge(3, 1, 6)]
    make(path, LAST, {"tasks": rows, "task_dependencies": edges})
    found = converted()
    assert found.problems == []
    assert [found.tasks[UUIDS[number]].status.value for number in range(1, 7)] == [
        "completed",
        "ready",
        "blocked",
        "ready",
        "blocked",
        "ready",
    ]
    assert found.tasks[UUIDS[3]].dependency_depth == 2
    assert found.tasks[UUIDS[5]].unmet_count == 1
    resolved = {
        (row["prerequisite_task_id"], row["dependent_task_id"]): row["resolved_at"] is not None
        for row in found.tables["task_dependencies"]
    }
    assert resolved[UUIDS[1], UUIDS[5]]
    assert not resolved[UUIDS[4], UUIDS[5]]


def test_circles_and_edges_to_nowhere_are_opened(path: Path, converted: Convert) -> None:
    rows = [
        task(1, dependencies=listed(2)),
        task(2, dependencies=listed(3)),
        task(3, dependencies=listed(1)),
        task(4, dependencies='["nobody"]', status="blocked"),
        task(5, status="completed", dependencies=listed(4)),
        task(6, dependencies=listed(6)),
        task(7, dependencies="no list"),
    ]
    edges = [edge(1, 1, 9), edge(2, 7, 4), edge(3, 7, 4)]
    make(path, LAST, {"tasks": rows, "task_dependencies": edges})
    older = contents(path)
    found = converted()
    assert found.problems == []
    assert lost(older, found.tables) == []
    waiting = [found.tasks[UUIDS[number]].status for number in (1, 2, 3)]
    assert waiting.count(TaskStatus.READY) == 1
    assert found.tasks[UUIDS[4]].prerequisites == (UUIDS[7],)
    assert found.tasks[UUIDS[5]].prerequisites == ()
    assert len(found.kept("task_dependencies")) == 3


def test_rows_that_have_no_place_are_kept(path: Path, converted: Convert) -> None:
    memory = {"namespace": "n", "key": "k", "value": "1", "memory_type": "fact"}
    agent = {"id": "a", "name": "n", "specialization": "s", "task_id": "gone", "model": "m"}
    rows: dict[str, Any] = {
        "memory_entries": [memory, memory],
        "agents": [agent | {"state": "busy", "spawned_at": "2025-10-10 10:00:00"}],
        "audit": [{"timestamp": "2025-10-10 10:00:00", "action_type": "memory_create"}],
        "metrics": [{"timestamp": "x", "metric_name": "m", "metric_value": -1}],
        "songs": [{"title": "Blob", "sound": b"\x00\xff"}, {"title": "Inf", "sound": 9e999}],
    }
    make(path, LAST + "CREATE TABLE songs (title, sound);", rows)
    older = contents(path)
    found = converted()
    assert lost(older, found.tables) == []
    assert [row["memory_type"] for row in found.tables["memory_entries"]] == ["semantic"]
    assert [json.loads(row["content"]) for row in found.kept("songs")] == [
        jsonable(row) for row in rows["songs"]
    ]
    assert found.kept("agents")[0]["reason"] == "not converted: its task doesn't exist"


def test_numbers_that_were_given_once_are_not_given_again(path: Path, converted: Convert) -> None:
    row = {"timestamp": "2025-10-10", "metric_name": "m", "metric_value": 1}
    make(path, LAST, {"metrics": [row, row]})
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM metrics")
    connection.commit()
    connection.close()
    converted()
    after = sqlite3.connect(path)
    assert after.execute("SELECT seq FROM sqlite_sequence WHERE name = 'metrics'").fetchall() == [
        (2,)
    ]
    after.close()


def test_a_virtual_table_whose_module_is_missing(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    virtual(path)
    found = converted()
    assert found.problems == []
    (kept,) = found.kept("document_embeddings_index")
    assert "$base64" in json.loads(kept["content"])["idx"]
    report = json.loads(next(path.parent.glob("*.conversion.json")).read_text())
    assert report["unreadable_virtual_tables"] == {"document_embeddings": "no such module: vss0"}


async def _append(path: Path, entry: AuditEntry) -> None:
    async with Database(path) as db:
        await db.write(lambda stores: stores.audit.append(entry))


# --- the trail and the proof --------------------------------------------------------------


def test_each_task_gets_an_entry_that_tells_all_of_it(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1, status="completed"), task(2, dependencies=listed(1))]})
    found = converted()
    entry = next(row for row in found.tables["audit"] if row["task_id"] == UUIDS[2])
    told = json.loads(entry["action_data"])
    stored = next(row for row in found.tables["tasks"] if row["id"] == UUIDS[2])
    assert entry["action_type"] == Action.TASK_IMPORTED
    assert told["prerequisites"] == [UUIDS[1]]
    for name in ("summary", "prompt", "status", "rank", "unmet_count", "priority", "source"):
        assert told[name] == stored[name]


def test_what_an_agent_completes_later_needs_its_proof(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1, status="completed"), task(2, status="failed")]})
    assert converted().problems == []
    entry = AuditEntry(
        timestamp=datetime(2030, 1, 1, tzinfo=UTC),
        task_id=UUIDS[2],
        action_type=Action.TASK_CLAIMED,
        actor="worker",
    )
    asyncio.run(_append(path, entry))
    connection = connect(str(path), busy_timeout=1)
    connection.execute("UPDATE tasks SET status = 'completed' WHERE id = ?", (UUIDS[2],))
    connection.close()
    assert Converted(path).problems == [f"task {UUIDS[2]} is completed without a proof of landing"]


def test_the_older_history_comes_first_and_in_its_order(path: Path, converted: Convert) -> None:
    entries = [
        {"id": 9, "timestamp": "2025-10-12 10:00:00", "task_id": UUIDS[1], "action_type": "b"},
        {"id": 4, "timestamp": "2025-10-11T10:00:00+00:00", "task_id": UUIDS[1]}
        | {"action_type": "task_submitted", "action_data": '{"priority": 5}', "result": "fine"},
    ]
    make(path, LAST, {"tasks": [task(1)], "audit": entries})
    found = converted()
    told = [json.loads(row["action_data"]) for row in found.tables["audit"]]
    assert told[0] == {
        "action": "task_submitted",
        "action_data": {"priority": 5},
        "id": 4,
        "result": "fine",
    }
    assert told[1] == {"action": "b", "id": 9}
    assert found.history(UUIDS[1])[-1] == Action.TASK_IMPORTED


# --- around the file ----------------------------------------------------------------------


def test_the_file_as_it_was_is_kept_with_what_stood_in_its_log(
    path: Path, converted: Convert, tmp_path: Path
) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    script = (
        "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('UPDATE tasks SET prompt = ?', ['from the log']); c.commit();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert path.with_name("abathur.db-wal").stat().st_size
    found = converted()
    assert found.tasks[UUIDS[1]].prompt == "from the log"
    assert contents(found.original)["tasks"][0]["prompt"] == "from the log"
    assert list(tmp_path.glob(".abathur*")) == []


def test_it_is_told_in_few_lines(
    path: Path, converted: Convert, caplog: pytest.LogCaptureFixture
) -> None:
    make(path, LAST, {"tasks": [task(1), task(2, priority=77)]})
    with caplog.at_level(logging.WARNING):
        found = converted()
    text = "\n".join(caplog.messages)
    assert len(caplog.messages) == 4
    assert "2 tasks" in caplog.messages[0]
    assert str(found.original) in text
    report = json.loads(next(path.parent.glob("*.conversion.json")).read_text())
    assert report["original"] == str(found.original)
    assert report["tables"]["tasks"]["rows"] == report["tables"]["tasks"]["converted"] == 2
    assert sum(report["tables"]["tasks"]["reasons"].values()) == 2
    caplog.clear()
    Converted(path)
    assert caplog.messages == []


def test_while_an_older_program_has_it_open_nothing_is_changed(
    path: Path, converted: Convert
) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('SELECT * FROM tasks').fetchall(); print('open', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    before = path.read_bytes()
    with pytest.raises(DatabaseBusyError, match="another process holds"):
        asyncio.run(Database(path, busy_timeout=0.1).initialize())
    assert path.read_bytes() == before
    assert {file.suffix for file in path.parent.iterdir()} <= {".db", ".lock", ".db-wal", ".db-shm"}
    child.communicate("\n")
    assert len(converted().tasks) == 1


def test_nobody_writes_while_it_is_read(
    path: Path, converted: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0);"
        "c.execute('UPDATE tasks SET prompt = ?', ['lost']); c.commit(); c.close()"
    )
    run, refused = writing.Writing.run, []

    def meddle(self: writing.Writing) -> object:
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, check=False
        )
        refused.append(b"database is locked" in done.stderr)
        return run(self)

    monkeypatch.setattr(writing.Writing, "run", meddle)
    assert converted().tasks[UUIDS[1]].prompt == "Do thing 1"
    assert refused == [True]


async def test_a_conversion_that_comes_out_wrong_is_thrown_away(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, LAST, {"tasks": [task(1), task(2)]})
    before = contents(path)

    def forget(self: writing.Writing, *_: object) -> None:
        self._session.execute("edges_resolve", id="", now=None)

    monkeypatch.setattr(writing.Writing, "_write_task", forget)
    with pytest.raises(MigrationError, match=r"isn't right \(.*\), so it was thrown away"):
        await Database(path).initialize()
    assert contents(path) == before
    assert {file.name for file in path.parent.iterdir()} <= {
        "abathur.db",
        "abathur.db.lock",
        "abathur.db-wal",
        "abathur.db-shm",
    }


@pytest.mark.parametrize("table", ["tasks", "memory_entries", "metrics"])
def test_a_table_that_cant_be_read_isnt_left_out(path: Path, table: str) -> None:
    make(path, LAST, {"tasks": [task(number) for number in range(1, 9)]})
    connection = sqlite3.connect(path)
    ((root, size),) = connection.execute(
        "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = ?", [table]
    ).fetchall()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with pytest.raises(DatabaseCorruptError, match="wasn't converted; `abathur db recover`"):
        asyncio.run(Database(path).initialize())
    assert [*path.parent.glob("*.older"), *path.parent.glob("*.conversion.json")] == []
    again = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        again.execute(f"SELECT * FROM {table} NOT INDEXED").fetchall()
    again.close()


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("schema_migrations", "version INTEGER PRIMARY KEY, applied_at TEXT, description TEXT"),
        (
            "_sqlx_migrations",
            "version BIGINT PRIMARY KEY, description TEXT, installed_on TIMESTAMP,"
            " success BOOLEAN, checksum BLOB, execution_time BIGINT",
        ),
    ],
)
def test_an_older_program_that_was_killed_before_its_first_table(
    path: Path, converted: Convert, table: str, columns: str
) -> None:
    make(path, f"CREATE TABLE {table} ({columns});", {table: [{"version": 1, "description": "x"}]})
    found = converted()
    assert found.tasks == {}
    assert len(found.kept(table)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title, done)",
        "CREATE TABLE users (id); CREATE TABLE sessions (id, user_id, data)",
        "CREATE TABLE schema_migrations (version); CREATE TABLE tasks (id, title, status)",
        "CREATE TABLE schema_migrations (version, name, applied_at)",
    ],
)
async def test_another_programs_file_is_left_alone(path: Path, sql: str) -> None:
    make(path, sql)
    before = path.read_bytes()
    with pytest.raises(DatabaseCorruptError, match="another program"):
        await Database(path).initialize()
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.older")) == []


def test_an_older_file_without_write_permission_is_named(start_child: StartChild) -> None:
    # Not in tmp_path: that one can't be entered by others than its owner.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "queue.db"
        make(path, LAST, {"tasks": [task(1)]})
        before = path.read_bytes()
        path.chmod(0o444)
        path.parent.chmod(0o777)
        out, _ = start_child("as-nobody", path).communicate(timeout=60)
        assert path.read_bytes() == before
        assert list(path.parent.glob("*.older")) == []
    assert out.startswith(f"DatabaseReadOnlyError `{path}` or its folder can't be written")


def test_eight_processes_convert_it_once(path: Path) -> None:
    make(path, LAST, {"tasks": [task(number) for number in range(1, 30)]})
    children = [open_in_a_process(path) for _ in range(8)]
    answers = [child.communicate() for child in children]
    assert [out.strip() for out, _ in answers] == ["29"] * 8, answers
    assert len(list(path.parent.glob("*.older"))) == 1
    assert sum("was converted" in err for _, err in answers) == 1


def test_a_kill_at_any_step_is_made_good_at_the_next_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.infrastructure.database.legacy.killed_conversion", tmp_path],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_what_a_killed_conversion_left_is_removed(path: Path, converted: Convert) -> None:
    make(path, LAST, {"tasks": [task(1)]})
    for name in (".abathur.db.4711.converting", "abathur.db.20250101T000000Z.conversion.json"):
        path.with_name(name).write_text("left over")
    converted()
    names = {file.name for file in path.parent.iterdir()}
    assert ".abathur.db.4711.converting" not in names
    assert "abathur.db.20250101T000000Z.conversion.json" not in names
