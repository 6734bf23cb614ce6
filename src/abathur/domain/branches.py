"""Names of branches, salvage refs and worktree folders, always such as git and every disk take."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

MAX_SLUG: Final = 40
SALVAGE_PREFIX: Final = "refs/abathur/salvage"
_NOT_IN_REFS: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")


def slug(text: str) -> str:
    """The text as a piece of a name: `[a-z0-9-]`, 1 to 40 characters, no dash at either end.

    Letters lose their accents; what has no ASCII form is left out, `task` when nothing remains.
    Cut at a word when that leaves at least half of the length.
    """
    folded = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    if len(words) > MAX_SLUG:
        whole_words = words[: MAX_SLUG + 1].rpartition("-")[0]
        words = whole_words if len(whole_words) >= MAX_SLUG // 2 else words[:MAX_SLUG]
    return words.strip("-") or "task"


def task_branch(summary: str, started_at: datetime, taken: Collection[str]) -> str:
    """`task/SLUG/YYYYMMDD-HHMMSS` (UTC), with `-2`, `-3`, ... when that is taken.

    Git keeps a branch as a file and the parts before it as folders. Where a branch is called `task`
    or `task/SLUG` the name becomes `task-SLUG/...`, and `task-SLUG-...` when that is one too.
    Case doesn't tell names apart, because on some disks it doesn't.
    """
    used = {name.casefold() for name in taken}
    occupied = used | {folder for name in used for folder in _folders(name)}
    stems = _stems(summary, started_at)
    stem = next(stem for stem in stems if used.isdisjoint(_folders(stem)))
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in occupied)


def names_in_the_way(summary: str, started_at: datetime) -> tuple[str, ...]:
    """While no branch has one of these names, `task_branch` needs to know of no branch."""
    first = _stems(summary, started_at)[0]
    return (*_folders(first), first)


def _stems(summary: str, started_at: datetime) -> tuple[str, ...]:
    title, stamp = slug(summary), started_at.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    return f"task/{title}/{stamp}", f"task-{title}/{stamp}", f"task-{title}-{stamp}"


def _folders(name: str) -> Iterator[str]:
    """`a/b/c` -> `a`, `a/b`."""
    return itertools.accumulate(name.split("/")[:-1], "{}/{}".format)


def worktree_name(task_id: str, attempt: int) -> str:
    """The folder of an attempt. With the full id: two tasks never share one."""
    return f"{task_id}-{attempt}"


def parse_worktree_name(name: str) -> tuple[str, int] | None:
    """(task id, attempt) of a folder that `worktree_name` named; None for any other."""
    task_id, _, number = name.rpartition("-")
    return (task_id, int(number)) if task_id and number.isascii() and number.isdigit() else None


def removal_name(name: str) -> str:
    """What a folder is called while it is removed."""
    return f".{name}.removed"


def before_removal(name: str) -> str:
    """The name that a half removed folder had; any other as it is."""
    is_removed = name.startswith(".") and name.endswith(".removed")
    return name[1 : -len(".removed")] if is_removed else name


def branch_problem(name: str) -> str | None:
    """Why git couldn't take this for a branch, by the rules of `git check-ref-format --branch`."""
    parts = name.split("/")
    if not name or name.startswith("-") or name in {"HEAD", "@"}:
        return "it is empty, begins with a dash or means something else"
    if any(not part or part.startswith(".") or part.endswith((".lock", ".")) for part in parts):
        return "a part of it is empty, begins or ends with a dot, or ends in .lock"
    if ".." in name or "@{" in name or _NOT_IN_REFS.search(name):
        return "it holds `..`, `@{`, a blank or one of ~ ^ : ? * [ \\"
    return None


def is_task_branch(name: str) -> bool:
    """Whether `task_branch` could have named it. A person's branch may look the same."""
    return name.startswith(("task/", "task-"))


def salvage_ref(task_id: str, attempt: int) -> str:
    """Where work that didn't land is kept. Outside `refs/heads`: no branch list shows it."""
    return f"{SALVAGE_PREFIX}/{task_id}/{attempt}"
