"""Where a swarm's process does what outlives it, by name, read from the code itself.

Three kinds: `db.USE_CASE` for a transaction, `PART.METHOD` for what is asked of a port, and
`EVENT@MODULE.FUNCTION` for a file or process that Python's own audit events tell of. The first two
are known before anything runs (`known`); the third are found while it runs (`sites.py`).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from abathur import swarm
from abathur.domain.settings import Settings
from abathur.ports.clock import Clock
from abathur.ports.stores import UnitOfWork
from abathur.swarm.parts import Parts


class Moment(StrEnum):
    BEFORE = "before"
    WITHIN = "within"
    """In a transaction that isn't committed; of a program: it has just started."""
    AFTER = "after"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    name: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.name} {self.moment}"

    @classmethod
    def parse(cls, text: str) -> Point:
        name, _, moment = text.rpartition(" ")
        return cls(name, Moment(moment))


READS: Final[Mapping[str, frozenset[str]]] = {
    "repository": frozenset(
        {
            "has_branch",
            "root",
            "resolve",
            "branches",
            "current_branch",
            "tree_equal",
            "contains",
            "salvage_refs",
            "head",
            "checkouts",
            "diff",
            "checked_out",
            "recorded_in",
            "is_seal_alone",
            "tree",
            "changed_files",
            "count_changed",
            "kept_commits",
            "kept_open",
            "changed_paths",
            "commits_beyond",
            "both_sides",
            "added_text",
            "metadata",
            "unfinished",
        }
    ),
    "processes": frozenset({"is_alive", "me", "warm_up"}),
    "evidence": frozenset({"busy_until", "newest_change", "processes"}),
    "spool": frozenset({"files", "read"}),
    "source": frozenset({"stamp", "read"}),
    "disk": frozenset({"free", "kept", "transcripts", "transcripts_size"}),
    "tool_servers": frozenset({"command", "own", "foreign", "described", "answers", "kept"}),
}
"""What only looks. All else that a port offers is taken for a write, so none is forgotten."""

OF_PERSONS: Final = frozenset(
    {"db.reject", "repository.restore_branch", "repository.restore_worktree"}
)
"""What no swarm does: commands of a person, which are struck in a process of their own."""

GUARD: Final = ("guard.open", "guard.close")
_TOLD_APART: Final = (UnitOfWork, Clock, Settings)
"""Parts that aren't watched by their methods: use cases have names of their own."""


def ports() -> Iterator[tuple[str, type]]:
    """(field of `Parts`, protocol) of everything that the swarm reaches the outside by."""
    hints = typing.get_type_hints(Parts)
    for field in dataclasses.fields(Parts):
        hint = hints[field.name]
        if getattr(hint, "_is_protocol", False) and hint not in _TOLD_APART:
            yield field.name, hint


def methods(protocol: type) -> Iterator[str]:
    for name, _ in inspect.getmembers(protocol):
        if not name.startswith("_"):
            yield name


def writes_of(part: str, protocol: type) -> Iterator[str]:
    reads = READS.get(part, frozenset())
    yield from (name for name in methods(protocol) if name not in reads)


def use_cases() -> Iterator[tuple[str, str]]:
    """(place in the code, name) of every transaction that the swarm writes.

    The name is empty where the code gives none: such a write couldn't be told apart.
    """
    folder = Path(swarm.__file__).parent
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if _is_write(node):
                yield f"{file.name}:{node.lineno}", _name_of(node.args[0])


def _is_write(node: ast.AST) -> typing.TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "write"
        and ast.unparse(node.func.value).endswith("db")
        and bool(node.args)
    )


def _name_of(node: Any) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def known() -> frozenset[Point]:
    """Every point that the code names, each with its moments."""
    found: set[Point] = set()
    for _, name in use_cases():
        found |= {Point(f"db.{name}", moment) for moment in Moment}
    for part, protocol in ports():
        names = [f"{part}.{name}" for name in writes_of(part, protocol)]
        found |= {Point(name, at) for name in names for at in (Moment.BEFORE, Moment.AFTER)}
    found |= {Point(name, at) for name in GUARD for at in (Moment.BEFORE, Moment.AFTER)}
    found.add(Point("processes.run", Moment.WITHIN))
    return frozenset(found)
