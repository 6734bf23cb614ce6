"""The statements as PostgreSQL gets them, for transactions that read and for those that write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from abathur.infrastructure.database.queries import PARAMETER, parameters

LOCKED: Final = ":locked"
"""Ends the name of a statement that takes the place of the one without it in writes."""
LAST: Final = ":last"
"""The same for one that is put off until the transaction ends."""
BEFORE_LAST: Final = "last:before"
"""Done before the statements that were put off."""

GUARD: Final = b"WITH changed AS (%s RETURNING 1) SELECT 1 / count(*) FROM changed"

JSON_TEXTS: Final = r"(SELECT json_array_elements_text(\1::json))"

QUIET: Final = frozenset({"tasks_renew", "landings_renew", "workers_beat"})
"""Leases that are merely prolonged: nobody waits for that."""

ALONG: Final = frozenset({"audit_heads_save"})
"""Done by the statement before it: nothing is sent."""

_CHANGE: Final = re.compile(r"\b(INSERT INTO|DELETE FROM|SET)\b")
_TRAIL: Final = re.compile(r"\b(FROM|JOIN) audit(_heads)?\b")


@dataclass(frozen=True, slots=True)
class Statement:
    sql: bytes
    names: tuple[str, ...]
    """Of its parameters, in their order."""
    changes: bool
    guarded: bytes
    """The same, refused by the server when it changes no row; for a plain change only."""
    is_quiet: bool = False
    is_last: bool = False
    needs_last: bool = False
    """Reads what statements write that are put off."""


class Statements(dict[str, Statement]):
    """Those of one kind of transaction by name."""

    def __init__(self, sql: Mapping[str, str], *, writing: bool) -> None:
        super().__init__()
        for name in sql:
            plain, colon, _ = name.partition(":")
            if not colon or name.endswith(LAST):
                self[plain] = _statement(plain, sql, writing)
        self.before_last = driver_sql(sql.get(BEFORE_LAST, "SELECT 1"))


DIALECT: Final = (
    (re.compile(r"\(SELECT value FROM json_each\((:\w+)\)\)"), JSON_TEXTS),
    (re.compile(r"json_group_array\((\w+)\)"), r"json_agg(\1 ORDER BY \1)::text"),
    # A value that is only compared with NULL has no type.
    (re.compile(r"(:\w+)( IS (?:NOT )?NULL)"), r"\1::text\2"),
)


def driver_sql(sql: str) -> bytes:
    """With `$1`, `$2`, ... in place of `:name`, and PostgreSQL's words for SQLite's."""
    for word, ours in DIALECT:
        sql = word.sub(ours, sql)
    numbers = {name: number for number, name in enumerate(parameters(sql), 1)}
    return PARAMETER.sub(lambda found: _numbered(found, numbers), sql).encode()


def _numbered(found: re.Match[str], numbers: Mapping[str, int]) -> str:
    return f"${numbers[found[1]]}" if found[1] else found[0]


def _statement(name: str, sql: Mapping[str, str], writing: bool) -> Statement:
    is_last = name + LAST in sql
    chosen = name
    if is_last:
        chosen = name + LAST
    elif writing and name + LOCKED in sql:
        chosen = name + LOCKED
    text = sql[chosen]
    return Statement(
        sql=driver_sql(text),
        names=parameters(text),
        changes=_CHANGE.search(text) is not None,
        guarded=GUARD % driver_sql(text).rstrip(b"; \n"),
        is_quiet=name in QUIET,
        is_last=is_last,
        needs_last=not is_last and _TRAIL.search(text) is not None,
    )
