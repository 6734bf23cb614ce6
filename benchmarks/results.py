"""What a benchmark hands back, and how it is shown."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, TypeVar

from abathur import __version__
from abathur.infrastructure.database.engines import sqlite
from abathur.infrastructure.database.engines.sqlite_commit import CHECKPOINT_PAGES
from abathur.infrastructure.database.engines.sqlite_writer import BATCH

T = TypeVar("T")

Cell = str | int | float | None
Row = Mapping[str, Cell]

DURABILITY: Final[Mapping[str, Cell]] = {
    "journal_mode": "wal",
    "synchronous": "FULL",
    "group_commit_at_most": BATCH,
    "checkpoint_pages": CHECKPOINT_PAGES,
}


class Size(StrEnum):
    SMALL = "small"
    NORMAL = "normal"

    def pick(self, small: T, normal: T) -> T:
        return small if self is Size.SMALL else normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    name: str
    title: str
    """What the figures are, with their unit."""
    rows: Sequence[Row]
    """All with the same columns."""


def machine() -> dict[str, Cell]:
    """What the figures depend on besides the code."""
    return {
        "at": datetime.fromtimestamp(time.time(), UTC).isoformat("T", "seconds"),
        "abathur": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite.VERSION,
        "git": _git_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu() -> str:
    """The kind of processor, as far as Linux tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git_version() -> str:
    told = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    return told.stdout.removeprefix("git version ").strip()


def as_json(about: Mapping[str, Cell], size: str, measured: Sequence[Measured]) -> dict[str, Any]:
    """machine, durability, size, benchmarks (name -> title, rows)."""
    benchmarks = {one.name: {"title": one.title, "rows": list(one.rows)} for one in measured}
    return {
        "machine": dict(about),
        "durability": dict(DURABILITY),
        "size": size,
        "benchmarks": benchmarks,
    }


def as_markdown(about: Mapping[str, Cell], measured: Sequence[Measured]) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in {**about, **DURABILITY}.items())
    return "\n\n".join([facts, *(_section(one) for one in measured)])


def _section(one: Measured) -> str:
    return f"## {one.name}\n\n{one.title}\n\n{as_table(one)}"


def as_table(one: Measured) -> str:
    columns = list(one.rows[0])
    lines = [columns, ["--:" if _is_number(one, name) else "---" for name in columns]]
    lines += [[_shown(row[name]) for name in columns] for row in one.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_number(one: Measured, column: str) -> bool:
    return any(isinstance(row[column], int | float) for row in one.rows)


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int | float) else cell


def rounded(value: float) -> float:
    """To three digits that say something; whole from a hundred on."""
    if value >= 100:
        return round(value)
    return float(f"{value:.3g}")


def p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def ratio(value: float, base: float) -> float:
    return round(value / base, 2)
