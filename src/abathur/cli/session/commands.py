"""`abathur session list`, `show` and `archive`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli import shape_fields_memory as fields
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.text import age, clean, cut, local, short
from abathur.domain.sessions import SessionStatus

if TYPE_CHECKING:
    from abathur.domain.sessions import Session
    from abathur.services.sessions import SessionDetail

SESSIONS = (
    Column(title="SESSION", flexible=True),
    Column(title="STATUS"),
    Column(title="APP", most=20),
    Column(title="USER", most=20),
    Column(title="PROJECT", most=20),
    Column(title="AGE", right=True),
)
LONGEST = 200


@click.command("list")
@click.option(
    "--status", type=click.Choice([one.value for one in SessionStatus]), help="Only with this one."
)
@click.option("--user", "user_id", help="Only those with this user.")
@click.option("--in-project", "project_id", help="Only those about this project.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most."
)
@json_option
def list_(status: str | None, as_json: bool, **typed: Any) -> None:
    """List sessions, the newest first."""
    from abathur.services import sessions

    kind = None if status is None else SessionStatus(status)
    found = context.read(sessions.select, status=kind, **typed)
    if as_json:
        output.write_json([_shape(one) for one in found])
    elif found:
        now = context.now()
        rows = [
            [
                one.id,
                one.status.value,
                one.app_name,
                one.user_id,
                one.project_id or "-",
                age(one.last_update_time, now),
            ]
            for one in found
        ]
        output.write_table(SESSIONS, rows)
    else:
        output.say("There are no sessions; agents make them through the memory server.")


@click.command()
@click.argument("session_id", metavar="ID")
@click.option(
    "--after", type=click.IntRange(min=0), default=0, help="Only events after this number."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Of events."
)
@json_option
def show(session_id: str, after: int, limit: int, as_json: bool) -> None:
    """Show a session: its state, a page of its events, and its tasks with their transcripts."""
    from abathur.services import sessions

    detail = context.read(sessions.detail, session_id, after=after, limit=limit)
    if as_json:
        output.write_json(_detail_shape(detail))
    else:
        output.write_lines(_lines(detail))


def _lines(detail: SessionDetail) -> list[str]:
    session = detail.session
    about = f" about {session.project_id}" if session.project_id else ""
    lines = [
        clean(f"{session.id}, {session.status}"),
        clean(f"{session.app_name} with {session.user_id}{about}"),
        f"since {local(session.created_at)}, last changed {local(session.last_update_time)}",
    ]
    lines += ["", "State"] if detail.state else []
    lines += [f"  {clean(key)} = {_short(value)}" for key, value in detail.state.items()]
    lines += ["", "Events"] if detail.events else []
    lines += [
        f"  {one.sequence}  {local(one.at) if one.at else '-'}  {_short(one.event)}"
        for one in detail.events
    ]
    lines += ["", "Tasks"] if detail.tasks else []
    lines += [
        clean(
            f"  {short(one.task_id)}  {one.status}  {one.summary}"
            + (f"  ({one.transcript_path})" if one.transcript_path else "")
        )
        for one in detail.tasks
    ]
    return lines


def _short(value: Any) -> str:
    return cut(clean(json.dumps(value, ensure_ascii=False)), LONGEST, output.ellipsis())


@click.command()
@click.argument("session_id", metavar="ID")
@json_option
def archive(session_id: str, as_json: bool) -> None:
    """End a session for good: it stays readable, and its `temp:` state goes."""
    from abathur.bootstrap import actor
    from abathur.services import sessions

    session = context.write(sessions.archive, session_id, actor=actor(), now=context.now())
    if as_json:
        output.write_json(_shape(session))
    else:
        output.say(f"archived {session.id}")


def _shape(session: Session) -> dict[str, Any]:
    return shapes.pick(fields.SESSION, session, status=session.status.value)


def _detail_shape(detail: SessionDetail) -> dict[str, Any]:
    return {
        "session": _shape(detail.session),
        "state": dict(detail.state),
        "events": [
            shapes.pick(fields.SESSION_EVENT, one, event=one.event) for one in detail.events
        ],
        "tasks": [shapes.pick(fields.SESSION_TASK, one) for one in detail.tasks],
    }
