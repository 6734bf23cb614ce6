"""Brings a schema up to date: numbered SQL files, forwards only, each in a transaction of its own.

The table `schema_migrations` says which ran, with their checksums. A file is never edited once
it was released; a change is another file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseTooNewError,
    IntegrityViolation,
    MigrationError,
    OlderDatabaseError,
    TablesMissingError,
)
from abathur.infrastructure.database.recognise import OURS, is_older
from abathur.ports.moving import Upgrade
from abathur.ports.notices import notices

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import SavedCopy, SchemaConnection

FOLDER: Final = Path(__file__).with_name("migrations")
FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
NOT_IN_A_STEP: Final = frozenset(
    {"ATTACH", "BEGIN", "COMMIT", "DETACH", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "VACUUM"}
)
VERSION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TEXT NOT NULL
)"""
RECORD: Final = """
INSERT INTO schema_migrations (version, name, checksum, applied_at)
VALUES (?, ?, ?, ?)"""

OF_THE_MOMENT: Final = (DatabaseBusyError, DatabaseFullError, DatabaseReadOnlyError)
"""Failures that say themselves what to do."""
OF_THE_STEP: Final = (DatabaseError, IntegrityViolation, TablesMissingError)

Applied = Sequence[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def title(self) -> str:
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


@cache
def load(engine: str) -> tuple[Migration, ...]:
    return read(FOLDER / engine)


def read(folder: Path) -> tuple[Migration, ...]:
    """All migrations of a folder in their order; refuses gaps, doubles and unknown names."""
    found: list[Migration] = []
    for file in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise MigrationError(
                f"`{file}` should be {len(found) + 1:04}_what.sql; migrations are numbered "
                "without gaps"
            )
        found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(found)


def examine(schema: SchemaConnection, migrations: Sequence[Migration]) -> Upgrade:
    """What `upgrade` or a conversion would do.

    Reads only, and raises what those would raise before they begin.
    """
    _parsed(schema, migrations)
    try:
        return _planned(schema, migrations)
    except OlderDatabaseError:
        return Upgrade(schema.where, 0, len(migrations), converts=True)


def require(schema: SchemaConnection, migrations: Sequence[Migration]) -> Upgrade:
    """Raise `MigrationError` unless everything has run; change nothing."""
    if _is_current(schema, migrations):
        return _nothing(schema, migrations)
    done = len(_applied(schema))
    state = f"schema {done}, but {len(migrations)} is needed" if done else "no tables of Abathur"
    raise MigrationError(f"`{schema.where}` has {state}; run `abathur db migrate`")


def upgrade(schema: SchemaConnection, migrations: Sequence[Migration]) -> Upgrade:
    """Run what hasn't run yet. Many processes may start this at once."""
    if _is_current(schema, migrations):
        return _nothing(schema, migrations)
    # Before the turn is waited for: whoever converts the file needs everybody to have let go.
    _refuse_foreign(schema)
    steps = _parsed(schema, migrations)
    with schema.alone():
        # Another process may have been faster.
        plan = _planned(schema, migrations)
        copy = schema.save_copy(plan.before) if plan.before and plan.steps else None
        _run_all(schema, steps[plan.before :], copy)
    done = replace(plan, copy=copy.path if copy else None)
    _tell(done)
    return done


def _nothing(schema: SchemaConnection, migrations: Sequence[Migration]) -> Upgrade:
    return Upgrade(schema.where, len(migrations), len(migrations))


def _planned(schema: SchemaConnection, migrations: Sequence[Migration]) -> Upgrade:
    done = _refuse_foreign(schema)
    compare(schema.where, done, migrations)
    titles = tuple(migration.title for migration in migrations[len(done) :])
    return Upgrade(schema.where, len(done), len(migrations), titles)


def _parsed(
    schema: SchemaConnection, migrations: Sequence[Migration]
) -> list[tuple[Migration, list[str]]]:
    return [(migration, list(statements(migration, schema))) for migration in migrations]


def _run_all(
    schema: SchemaConnection,
    steps: Sequence[tuple[Migration, Sequence[str]]],
    copy: SavedCopy | None,
) -> None:
    ran = 0
    try:
        for migration, sql in steps:
            _run(schema, migration, sql)
            ran += 1
    except BaseException:
        # Else a migration that fails at every start would push out the copies of earlier upgrades.
        if copy and not ran:
            copy.discard()
        raise
    if copy:
        copy.settle()


def _tell(done: Upgrade) -> None:
    if done.before and done.steps:
        kept = f"; the previous state is in `{done.copy}`" if done.copy else ""
        notices.info("upgraded `%s` to schema %d%s", done.where, done.after, kept)


def statements(migration: Migration, schema: SchemaConnection) -> Iterator[str]:
    """The single statements. A `;` alone says nothing: triggers and texts hold some too."""
    pending = ""
    for piece in migration.sql.split(";")[:-1]:
        pending += f"{piece};"
        if schema.is_complete(pending):
            yield _acceptable(pending.strip(), migration)
            pending = ""
    rest = pending + migration.sql.rpartition(";")[2]
    if COMMENT.sub("", rest).strip():
        raise MigrationError(f"migration {migration.title}: the last statement has no end")


def _acceptable(statement: str, migration: Migration) -> str:
    word = COMMENT.sub("", statement).replace(";", " ").split(maxsplit=1)[0].upper()
    if word in NOT_IN_A_STEP:
        raise MigrationError(
            f"migration {migration.title}: {word} can't stand in a migration; each is a transaction"
        )
    return statement


def _is_current(schema: SchemaConnection, migrations: Sequence[Migration]) -> bool:
    try:
        done = schema.rows("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
    except TablesMissingError:
        return False
    compare(schema.where, done, migrations)
    return len(done) == len(migrations)


def _applied(schema: SchemaConnection) -> Applied:
    # Older versions had a table of that name with other columns.
    if not _is_ours(schema):
        return []
    return schema.rows("SELECT version, name, checksum FROM schema_migrations ORDER BY version")


def _is_ours(schema: SchemaConnection) -> bool:
    return OURS.issubset(schema.columns("schema_migrations"))


def _refuse_foreign(schema: SchemaConnection) -> Applied:
    """What ran already. The order matters: another process may be making the tables."""
    tables = schema.tables()
    done = _applied(schema)
    if done or not tables or (tables == ["schema_migrations"] and _is_ours(schema)):
        return done
    if is_older({table: frozenset(schema.columns(table)) for table in tables}):
        raise OlderDatabaseError(
            f"`{schema.where}` was made by an older Abathur; nothing was changed: open it with "
            "`abathur`, which converts it"
        )
    raise DatabaseCorruptError(
        f"`{schema.where}` is a database of another program; name another file with --db"
    )


def compare(where: str, done: Applied, migrations: Sequence[Migration]) -> None:
    """Refuse what ran when it isn't the beginning of what is known."""
    if done and done[-1][0] > len(migrations):
        raise DatabaseTooNewError(
            f"`{where}` has schema {done[-1][0]}, this Abathur knows {len(migrations)}; "
            "update Abathur, or name another file with --db"
        )
    for migration, (version, name, checksum) in zip(migrations, done, strict=False):
        if version != migration.version:
            raise MigrationError(
                f"`{where}` lacks migration {migration.title} but has a later one; "
                "go back to a backup"
            )
        if (name, checksum) != (migration.name, migration.checksum):
            raise MigrationError(
                f"migration {migration.title} was changed after it ran on `{where}`; "
                "reinstall Abathur, or go back to a backup"
            )


def _run(schema: SchemaConnection, migration: Migration, sql: Sequence[str]) -> None:
    try:
        with schema.step():
            schema.rows(VERSION_TABLE)
            for statement in sql:
                schema.rows(statement)
            record = (migration.version, migration.name, migration.checksum, schema.now())
            schema.rows(RECORD, record)
    except DatabaseError as error:
        what = f"migration {migration.title} failed and was undone: {error}"
        if isinstance(error, OF_THE_MOMENT):
            raise type(error)(what) from error
        if type(error) not in OF_THE_STEP:
            raise
        raise MigrationError(f"{what}; report this") from error
