"""Opening: from anywhere inside, and with a word of advice when there is nothing to open."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError, NotARepositoryError
from abathur.infrastructure.git.repository import GitRepository, open_repository
from abathur.ports.repository import Repository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


async def test_it_meets_the_port(repository: GitRepository, git_repo: Path) -> None:
    met: Repository = repository
    assert met.root == git_repo


async def test_it_opens_from_any_folder_inside(git: Outside, git_repo: Path) -> None:
    linked = git_repo.parent / "linked"
    git("worktree", "add", "--quiet", str(linked))
    (git_repo / "deep" / "down").mkdir(parents=True)
    for folder in (git_repo, git_repo / "deep" / "down", git_repo / ".git", linked):
        assert (await open_repository(folder)).root == git_repo


async def test_it_opens_a_bare_repository(git: Outside, git_repo: Path) -> None:
    bare = git_repo.parent / "bare.git"
    git("clone", "--quiet", "--bare", ".", str(bare))
    repository = await open_repository(bare)
    assert repository.root == bare
    assert await repository.current_branch() == "main"
    worktree = git_repo.parent / "worktree"
    await repository.add_worktree(worktree, "work", "main")
    assert (await open_repository(worktree)).root == bare
    assert await repository.checkouts("main", git.head()) == []


async def test_it_opens_with_a_separate_git_folder(git: Outside, git_repo: Path) -> None:
    tree = git_repo.parent / "tree"
    separate = f"--separate-git-dir={git_repo.parent / 'elsewhere'}"
    git("clone", "--quiet", separate, ".", str(tree))
    repository = await open_repository(tree)
    assert repository.root == tree
    (checkout,) = await repository.checkouts("main", git.head())
    assert (checkout.path, checkout.is_dirty) == (tree, False)


async def test_a_folder_without_repository_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError, match="run `git init`"):
        await open_repository(tmp_path)


async def test_a_path_with_a_line_break_is_refused_in_one_line(git_repo: Path) -> None:
    odd = git_repo.with_name("two\nlines")
    git_repo.rename(odd)
    with pytest.raises(GitError, match="give the folder another name") as refused:
        await open_repository(odd)
    assert "\n" not in str(refused.value)


async def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="doesn't exist"):
        await open_repository(tmp_path / "gone")


async def test_a_repository_without_a_commit_is_told_what_to_do(
    git: Outside, tmp_path: Path
) -> None:
    git("init", "--quiet", str(tmp_path / "empty"))
    with pytest.raises(GitError, match="no commit yet; make one"):
        await open_repository(tmp_path / "empty")


async def test_an_old_git_is_refused(
    git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho git version 2.37.9\n")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    with pytest.raises(GitError, match=r"git version 2\.37\.9, but git 2\.38"):
        await open_repository(git_repo)


async def test_a_missing_git_is_told(git_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitError, match="git isn't installed"):
        await open_repository(git_repo)
