"""The git repository that the swarm works on: worktrees, merges without a checkout, salvage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from abathur.domain.conflicts import BothSides, Side
from abathur.domain.landing import Proof, Strategy
from abathur.domain.leaks import AddedText


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A commit that brings work, made in the object store. No ref points to it yet."""

    commit: str
    """Equals `onto` when that contains the work already."""
    onto: str
    tree: str | None = field(default=None, compare=False)
    """None when nothing was made."""
    strategy: Strategy = Strategy.MERGE
    """By which it was made: work whose commits can't be rebased one by one is squashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    onto: str
    paths: tuple[str, ...]
    message: str
    tree: str | None = field(default=None, compare=False)
    """The merged tree, with conflict markers in its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut:
    """A working tree that has the branch checked out."""

    path: Path
    is_dirty: bool
    """Tracked files or the index differ from the commit asked about, or it is in use."""
    in_use: str = ""
    """What git is in the middle of there, or was when it died; like `an unfinished merge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Files of the repository that a program in one worktree needs."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    locked: tuple[Path, ...]
    """In writable folders, and not to be written: what git would believe afterwards."""


class Refs(Protocol):
    """Branches, commits and what contains what."""

    @property
    def root(self) -> Path:
        """The top folder of the main working tree (or the bare repository's folder)."""
        ...

    async def resolve(self, revision: str) -> str | None:
        """The commit that a branch or other revision stands for, None when there is none."""
        ...

    async def branches(self) -> frozenset[str]: ...

    async def has_branch(self, branch: str) -> bool:
        """Whether there is a branch of exactly this name; cheaper than all of them."""
        ...

    async def have_branches(self, names: Sequence[str]) -> bool:
        """Whether one of the names is a branch's; cheaper than all branches."""
        ...

    async def current_branch(self) -> str | None: ...

    async def tree_equal(self, a: str, b: str) -> bool: ...

    async def contains(self, target: str, commit: str) -> bool:
        """Whether `commit` is the branch's (or revision's) tip or an ancestor of it."""
        ...

    async def move_branch(
        self, branch: str, old: str, new: str, reason: str, past: Sequence[str] = ()
    ) -> None:
        """Compare-and-swap. Raises `RefMovedError` when the branch isn't at `old`.

        So it does when the move to `new` was withdrawn, or to one of the commits `past` which it
        leads.
        """
        ...

    async def withdraw_move(self, commit: str) -> None:
        """From now on nobody can move a branch to `commit`, not even who slept before doing it.

        A move that came before stands: look at the branch afterwards.
        """
        ...

    async def delete_branch(self, branch: str, *, kept_by: str) -> None:
        """Delete a branch of ours after checking that `kept_by` contains its tip."""
        ...

    async def salvage(self, task_id: str, attempt: int, commit: str) -> str:
        """Write `refs/abathur/salvage/<task>/<attempt>`, read it back, return its name.

        What a ref keeps is never given up: other work under the same name gets `-2`, `-3`, ...
        """
        ...

    async def keep_landed(self, task_id: str, attempt: int, commit: str) -> str:
        """The same under `refs/abathur/landed/`, for work that isn't in its target's history."""
        ...

    async def salvage_refs(self, within: str | None = None) -> Sequence[tuple[str, str]]:
        """(name of the ref, commit) of everything salvaged, or of what a branch contains of it."""
        ...

    async def drop_salvage(self, ref: str, commit: str, *, kept_by: str) -> None:
        """Delete a salvage ref, if it is at `commit` and the branch `kept_by` contains that.

        The branch can't move in between. A ref that is gone already is no error.
        """
        ...


class Seals(Protocol):
    """Refs that say of a merge that no branch may be moved to it any more."""

    async def is_seal_alone(self, commit: str) -> bool:
        """Whether the seal of the move to `commit` may be all that keeps the work in it."""
        ...

    async def drop_seal(self, ref: str, commit: str) -> None:
        """Let go of the seal, if it is at `commit` and another ref keeps the work in that.

        From then on a branch can be moved to the commit. A ref that is gone already is no error.
        """
        ...


class Worktrees(Protocol):
    """The folders that agents work in, and those of the person."""

    async def add_worktree(self, path: Path, branch: str, start: str) -> None:
        """Make the branch at commit `start` and check it out in a new folder `path`.

        What an earlier, interrupted call left at `path` under the same branch is taken over
        only when it is the same branch at the same commit and clean; else `GitError`.
        """
        ...

    async def add_detached_worktree(self, path: Path, commit: str) -> None: ...

    async def remove_detached_worktree(self, path: Path) -> None:
        """Remove a worktree that `add_detached_worktree` made, whatever a check made of it.

        A folder that is gone is no error. Raises `GitError`, and nothing is removed, when git knows
        of no worktree there or somebody locked it.
        """
        ...

    async def metadata(self, path: Path, branch: str | None) -> Metadata:
        """What a sandbox has to let through for the worktree, to commit there with a branch."""
        ...

    async def commit_leftovers(self, path: Path, message: str) -> str:
        """Commit everything that is changed or new in the worktree; the head commit then."""
        ...

    async def unfinished(self, path: Path) -> str | None:
        """What was begun in the worktree and not ended, as in `a rebase (a.txt isn't merged)`."""
        ...

    async def snapshot(self, path: Path, message: str) -> str | None:
        """A commit of all that is changed or new in the worktree, on top of its head.

        Processes may write there meanwhile: nothing of the worktree is touched. The head itself
        when there is no change. None when there is neither.
        """
        ...

    async def head(self, path: Path) -> str | None:
        """The commit that is checked out in the worktree; None when the folder isn't one."""
        ...

    async def remove_worktree(self, path: Path, *, kept_by: str) -> None:
        """Remove a worktree, whatever is in it, after checking that its head is safe.

        `kept_by` is a ref or commit (a target branch or salvage ref) that must contain the
        worktree's head, and the worktree must have no uncommitted change; else `GitError` and
        nothing is removed. A folder that is already gone is no error.
        """
        ...

    async def leaves_out(self, folder: str) -> bool:
        """Whether the main working tree's sparse checkout leaves out a folder with tracked files.

        Git removes it then when somebody changes what is checked out, with all that is ignored.
        """
        ...

    async def reconnect(self, folder: Path) -> None:
        """Make git know the worktrees in `folder` again, if it was moved with the repository."""
        ...

    async def recorded_in(self, folder: Path) -> frozenset[str]:
        """Names in `folder` under which git has a record of a worktree, whatever is there now.

        A record that a crash has left outside of git's sight tells no folder: its name is among
        them.
        """
        ...

    async def checked_out(self, branch: str) -> Sequence[Path]:
        """The working trees that have `branch` checked out."""
        ...

    async def checkouts(self, branch: str, at: str) -> Sequence[CheckedOut]:
        """The working trees that have `branch` checked out, judged against the commit `at`."""
        ...

    async def bring_along(self, path: Path, old: str, new: str) -> bool:
        """Move a clean working tree from `old` to `new`; False, and nothing touched, if unsafe."""
        ...


class Merging(Protocol):
    """Merges in the object store, and the proof that they arrived."""

    async def merge(
        self, onto: str, work: str, message: str, strategy: Strategy = Strategy.MERGE
    ) -> Merge | Conflict:
        """Bring work onto a commit in the object store; touches no ref, index or working tree.

        Raises `UnrelatedHistoriesError`.
        """
        ...

    async def prove(
        self,
        target: str,
        work: str,
        merge: str | None,
        base: str,
        now: datetime,
        strategy: Strategy = Strategy.MERGE,
        onto: str | None = None,
    ) -> Proof | None:
        """Read the repository afresh and return the proof of landing, or None when there is none.

        `merge` None asks for the proof that nothing was changed since `base`. `onto` is needed for
        every strategy but merging.
        """
        ...

    async def both_sides(self, conflict: Conflict, work: str) -> BothSides:
        """What is to be known about a conflict with that work."""
        ...

    async def commits_beyond(self, tip: str, commit: str) -> Sequence[Side]:
        """What the commit comes from and the tip doesn't contain, the newest first and bounded."""
        ...

    async def changed_paths(self, old: str, new: str) -> Sequence[str]:
        """Of all files that are there in one only, or differ; a renamed one counts twice."""
        ...

    async def diff(self, old: str, new: str) -> bytes:
        """A patch for people and agents, from the merge base of the two."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    path: str
    added: int | None
    """Lines; None for a binary file."""
    removed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCommit:
    """What a ref of ours keeps."""

    ref: str
    commit: str
    committed_at: datetime
    subject: str
    trailers: Mapping[str, str]
    """Those that name the task and the attempt, where the commit has them."""


class Inspecting(Protocol):
    """Looking at commits, and taking what is kept back into daylight."""

    async def tree(self, commit: str) -> str:
        """The hash of the commit's tree: of its content, whoever made it and when."""
        ...

    async def changed_files(self, old: str, new: str) -> Sequence[ChangedFile]:
        """What differs between two commits."""
        ...

    async def added_text(self, old: str, new: str) -> Sequence[AddedText]:
        """What a commit adds to files, whatever kind they are said to be; the first 16 MB."""
        ...

    async def count_changed(self, pairs: Sequence[tuple[str, str]]) -> Sequence[int]:
        """How many files differ, for each pair of commits (old, new), by one process."""
        ...

    async def kept_commits(self, *folders: str) -> Sequence[KeptCommit]:
        """What the refs below `refs/abathur/FOLDER/` keep, oldest first."""
        ...

    async def restore_branch(self, branch: str, commit: str) -> None:
        """Make a branch. Raises `BranchTakenError` when there is one of this name."""
        ...

    async def restore_worktree(self, path: Path, branch: str) -> None:
        """Check the branch out in a new folder, for a person."""
        ...


class Repository(Refs, Seals, Worktrees, Merging, Inspecting, Protocol):
    """All commits are full hashes, all branches names without `refs/heads/`.

    Every method raises `GitError` when git fails.
    """

    def kept_open(self) -> AbstractAsyncContextManager[None]:
        """Inside of it a look at a ref or commit costs no process of its own, and sees as much."""
        ...

    async def warm_up(self) -> None:
        """While it is kept open: have ready what looks at it, as each first look would.

        Never raises.
        """
        ...
