"""What a conversion tells: a few lines for people, a file with everything beside the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abathur.infrastructure.database.legacy.ledger import Counts

ENDING = ".conversion.json"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A file of an older version that was converted."""

    database: Path
    original: Path
    """The file as it was."""
    at: str
    tables: Mapping[str, Counts]
    unreadable: Mapping[str, str]
    """Virtual tables whose module isn't there; what they are made of is kept."""
    schema: Sequence[Mapping[str, Any]]
    """What the older file says of its tables, views, indexes and triggers."""

    @property
    def report(self) -> Path:
        return self.original.with_name(f"{self.original.stem}{ENDING}")

    @property
    def lines(self) -> list[str]:
        converted = [
            f"{counts.converted} {table}"
            for table, counts in self.tables.items()
            if counts.converted
        ]
        kept = sum(counts.kept for counts in self.tables.values())
        lines = [
            f"`{self.database}` is of an older Abathur and was converted: "
            + (", ".join(converted) or "it held nothing"),
            f"the file as it was is kept as `{self.original}`",
        ]
        if kept:
            lines.append(
                f"{kept} rows had to change or have no place of their own, and are kept as they "
                "were: `abathur db legacy` shows them"
            )
        return [*lines, f"`{self.report}` tells everything"]

    def document(self) -> dict[str, Any]:
        return {
            "database": str(self.database),
            "original": str(self.original),
            "converted_at": self.at,
            "tables": {
                table: {
                    "rows": counts.rows,
                    "converted": counts.converted,
                    "into": counts.target,
                    "kept_as_legacy_rows": counts.kept,
                    "repeated": counts.repeated,
                    "reasons": dict(counts.reasons.most_common()),
                }
                for table, counts in sorted(self.tables.items())
            },
            "unreadable_virtual_tables": dict(self.unreadable),
            "schema": list(self.schema),
        }

    def write(self) -> None:
        text = json.dumps(self.document(), ensure_ascii=False, indent=2)
        self.report.write_text(f"{text}\n", encoding="utf-8")
