"""SQL by name. `sql/common` serves every engine; a name in the engine's own folder wins over it.

A file holds sections, each opened by a line `-- name: tasks_claim`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

# Not importlib.resources: importing that takes longer than a whole command should.
FOLDER: Final = Path(__file__).with_name("sql")
SECTION: Final = re.compile(r"^-- name: *(\S+) *$", re.MULTILINE)
COMMENT_LINE: Final = re.compile(r"^\s*--(?! name:).*\n?", re.MULTILINE)
PARAMETER: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|(?<!:):([A-Za-z_]\w*)")
"""A `:name`, or a text or comment that may hold something which looks like one."""
ASSIGNMENTS: Final = re.compile(r"(?<=\bSET\b)(.*?)(?=\bWHERE\b)", re.DOTALL)
TRAIL: Final = re.compile(r"\b(FROM|JOIN) audit(_heads)?\b")
"""In a statement that reads the audit trail."""


class Statements(dict[str, str]):
    """The SQL of one engine by name."""

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(f"no SQL statement is named `{name}`; look at `-- name:` in the .sql files")


@cache
def load(engine: str) -> Statements:
    return read(FOLDER / "common", FOLDER / engine)


def read(*folders: Path) -> Statements:
    """The statements of all folders; a later folder replaces names of earlier ones."""
    statements = Statements()
    for folder in folders:
        statements.update(_folder(folder))
    return statements


def _folder(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        for name, sql in sections(file.read_text(encoding="utf-8"), file):
            if name in found:
                raise ValueError(f"{file}: the name `{name}` is used twice in {folder.name}/")
            found[name] = sql
    return found


def sections(text: str, file: Path) -> Iterator[tuple[str, str]]:
    # Without its comments a statement is a shorter key in the driver's cache.
    head, *rest = SECTION.split(COMMENT_LINE.sub("", text))
    if head.strip():
        raise ValueError(f"{file}: SQL stands before the first `-- name:` line")
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        if not (sql := body.strip()):
            raise ValueError(f"{file}: nothing follows `-- name: {name}`")
        yield name, sql


@cache
def parameters(sql: str) -> tuple[str, ...]:
    """The names that the statement takes, each once, in the order of their first use."""
    return tuple(dict.fromkeys(name for name in PARAMETER.findall(sql) if name))


@cache
def narrowed(sql: str, only: tuple[str, ...]) -> str:
    """An UPDATE with those of its assignments, all like `column = :column`, that are wanted."""
    kept = (
        assignment
        for assignment in ASSIGNMENTS.search(sql)[1].split(",")  # type: ignore[index]
        if assignment.partition("=")[0].strip() in only
    )
    return ASSIGNMENTS.sub(f"{','.join(kept).rstrip()} ", sql, count=1)


@cache
def reads_trail(sql: str) -> bool:
    return TRAIL.search(sql) is not None
