"""Tasks as a forest: each below the prerequisite that it waits for last, else below its parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from abathur.cli.text import columns

if TYPE_CHECKING:
    from abathur.domain.tasks import Task

WIDEST: Final = 20
"""Columns at most for the lines of the tree, so that a long chain leaves room for its texts."""

UNICODE: Final = ("├─ ", "└─ ", "│  ", "…")
ASCII: Final = ("|- ", "`- ", "|  ", "...")

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def as_tree(tasks: Sequence[Task], unicode: bool = True) -> Iterator[tuple[str, Task]]:
    """Each task with the lines that stand before it; roots and siblings in the given order."""
    by_id = {task.id: task for task in tasks}
    below: dict[str | None, list[Task]] = {}
    for task in tasks:
        below.setdefault(_above(task, by_id), []).append(task)
    glyphs = UNICODE if unicode else ASCII
    # A stack, not recursion: a chain may be longer than Python's stack is deep.
    waiting = [("", "", task) for task in reversed(below.get(None, []))]
    while waiting:
        before, branch, task = waiting.pop()
        yield _cut(before + branch, glyphs[3]), task
        # No longer than is shown, or a chain would take the square of its length.
        inner = (before + _continued(branch, glyphs))[-WIDEST:]
        children = below.get(task.id, [])
        for place, child in reversed(list(enumerate(children, 1))):
            waiting.append((inner, glyphs[1] if place == len(children) else glyphs[0], child))


def _continued(branch: str, glyphs: Sequence[str]) -> str:
    if not branch:
        return ""
    return glyphs[2] if branch == glyphs[0] else "   "


def _cut(lines: str, ellipsis: str) -> str:
    """The end of the lines is what tells the place."""
    if columns(lines) <= WIDEST:
        return lines
    return ellipsis + lines[len(ellipsis) - WIDEST :]


def _above(task: Task, by_id: Mapping[str, Task]) -> str | None:
    shown = [by_id[one] for one in task.prerequisites if one in by_id]
    if shown:
        return max(shown, key=_lateness).id
    # A parent that waits for this very task would close a circle.
    parent = by_id.get(task.parent_task_id or "")
    return parent.id if parent and not _waits_for(parent, task, by_id) else None


def _lateness(task: Task) -> tuple[bool, datetime, int, str]:
    """Unfinished ones are waited for longer than any that is finished."""
    end = task.completed_at or _LONG_AGO
    return (not task.status.is_final, end, task.dependency_depth, task.id)


def _waits_for(task: Task, other: Task, by_id: Mapping[str, Task]) -> bool:
    todo, seen = [task], {task.id}
    while todo:
        one = todo.pop()
        if one.id == other.id:
            return True
        above = [*one.prerequisites, *([one.parent_task_id] if one.parent_task_id else [])]
        new = [by_id[key] for key in above if key in by_id and key not in seen]
        seen.update(found.id for found in new)
        todo.extend(new)
    return False
