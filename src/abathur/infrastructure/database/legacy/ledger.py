"""Keeps what has no place elsewhere, and counts what became of every row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.legacy.reading import Row
from abathur.infrastructure.database.legacy.taking import Taking

NO_TABLE = "no table for it"


@dataclass(slots=True)
class Counts:
    """`rows` of an older table are `converted`, `kept` or `repeated`; some are converted and kept.

    A repeated row is one that another table, left by a rebuild, holds in the same words.
    """

    rows: int = 0
    converted: int = 0
    kept: int = 0
    repeated: int = 0
    target: str | None = None
    reasons: Counter[str] = field(default_factory=Counter)


class Ledger:
    def __init__(self, session: Session) -> None:
        self._session = session
        self.tables: dict[str, Counts] = {}
        self.imported = 0
        """Entries that tell an imported task."""

    def of(self, table: str) -> Counts:
        return self.tables.setdefault(table, Counts())

    def settle(self, taking: Taking, target: str) -> None:
        """Note what became of the row, and keep it when something of it is written nowhere else."""
        counts = self.of(taking.row.table)
        counts.rows += 1
        if not taking.is_refused:
            counts.converted += 1
            counts.target = target
        if taking.reason is not None:
            self._keep(taking.row, taking.reason)

    def keep(self, row: Row) -> None:
        self.of(row.table).rows += 1
        self._keep(row, NO_TABLE)

    def repeat(self, row: Row) -> None:
        counts = self.of(row.table)
        counts.rows += 1
        counts.repeated += 1

    @property
    def kept(self) -> int:
        return sum(counts.kept for counts in self.tables.values())

    def _keep(self, row: Row, reason: str) -> None:
        counts = self.of(row.table)
        counts.kept += 1
        counts.reasons[reason] += 1
        self._session.execute(
            "legacy_keep",
            source_table=row.table,
            source_key=row.key,
            content=row.json(),
            reason=reason,
        )
