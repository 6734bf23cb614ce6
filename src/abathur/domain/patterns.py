"""Patterns of paths: what is acceptable as one, what it fits, and which two may fit the same file.

They are like those of `.gitignore`, but always counted from the root of the repository: `*`, `?`
and `[a-z]` stay within one folder, and `**` as a whole part is any number of folders. What fits a
folder fits everything below it, but for patterns that end like `*.md`: those mean files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from abathur.domain.errors import InvalidInputError

MAX_LENGTH: Final = 500
MAX_PATTERNS: Final = 200
FOLDERS: Final = "**"
_PIECE: Final = re.compile(r"(\*+)|(\?|\[!?\]?[^\]]*\])|(.)", re.DOTALL)
_ANY, _ONE = "*", "?"


def checked(patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns in their plain form, each once. Raises `InvalidInputError`."""
    plain = tuple(dict.fromkeys(_checked(pattern) for pattern in patterns))
    if len(plain) > MAX_PATTERNS:
        raise InvalidInputError(
            f"touches: {len(plain)} patterns are given, and at most {MAX_PATTERNS} are possible; "
            "name folders instead of files"
        )
    return plain


def _checked(pattern: str) -> str:
    parts = [part for part in pattern.strip().split("/") if part not in {"", "."}]
    problem = _problem(pattern, parts)
    if problem is not None:
        raise InvalidInputError(
            f"touches: `{pattern[:MAX_LENGTH]}` {problem}; write a path from the root of the "
            "repository, like `src/app.py`, `docs/` or `src/**/*.py`"
        )
    return "/".join(part.replace("[^", "[!") for part in parts)


def _problem(pattern: str, parts: Sequence[str]) -> str | None:
    if not parts:
        return "names no path"
    if len(pattern) > MAX_LENGTH:
        return f"has more than {MAX_LENGTH} characters"
    if not pattern.strip().isprintable():
        return "holds a character that can't be shown"
    if pattern.strip().startswith("!"):
        return "begins with `!`, but it has to say what is touched, not what isn't"
    if "\\" in pattern:
        return "holds a backslash, but the folders of a path have `/` between them"
    if ".." in parts:
        return "leaves the repository by `..`"
    if any(FOLDERS in part and part != FOLDERS for part in parts):
        return "has `**` beside other characters"
    return None


def fits(pattern: str, path: str) -> bool:
    """Whether a checked pattern speaks of the path, which is relative to the root."""
    parts = path.split("/")
    places = {0}
    for part in _parts(pattern):
        if part == FOLDERS:
            places = set(range(min(places), len(parts) + 1))
        else:
            places = {i + 1 for i in places if i < len(parts) and fnmatchcase(parts[i], part)}
        if not places:
            return False
    return len(parts) in places


@lru_cache(maxsize=4096)
def _parts(pattern: str) -> tuple[str, ...]:
    """With `**` at the end of what stands for everything below it too."""
    parts = tuple(pattern.split("/"))
    means_files = "." in parts[-1] and any(char in parts[-1] for char in "*?[")
    return parts if means_files or parts[-1] == FOLDERS else (*parts, FOLDERS)


@lru_cache(maxsize=65_536)
def overlap(one: str, other: str) -> bool:
    """Whether two checked patterns may fit the same path.

    Never False when there is such a path; `[a-z]` counts as any character, so it may be True when
    there is none.
    """
    return _meet(_parts(one), _parts(other), FOLDERS, _part_overlap)


def _meet(
    mine: Sequence[str], theirs: Sequence[str], many: str, fit: Callable[[str, str], bool]
) -> bool:
    """Whether both can be gone through side by side to their ends, where `many` stands for any."""
    reached, seen = [(0, 0)], set[tuple[int, int]]()
    while reached:
        place = reached.pop()
        if place in seen:
            continue
        seen.add(place)
        i, j = place
        a = mine[i] if i < len(mine) else ""
        b = theirs[j] if j < len(theirs) else ""
        if not a and not b:
            return True
        if many in {a, b}:
            reached += _stretched(place, a, b, many)
        elif a and b and fit(a, b):
            reached.append((i + 1, j + 1))
    return False


def _stretched(place: tuple[int, int], a: str, b: str, many: str) -> list[tuple[int, int]]:
    """Where one gets when `many`, which a or b is, fits nothing or takes one step of the other."""
    i, j = place
    after_a = [(i + 1, j)] if a == many or (a and b == many) else []
    after_b = [(i, j + 1)] if b == many or (b and a == many) else []
    return after_a + after_b


def _part_overlap(one: str, other: str) -> bool:
    """The same for names within one folder, by their pieces."""
    if one == other:
        return True
    return _meet(_pieces(one), _pieces(other), _ANY, _piece_overlap)


def _piece_overlap(one: str, other: str) -> bool:
    return one == other or _ONE in {one, other}


@lru_cache(maxsize=4096)
def _pieces(part: str) -> tuple[str, ...]:
    """`*` for any text, `?` for any character, and else characters as they are.

    A name can't hold a `*` or `?` that is meant literally, so they can stand for what they mean.
    """
    return tuple(
        _ANY if many else _ONE if single else char for many, single, char in _PIECE.findall(part)
    )
