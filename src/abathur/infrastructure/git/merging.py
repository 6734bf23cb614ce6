"""Merging in the object store, and reading the proof that a target contains a piece of work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from abathur.domain.landing import Proof
from abathur.infrastructure.git.commands import Git, Result
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import (
    HEADS,
    commit_of,
    is_ancestor,
    look_up,
    require_hash,
)
from abathur.ports.repository import Conflict, Merge

_MERGE_TREE = ("merge-tree", "--write-tree", "-z", "--name-only", "--messages")


class Merging(Placed):
    async def tree_equal(self, a: str, b: str) -> bool:
        first, second = await commit_of(self._git, a), await commit_of(self._git, b)
        trees = await look_up(self._git, f"{first}^{{tree}}", f"{second}^{{tree}}")
        return trees[0] is not None and trees[0] == trees[1]

    async def merge(self, onto: str, work: str, message: str) -> Merge | Conflict:
        """The merge commit's parents are `onto` and `work`, even where work is just ahead."""
        onto, work = await commit_of(self._git, onto), await commit_of(self._git, work)
        if await is_ancestor(self._git, work, onto):
            return Merge(commit=onto, onto=onto)
        merged = await self._git.run(*_MERGE_TREE, onto, work, codes=(0, 1))
        if merged.code == 1:
            return _conflict(onto, merged)
        tree = merged.fields[0].decode()
        parents = ("-p", onto, "-p", work)
        text = message.encode(errors="replace")
        made = await self._git.commit("commit-tree", tree, *parents, "-F", "-", stdin=text)
        return Merge(commit=made.text, onto=onto)

    async def prove(
        self, target: str, work: str, merge: str | None, base: str, now: datetime
    ) -> Proof | None:
        require_hash(work)
        tip = (await look_up(self._git, f"{HEADS}{target}^{{commit}}"))[0]
        if tip is None:
            return None
        if merge is None:
            is_proven = await _is_unchanged(self._git, require_hash(base), work, tip)
        else:
            is_proven = await _is_merged(self._git, require_hash(merge), work, tip)
        if not is_proven:
            return None
        return Proof(
            target=target,
            target_commit=tip,
            work_commit=work,
            merge_commit=merge,
            checked_at=now,
        )

    async def changed_paths(self, old: str, new: str) -> Sequence[str]:
        options = ("-r", "-z", "--name-only", "--no-renames")
        listed = await self._git.run("diff-tree", *options, require_hash(old), require_hash(new))
        return [name.decode(errors="replace") for name in listed.fields]

    async def diff(self, old: str, new: str) -> bytes:
        old, new = await commit_of(self._git, old), await commit_of(self._git, new)
        options = ("--no-ext-diff", "--no-textconv", "--no-color")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        patch = await self._git.run("diff", *options, *prefixes, f"{old}...{new}", "--")
        return patch.stdout


async def _is_unchanged(git: Git, base: str, work: str, tip: str) -> bool:
    trees = await look_up(git, f"{base}^{{tree}}", f"{work}^{{tree}}")
    return trees[0] is not None and trees[0] == trees[1] and await is_ancestor(git, base, tip)


async def _is_merged(git: Git, merge: str, work: str, tip: str) -> bool:
    """A commit that contained the work already stands for the merge where none was needed."""
    return await is_ancestor(git, merge, tip) and await is_ancestor(git, work, merge)


def _conflict(onto: str, merged: Result) -> Conflict:
    fields = [field.decode(errors="replace") for field in merged.fields]
    end = fields.index("", 1)
    message = "\n".join(
        text.strip() for kind, text in _notes(fields[end + 1 :]) if "CONFLICT" in kind
    )
    return Conflict(onto=onto, paths=tuple(fields[1:end]), message=message)


def _notes(fields: list[str]) -> Iterator[tuple[str, str]]:
    """Each is a number of paths, the paths, its kind and its text."""
    at = 0
    while at < len(fields) and fields[at].isdigit():
        at += int(fields[at]) + 3
        yield fields[at - 2], fields[at - 1]
