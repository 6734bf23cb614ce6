"""What a repository's files would have us do, and whether a person has agreed to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the repository that can name commands."""

    path: str
    """From the root of the repository."""
    digest: str
    """Of all in it that matters."""
    says: tuple[str, ...]
    """Line by line what it names, for a person."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file that nobody has agreed to as it is."""

    path: str
    is_new: bool
    added: tuple[str, ...]
    """Lines that it hasn't had when it was trusted."""
    removed: tuple[str, ...]


def changes(trusted: Mapping[str, Source], found: Sequence[Source]) -> tuple[Change, ...]:
    """What has to be asked; nothing when all was trusted as it is. A file that went is no matter"""
    return tuple(
        _change(trusted.get(one.path), one)
        for one in found
        if one.path not in trusted or trusted[one.path].digest != one.digest
    )


def _change(before: Source | None, now: Source) -> Change:
    known = before.says if before else ()
    return Change(
        path=now.path,
        is_new=before is None,
        added=tuple(line for line in now.says if line not in known),
        removed=tuple(line for line in known if line not in now.says),
    )


def question(asked: Sequence[Change]) -> str:
    """The one line of whoever is refused."""
    first = asked[0]
    what = f"`{first.added[0]}`" if first.added else "other than what was trusted"
    more = sum(max(1, len(one.added)) for one in asked) - 1
    others = f" and {more} more" if more else ""
    state = "isn't trusted yet" if all(one.is_new for one in asked) else "was changed since"
    return (
        f"what this repository's files would run {state}: {first.path} says {what}{others}; "
        "look with `abathur trust --show`, then `abathur trust`"
    )
