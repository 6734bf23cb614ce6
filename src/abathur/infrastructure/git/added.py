"""The text that a change adds, read from a patch that may be as large as it likes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from abathur.domain.leaks import AddedText
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.diffs import diff_tree

LIMIT_BYTES: Final = 16_000_000
"""Of the patch; what comes after it isn't looked at."""

# `--text`, or the work could name its own files binary and so keep them from being looked at.
OPTIONS: Final = (
    *("-p", "-z", "-U0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv"),
    *("--no-color", "--diff-filter=AM", "--src-prefix=a/", "--dst-prefix=b/"),
)
_HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


async def patch_of(git: Git, old: str, new: str) -> bytes:
    """Both are full hashes. The beginning of the patch, up to the limit. Raises `GitError`."""
    return await diff_tree(git, old, new, *OPTIONS, limit=LIMIT_BYTES)


def added_text(patch: bytes) -> Iterator[AddedText]:
    """Counts the lines of each hunk, as a file may hold what looks like a patch."""
    path = ""
    lines = iter(patch.split(b"\n"))
    for line in lines:
        if line.startswith(b"+++ b/"):
            path = line[6:].rstrip(b"\t").decode("utf-8", "replace")
        elif found := _HUNK.match(line):
            removed, added = int(found[1] or 1), int(found[3] or 1)
            for _ in range(removed):
                next(lines, b"")
            texts = [text[1:] for text in _next(lines, added)]
            if texts:
                yield AddedText(path, int(found[2]), b"\n".join(texts))


def _next(lines: Iterator[bytes], many: int) -> Iterator[bytes]:
    while many > 0 and (line := next(lines, None)) is not None:
        if line.startswith(b"+"):  # or git says that a file has no newline at its end
            many -= 1
            yield line
