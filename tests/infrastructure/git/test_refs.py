"""Branches move by compare-and-swap, and what is salvaged stays."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError, RefMovedError, UnknownBranchError
from abathur.infrastructure.git.repository import GitRepository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


async def test_a_name_means_the_branch_first(git: Outside, repository: GitRepository) -> None:
    start = git.head()
    git("tag", "release")
    git("checkout", "--quiet", "-b", "release")
    newer = git.commit({"new": "text"})
    assert await repository.resolve("release") == newer
    assert await repository.resolve("refs/tags/release") == start
    assert await repository.resolve("main") == await repository.resolve(start) == start
    assert await repository.resolve("HEAD~1") == start


@pytest.mark.parametrize(
    "name", ["none", "", "-x", "--all", "main\nmain", "a\0b", "main main", "0" * 40, "main^{tree}"]
)
async def test_what_is_no_commit_resolves_to_none(repository: GitRepository, name: str) -> None:
    assert await repository.resolve(name) is None


async def test_branches_are_named_in_full(git: Outside, repository: GitRepository) -> None:
    git("branch", "abathur/ünï/1")
    git("tag", "main")
    assert await repository.branches() == {"main", "abathur/ünï/1"}
    assert await repository.current_branch() == "main"
    git("checkout", "--quiet", "--detach")
    assert await repository.current_branch() is None


async def test_a_branch_is_found_with_a_file_of_its_own_and_without(
    git: Outside, repository: GitRepository
) -> None:
    git("branch", "abathur/ünï/1")
    git("branch", "gone")
    for _ in ("in files", "packed"):
        assert await repository.has_branch("main")
        assert await repository.has_branch("abathur/ünï/1")
        for name in ("Main", "abathur", "abathur/ünï", "../../HEAD", "", "-x", "refs/heads/main"):
            assert not await repository.has_branch(name)
        git("pack-refs", "--all")
    git("branch", "-D", "gone")
    assert not await repository.has_branch("gone")


async def test_contains(git: Outside, repository: GitRepository) -> None:
    start = git.head()
    newer = git.commit({"new": "text"})
    git("branch", "old", start)
    assert await repository.contains("main", start)
    assert await repository.contains("main", newer)
    assert not await repository.contains("old", newer)
    with pytest.raises(UnknownBranchError, match="no branch or commit `gone`"):
        await repository.contains("gone", start)
    with pytest.raises(GitError):
        await repository.contains("main", "1" * 40)


async def test_moving_a_branch_needs_its_old_place(git: Outside, repository: GitRepository) -> None:
    old = git.head()
    new = git("commit-tree", "-m", "New", "-p", old, "HEAD^{tree}")
    await repository.move_branch("main", old, new, "the reason")
    assert git.head() == new
    assert "the reason" in git("reflog", "-1", "main")
    with pytest.raises(RefMovedError, match=f"is at {new[:12]}, not at {old[:12]}"):
        await repository.move_branch("main", old, new, "again")
    with pytest.raises(RefMovedError, match="is gone"):
        await repository.move_branch("none", old, new, "again")
    with pytest.raises(GitError, match="isn't a full commit hash"):
        await repository.move_branch("main", "", old, "again")
    assert git.head() == new


async def test_moving_to_what_does_not_exist_is_another_error(
    git: Outside, repository: GitRepository
) -> None:
    with pytest.raises(GitError) as caught:
        await repository.move_branch("main", git.head(), "1" * 40, "test")
    assert not isinstance(caught.value, RefMovedError)


async def test_a_move_that_was_withdrawn_can_not_be_done(
    git: Outside, repository: GitRepository
) -> None:
    old = git.head()
    new, other = (git("commit-tree", "-m", text, "-p", old, "HEAD^{tree}") for text in "ab")
    for _ in range(2):
        await repository.withdraw_move(new)
    with pytest.raises(RefMovedError, match="was withdrawn"):
        await repository.move_branch("main", old, new, "too late")
    assert git.head() == old
    await repository.withdraw_move("1" * len(old))
    await repository.move_branch("main", old, other, "another")
    assert git.head() == other


@pytest.mark.parametrize("is_squashed", [False, True])
async def test_a_seal_goes_only_when_another_ref_keeps_the_work(
    git: Outside, repository: GitRepository, is_squashed: bool
) -> None:
    old = git.head()
    work = git("commit-tree", "-m", "Work", "-p", old, "HEAD^{tree}")
    text = f"Land\n\nAbathur-Work: {work}" if is_squashed else "Land"
    parents = ("-p", old) if is_squashed else ("-p", old, "-p", work)
    new = git("commit-tree", "-m", text, *parents, "HEAD^{tree}")
    seal = f"refs/abathur/withdrawn/{new}"
    await repository.withdraw_move(new)
    with pytest.raises(GitError, match="no other ref keeps the work"):
        await repository.drop_seal(seal, new)
    with pytest.raises(GitError, match="isn't the seal of a withdrawn move"):
        await repository.drop_seal("refs/heads/main", old)
    await repository.salvage("task", 1, work)
    with pytest.raises(GitError):
        await repository.drop_seal(seal, old)
    for _ in range(2):
        await repository.drop_seal(seal, new)
    await repository.move_branch("main", old, new, "nobody minds")


@pytest.mark.parametrize("told", ["Abathur-Work: " + "1" * 40, "Nothing: told"])
async def test_a_seal_stays_while_nobody_knows_what_it_keeps(
    git: Outside, repository: GitRepository, told: str
) -> None:
    new = git("commit-tree", "-m", "Land", "-m", told, "-p", git.head(), "HEAD^{tree}")
    await repository.withdraw_move(new)
    with pytest.raises(GitError, match="no other ref keeps the work"):
        await repository.drop_seal(f"refs/abathur/withdrawn/{new}", new)


async def test_of_a_move_and_its_withdrawal_at_once_the_move_is_done_or_seen_not_to_be(
    git: Outside, repository: GitRepository
) -> None:
    for number in range(8):
        old = git.head()
        new = git("commit-tree", "-m", str(number), "-p", old, "HEAD^{tree}")
        results = await asyncio.gather(
            repository.move_branch("main", old, new, "race"),
            repository.withdraw_move(new),
            return_exceptions=True,
        )
        assert (git.head() == new) is (results[0] is None)


async def test_of_many_that_move_a_branch_at_once_one_wins(
    git: Outside, repository: GitRepository
) -> None:
    old = git.head()
    new = [git("commit-tree", "-m", str(n), "-p", old, "HEAD^{tree}") for n in range(8)]
    results = await asyncio.gather(
        *(repository.move_branch("main", old, one, "race") for one in new), return_exceptions=True
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, RefMovedError) for result in results) == 7
    assert git.head() == new[results.index(None)]


async def test_salvage_survives_its_branch_and_gc(
    git: Outside, repository: GitRepository, tmp_path: Path
) -> None:
    await repository.add_worktree(tmp_path / "work", "work", "main")
    head = git.commit({"precious": "text"}, at=tmp_path / "work")
    ref = await repository.salvage("task-1", 2, head)
    assert ref == "refs/abathur/salvage/task-1/2"
    await repository.remove_worktree(tmp_path / "work", kept_by=ref)
    await repository.delete_branch("work", kept_by=ref)
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    assert git("show", f"{ref}:precious") == "text"
    assert await repository.salvage_refs() == [(ref, head)]
    assert await repository.branches() == {"main"}


async def test_salvage_only_ever_adds(git: Outside, repository: GitRepository) -> None:
    first = git.commit({"a": "1"})
    second = git.commit({"a": "2"})
    other = git("commit-tree", "-m", "Other", "HEAD~1^{tree}")
    for commit in (first, first, second):
        ref = await repository.salvage("task", 1, commit)
        assert await repository.resolve(ref) == commit
    # What is kept already needs nothing; what is other work gets a ref of its own.
    assert await repository.salvage("task", 1, first) == ref
    beside = await repository.salvage("task", 1, other)
    assert beside == f"{ref}-2"
    assert await repository.resolve(beside) == other
    assert await repository.resolve(ref) == second
    with pytest.raises(GitError):
        await repository.salvage("no..good", 1, first)


async def test_a_salvage_ref_is_deleted_only_while_a_branch_contains_it(
    git: Outside, repository: GitRepository
) -> None:
    first, kept = git.commit({"a": "1"}), git.commit({"a": "2"})
    other = git("commit-tree", "-m", "Other", "HEAD^{tree}")
    inside, beside = [await repository.salvage("task", n, c) for n, c in ((1, kept), (2, other))]
    assert await repository.salvage_refs(within="main") == [(inside, kept)]
    for ref, commit in ((beside, other), (inside, first), ("refs/heads/main", kept)):
        with pytest.raises(GitError):
            await repository.drop_salvage(ref, commit, kept_by="main")
    assert {ref for ref, _ in await repository.salvage_refs()} == {inside, beside}
    for _ in range(2):
        await repository.drop_salvage(inside, kept, kept_by="main")
    assert [ref for ref, _ in await repository.salvage_refs()] == [beside]


async def test_the_same_files_in_two_commits_are_kept_by_one_ref(
    git: Outside, repository: GitRepository
) -> None:
    end = git.commit({"a": "1"})
    snapshot = git("commit-tree", "-m", "Snapshot", "HEAD^{tree}")
    ref = await repository.salvage("task", 1, snapshot)
    assert await repository.salvage("task", 1, end) == ref
    assert await repository.contains(ref, snapshot)
    assert await repository.contains(ref, end)
    assert await repository.tree_equal(ref, end)
    assert [name for name, _ in await repository.salvage_refs()] == [ref]


async def test_a_branch_is_deleted_only_when_something_else_keeps_it(
    git: Outside, repository: GitRepository, tmp_path: Path
) -> None:
    git("branch", "kept")
    git("checkout", "--quiet", "-b", "unkept")
    git.commit({"new": "text"})
    git("checkout", "--quiet", "main")
    await repository.delete_branch("kept", kept_by="main")
    await repository.delete_branch("kept", kept_by="main")
    for keeper in ("main", "unkept", "refs/heads/unkept"):
        with pytest.raises(GitError, match="doesn't keep its tip"):
            await repository.delete_branch("unkept", kept_by=keeper)
    with pytest.raises(UnknownBranchError):
        await repository.delete_branch("unkept", kept_by="gone")
    await repository.add_worktree(tmp_path / "work", "work", "main")
    with pytest.raises(GitError, match="checked out in"):
        await repository.delete_branch("work", kept_by="main")
    assert await repository.branches() == {"main", "unkept", "work"}


async def test_names_that_branches_have_are_found_among_others(
    git: Outside, repository: GitRepository
) -> None:
    git("branch", "task/one/1")
    git("tag", "task/two")
    assert not await repository.have_branches(["task", "task/one", "task/one/2", "task/two"])
    assert await repository.have_branches(["other", "task/one/1"])
    git("pack-refs", "--all")
    assert await repository.have_branches(["task/one/1"])
