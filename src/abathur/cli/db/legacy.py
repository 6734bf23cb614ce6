"""`abathur db legacy`: what was kept of an older database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.db.existing import existing
from abathur.cli.text import clean
from abathur.domain.errors import NotFoundError

if TYPE_CHECKING:
    from abathur.domain.legacy import LegacyCount, LegacyRow
    from abathur.ports.stores import Stores

HEAD = ("TABLE", "ROWS", "REASON")
PAGE = 1000


@click.command()
@click.argument("table", required=False)
@json_option
def legacy(table: str | None, as_json: bool) -> None:
    """Show what was kept of an older database: how much of each table, or the rows of TABLE.

    These rows had to change when the database was converted, or have no table of their own.
    With --json, all rows.
    """
    existing()
    if as_json:
        output.write_json([shapes.legacy_row(row) for row in context.read(_rows, table)])
    elif table is not None:
        _write_rows(context.read(_rows, table))
    else:
        _write_counts(context.read(_counts))


def _counts(stores: Stores) -> Sequence[LegacyCount]:
    return stores.legacy.counts()


def _rows(stores: Stores, table: str | None) -> Sequence[LegacyRow]:
    found: list[LegacyRow] = []
    while page := stores.legacy.select(table, after_id=found[-1].id if found else 0, limit=PAGE):
        found.extend(page)
    if table is not None and not found:
        raise NotFoundError(
            f"nothing was kept of a table `{table}`; `abathur db legacy` shows of which there is"
        )
    return found


def _write_counts(counts: Sequence[LegacyCount]) -> None:
    if not counts:
        output.say("Nothing is kept of an older database.")
        return
    told = [(clean(count.source_table), str(count.rows), clean(count.reason)) for count in counts]
    wide = max(len(table) for table, _, _ in (HEAD, *told))
    # Not a table, which would cut the end of a reason: that is where reasons differ.
    lines = [f"{table:{wide}}  {rows:>8}  {reason}" for table, rows, reason in (HEAD, *told)]
    output.write_lines(lines)


def _write_rows(rows: Sequence[LegacyRow]) -> None:
    output.write_lines([line for row in rows for line in _lines(row)])


def _lines(row: LegacyRow) -> Iterator[str]:
    yield f"{clean(row.source_table)} {clean(row.source_key)}: {clean(row.reason)}"
    for name, value in row.row.items():
        if value is not None:
            yield f"  {clean(name)}: {clean(_shown(value))}"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "$base64" in value:
        return f"{len(value['$base64']) * 3 // 4} bytes"
    return str(value)
