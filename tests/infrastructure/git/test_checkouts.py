"""A person's working tree follows its branch only when nothing in it can be lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abathur.domain.errors import GitError
from abathur.infrastructure.git.repository import GitRepository, open_repository

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


class Landed:
    """`main` has moved from `old` to `new`, its working tree hasn't."""

    def __init__(self, git: Outside) -> None:
        self.git = git
        files = {"changed": "old", "gone": "old", "kept": "old", "folder/file": "old"}
        self.old = git.commit({".gitignore": "ignored*\n", **files})
        git("checkout", "--quiet", "--detach")
        git.write({"ignored": "new"})
        git("add", "--force", "ignored")
        self.new = git.commit({"changed": "new", "gone": None, "new/file": "new", "-x\n": "new"})
        git("checkout", "--quiet", "main")
        git("update-ref", "refs/heads/main", self.new)

    def everything(self) -> dict[str, str]:
        files = (path for path in self.git.root.rglob("*") if path.is_file())
        inside = [path for path in files if ".git" not in path.parts]
        return {str(path.relative_to(self.git.root)): path.read_text() for path in inside}


@pytest.fixture
def landed(git: Outside) -> Landed:
    return Landed(git)


async def bring(repository: GitRepository, landed: Landed) -> bool:
    return await repository.bring_along(repository.root, landed.old, landed.new)


async def dirty(repository: GitRepository, landed: Landed) -> bool:
    (checkout,) = await repository.checkouts("main", landed.old)
    assert checkout.path == repository.root
    return checkout.is_dirty


async def test_a_clean_tree_is_brought_along(
    git: Outside, repository: GitRepository, landed: Landed
) -> None:
    git.write({"untracked": "mine", "ignored.o": "mine", "folder/mine": "mine"})
    os.utime(git.root / "kept", (1, 1))
    os.utime(git.root / "changed", (1, 1))
    assert not await dirty(repository, landed)
    assert await bring(repository, landed)
    assert git("status", "--porcelain", "--untracked-files=no") == ""
    files = landed.everything()
    assert (files["changed"], files["new/file"], files["-x\n"]) == ("new", "new", "new")
    assert "gone" not in files
    assert [files[name] for name in ("untracked", "ignored.o", "folder/mine")] == ["mine"] * 3


@pytest.mark.parametrize("change", ["changed", "deleted", "staged", "intended", "staged back"])
async def test_a_dirty_tree_stays_as_it_is(
    git: Outside, repository: GitRepository, landed: Landed, change: str
) -> None:
    git.write({"kept": None if change == "deleted" else "mine"})
    if change.startswith("staged"):
        git("add", "kept")
    if change == "staged back":
        git.write({"kept": "old"})
    if change == "intended":
        git.write({"kept": "old", "mine": "mine"})
        git("add", "--intent-to-add", "mine")
    before = (landed.everything(), git("diff"), git("diff", "--cached"))
    assert await dirty(repository, landed)
    assert not await bring(repository, landed)
    assert (landed.everything(), git("diff"), git("diff", "--cached")) == before


@pytest.mark.parametrize("change", ["content", "mode", "one file of the new ones", "all of them"])
async def test_an_index_that_lags_otherwise_than_its_head_moved_is_dirty(
    git: Outside, repository: GitRepository, landed: Landed, change: str
) -> None:
    if change == "content":
        git.write({"changed": "mine"})
    elif change == "mode":
        (git.root / "changed").chmod(0o755)
    names = {"one file of the new ones": ["changed"], "all of them": ["."]}.get(change)
    if names:
        git("checkout", "--quiet", landed.new, "--", *names)
    git("add", "changed")
    assert git("diff") == ""
    assert await dirty(repository, landed)
    assert not await bring(repository, landed)


async def test_a_tree_whose_head_stayed_where_it_was_is_clean_there_only(
    git: Outside, repository: GitRepository, landed: Landed
) -> None:
    git("update-ref", "refs/heads/main", landed.old)
    (here,) = await repository.checkouts("main", landed.old)
    (ahead,) = await repository.checkouts("main", landed.new)
    assert (here.is_dirty, ahead.is_dirty) == (False, True)


@pytest.mark.parametrize("name", ["new/file", "new", "ignored", "-x\n"])
async def test_a_file_in_the_way_is_kept(
    git: Outside, repository: GitRepository, landed: Landed, name: str
) -> None:
    git.write({name: "mine"})
    before = landed.everything()
    assert not await dirty(repository, landed)
    assert not await bring(repository, landed)
    assert landed.everything() == before
    assert git("diff", "--cached", landed.old) == ""


async def test_a_link_in_the_way_is_not_followed(
    repository: GitRepository, landed: Landed, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (repository.root / "new").symlink_to(tmp_path / "outside")
    assert not await bring(repository, landed)
    assert not any((tmp_path / "outside").iterdir())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("index.lock", "the lock `{}` of a git that works or has died"),
        ("MERGE_HEAD", "an unfinished merge"),
        ("CHERRY_PICK_HEAD", "an unfinished cherry-pick"),
    ],
)
async def test_a_person_in_the_middle_of_something_is_not_disturbed(
    git: Outside, repository: GitRepository, landed: Landed, name: str, told: str
) -> None:
    (git.root / ".git" / name).write_text(f"{landed.old}\n")
    before = landed.everything()
    assert await dirty(repository, landed)
    (tree,) = await repository.checkouts("main", landed.old)
    assert tree.in_use == told.format(git.root / ".git" / name)
    assert not await bring(repository, landed)
    assert landed.everything() == before


async def test_looking_does_not_write_the_index(
    git: Outside, repository: GitRepository, landed: Landed
) -> None:
    os.utime(git.root / "kept", (1, 1))
    before = (git.root / ".git" / "index").stat()
    await dirty(repository, landed)
    after = (git.root / ".git" / "index").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_linked_worktrees_are_found_and_brought_along(
    git: Outside, repository: GitRepository, landed: Landed, tmp_path: Path
) -> None:
    git("checkout", "--quiet", "--detach")
    linked, gone = tmp_path / "with\nnewline", tmp_path / "gone"
    git("branch", "other", landed.old)
    git("worktree", "add", "--quiet", str(linked), "other")
    git("worktree", "add", "--quiet", "--force", str(gone), "other")
    gone.rename(tmp_path / "moved")
    git("update-ref", "refs/heads/other", landed.new)
    (checkout,) = await repository.checkouts("other", landed.old)
    assert (checkout.path, checkout.is_dirty) == (linked, False)
    assert await repository.bring_along(linked, landed.old, landed.new)
    assert git("status", "--porcelain", at=linked) == ""
    assert await repository.checkouts("main", landed.old) == []


async def test_a_folder_that_is_no_working_tree_is_an_error(
    repository: GitRepository, landed: Landed, tmp_path: Path
) -> None:
    with pytest.raises(GitError, match="isn't a working tree of"):
        await repository.bring_along(tmp_path, landed.old, landed.new)


async def test_who_has_a_branch_is_found_as_git_finds_it(git: Outside, tmp_path: Path) -> None:
    opened = await open_repository(git.root)
    for name, args in {"a": ("-b", "side"), "b": ("--detach",), "ä b": ("-b", "ö/x")}.items():
        git("worktree", "add", "--quiet", *args, str(tmp_path / name))
    linked = {"side": [tmp_path / "a"], "ö/x": [tmp_path / "ä b"], "main": [git.root], "none": []}
    for branch, paths in linked.items():
        assert list(await opened.checked_out(branch)) == paths
    shutil.rmtree(tmp_path / "a")
    assert list(await opened.checked_out("side")) == []
    with pytest.raises(GitError, match="checked out"):
        await opened.delete_branch("ö/x", kept_by="main")


async def test_a_bare_repository_has_nothing_checked_out(git: Outside, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    git("worktree", "add", "--quiet", str(tmp_path / "linked"), "main", at=tmp_path / "bare.git")
    opened = await open_repository(tmp_path / "bare.git")
    assert list(await opened.checked_out("main")) == [tmp_path / "linked"]
