"""All rows of a PostgreSQL database exchanged for others, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from abathur.domain.errors import DatabaseReadOnlyError
from abathur.infrastructure.database.engines.bulk import Table
from abathur.infrastructure.database.engines.postgres_address import shown
from abathur.infrastructure.database.engines.postgres_bulk import (
    PostgresRows,
    connected,
    quoted,
    ran,
)
from abathur.infrastructure.database.engines.postgres_link import CHANNEL
from abathur.infrastructure.database.engines.postgres_schema import LOCK

GUARDS: Final = """
SELECT c.relname, t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 32 <> 0
  AND c.relnamespace = current_schema()::regnamespace
"""
"""Triggers that refuse to empty a table."""


class PostgresReplacing(PostgresRows):
    """Meets `bulk.Replacing`."""

    def lock(self, tables: Iterable[Table]) -> None:
        names = ", ".join(quoted(table.name) for table in tables)
        self._run(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")

    def empty(self, tables: Iterable[Table]) -> None:
        guards = self._schema.rows(GUARDS)
        for table, name in guards:
            self._run(f"ALTER TABLE {quoted(table)} DISABLE TRIGGER {quoted(name)}")
        # It is made of the vectors, and made again of them; its indexes say that it is complete.
        self._run("DROP TABLE IF EXISTS vector_index")
        # Numbers that are given afterwards belong to this transaction too, as `setval` alone
        # doesn't.
        self._run(f"TRUNCATE {', '.join(quoted(one.name) for one in tables)} RESTART IDENTITY")
        for table, name in guards:
            self._run(f"ALTER TABLE {quoted(table)} ENABLE TRIGGER {quoted(name)}")
        self._run("SELECT vector_index_prepare()")

    def leave_keys(self) -> None:
        try:
            self._run("SET LOCAL session_replication_role = replica")
        except DatabaseReadOnlyError as error:
            raise DatabaseReadOnlyError(
                f"the backup holds rows that point to nothing, which `{self.where}` takes from a "
                "superuser only; name one in the URL, or mend a copy of the backup by "
                "`abathur --db COPY db check --fix`"
            ) from error

    def _run(self, sql: str) -> None:
        ran(self._connection, self.where, sql)


@contextmanager
def replacing(url: str) -> Iterator[PostgresReplacing]:
    """What was done is there, and durable, when the context ends, and only then."""
    where = shown(url)
    with connected(url, where) as connection:
        ran(connection, where, "BEGIN")
        ran(connection, where, f"SELECT pg_advisory_xact_lock({LOCK})")
        yield PostgresReplacing(connection, where)
        ran(connection, where, f"SELECT pg_notify('{CHANNEL}', '')")
        ran(connection, where, "COMMIT")
