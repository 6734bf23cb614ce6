"""A database that is copied from a file to a server, and back."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from abathur.domain.errors import DatabaseError, InvalidInputError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.copying import bulk, copy
from abathur.ports.moving import Copied
from tests import postgres
from tests.infrastructure.database.schemas import contents
from tests.infrastructure.database.test_copying import (
    NOW,
    changed,
    initialized,
    nobody,
    opened,
    source,
)

__all__ = ["source"]


@pytest.fixture
def target(postgres_server: str) -> Iterator[str]:
    """The URL of a database without tables."""
    with postgres.made_database(postgres_server, f"copies_{os.getpid()}") as url:
        yield url


@pytest.fixture
def second(postgres_server: str) -> Iterator[str]:
    with postgres.made_database(postgres_server, f"copies_of_copies_{os.getpid()}") as url:
        yield url


def copied(source: Path | str, target: Path | str) -> Copied:
    return copy(bulk(str(source)), bulk(str(target)), nobody, NOW)


@contextmanager
def connected(url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def rows(url: str, table: str) -> int:
    with connected(url) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def test_everything_goes_to_a_server_and_to_another_one_and_comes_back(
    source: Path, target: str, second: str, tmp_path: Path
) -> None:
    there = copied(source, target)
    further = copied(target, second)
    back = copied(second, tmp_path / "back.db")
    assert back.tables == further.tables == there.tables
    assert all(table.rows for table in there.tables)
    with opened(source) as one, opened(tmp_path / "back.db") as other:
        assert contents(other) == contents(one)


def test_a_server_with_rows_is_refused_and_left_alone(source: Path, target: str) -> None:
    copied(source, target)
    before = rows(target, "tasks")
    changed(source, "DELETE FROM metrics")
    with pytest.raises(InvalidInputError, match="has rows already"):
        copied(source, target)
    assert (rows(target, "tasks"), rows(target, "metrics")) == (before, 2)


def test_numbers_go_on_after_the_highest_that_was_given(
    source: Path, target: str, tmp_path: Path
) -> None:
    changed(source, "DELETE FROM metrics WHERE id = (SELECT max(id) FROM metrics)")
    copied(source, target)
    insert = "INSERT INTO metrics (timestamp, metric_name, metric_value) VALUES ('', '', 1)"
    with opened(source) as connection:
        connection.execute(insert)
        wanted = connection.last_insert_rowid()
    with connected(target) as connection:
        found = connection.execute(f"{insert} RETURNING id".encode()).fetchone()
    assert found == (wanted,)
    copied(target, tmp_path / "back.db")
    with opened(tmp_path / "back.db") as connection:
        connection.execute(insert)
        assert connection.last_insert_rowid() == wanted + 1


def test_text_that_a_server_cannot_hold_is_refused_by_name(source: Path, target: str) -> None:
    changed(source, "UPDATE tasks SET prompt = 'a' || char(0) || 'b'")
    with pytest.raises(InvalidInputError, match=r"can't hold a value of tasks .*NUL"):
        copied(source, target)
    assert rows(target, "tasks") == rows(target, "sessions") == 0


def test_a_number_that_is_none_is_refused_by_name(source: Path, target: str) -> None:
    changed(source, "UPDATE tasks SET estimated_duration_seconds = 'soon'")
    with pytest.raises(InvalidInputError, match=r"can't hold a value of tasks .*soon"):
        copied(source, target)
    assert rows(target, "tasks") == rows(target, "sessions") == 0


def test_a_killed_copy_leaves_no_row(source: Path, target: str) -> None:
    script = Path(__file__).with_name("die_copying.py")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script, source, target], check=False, env=env)
    assert done.returncode == -signal.SIGKILL
    assert rows(target, "tasks") == rows(target, "sessions") == 0
    copied(source, target)


def test_a_target_that_gives_back_other_rows_is_undone(source: Path, target: str) -> None:
    async def migrate() -> None:
        async with Database(target, may_migrate=True):
            return

    asyncio.run(migrate())
    with connected(target) as connection:
        connection.execute(
            b"CREATE FUNCTION shorten() RETURNS trigger LANGUAGE plpgsql AS $$"
            b" BEGIN new.prompt = left(new.prompt, 3); RETURN new; END $$;"
            b" CREATE TRIGGER shorten BEFORE INSERT ON tasks"
            b" FOR EACH ROW EXECUTE FUNCTION shorten()"
        )
    with pytest.raises(DatabaseError, match="gives back other rows of tasks"):
        copied(source, target)
    assert rows(target, "tasks") == rows(target, "sessions") == 0


def test_no_password_is_told(source: Path, target: str) -> None:
    secret = f"{target}{'&' if '?' in target else '?'}password=sesame"
    assert "sesame" not in copied(source, secret).target
    with pytest.raises(InvalidInputError) as refused:
        copied(source, secret)
    assert "sesame" not in str(refused.value)


def test_what_an_upgrade_would_do_is_told_without_doing_it(target: str) -> None:
    plan = asyncio.run(Database(target).planned_upgrade())
    assert (plan.action, plan.steps[0]) == ("create", "0001_first_schema")
    with connected(target) as connection:
        assert (
            connection.execute(b"SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()
            == []
        )


def test_the_same_rows_have_the_same_hashes_in_another_file(
    source: Path, target: str, tmp_path: Path
) -> None:
    initialized(tmp_path / "empty.db")
    assert copied(source, target).tables == copied(source, tmp_path / "empty.db").tables
