"""Files that were changed on both sides, merged line by line where that is possible."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from abathur.domain.project_templates import Change, Installed, Step
from abathur.infrastructure.git.commands import Git

CONFLICTS: Final = range(1, 128)
"""Exit codes of `git merge-file`: how many places differ, as far as they are counted."""
LABELS: Final = ("yours", "as it was brought", "template")


async def merged(steps: Sequence[Step], installed: Installed | None) -> Sequence[Step]:
    """Conflicts become merges where both sides' lines go together; the others show where not.

    Raises `GitError`.
    """
    texts = installed.texts if installed else {}
    return [
        await _merged(step, texts[step.path].encode())
        if step.change is Change.CONFLICT and step.path in texts
        else step
        for step in steps
    ]


async def _merged(step: Step, base: bytes) -> Step:
    sides = (step.before, base, step.after)
    if any(side is None or b"\0" in side for side in sides):
        return step
    with tempfile.TemporaryDirectory(prefix="abathur-merge-") as place:
        folder = Path(place)
        for name, side in zip("abc", sides, strict=True):
            (folder / name).write_bytes(side or b"")
        labels = [word for label in LABELS for word in ("-L", label)]
        found = await Git(folder).run(
            *("merge-file", "-p", "--diff3", *labels, "--", "a", "b", "c"),
            codes=(0, *CONFLICTS),
        )
    if found.code == 0:
        return replace(step, change=Change.MERGE, merged=found.stdout)
    return replace(step, merged=found.stdout)
