"""Making an agent's commits again on top of another one, without a working tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.commit_objects import Commit, read_commits, write_commit

MAX_COMMITS: Final = 200
"""More are landed as one."""


async def replay(git: Git, onto: str, work: str, tree: str, message: str) -> str | None:
    """The last of the commits made again, which has the tree that merging gives; None if it hasn't.

    Merges among the commits are left out, and so is what the target has already. Authors, their
    times and messages stay; to the last message come the trailers of `message`. It is None too when
    one of the commits conflicts although the whole doesn't, or there is nothing to make again.
    """
    listed = await git.run(
        "rev-list", "--reverse", "--topo-order", "--no-merges", f"{onto}..{work}"
    )
    hashes = listed.text.split()
    if not hashes or len(hashes) > MAX_COMMITS:
        return None
    found = [commit for commit in await read_commits(git, hashes) if commit is not None]
    steps = await _steps(git, onto, found)
    if not steps or steps[-1].tree != tree:
        return None
    trailers = message.strip().rpartition("\n\n")[2]
    steps[-1] = _with_trailers(steps[-1], trailers.encode(errors="replace"))
    return await _written(git, onto, steps)


async def _steps(git: Git, onto: str, commits: list[Commit]) -> list[Commit]:
    """The commits with the trees that they have on top of each other; none if one conflicts."""
    names = [onto, *{parent for commit in commits for parent in commit.parents}]
    known = dict(zip(names, await read_commits(git, names), strict=True))
    start, steps = known[onto], list[Commit]()
    current = start.tree if start else ""
    for commit in commits:
        before = known[commit.parents[0]] if commit.parents else None
        now = before and await _picked(git, before.tree, current, commit.tree)
        if not now:
            return []
        if now != current:
            steps.append(replace(commit, tree=now))
        current = now
    return steps


async def _picked(git: Git, before: str, ours: str, theirs: str) -> str | None:
    """The tree `ours` with the change from `before` to `theirs`; None when they conflict.

    Git 2.38 takes no merge base for trees, so the three get commits that stand so.
    """
    if before == ours:
        return theirs
    base = await _standing(git, before)
    a, b = await _standing(git, ours, base), await _standing(git, theirs, base)
    merged = await git.run("merge-tree", "--write-tree", "-z", "--no-messages", a, b, codes=(0, 1))
    return None if merged.code else merged.fields[0].decode()


async def _standing(git: Git, tree: str, parent: str | None = None) -> str:
    parents = ("-p", parent) if parent else ()
    return (await git.commit("commit-tree", tree, *parents, "-F", "-", stdin=b"-\n")).text


def _with_trailers(commit: Commit, trailers: bytes) -> Commit:
    body = commit.message.rstrip()
    gap = b"\n" if commit.trailers and b"\n\n" in body else b"\n\n"
    return replace(commit, message=body + gap + trailers + b"\n")


async def _written(git: Git, onto: str, steps: list[Commit]) -> str:
    committer = (await git.commit("var", "GIT_COMMITTER_IDENT", stdin=b"")).stdout.strip()
    tip = onto
    for step in steps:
        tip = await write_commit(git, replace(step, parents=(tip,)), committer)
    return tip
