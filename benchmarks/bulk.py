"""Many rows in a few statements, on both engines: copies of what a use case wrote once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from abathur.infrastructure.database.engines.sqlite import checkpoint_on_close, connect

Run = Callable[[str], list[dict[str, Any]]]

COPIES: Final = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
INSERT INTO {table} ({columns})
SELECT {values} FROM n, (SELECT * FROM {table} WHERE {model}) AS model
"""


@contextmanager
def bulk(where: str) -> Iterator[Run]:
    """Runs statements in one transaction, where references aren't checked."""
    opened = _postgresql(where) if "://" in where else _sqlite(where)
    with opened as run:
        yield run


def copy_rows(run: Run, table: str, model: str, own: Mapping[str, str], count: int) -> None:
    """Copies of the rows that `model` finds; `own` are the columns that differ, with `i`."""
    (first, *_) = run(f"SELECT * FROM {table} WHERE {model}")
    columns, values = ", ".join(first), ", ".join(own.get(name, name) for name in first)
    run(COPIES.format(table=table, columns=columns, values=values, model=model, count=count))


@contextmanager
def _sqlite(where: str) -> Iterator[Run]:
    connection = connect(str(Path(where) / "queue.db"), busy_timeout=0)
    connection.execute("PRAGMA foreign_keys = OFF")
    checkpoint_on_close(connection)

    def run(sql: str) -> list[dict[str, Any]]:
        cursor = connection.cursor()
        return [
            dict(zip([name for name, *_ in cursor.description], row, strict=True))
            for row in cursor.execute(sql)
        ]

    connection.execute("BEGIN IMMEDIATE")
    yield run
    connection.execute("COMMIT")
    connection.close()


@contextmanager
def _postgresql(where: str) -> Iterator[Run]:
    import psycopg
    from psycopg.rows import dict_row

    connection: Any
    with psycopg.connect(where, autocommit=True, row_factory=dict_row) as connection:

        def run(sql: str) -> list[dict[str, Any]]:
            cursor = connection.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

        run("SET session_replication_role = replica")
        with connection.transaction():
            yield run
        # What autovacuum would do in its next round.
        run("VACUUM ANALYZE")
