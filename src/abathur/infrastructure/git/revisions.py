"""From names to commits. What comes back is a full hash, which no command takes for an option."""

from __future__ import annotations

import re

from abathur.domain.errors import GitError, UnknownBranchError
from abathur.infrastructure.git.commands import Git, Objects

HEADS = "refs/heads/"

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def is_hash(name: str) -> bool:
    return _HASH.fullmatch(name) is not None


async def look_up(git: Git, *names: str) -> list[str | None]:
    """The object that each name stands for, by one process; None where there is none."""
    # A line is a question: a name of two lines would be two, and is no name at all.
    asked = ["" if "\n" in name or "\0" in name else name for name in names]
    if git.objects is not None and all(asked):
        return await git.objects.names(asked)
    questions = "".join(f"{name}\n" for name in asked).encode(errors="surrogateescape")
    answers = await git.run("cat-file", "--batch-check=%(objectname)", stdin=questions)
    return [line if is_hash(line) else None for line in answers.text.split("\n")]


async def commit_or_none(git: Git, revision: str) -> str | None:
    """A branch is meant first, then anything else that git takes for a revision."""
    if is_hash(revision):
        return (await look_up(git, f"{revision}^{{commit}}"))[0]
    branch, other = await look_up(git, f"{HEADS}{revision}^{{commit}}", f"{revision}^{{commit}}")
    return branch or other


async def commit_of(git: Git, revision: str) -> str:
    """Like `commit_or_none`, but a full hash is taken as it is: the next command will look."""
    commit = revision if is_hash(revision) else await commit_or_none(git, revision)
    if commit is None:
        raise UnknownBranchError(
            f"there is no branch or commit `{revision}` in {git.folder}; see `git branch --all`"
        )
    return commit


async def is_ancestor(git: Git, commit: str, descendant: str) -> bool:
    """Both are full hashes. A commit is its own ancestor."""
    if git.objects is not None:
        near = await _is_near_ancestor(git.objects, commit, descendant)
        if near is not None:
            return near
    result = await git.run("merge-base", "--is-ancestor", commit, descendant, codes=(0, 1))
    return result.code == 0


async def _is_near_ancestor(objects: Objects, commit: str, descendant: str) -> bool | None:
    """The answer when the two are one commit or next to each other, else None."""
    if commit == descendant or commit in await objects.parents(descendant):
        return True
    if descendant in await objects.parents(commit):
        return False  # there are no circles
    return None


async def make_branch(git: Git, branch: str, commit: str) -> None:
    """Fails if there is one of this name already, wherever it is."""
    # The plumbing would take these two, and the person who has to delete them be puzzled.
    if branch.startswith("-") or branch == "HEAD":
        raise GitError(f"`{branch}` can't be the name of a branch")
    order = f"create {HEADS}{branch}\0{require_hash(commit)}\0"
    await git.run("update-ref", "--stdin", "-z", stdin=order.encode(errors="surrogateescape"))


def require_hash(commit: str) -> str:
    if not is_hash(commit):
        raise GitError(f"`{commit}` isn't a full commit hash; pass what `git rev-parse` prints")
    return commit
