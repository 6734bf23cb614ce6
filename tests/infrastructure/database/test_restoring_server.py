"""A backup of a server's database, and its rows put back: all of them, or none."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from abathur.domain.errors import (
    DatabaseError,
    DatabaseReadOnlyError,
    NotFoundError,
    RefusedError,
)
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.copying import bulk, copy
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk
from abathur.infrastructure.database.server_restoring import prepared, put_in_place
from tests import postgres
from tests.infrastructure.database.schemas import contents
from tests.infrastructure.database.test_copying import opened, source

__all__ = ["source"]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def url(postgres_server: str, source: Path) -> Iterator[str]:
    """Two rows in every table."""
    with postgres.made_database(postgres_server, f"restored_{os.getpid()}") as url:
        copy(bulk(str(source)), bulk(url), lambda _: False, NOW)
        yield url


@contextmanager
def connected(url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def run(url: str, sql: str) -> list[Any]:
    with connected(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def backed_up(url: str, target: Path) -> Path:
    async def back_up() -> None:
        async with Database(url) as db:
            await db.backup(target)

    asyncio.run(back_up())
    return target


def restored(url: str, backup: Path, before: Callable[[], object] = lambda: None) -> Path:
    with prepared(url, backup, backup.with_name("queue.db")) as found:
        before()
        return put_in_place(url, found, backup.with_name("kept.db"))


def held(file: Path) -> dict[str, Any]:
    with opened(file) as connection:
        return contents(connection)


def test_everything_of_ours_comes_back_and_what_was_there_is_kept(url: str, tmp_path: Path) -> None:
    run(url, "CREATE TABLE theirs (id INTEGER); INSERT INTO theirs VALUES (1)")
    backup = backed_up(url, tmp_path / "backup.db")
    with pytest.raises(DatabaseError, match="exists already"):
        backed_up(url, backup)
    run(
        url,
        "DELETE FROM session_events; UPDATE tasks SET summary = 'other'; "
        "INSERT INTO metrics (timestamp, metric_name, metric_value) VALUES ('', 'new', 1)",
    )
    later = backed_up(url, tmp_path / "later.db")
    kept = restored(url, backup)
    assert held(backed_up(url, tmp_path / "again.db")) == held(backup)
    assert held(kept) == held(later) != held(backup)
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]
    ((number,),) = run(
        url,
        "INSERT INTO metrics (timestamp, metric_name, metric_value)"
        " VALUES ('', '', 1) RETURNING id",
    )
    assert number == 1 + max(row["id"] for row in held(later)["metrics"])
    with pytest.raises(psycopg.IntegrityError, match="append-only"):
        run(url, "TRUNCATE audit")
    assert run(url, "SELECT id FROM theirs") == [(1,)]


def test_what_fails_while_rows_are_exchanged_changes_nothing(url: str, tmp_path: Path) -> None:
    backup = backed_up(url, tmp_path / "backup.db")
    run(
        url,
        "UPDATE tasks SET summary = 'other'; CREATE FUNCTION refuse() RETURNS trigger"
        " LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' ; END $$;"
        "CREATE TRIGGER refusing BEFORE INSERT ON workers EXECUTE FUNCTION refuse()",
    )
    numbers = run(url, "SELECT last_value, is_called FROM metrics_id_seq")
    before = held(backed_up(url, tmp_path / "before.db"))
    with pytest.raises(DatabaseError, match="no"):
        restored(url, backup)
    assert held(backed_up(url, tmp_path / "after.db")) == before
    assert run(url, "SELECT last_value, is_called FROM metrics_id_seq") == numbers
    assert not (tmp_path / "kept.db").exists()


def test_what_was_changed_after_the_question_is_not_undone(url: str, tmp_path: Path) -> None:
    backup = backed_up(url, tmp_path / "backup.db")

    def change() -> None:
        run(
            url,
            "INSERT INTO audit (id, timestamp, task_id, actor, action_type, sequence, hash)"
            " SELECT max(id) + 1, max(timestamp), 'new', 'cli:ann', 'task_submitted', 1,"
            " repeat('0', 64) FROM audit",
        )

    with pytest.raises(RefusedError, match="meanwhile"):
        restored(url, backup, change)
    assert run(url, "SELECT action_type FROM audit ORDER BY id DESC LIMIT 1") == [
        ("task_submitted",)
    ]


def test_rows_that_point_to_nothing_are_backed_up_and_come_back(url: str, tmp_path: Path) -> None:
    run(url, "SET session_replication_role = replica;UPDATE agents SET task_id = 'nobody'")
    backup = backed_up(url, tmp_path / "backup.db")
    run(url, "DELETE FROM agents")
    restored(url, backup)
    assert held(backed_up(url, tmp_path / "again.db")) == held(backup)
    role = f"plain_{os.getpid()}"
    run(url, f"CREATE ROLE {role} LOGIN")
    plain = url.replace("postgres@", f"{role}@")
    try:
        run(
            url,
            f"GRANT ALL ON SCHEMA public TO {role};"
            "DO $$ DECLARE t RECORD; BEGIN FOR t IN SELECT tablename FROM pg_tables"
            " WHERE schemaname = 'public' LOOP EXECUTE"
            f" format('ALTER TABLE %I OWNER TO {role}', t.tablename); END LOOP; END $$",
        )
        (tmp_path / "kept.db").unlink()
        with pytest.raises(DatabaseReadOnlyError, match="superuser"):
            restored(plain, backup)
        run(url, "UPDATE agents SET task_id = (SELECT min(id) FROM tasks)")
        sound = backed_up(plain, tmp_path / "sound.db")
        run(url, "DELETE FROM agents")
        restored(plain, sound)
        assert held(backed_up(url, tmp_path / "last.db")) == held(sound)
    finally:
        run(url, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_backup_of_an_older_schema_is_brought_up_first(url: str, tmp_path: Path) -> None:
    older = migrate.load("sqlite")[:-2]
    with SqliteBulk(tmp_path / "older.db", partial(migrate.upgrade, migrations=older)).loading():
        pass
    restored(url, tmp_path / "older.db")
    assert run(url, "SELECT count(*) FROM tasks") == [(0,)]
    with opened(tmp_path / "older.db") as connection:
        assert connection.execute("SELECT count(*) FROM schema_migrations").get == len(older)
    with pytest.raises(NotFoundError), prepared(url, tmp_path / "no.db", tmp_path / "queue.db"):
        pass
