"""The only writer of stdout, which is data; `say` is for stderr, which is talk."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from abathur.cli.text import ELLIPSIS, clean, columns, cut, iso, pad

PLAIN_WIDTH: Final = 80
LEAST_WIDTH: Final = 60
GAP: Final = "  "

COLOURS: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}


def is_terminal() -> bool:
    return sys.stdout.isatty()


def has_unicode() -> bool:
    return _speaks_unicode(sys.stdout.encoding)


def _speaks_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").startswith("utf")


def width() -> int:
    """Columns to fill: those of the terminal, 80 when stdout is none."""
    if not is_terminal():
        return PLAIN_WIDTH
    import shutil

    return max(LEAST_WIDTH, shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns)


def ellipsis() -> str:
    return ELLIPSIS if has_unicode() else "..."


# --- writing ------------------------------------------------------------------------------


def write(text: str = "") -> None:
    """One or more lines to stdout. What the terminal's encoding can't say becomes `?`."""
    encoding = sys.stdout.encoding or "utf-8"
    _write_bytes(f"{text}\n".encode(encoding, errors="replace"))


def write_lines(lines: Sequence[str]) -> None:
    if lines:
        write("\n".join(lines))


def write_bytes(data: bytes) -> None:
    """Somebody else's bytes as they are: a patch or a transcript, for a file or a pipe."""
    _write_bytes(data)


def write_json(value: Any, *, line: bool = False) -> None:
    """Compact (also with `line`, for a stream of values), but indented for a person to read."""
    write(_json(value, indent=2) if is_terminal() and not line else json_line(value))


def json_line(value: Any) -> str:
    return _json(value, separators=(",", ":"))


def _json(value: Any, **layout: Any) -> str:
    return json.dumps(value, ensure_ascii=not has_unicode(), default=plain, **layout)


def plain(value: Any) -> Any:
    """A value of ours that JSON doesn't know."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def flush() -> None:
    """Raises `OSError` when what was written couldn't be stored, as on a full disk."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)


def say(text: str) -> None:
    """Talk to the person, on stderr. A reader who isn't there is no error."""
    encoding = sys.stderr.encoding or "utf-8"
    try:
        sys.stderr.write(text.encode(encoding, errors="replace").decode(encoding) + "\n")
        sys.stderr.flush()
    except OSError:
        pass


def _write_bytes(data: bytes) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        _give_up(error)


def _give_up(error: OSError) -> NoReturn:
    """A reader who has seen enough (`| head`) is no error. Raises the error if it is another one.

    What is left in Python's buffer goes nowhere: Python would flush it again at its end, and fail
    with an exit code of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        raise click.exceptions.Exit(0) from error
    raise error


# --- colour -------------------------------------------------------------------------------


def has_colour() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal()


def paint(text: str, colour: str | None) -> str:
    """`text` must be clean. Stays as it is when stdout is no terminal."""
    if not colour or not text or not has_colour():
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


# --- tables -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    right: bool = False
    flexible: bool = False
    """Takes the room that the others leave. Each table should have one."""
    most: int = 40
    """Columns at most, unless flexible."""
    colour: Callable[[str], str | None] | None = None
    """By the cell's text."""


def write_table(shape: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    write_lines(table(shape, rows, width()))


def table(shape: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    """Aligned lines, a head first; none is wider than `room`."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = _widths(shape, cells, room)
    head = _line(shape, [column.title for column in shape], widths, is_head=True)
    return [head, *(_line(shape, row, widths) for row in cells)]


def _widths(shape: Sequence[Column], cells: Sequence[Sequence[str]], room: int) -> list[int]:
    widths = [
        max(columns(text) for text in (column.title, *(row[place] for row in cells)))
        for place, column in enumerate(shape)
    ]
    room -= len(GAP) * (len(shape) - 1)
    for place, column in enumerate(shape):
        if not column.flexible:
            widths[place] = min(widths[place], column.most)
    for place, column in enumerate(shape):
        if column.flexible:
            left = room - sum(widths) + widths[place]
            widths[place] = max(columns(column.title), min(widths[place], left))
    return _squeezed(widths, room)


def _squeezed(widths: list[int], room: int) -> list[int]:
    """Take what is too much from the widest, one by one."""
    while sum(widths) > room and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(
    shape: Sequence[Column], texts: Sequence[str], widths: Sequence[int], *, is_head: bool = False
) -> str:
    parts = []
    for column, text, size in zip(shape, texts, widths, strict=True):
        padded = pad(cut(text, size, ellipsis()), size, right=column.right)
        colour = "bold" if is_head else column.colour(text) if column.colour else None
        parts.append(paint(padded, colour))
    # Trailing blanks would wrap on a narrow terminal and show in a diff.
    return GAP.join(parts).rstrip()


STATUS_COLOURS: Final = {
    "running": "blue",
    "ready": "cyan",
    "blocked": "yellow",
    "pending": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}


def status_colour(status: str) -> str | None:
    return STATUS_COLOURS.get(status)
