"""Rows that were kept of an older file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from abathur.domain.legacy import LegacyCount, LegacyRow

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Session


class SqlLegacy:
    def __init__(self, session: Session) -> None:
        self._session = session

    def counts(self) -> Sequence[LegacyCount]:
        return [
            LegacyCount(source_table=row["source_table"], reason=row["reason"], rows=row["n"])
            for row in self._session.fetch("legacy_counts")
        ]

    def select(
        self, source_table: str | None = None, *, after_id: int = 0, limit: int = 1000
    ) -> Sequence[LegacyRow]:
        rows = self._session.fetch(
            "legacy_select", source_table=source_table, after_id=after_id, limit=limit
        )
        return [
            LegacyRow(
                id=row["id"],
                source_table=row["source_table"],
                source_key=row["source_key"],
                row=json.loads(row["content"]),
                reason=row["reason"],
            )
            for row in rows
        ]
