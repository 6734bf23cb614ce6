"""Looking at commits and kept refs, and making branches of them again."""

import subprocess
from pathlib import Path

import pytest

from abathur.domain.errors import BranchTakenError, GitError
from abathur.domain.leaks import AddedText
from abathur.infrastructure.git import added
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


async def test_added_text_is_told_by_file_and_line(
    git_repo: Path, repository: GitRepository
) -> None:
    old = commit(git_repo, "Before", a="1\n2\n3\n4\n", b="gone\n", c="no end")
    (git_repo / "b.txt").unlink()
    (git_repo / "größe.txt").write_text("+++ b/other.txt\n@@ -1 +1,9 @@\n++ x")
    new = commit(git_repo, "After", a="1\nzwei\n3\n4\n5\n6\n", c="an end\n")
    assert await repository.added_text(old, new) == [
        AddedText("a.txt", 2, b"zwei"),
        AddedText("a.txt", 5, b"5\n6"),
        AddedText("c.txt", 1, b"an end"),
        AddedText("größe.txt", 1, b"+++ b/other.txt\n@@ -1 +1,9 @@\n++ x"),
    ]
    assert await repository.added_text(new, new) == []


async def test_a_file_that_calls_itself_binary_is_looked_at_too(
    git_repo: Path, repository: GitRepository
) -> None:
    old = git(git_repo, "rev-parse", "HEAD")
    (git_repo / ".gitattributes").write_text("*.key binary\n")
    (git_repo / "a.key").write_bytes(b"\0one\ntwo\n")
    new = commit(git_repo, "Hide")
    found = {one.path: one.text for one in await repository.added_text(old, new)}
    assert found["a.key"] == b"\0one\ntwo"


async def test_of_a_huge_change_the_beginning_is_read(
    git_repo: Path, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(added, "LIMIT_BYTES", 100_000)
    old = git(git_repo, "rev-parse", "HEAD")
    new = commit(git_repo, "Huge", a="0123456789\n" * 1_000_000)
    (text,) = await repository.added_text(old, new)
    assert 80_000 < len(text.text) < 100_000
    with pytest.raises(GitError):
        await repository.added_text(old, "f" * 40)


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
