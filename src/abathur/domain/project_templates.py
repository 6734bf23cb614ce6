"""Sets of agent definitions and templates that a project takes over, and how they are kept new.

Three states of each file decide: as the template last brought it, as it is in the project, and as
the template has it now. What a person has changed is never overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Final

MAX_FILES: Final = 500
MAX_BYTES: Final = 1_000_000
NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")

_PART: Final = r"[A-Za-z0-9_][\w. -]*"
TAKEN: Final = re.compile(
    rf"(\.claude/(agents|skills)/({_PART}/)*{_PART}"
    rf"|\.abathur/agents/({_PART}/)*{_PART}"
    r"|\.abathur/templates/[a-z0-9][a-z0-9_-]*\.md\.j2)"
)
"""Paths that a template may bring. Everything else of it is left alone."""
DEFINING: Final = frozenset({"md", "yaml", "yml", "json", "j2"})
"""What a file has to end in outside of skills, which may bring scripts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    name: str
    version: str
    description: str
    source: str
    """As it can be asked for again: a name, a path or a URL."""
    ref: str | None
    """The branch or tag of a URL."""
    commit: str | None
    files: Mapping[str, bytes]
    """By path in the project."""
    left_out: Sequence[str] = ()
    """Paths that no template may bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a project has taken over."""

    name: str
    version: str
    source: str
    ref: str | None
    commit: str | None
    hashes: Mapping[str, str]
    """Path -> digest of the file as the template last brought it."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The files themselves, where they are text: what both sides' changes are compared with."""


class Change(StrEnum):
    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"
    """The template has it no more, and it is as the template brought it."""
    SAME = "same"
    KEEP = "keep"
    """Changed or removed by the person; the template has nothing new."""
    MERGE = "merge"
    """Changed on both sides, in other lines: both changes are taken."""
    CONFLICT = "conflict"
    """Changed on both sides in the same lines: the person's stays."""

    @property
    def writes(self) -> bool:
        return self in {Change.ADD, Change.UPDATE, Change.MERGE, Change.REMOVE}


@dataclass(frozen=True, slots=True)
class Step:
    path: str
    change: Change
    before: bytes | None
    """As it is in the project."""
    after: bytes | None
    """As the template has it now."""
    merged: bytes | None = None
    """Both sides' lines; of a conflict with marks where they don't go together."""

    @property
    def written(self) -> bytes | None:
        return self.merged if self.change is Change.MERGE else self.after


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def is_taken(path: str) -> bool:
    """Whether a template may bring a file of this path."""
    if not TAKEN.fullmatch(path) or ".." in path:
        return False
    return path.startswith(".claude/skills/") or path.rpartition(".")[2] in DEFINING


def steps(
    template: Template, current: Mapping[str, bytes], installed: Installed | None
) -> Sequence[Step]:
    """What bringing the project to the template comes to, by path."""
    base = installed.hashes if installed else {}
    paths = sorted({*template.files, *base})
    return [
        Step(
            path,
            _change(base.get(path), current.get(path), template.files.get(path)),
            current.get(path),
            template.files.get(path),
        )
        for path in paths
    ]


def _change(base: str | None, current: bytes | None, new: bytes | None) -> Change:
    if current == new:
        return Change.SAME
    is_new_to_us = new is not None and (base is None or digest(new) != base)
    if current is None:
        return (Change.ADD if base is None else Change.CONFLICT) if is_new_to_us else Change.KEEP
    if base is not None and digest(current) == base:
        return Change.REMOVE if new is None else Change.UPDATE
    if new is None or not is_new_to_us:
        return Change.KEEP
    return Change.CONFLICT


def after(template: Template) -> Installed:
    """The record of a project that was brought to this version.

    A conflict counts as told: it comes again when the template changes the file once more.
    """
    return Installed(
        name=template.name,
        version=template.version,
        source=template.source,
        ref=template.ref,
        commit=template.commit,
        hashes={path: digest(content) for path, content in template.files.items()},
        texts={path: text for path, content in template.files.items() if (text := _text(content))},
    )


def _text(content: bytes) -> str | None:
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None
