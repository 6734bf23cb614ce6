"""`abathur audit show`: the trail of all changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.task.ids import id_argument
from abathur.cli.text import short
from abathur.domain.audit import Action

if TYPE_CHECKING:
    from abathur.domain.audit import AuditEntry
    from abathur.ports.stores import Stores

EVERYTHING = 2**62

UUID = 36

TASK = Column(title="TASK", most=13)
COLUMNS = (
    Column(title="TIME", most=14),
    Column(title="ACTION", most=17),
    Column(title="ACTOR", most=12),
    Column(title="CHANGE", flexible=True),
)


FIXES = (Action.TASK_FIXED, Action.ROW_FIXED)
WHOLE = {Action.TASK_SUBMITTED, Action.TASK_IMPORTED}
"""They tell the whole task."""


@click.command()
@id_argument("task_id", required=False, metavar="[ID]")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="At most so many, the newest ones; with --after the first ones."
    "  [default: 50, for one task all]",
)
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="ROW",
    help="Only entries with a higher row id, all of them: for following the trail.",
)
@json_option
def show(task_id: str | None, limit: int | None, after: int | None, as_json: bool) -> None:
    """Show the trail of all changes of tasks (or of one), oldest first."""
    entries = context.read(_entries, task_id, limit, after)
    if as_json:
        output.write_json([shapes.audit_entry(entry) for entry in entries])
    elif entries:
        _write(entries, with_task=task_id is None)
    elif after is not None:
        output.say(f"Nothing has happened after row {after}.")
    else:
        output.say("Nothing has happened yet; `abathur task submit PROMPT` makes a task.")


def _entries(
    stores: Stores, text: str | None, limit: int | None, after: int | None
) -> Sequence[AuditEntry]:
    from abathur.services.reading import resolve_trail

    task_id = None if text is None else resolve_trail(stores, text)
    if after is not None:
        return stores.audit.after(after, limit or EVERYTHING, task_id)
    if task_id is None:
        return stores.audit.recent(limit or 50)
    return stores.audit.of_task(task_id, limit or EVERYTHING)


def _write(entries: Sequence[AuditEntry], *, with_task: bool) -> None:
    columns = [COLUMNS[0], *([TASK] if with_task else []), *COLUMNS[1:]]
    rows = [_row(entry) for entry in entries]
    if with_task:
        rows = [
            [row[0], short(entry.task_id), *row[1:]]
            for row, entry in zip(rows, entries, strict=True)
        ]
    output.write_table(columns, rows)


def _row(entry: AuditEntry) -> list[str]:
    kind, _, who = entry.actor.partition(":")
    return [
        f"{entry.timestamp.astimezone():%m-%d %H:%M:%S}",
        _action(entry).removeprefix("task_"),
        kind if len(who) == UUID else entry.actor,
        _change(entry),
    ]


def _action(entry: AuditEntry) -> str:
    if entry.action_type is Action.LEGACY_RECORDED:
        return str(entry.action_data.get("action", ""))
    return entry.action_type.value


def _change(entry: AuditEntry) -> str:
    """What tells most comes first: the change of status."""
    told = _told(entry)
    status = told.pop("status", None)
    told.pop("fence", None)  # it goes up with the status, and says nothing to a person
    parts = [" -> ".join(map(str, status)) if isinstance(status, list) else str(status or "")]
    if entry.action_type in FIXES:
        parts.append(str(told.get("fix", {}).get("code", "")))
    elif entry.action_type in WHOLE:
        parts.append(str(told.get("summary", "")))
    else:
        parts += [f"{name}={value}" for name, value in told.items()]
    return ", ".join(part for part in parts if part)


def _told(entry: AuditEntry) -> dict[str, Any]:
    """What an older version told stands one level deeper, beside the columns of its entry."""
    told = dict(entry.action_data)
    if entry.action_type is not Action.LEGACY_RECORDED:
        return told
    data = told.pop("action_data", None)
    rest = {name: value for name, value in told.items() if name not in ("action", "id")}
    return (
        {**data, **rest} if isinstance(data, dict) else {**rest, **({"data": data} if data else {})}
    )
