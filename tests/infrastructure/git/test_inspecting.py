"""Looking at commits and kept refs, and making branches of them again."""

import subprocess
from pathlib import Path

import pytest

from abathur.domain.errors import BranchTakenError, GitError
from abathur.infrastructure.git.repository import GitRepository, open_repository
from abathur.ports.repository import ChangedFile


def git(repo: Path, *args: str, text: str = "") -> str:
    done = subprocess.run(
        ["git", *args], cwd=repo, check=True, capture_output=True, text=True, input=text
    )
    return done.stdout.strip()


def commit(repo: Path, message: str, **files: str) -> str:
    for name, content in files.items():
        (repo / f"{name}.txt").write_text(content)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "--allow-empty", "-m", message)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
async def repository(git_repo: Path) -> GitRepository:
    return await open_repository(git_repo)


async def test_a_tree_is_of_the_content_alone(git_repo: Path, repository: GitRepository) -> None:
    first = commit(git_repo, "One", a="1\n")
    second = commit(git_repo, "Nothing new")
    assert await repository.tree(first) == git(git_repo, "rev-parse", f"{first}^{{tree}}")
    assert await repository.tree(first) == await repository.tree(second)
    with pytest.raises(GitError):
        await repository.tree("f" * 40)


async def test_changed_files_come_with_their_lines(
    git_repo: Path, repository: GitRepository
) -> None:
    old = git(git_repo, "rev-parse", "HEAD")
    (git_repo / "bin.dat").write_bytes(b"\0\1\2")
    (git_repo / "größe\t.txt").write_text("x\ny\n")
    new = commit(git_repo, "Add")
    assert await repository.changed_files(old, new) == [
        ChangedFile(path="bin.dat", added=None, removed=None),
        ChangedFile(path="größe\t.txt", added=2, removed=0),
    ]
    assert await repository.changed_files(old, old) == []


async def test_many_are_counted_at_once(git_repo: Path, repository: GitRepository) -> None:
    start = git(git_repo, "rev-parse", "HEAD")
    one = commit(git_repo, "One", a="1\n")
    three = commit(git_repo, "Two more", b="2\n", c="3\n")
    same = commit(git_repo, "Nothing")
    pairs = [(start, three), (three, same), (one, three), (start, one), (start, three)]
    assert await repository.count_changed(pairs) == [3, 0, 2, 1, 3]
    assert await repository.count_changed([]) == []


async def test_kept_commits_are_listed_with_what_they_say(
    git_repo: Path, repository: GitRepository
) -> None:
    assert await repository.kept_commits("salvage", "withdrawn") == []
    work = commit(git_repo, "Work of mine\n\nUnfinished.", a="1\n")
    merge = commit(git_repo, "Land\n\nAbathur-Task: t1\nAbathur-Attempt: 2\n")
    git(git_repo, "update-ref", "refs/abathur/salvage/t0/1", work)
    git(git_repo, "update-ref", f"refs/abathur/withdrawn/{merge}", merge)
    git(git_repo, "update-ref", "refs/abathur/elsewhere/1", work)
    kept, withdrawn = await repository.kept_commits("salvage", "withdrawn")
    assert (kept.ref, kept.commit) == ("refs/abathur/salvage/t0/1", work)
    assert (kept.subject, kept.trailers) == ("Work of mine", {})
    assert kept.committed_at.timestamp() == float(git(git_repo, "log", "-1", "--format=%ct", work))
    assert withdrawn.trailers == {"Abathur-Task": "t1", "Abathur-Attempt": "2"}


async def test_a_branch_is_made_but_never_overwritten(
    git_repo: Path, repository: GitRepository
) -> None:
    old = git(git_repo, "rev-parse", "HEAD")
    new = commit(git_repo, "One", a="1\n")
    await repository.restore_branch("salvage/x", old)
    assert git(git_repo, "rev-parse", "salvage/x") == old
    with pytest.raises(BranchTakenError, match="--branch"):
        await repository.restore_branch("salvage/x", new)
    assert git(git_repo, "rev-parse", "salvage/x") == old
    for bad in ("--force", "HEAD", "a..b", "a\nb"):
        with pytest.raises(GitError):
            await repository.restore_branch(bad, old)


async def test_a_worktree_is_made_of_a_branch(
    git_repo: Path, repository: GitRepository, tmp_path: Path
) -> None:
    work = commit(git_repo, "One", a="1\n")
    await repository.restore_branch("back", work)
    await repository.restore_worktree(tmp_path / "-odd place", "back")
    assert (tmp_path / "-odd place" / "a.txt").read_text() == "1\n"
    with pytest.raises(GitError):
        await repository.restore_worktree(tmp_path / "-odd place", "back")
