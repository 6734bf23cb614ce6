"""Steps of a template as a person and a program see them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from abathur.cli.output import paint
from abathur.cli.text import clean
from abathur.domain.project_templates import Change

if TYPE_CHECKING:
    from abathur.bootstrap.templates import Comparison
    from abathur.domain.project_templates import Step

SAID: Final = {
    Change.ADD: ("new", "green"),
    Change.UPDATE: ("updated", "green"),
    Change.REMOVE: ("removed", "yellow"),
    Change.SAME: ("the same", "dim"),
    Change.KEEP: ("yours, kept", "cyan"),
    Change.MERGE: ("changed on both sides, both taken", "green"),
    Change.CONFLICT: ("changed on both sides, yours kept", "yellow"),
}


def plain(comparison: Comparison, steps: Sequence[Step]) -> dict[str, Any]:
    installed, template = comparison.installed, comparison.template
    return {
        "name": template.name,
        "source": template.source,
        "ref": template.ref,
        "installed_version": installed.version if installed else None,
        "version": template.version,
        "steps": [{"path": step.path, "change": step.change.value} for step in steps],
        "left_out": list(template.left_out),
    }


def lines(steps: Sequence[Step], *, with_same: bool = False) -> Iterator[str]:
    for step in steps:
        if with_same or step.change is not Change.SAME:
            text, colour = SAID[step.change]
            yield f"  {clean(step.path)}  {paint(text, colour)}"


def diffs(steps: Sequence[Step]) -> Iterator[str]:
    """From what the project has to what the template has, of all that differs.

    Where both sides were changed, to both of them together, with marks where that can't be.
    """
    for step in steps:
        if step.change in {Change.SAME, Change.ADD} or step.before == step.after:
            continue
        is_both = step.merged is not None
        before, after = _lines_of(step.before), _lines_of(step.merged if is_both else step.after)
        name = f"{step.path} ({'both' if is_both else 'template'})"
        told = difflib.unified_diff(before, after, step.path, name, "", "", 3)
        yield from (clean(line.rstrip("\n")) for line in told)


def _lines_of(content: bytes | None) -> list[str]:
    return (content or b"").decode(errors="replace").splitlines()
