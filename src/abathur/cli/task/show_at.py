"""`abathur task show --at TIME`: one task as the trail tells that it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.cli import context, output, shapes
from abathur.cli.task.facts import block, facts, line, pretty, told
from abathur.cli.text import clean_block

if TYPE_CHECKING:
    from abathur.services.replaying import Past


def show_at(task_id: str, at: str, now: datetime, *, as_json: bool) -> None:
    from abathur.domain.times import parse_past
    from abathur.services.replaying import past_of

    moment = parse_past(at, "at", now)
    found = context.read(past_of, task_id, moment)
    if as_json:
        output.write_json(shapes.task(found.task))
        return
    output.write_lines(list(_lines(found, moment)))
    output.say(
        "Attempts, landings and what waited for it aren't told of then: leave out --at, or see "
        f"`abathur audit {found.task.id}`."
    )


def _lines(found: Past, moment: datetime) -> Iterator[str]:
    task = found.task
    yield from told(task, facts(task, moment, {}))
    yield from block("prompt", clean_block(task.prompt.strip("\n")))
    for title, data in (("input", task.input_data), ("result", task.result_data)):
        if data:
            yield from block(title, pretty(data))
    yield from block("waits for", [line(other) for other in found.prerequisites])
