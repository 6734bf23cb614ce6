"""A loop on one line, for the commands that show several things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur.cli import output
from abathur.cli.output import Column, status_colour
from abathur.cli.text import clean, short
from abathur.domain.loop_feedback import sparkline

if TYPE_CHECKING:
    from abathur.services.looping import LoopView

LOOPS = (
    Column(title="LOOP", most=13),
    Column(title="STATUS", colour=status_colour),
    Column(title="DONE", right=True),
    Column(title="VALUES", most=30),
    Column(title="LAST", most=40),
    Column(title="SUMMARY", flexible=True),
)


def bars_of(found: LoopView) -> str:
    """Nothing on a terminal that can't show bars, and where there are no numbers."""
    made = sorted(found.measured, key=lambda one: one.number)
    values = [one.reading.value if one.reading else None for one in made]
    if not output.has_unicode() or all(value is None for value in values):
        return ""
    return sparkline(values)


def unread(found: LoopView, what: str) -> str:
    """Of work that is done and has no reading: the end of a task may cut its measurement off."""
    return f"wasn't {what}" if found.task.status.is_final else f"is to be {what}"


def line_of(found: LoopView) -> str:
    return f"{bars_of(found)} {len(found.measured)} of {found.most}".strip()


def loop_row(found: LoopView) -> list[str]:
    last = found.measured[-1].reading if found.measured else None
    return [
        short(found.task.id),
        found.task.status.value,
        f"{len(found.measured)}/{found.most}",
        bars_of(found) or "-",
        clean(last.text) if last else "-",
        clean(found.task.summary),
    ]
