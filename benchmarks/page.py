"""Puts figures into a page that explains them; everything around the tables is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.results import Cell, Measured, as_table

LINE: Final = "Measured with"
"""How the line below a table begins that says on what."""
FACTS: Final = ("python", "sqlite", "cpu", "cores", "load", "at")


def renew(page: Path, about: Mapping[str, Cell], measured: Sequence[Measured]) -> None:
    """Replace the table below each benchmark's heading, and the line after it.

    A benchmark that no heading names, or that has no table there yet, changes nothing.
    """
    lines = page.read_text(encoding="utf-8").split("\n")
    for one in measured:
        begin = _table_of(one.name, lines)
        if begin is not None:
            lines[begin : _end(lines, begin)] = [*as_table(one).split("\n"), "", _facts(about)]
    page.write_text("\n".join(lines), encoding="utf-8")


def _table_of(name: str, lines: Sequence[str]) -> int | None:
    inside = False
    for number, line in enumerate(lines):
        if line.startswith("#"):
            inside = f"`{name}`" in line
        elif inside and line.startswith("|"):
            return number
    return None


def _end(lines: Sequence[str], begin: int) -> int:
    end = begin
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    said = end + 1 < len(lines) and lines[end + 1].startswith(LINE)
    return end + 2 if said else end


def _facts(about: Mapping[str, Cell]) -> str:
    return f"{LINE} {', '.join(f'{name} {about[name]}' for name in FACTS)}."
