"""Drawing in what order tasks can run: batches below each other, the critical path marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from abathur.cli.output import ellipsis, has_unicode, paint, status_colour
from abathur.cli.text import clean, columns, cut, length, pad, short

if TYPE_CHECKING:
    from abathur.services.reading import ExecutionPlan

LONGEST_LABEL: Final = 24
SHOWN_NEEDS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A task in the drawing."""

    key: str
    label: str
    status: str
    seconds: float | None
    summary: str
    needs: Sequence[str]
    """Keys of other items; others are left out."""


def execution_lines(plan: ExecutionPlan, room: int) -> list[str]:
    """The batches and the critical path of unfinished tasks, in lines of at most `room` columns."""
    batches = [
        [
            Item(
                key=task_id,
                label=short(task_id),
                status=plan.tasks[task_id].status,
                seconds=plan.tasks[task_id].estimated_duration_seconds,
                summary=plan.tasks[task_id].summary,
                needs=plan.tasks[task_id].prerequisites,
            )
            for task_id in batch
        ]
        for batch in plan.batches
    ]
    return drawing(batches, plan.critical_path, plan.critical_seconds, room)


def drawing(
    batches: Sequence[Sequence[Item]], path: Sequence[str], path_seconds: float, room: int
) -> list[str]:
    if not batches:
        return ["no unfinished tasks"]
    items = [item for batch in batches for item in batch]
    numbers = {item.key: number for number, item in enumerate(items, 1)}
    layout = _Layout.of(items, room)
    lines = []
    for number, batch in enumerate(batches, 1):
        lines.append(paint(f"batch {number}", "bold"))
        lines += [layout.line(item, numbers, item.key in path) for item in batch]
    return [*lines, "", *_critical(path, path_seconds, numbers, items, room)]


@dataclass(frozen=True, slots=True)
class _Layout:
    number: int
    label: int
    status: int
    estimate: int
    room: int

    @classmethod
    def of(cls, items: Sequence[Item], room: int) -> _Layout:
        return cls(
            number=len(str(len(items))),
            label=min(LONGEST_LABEL, max(columns(clean(item.label)) for item in items)),
            status=max(len(item.status) for item in items),
            estimate=max(len(_estimate(item)) for item in items),
            room=room,
        )

    def line(self, item: Item, numbers: dict[str, int], is_critical: bool) -> str:
        label = pad(cut(clean(item.label), self.label, ellipsis()), self.label)
        status = pad(item.status, self.status)
        head = f"  {_mark(is_critical)} {numbers[item.key]:>{self.number}}  {label}  "
        middle = f"{status}  {_estimate(item):>{self.estimate}}  "
        after = _after(item, numbers)
        room = max(10, self.room - columns(head) - columns(middle) - len(after))
        summary = cut(clean(item.summary), room, ellipsis())
        colour = "bold" if is_critical else None
        middle = middle.replace(status, paint(status, status_colour(item.status)), 1)
        return f"{paint(head, colour)}{middle}{summary}{paint(after, 'dim')}".rstrip()


def _mark(is_critical: bool) -> str:
    return "*" if is_critical else " "


def _estimate(item: Item) -> str:
    return "?" if item.seconds is None else length(item.seconds)


def _after(item: Item, numbers: dict[str, int]) -> str:
    known = sorted(numbers[key] for key in item.needs if key in numbers)
    if not known:
        return ""
    more = f" and {len(known) - SHOWN_NEEDS} more" if len(known) > SHOWN_NEEDS else ""
    return f"  (after {', '.join(map(str, known[:SHOWN_NEEDS]))}{more})"


def _critical(
    path: Sequence[str],
    seconds: float,
    numbers: dict[str, int],
    items: Sequence[Item],
    room: int,
) -> Iterator[str]:
    arrow = " → " if has_unicode() else " -> "
    unknown = any(item.seconds is None for item in items if item.key in path)
    note = "; one without an estimate counts as 10m" if unknown else ""
    tasks = "1 task" if len(path) == 1 else f"{len(path)} tasks"
    yield f"* critical path: {tasks}, about {length(seconds)}{note}"
    yield cut("  " + arrow.join(str(numbers[key]) for key in path), room, ellipsis())
