"""How much room there is, what takes it, and whether that is too little to start anything."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from abathur.domain.settings import DiskSettings
from abathur.domain.wording import size_text

ENOUGH_FREE: Final = 1.1
"""Times the limit: who waits for room isn't let go for a moment only."""
ENOUGH_KEPT: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Bytes on the disk of what a project keeps."""

    worktrees: int = 0
    transcripts: int = 0
    """Of agents, with the logs of gates and what the programs remember of sessions."""
    logs: int = 0
    spool: int = 0
    salvage: int = 0
    """Objects of the repository that salvage refs alone keep."""

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    def told(self) -> str:
        """`worktrees 1.2 GB, transcripts 300.0 MB`: what there is, the largest first."""
        parts = [(getattr(self, field.name), field.name) for field in fields(self)]
        found = [f"{name} {size_text(size)}" for size, name in sorted(parts, reverse=True) if size]
        return ", ".join(found) or "nothing"


def shortage(limits: DiskSettings, free: int | None, kept: Kept | None, *, is_held: bool) -> str:
    """Why nothing should be started, with the figures; empty when there is room."""
    wanted = limits.min_free * (ENOUGH_FREE if is_held else 1)
    if free is not None and free < wanted:
        return (
            f"{size_text(free)} are free on the disk, and {size_text(limits.min_free)} have to be "
            "(`disk.min_free`)"
        )
    if limits.max_kept is None or kept is None:
        return ""
    if kept.total > limits.max_kept * (ENOUGH_KEPT if is_held else 1):
        return (
            f"{size_text(kept.total)} are kept ({kept.told()}), and {size_text(limits.max_kept)} "
            "may be (`disk.max_kept`)"
        )
    return ""
