"""`abathur schedule list` and `show`: what is submitted, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.schedule.named import every, in_zone, name_argument, next_times
from abathur.cli.text import clean, short
from abathur.domain.wording import span

if TYPE_CHECKING:
    from abathur.domain.schedules import Schedule

SCHEDULES = (
    Column(title="NAME", most=24),
    Column(title="CRON", most=20),
    Column(title="NEXT"),
    Column(title="LAST TASK", most=13),
    Column(title="PROMPT", flexible=True),
)
KNOWN = {
    "agent_type": "agent",
    "priority": "priority",
    "feature_branch": "target",
    "budget_usd": "budget $",
    "touches": "touches",
    "prerequisites": "after",
}


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the schedules with the next time of each."""
    found = context.read(every)
    if as_json:
        output.write_json([shapes.schedule(one, next_times(one)) for one in found])
    elif found:
        output.write_table(SCHEDULES, [_row(one) for one in found])
    else:
        output.say("There is no schedule; `abathur schedule add` makes one.")


def _row(one: Schedule) -> list[str]:
    prompt = str(one.template["prompt"])
    last = short(one.last_task_id) if one.last_task_id else "-"
    return [
        one.name,
        one.cron,
        _next(one),
        last,
        one.template.get("summary", prompt),
    ]


def _next(one: Schedule) -> str:
    return "paused" if one.next_at is None else in_zone(one.next_at, one).replace(":00 ", " ", 1)


@click.command()
@name_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a schedule: its next times, its policies and what it submits."""
    from abathur.services.scheduling import find

    found = context.read(find, name)
    if as_json:
        output.write_json(shapes.schedule(found, next_times(found)))
    else:
        output.write_lines(list(_lines(found)))


def _lines(one: Schedule) -> Iterator[str]:
    yield output.paint(clean(one.name), "bold")
    yield f"cron     {clean(one.cron)} ({clean(one.time_zone)})"
    if one.paused_at is not None:
        yield f"paused   since {in_zone(one.paused_at, one)}; `abathur schedule resume` ends it"
    for number, time in enumerate(next_times(one)):
        later = f" (in {span(time - context.now())})" if number == 0 else ""
        yield f"{'next' if number == 0 else '':9}{in_zone(time, one)}{later}"
    if one.last_task_id is not None:
        at = f", due {in_zone(one.last_at, one)}" if one.last_at else ""
        yield f"last     task {short(one.last_task_id)}{at}"
    yield f"missed   {one.missed}; overlap {one.overlap}"
    for key, title in KNOWN.items():
        if key in one.template:
            yield f"{title:9}{clean(_text(one.template[key]))}"
    yield ""
    yield clean(str(one.template["prompt"]))


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
