"""Nothing that an agent left is lost, whatever it did to its worktree."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git.repository import GitRepository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside

ODD_NAMES = ("-rf", "with\nnewline", "ünïcødé 💥", 'quo"te', " spaces ", "back\\slash", ":(top)x")


@pytest.fixture
async def path(git: Outside, repository: GitRepository, tmp_path: Path) -> Path:
    git.commit({".gitignore": "*.o\n", "script": "text", "gone": "text"})
    await repository.add_worktree(tmp_path / "work", "task/work", "main")
    return tmp_path / "work"


async def test_everything_that_changed_is_committed(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    git.write({"gone": None, "README.md": "new", "deep/new": "text", "a.o": "ignored"}, at=path)
    git.write(dict.fromkeys(ODD_NAMES, "text"), at=path)
    (path / "script").chmod(0o755)
    (path / "link").symlink_to("script")
    commit = await repository.commit_leftovers(path, "What is left\n\n# kept")
    assert git("log", "-1", "--format=%B", commit) == "What is left\n\n# kept"
    assert git("rev-parse", "task/work", f"{commit}^") == f"{commit}\n{git.head()}"
    assert git.files(commit) == {
        ".gitignore",
        "README.md",
        "deep/new",
        "link",
        "script",
        *ODD_NAMES,
    }
    modes = {line.split("\t")[1]: line[:6] for line in git("ls-tree", commit).splitlines()}
    assert (modes["script"], modes["link"]) == ("100755", "120000")
    assert git("status", "--porcelain", at=path) == ""


async def test_nothing_left_is_nothing_committed(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    assert await repository.commit_leftovers(path, "Nothing") == git.head()
    own = git.commit({"new": "text"}, at=path)
    (path / "a.o").write_text("ignored")
    (path / "script").touch()
    (path / "empty").mkdir()
    assert await repository.commit_leftovers(path, "Nothing") == own


async def test_a_change_of_line_endings_only_is_nothing(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    own = git.commit({".gitattributes": "* text=auto\n", "lines": "a\nb\n"}, at=path)
    (path / "lines").write_bytes(b"a\r\nb\r\n")
    assert await repository.commit_leftovers(path, "Nothing") == own


async def test_locks_of_dead_processes_are_no_obstacle(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    record = git.root / ".git" / "worktrees" / "work"
    for lock in (record / "index.lock", record / "HEAD.lock"):
        lock.touch()
    (git.root / ".git" / "refs" / "heads" / "work.lock").touch()
    git.write({"new": "text"}, at=path)
    assert "new" in git.files(await repository.commit_leftovers(path, "Work"))


@pytest.mark.parametrize("is_resolved", [True, False])
async def test_an_interrupted_merge_is_finished(
    git: Outside, repository: GitRepository, path: Path, is_resolved: bool
) -> None:
    ours = git.commit({"script": "ours"}, at=path)
    theirs = git.commit({"script": "theirs"})
    git("merge", "--quiet", theirs, at=path, code=1)
    if is_resolved:
        git.write({"script": "ours"}, at=path)
        git("add", "script", at=path)
    commit = await repository.commit_leftovers(path, "Merged")
    assert git("rev-parse", f"{commit}^1", f"{commit}^2").split() == [ours, theirs]
    assert await repository.commit_leftovers(path, "Nothing") == commit


async def test_an_empty_cherry_pick_is_finished(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    ours = git.commit({"script": "ours"}, at=path)
    theirs = git.commit({"script": "theirs"})
    git("cherry-pick", theirs, at=path, code=1)
    git("checkout", "--quiet", "--ours", "script", at=path)
    git("add", "script", at=path)
    commit = await repository.commit_leftovers(path, "Picked")
    assert git("rev-parse", f"{commit}^") == ours
    await repository.remove_worktree(path, kept_by=commit)


async def test_a_detached_head_is_committed_to(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    git("checkout", "--quiet", "--detach", at=path)
    git.write({"new": "text"}, at=path)
    commit = await repository.commit_leftovers(path, "Work")
    assert await repository.head(path) == commit
    assert await repository.resolve("task/work") == git.head()


async def test_an_agent_that_removed_its_git_file_loses_nothing(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    (path / ".git").unlink()
    git.write({"new": "text"}, at=path)
    assert "new" in git.files(await repository.commit_leftovers(path, "Work"))


async def test_a_repository_in_place_of_the_worktree_is_an_error(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    (path / ".git").unlink()
    git("init", "--quiet", at=path)
    with pytest.raises(GitError, match="isn't a linked worktree"):
        await repository.commit_leftovers(path, "Work")
    assert await repository.head(path) is None


async def test_a_folder_that_is_no_worktree_is_an_error(
    repository: GitRepository, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "none", repository.root):
        with pytest.raises(GitError, match="isn't a linked worktree"):
            await repository.commit_leftovers(folder, "Work")


@pytest.mark.parametrize("state", ["empty", "committed", "staged link", "committed link"])
async def test_the_files_of_a_repository_inside_are_committed(
    git: Outside, repository: GitRepository, path: Path, state: str
) -> None:
    for folder in ("-in side", "-in side/deep/er"):
        git.write({"file": "text", "script": "text", "a.x": "ignored"}, at=path / folder)
        git.write({".gitignore": "*.x\n", "b.o": "own rules"}, at=path / folder)
        (path / folder / "script").chmod(stat.S_IRWXU)
        git("init", "--quiet", at=path / folder)
    if state != "empty":
        git.commit({}, at=path / "-in side/deep/er")
        git.commit({"later": "text"}, at=path / "-in side")
    if "link" in state:
        git("add", ".", at=path)
    if state == "committed link":
        git("commit", "--quiet", "--message", "A link to nowhere", at=path)
    commit = await repository.commit_leftovers(path, "Work")
    expected = {".gitignore", "file", "script", "b.o"}
    files = git.files(f"{commit}:-in side")
    assert files >= {*expected, *(f"deep/er/{name}" for name in expected)}
    assert "a.x" not in files
    assert "160000" not in git("ls-tree", "-r", commit)
    assert "100755 blob" in git("ls-tree", f"{commit}:-in side")
    assert await repository.commit_leftovers(path, "Nothing") == commit
    git.write({"-in side/new": "text"}, at=path)
    with pytest.raises(GitError, match="uncommitted changes"):
        await repository.remove_worktree(path, kept_by=commit)
    commit = await repository.commit_leftovers(path, "More")
    assert "-in side/new" in git.files(commit)
    await repository.remove_worktree(path, kept_by=commit)


async def test_a_repository_inside_without_files_is_nothing(
    git: Outside, repository: GitRepository, path: Path
) -> None:
    (path / "inside").mkdir()
    git("init", "--quiet", at=path / "inside")
    assert await repository.commit_leftovers(path, "Nothing") == git.head()
    git.write({"new": "text"}, at=path)
    commit = await repository.commit_leftovers(path, "Work")
    assert "new" in git.files(commit)
    await repository.remove_worktree(path, kept_by=commit)
