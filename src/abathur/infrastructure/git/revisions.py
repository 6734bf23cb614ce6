"""From names to commits. What comes back is a full hash, which no command takes for an option."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from abathur.domain.branches import branch_problem
from abathur.domain.errors import GitError, UnknownBranchError
from abathur.infrastructure.git.commands import Git, Objects

HEADS = "refs/heads/"

# Further back one look of git's own is cheaper.
_MOST_STEPS = 6
_MOST_COMMITS = 50

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
    """The answer if some steps back through both histories give it, else None.

    What `commit` comes from needn't be followed: there are no circles, so it isn't behind that.
    """
    parents: dict[str, tuple[str, ...]] = {}
    for _ in range(_MOST_STEPS):
        before = _reached(commit, parents)
        behind = _reached(descendant, parents, up_to=before)
        if commit in behind:
            return True
        if all(one in before or one in parents for one in behind):
            return False
        unknown = [one for one in before | behind if one not in parents]
        if len(unknown) > _MOST_COMMITS:
            return None
        for one, found in zip(unknown, await objects.parents(unknown), strict=True):
            if found is None:
                return None  # git knows whether a history ends here, or tells what is missing
            parents[one] = found
    return None


def _reached(
    commit: str, parents: Mapping[str, Sequence[str]], up_to: Collection[str] = ()
) -> set[str]:
    reached, ahead = {commit}, [commit]
    while ahead:
        one = ahead.pop()
        new = set(() if one in up_to else parents.get(one, ())) - reached
        reached |= new
        ahead += new
    return reached


async def make_branch(git: Git, branch: str, commit: str) -> None:
    """Fails if there is one of this name already, wherever it is."""
    # The plumbing would take a leading dash, and the person who has to delete it be puzzled.
    require_branch(branch)
    order = f"create {HEADS}{branch}\0{require_hash(commit)}\0"
    await git.run("update-ref", "--stdin", "-z", stdin=order.encode(errors="surrogateescape"))


def require_branch(branch: str) -> str:
    """A name that can't end a line or a field of what git is told, or leave `refs/heads`."""
    if branch_problem(branch):
        raise GitError(f"`{branch}` can't be the name of a branch")
    return branch


def require_hash(commit: str) -> str:
    if not is_hash(commit):
        raise GitError(f"`{commit}` isn't a full commit hash; pass what `git rev-parse` prints")
    return commit
