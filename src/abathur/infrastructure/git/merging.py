"""Making the commits that bring work onto a target, in the object store alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from abathur.domain.errors import GitError, UnrelatedHistoriesError
from abathur.domain.landing import WORK_TRAILER, Strategy
from abathur.infrastructure.git import rebasing
from abathur.infrastructure.git.commands import Git, Result
from abathur.infrastructure.git.diffs import diff_tree
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import commit_of, is_ancestor, look_up, require_hash
from abathur.ports.repository import Conflict, Merge

_CHANGED = ("-z", "--name-only", "--no-renames")
_MERGE_TREE = ("merge-tree", "--write-tree", "-z", "--name-only", "--messages")


class Merging(Placed):
    async def tree_equal(self, a: str, b: str) -> bool:
        first, second = await commit_of(self._git, a), await commit_of(self._git, b)
        trees = await look_up(self._git, f"{first}^{{tree}}", f"{second}^{{tree}}")
        return trees[0] is not None and trees[0] == trees[1]

    async def merge(
        self, onto: str, work: str, message: str, strategy: Strategy = Strategy.MERGE
    ) -> Merge | Conflict:
        """A merge commit's parents are `onto` and `work`, even where work is just ahead."""
        onto, work = await commit_of(self._git, onto), await commit_of(self._git, work)
        if await is_ancestor(self._git, work, onto):
            return Merge(commit=onto, onto=onto)
        merged = await merge_trees(self._git, onto, work)
        if merged.code == 1:
            return _conflict(onto, merged)
        tree = merged.fields[0].decode()
        if strategy is Strategy.REBASE:
            told = f"{message}{WORK_TRAILER}: {work}\n"
            tip = await rebasing.replay(self._git, onto, work, tree, told)
            if tip is not None:
                return Merge(commit=tip, onto=onto, tree=tree, strategy=strategy)
            strategy = Strategy.SQUASH
        made = await _commit(self._git, tree, onto, work, message, strategy)
        return Merge(commit=made, onto=onto, tree=tree, strategy=strategy)

    async def changed_paths(self, old: str, new: str) -> Sequence[str]:
        listed = await diff_tree(self._git, require_hash(old), require_hash(new), *_CHANGED)
        return [name.decode(errors="replace") for name in listed.split(b"\0") if name]

    async def diff(self, old: str, new: str) -> bytes:
        old, new = await commit_of(self._git, old), await commit_of(self._git, new)
        options = ("--no-ext-diff", "--no-textconv", "--no-color")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        patch = await self._git.run("diff", *options, *prefixes, f"{old}...{new}", "--")
        return patch.stdout


async def merge_trees(git: Git, onto: str, work: str) -> Result:
    """Both are full hashes. Exit code 1 is a conflict; the first field is the tree in any case.

    Raises `UnrelatedHistoriesError`.
    """
    try:
        return await git.run(*_MERGE_TREE, onto, work, codes=(0, 1))
    except GitError as error:
        if "unrelated histories" not in str(error):
            raise
        raise UnrelatedHistoriesError(
            f"commit {work[:12]} has no ancestor in common with the target ({onto[:12]}): git "
            "refuses to merge unrelated histories; the work has to be made again from the target"
        ) from error


async def _commit(
    git: Git, tree: str, onto: str, work: str, message: str, strategy: Strategy
) -> str:
    parents = ["-p", onto, "-p", work]
    if strategy is Strategy.SQUASH:
        parents, message = parents[:2], f"{message}{WORK_TRAILER}: {work}\n"
    text = message.encode(errors="replace")
    return (await git.commit("commit-tree", tree, *parents, "-F", "-", stdin=text)).text


def _conflict(onto: str, merged: Result) -> Conflict:
    fields = [field.decode(errors="replace") for field in merged.fields]
    end = fields.index("", 1)
    message = "\n".join(
        text.strip() for kind, text in _notes(fields[end + 1 :]) if "CONFLICT" in kind
    )
    return Conflict(onto=onto, paths=tuple(fields[1:end]), message=message, tree=fields[0])


def _notes(fields: list[str]) -> Iterator[tuple[str, str]]:
    """Each is a number of paths, the paths, its kind and its text."""
    at = 0
    while at < len(fields) and fields[at].isdigit():
        at += int(fields[at]) + 3
        yield fields[at - 2], fields[at - 1]
