"""What a front door shows of a change to a client's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a file is like, and what it is to become."""

    file: Path
    before: str
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after
