"""Branches and salvage refs. Every change is a compare-and-swap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from abathur.domain.branches import branch_problem
from abathur.domain.errors import GitError, RefMovedError
from abathur.domain.landing import landed_ref
from abathur.infrastructure.git.head import loose_branch, plain_head
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import (
    HEADS,
    commit_of,
    commit_or_none,
    is_ancestor,
    is_hash,
    look_up,
    require_branch,
    require_hash,
)
from abathur.infrastructure.git.worktree_list import holders

SALVAGE = "refs/abathur/salvage/"
WITHDRAWN = "refs/abathur/withdrawn/"


class Refs(Placed):
    async def resolve(self, revision: str) -> str | None:
        return await commit_or_none(self._git, revision)

    async def branches(self) -> frozenset[str]:
        listed = await self._git.run("for-each-ref", "--format=%(refname)", HEADS)
        return frozenset(name.removeprefix(HEADS) for name in listed.text.splitlines())

    async def has_branch(self, branch: str) -> bool:
        if not branch_problem(branch) and is_hash(loose_branch(self._common, branch) or ""):
            return True
        return branch in await self.branches()

    async def have_branches(self, names: Sequence[str]) -> bool:
        return any(await look_up(self._git, *(HEADS + require_branch(name) for name in names)))

    async def current_branch(self) -> str | None:
        if ref := plain_head(self._common):
            return ref.removeprefix(HEADS)
        head = await self._git.run("symbolic-ref", "--quiet", "HEAD", codes=(0, 1))
        return head.text.removeprefix(HEADS) or None

    async def contains(self, target: str, commit: str) -> bool:
        tip = await commit_of(self._git, target)
        return await is_ancestor(self._git, await commit_of(self._git, commit), tip)

    async def move_branch(
        self, branch: str, old: str, new: str, reason: str, past: Sequence[str] = ()
    ) -> None:
        ref, old = HEADS + require_branch(branch), require_hash(old)
        seals = [WITHDRAWN + require_hash(commit) for commit in dict.fromkeys((*past, new))]
        # All or nothing: whoever withdraws the move has to be before it or after it.
        unsealed = "".join(f"verify {seal}\0{_nothing(new)}\0" for seal in seals)
        try:
            await self._write(f"{unsealed}update {ref}\0{new}\0{old}\0", reason)
        except GitError as error:
            now = await self._read(ref)
            if any(await look_up(self._git, *seals)):
                raise RefMovedError(
                    f"the move of `{branch}` to {new[:12]} was withdrawn; nothing was changed"
                ) from error
            if now == old:
                raise
            found = f"at {now[:12]}" if now else "gone"
            raise RefMovedError(
                f"branch `{branch}` is {found}, not at {old[:12]} as expected; nothing was changed"
            ) from error

    async def withdraw_move(self, commit: str) -> None:
        seal = WITHDRAWN + require_hash(commit)
        if await self._read(seal) is None and await self._read(commit) is not None:
            await self._write(f"update {seal}\0{commit}\0{_nothing(commit)}\0", "withdrawn")

    async def delete_branch(self, branch: str, *, kept_by: str) -> None:
        ref = HEADS + require_branch(branch)
        tip = await self._read(ref)
        if tip is None:
            return
        keeper = await commit_of(self._git, kept_by)
        if kept_by in {branch, ref} or not await is_ancestor(self._git, tip, keeper):
            raise GitError(
                f"branch `{branch}` isn't deleted: `{kept_by}` doesn't keep its tip {tip[:12]}"
            )
        for path in await holders(self._git, self._place, ref):
            if path.exists():
                raise GitError(f"branch `{branch}` isn't deleted: it is checked out in {path}")
        # An agent may have made its branch stand for another one, which isn't ours to delete.
        order = f"option no-deref\0delete {ref}\0{tip}\0"
        await self._write(order, f"deleted, kept by {kept_by}")

    async def salvage(self, task_id: str, attempt: int, commit: str) -> str:
        """Salvaging again adds to what the ref keeps already; other work gets a ref beside it.

        There is other work when the queue was restored from a backup: attempts count anew then.
        A snapshot of a run and what it left at its end are often the same files in two commits:
        then the ref gets one commit above both.
        """
        name = f"{SALVAGE}{require_branch(task_id)}/{attempt}"
        return await self._keep(name, commit, "salvaged")

    async def keep_landed(self, task_id: str, attempt: int, commit: str) -> str:
        name = landed_ref(require_branch(task_id), attempt)
        return await self._keep(name, commit, "landed in another form")

    async def _keep(self, name: str, commit: str, reason: str) -> str:
        wanted = await commit_of(self._git, commit)
        ref, kept = await self._free_ref(name, wanted)
        if kept is not None and await is_ancestor(self._git, wanted, kept):
            return ref
        if kept is not None and not await is_ancestor(self._git, kept, wanted):
            wanted = await self._above(wanted, kept)
        if kept != wanted:
            old = kept or _nothing(wanted)
            await self._write(f"update {ref}\0{wanted}\0{old}\0", reason)
        if await self._read(ref) != wanted:
            raise GitError(f"{ref} doesn't read back as {wanted[:12]}; nothing may be removed")
        return ref

    async def _free_ref(self, name: str, wanted: str) -> tuple[str, str | None]:
        """The first of NAME, NAME-2, ... that is free or in line with `wanted`, and its commit."""
        for number in count(1):
            ref = name if number == 1 else f"{name}-{number}"
            kept = await self._read(ref)
            if kept is None or await self._are_in_line(kept, wanted):
                return ref, kept
            if await self._tree(kept) == await self._tree(wanted):
                return ref, kept
        raise AssertionError("counting ends never")

    async def _tree(self, commit: str) -> str | None:
        return (await look_up(self._git, f"{commit}^{{tree}}"))[0]

    async def _above(self, commit: str, other: str) -> str:
        """A commit with the files of `commit` and both as its parents."""
        parents = ("-p", commit, "-p", other)
        text = b"Unfinished: what a snapshot and the end of the run have in common."
        tree = f"{commit}^{{tree}}"
        made = await self._git.commit("commit-tree", tree, *parents, "-F", "-", stdin=text)
        return made.text

    async def _are_in_line(self, a: str, b: str) -> bool:
        return await is_ancestor(self._git, a, b) or await is_ancestor(self._git, b, a)

    async def salvage_refs(self, within: str | None = None) -> Sequence[tuple[str, str]]:
        wanted = ["--format=%(objectname) %(refname)", SALVAGE]
        if within is not None:
            tip = await commit_of(self._git, HEADS + require_branch(within))
            wanted.insert(0, f"--merged={tip}")
        listed = await self._git.run("for-each-ref", *wanted)
        rows = (line.partition(" ") for line in listed.text.splitlines())
        return [(name, commit) for commit, _, name in rows]

    async def drop_salvage(self, ref: str, commit: str, *, kept_by: str) -> None:
        if not ref.startswith(SALVAGE):
            raise GitError(f"`{ref}` isn't a salvage ref")
        keeper, commit = HEADS + require_branch(kept_by), require_hash(commit)
        if await self._read(ref) is None:
            return
        tip = await commit_of(self._git, keeper)
        if not await is_ancestor(self._git, commit, tip):
            raise GitError(f"{ref} isn't deleted: `{kept_by}` doesn't contain {commit[:12]}")
        await self._write(
            f"verify {keeper}\0{tip}\0delete {require_branch(ref)}\0{commit}\0",
            f"deleted, kept by {kept_by}",
        )

    async def _read(self, ref: str) -> str | None:
        return (await look_up(self._git, f"{ref}^{{commit}}"))[0]

    async def _write(self, order: str, reason: str) -> None:
        data = order.encode(errors="surrogateescape")
        await self._git.run("update-ref", "--stdin", "-z", "-m", reason, stdin=data)


def _nothing(commit: str) -> str:
    """What git calls the value of a ref that isn't there, as long as its hashes are."""
    return "0" * len(commit)
