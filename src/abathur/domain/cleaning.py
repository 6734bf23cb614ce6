"""What is kept and proven to be of no use any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from abathur.domain.wording import count, size_text


class UnneededKind(StrEnum):
    SALVAGE = "salvage"
    """A salvage ref: its target contains all that it keeps."""
    TRANSCRIPTS = "transcripts"
    """The folder of a task's runs: it ended long ago, or was pruned."""
    WITHDRAWN = "withdrawn"
    """The seal of a merge that was taken back: nobody is left who could go on with it."""
    REPORT = "report"
    """A file of the spool: the database has what it tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unneeded:
    kind: UnneededKind
    task_id: str
    name: str
    """Of the ref, or of the file or folder."""
    why: str
    """The proof in words."""
    attempt: int | None = None
    commit: str | None = None
    """Of a salvage ref or a seal."""
    target: str | None = None
    """The branch that contains what a salvage ref keeps."""
    bytes: int | None = None
    """What it takes on the disk; None for a ref."""


_NAMES: Final = {
    UnneededKind.SALVAGE: ("salvage ref", "salvage refs"),
    UnneededKind.TRANSCRIPTS: ("folder of transcripts", "folders of transcripts"),
    UnneededKind.WITHDRAWN: ("withdrawn merge", "withdrawn merges"),
    UnneededKind.REPORT: ("report", "reports"),
}


def told(removed: Collection[Unneeded]) -> str:
    """`2 salvage refs, 1 report (3.0 kB)`."""
    counts = Counter(one.kind for one in removed)
    parts = [count(counts[kind], *_NAMES[kind]) for kind in UnneededKind if counts[kind]]
    size = sum(one.bytes or 0 for one in removed)
    return ", ".join(parts) + (f" ({size_text(size)})" if size else "")
