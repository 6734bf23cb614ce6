"""Merges are made without a checkout, and a landing is proven from the repository alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError, UnknownBranchError
from abathur.domain.landing import Proof, Strategy
from abathur.infrastructure.git.repository import GitRepository
from abathur.ports.repository import Conflict, Merge

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def diverged(git: Outside) -> tuple[str, str]:
    """The tips of `main` and `work`, which changed different files."""
    git.commit({"shared": "text", "moved": "1\n2\n3\n4\n5\n"})
    git("checkout", "--quiet", "-b", "work")
    work = git.commit({"work": "text", "moved": "1\n2\n3\n4\n5\n6\n"})
    git("checkout", "--quiet", "main")
    git("mv", "moved", "elsewhere")
    return git.commit({"main": "text"}), work


async def test_a_merge_touches_nothing_but_objects(
    git: Outside, repository: GitRepository, diverged: tuple[str, str]
) -> None:
    onto, work = diverged
    merge = await repository.merge(onto, work, "Land it\n\nAbathur-Task: 1")
    assert isinstance(merge, Merge)
    assert merge.onto == onto
    assert git("log", "-1", "--format=%P%n%B", merge.commit) == (
        f"{onto} {work}\nLand it\n\nAbathur-Task: 1"
    )
    assert git.files(merge.commit) == {"README.md", "shared", "elsewhere", "main", "work"}
    assert git("show", f"{merge.commit}:elsewhere").endswith("6")
    assert git.head() == onto
    assert git("status", "--porcelain") == ""


async def test_work_that_is_just_ahead_gets_a_merge_commit_too(
    git: Outside, repository: GitRepository
) -> None:
    onto = git.head()
    work = git.commit({"new": "text"})
    merge = await repository.merge(onto, work, "Land it")
    assert isinstance(merge, Merge)
    assert git("rev-parse", f"{merge.commit}^1", f"{merge.commit}^2").split() == [onto, work]


async def test_work_that_is_there_already_needs_no_merge(
    git: Outside, repository: GitRepository
) -> None:
    work = git.head()
    onto = git.commit({"new": "text"})
    assert await repository.merge(onto, work, "Land it") == Merge(commit=onto, onto=onto)
    assert await repository.merge(onto, onto, "Land it") == Merge(commit=onto, onto=onto)


async def test_conflicts_are_named(git: Outside, repository: GitRepository) -> None:
    names = ("-rf", "with\nnewline", "ünïcødé 💥", 'quo"te', " spaces ")
    git.commit(dict.fromkeys(names, "text"))
    git("checkout", "--quiet", "-b", "work")
    work = git.commit({**dict.fromkeys(names, "theirs"), "clean": "text"})
    git("checkout", "--quiet", "main")
    onto = git.commit({**dict.fromkeys(names[1:], "ours"), names[0]: None})
    conflict = await repository.merge(onto, work, "Land it")
    assert isinstance(conflict, Conflict)
    assert conflict.onto == onto
    assert sorted(conflict.paths) == sorted(names)
    assert conflict.message.count("CONFLICT (content)") == len(names) - 1
    assert "CONFLICT (modify/delete)" in conflict.message
    assert "Auto-merging" not in conflict.message
    assert git.head() == onto


async def test_histories_without_a_common_start_are_an_error(
    git: Outside, repository: GitRepository
) -> None:
    other = git("commit-tree", "-m", "Other", "HEAD^{tree}")
    with pytest.raises(GitError, match="unrelated histories"):
        await repository.merge(git.head(), other, "Land it")


async def test_what_does_not_exist_is_an_error(git: Outside, repository: GitRepository) -> None:
    with pytest.raises(GitError):
        await repository.merge(git.head(), "1" * 40, "Land it")
    with pytest.raises(UnknownBranchError):
        await repository.merge(git.head(), "--help", "Land it")


async def test_trees_are_compared(git: Outside, repository: GitRepository) -> None:
    start = git.head()
    git.commit({"new": "text"})
    back = git.commit({"new": None})
    assert await repository.tree_equal(start, back)
    assert not await repository.tree_equal(start, "HEAD^")


async def test_a_landing_is_proven_only_after_the_ref_has_moved(
    git: Outside, repository: GitRepository, diverged: tuple[str, str]
) -> None:
    onto, work = diverged
    merge = await repository.merge(onto, work, "Land it")
    assert isinstance(merge, Merge)
    assert await repository.prove("main", work, merge.commit, onto, NOW) is None
    await repository.move_branch("main", onto, merge.commit, "landed")
    git("reset", "--quiet", "--hard")
    tip = git.commit({"later": "text"})
    assert await repository.prove("main", work, merge.commit, onto, NOW) == Proof(
        target="main",
        target_commit=tip,
        work_commit=work,
        merge_commit=merge.commit,
        checked_at=NOW,
    )
    assert await repository.prove("main", work, onto, onto, NOW) is None
    assert await repository.prove("none", work, merge.commit, onto, NOW) is None


async def test_a_squash_is_proven_by_its_place_its_trailer_and_its_tree(
    git: Outside, repository: GitRepository, diverged: tuple[str, str]
) -> None:
    onto, work = diverged
    merge = await repository.merge(onto, work, "Land it\n\n", Strategy.SQUASH)
    assert isinstance(merge, Merge)
    told = ("-m", "Land it", "-m", f"Abathur-Work: {work}")
    tree = f"{merge.commit}^{{tree}}"
    assert git("log", "-1", "--format=%P%n%B", merge.commit).strip() == (
        f"{onto}\nLand it\n\nAbathur-Work: {work}"
    )

    async def is_proven(made: str) -> bool:
        git("update-ref", "refs/heads/target", made)
        how = (NOW, Strategy.SQUASH, onto)
        return await repository.prove("target", work, made, onto, *how) is not None

    assert await is_proven(merge.commit)
    assert await is_proven(git("commit-tree", "-p", onto, *told, tree))
    assert not await is_proven(git("commit-tree", "-p", onto, *told, f"{onto}^{{tree}}"))
    assert not await is_proven(git("commit-tree", "-p", onto, "-m", "Land it", tree))
    assert not await is_proven(git("commit-tree", "-p", f"{onto}~1", *told, tree))
    assert not await is_proven(onto)
    how = (NOW, Strategy.SQUASH, onto)
    assert await repository.prove("main", work, merge.commit, onto, *how) is None


async def test_work_that_was_there_already_is_proven_by_the_target(
    git: Outside, repository: GitRepository
) -> None:
    work = git.head()
    onto = git.commit({"new": "text"})
    proof = await repository.prove("main", work, onto, work, NOW)
    assert proof
    assert (proof.target_commit, proof.merge_commit) == (onto, onto)


async def test_a_replaced_commit_proves_nothing(
    git: Outside, repository: GitRepository, diverged: tuple[str, str]
) -> None:
    onto, work = diverged
    false = git("commit-tree", "-p", onto, "-p", work, "-m", "False", f"{onto}^{{tree}}")
    git("replace", onto, false, "--force")
    assert await repository.prove("main", work, onto, onto, NOW) is None


async def test_that_nothing_changed_is_proven(git: Outside, repository: GitRepository) -> None:
    base = git.head()
    git("checkout", "--quiet", "-b", "work")
    changed = git.commit({"new": "text"})
    back = git.commit({"new": None})
    proof = await repository.prove("main", back, None, base, NOW)
    assert proof
    assert (proof.target_commit, proof.work_commit, proof.merge_commit) == (base, back, None)
    assert await repository.prove("main", changed, None, base, NOW) is None
    assert await repository.prove("main", changed, None, changed, NOW) is None


async def test_a_diff_starts_at_the_merge_base(
    git: Outside, repository: GitRepository, diverged: tuple[str, str]
) -> None:
    git("config", "diff.noprefix", "true")
    git("config", "color.ui", "always")
    git("config", "diff.external", "false")
    onto, work = diverged
    patch = (await repository.diff(onto, work)).decode()
    assert "+++ b/work" in patch
    assert "elsewhere" not in patch
    assert await repository.diff("main", "main") == b""
