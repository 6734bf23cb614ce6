"""What was kept of a database that an older version wrote."""

from __future__ import annotations

from dataclasses import dataclass

from abathur.domain.tasks import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyRow:
    """A row as the older file held it, because not all of it has a place in today's tables."""

    id: int
    source_table: str
    source_key: str
    """Its rowid there, or its primary key as JSON."""
    row: JsonObject
    """By column. A blob is `{"$base64": ...}`."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyCount:
    """How many rows of an older table were kept for one reason."""

    source_table: str
    reason: str
    rows: int
