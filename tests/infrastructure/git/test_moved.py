"""Worktrees of a repository that was moved, or copied, with the folder that they lie in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from abathur.infrastructure.git.moved import reconnect
from abathur.infrastructure.git.worktree_list import linked_record

if TYPE_CHECKING:
    from tests.infrastructure.git.conftest import Outside


def made(git: Outside) -> Path:
    git("worktree", "add", "-q", "--detach", str(git.root / "places" / "one"))
    return git.root / "places" / "one"


def test_a_moved_worktree_is_known_again(git: Outside) -> None:
    made(git)
    root = git.root.rename(git.root.with_name("moved"))
    place, common = root / "places" / "one", root / ".git"
    assert linked_record(common, place) is None
    reconnect(common, root / "places")
    assert linked_record(common, place) == common / "worktrees" / "one"
    reconnect(common, root / "places")
    assert linked_record(common, place) == common / "worktrees" / "one"


def test_a_crash_between_the_two_pointers_is_gone_on_with(git: Outside) -> None:
    made(git)
    root = git.root.rename(git.root.with_name("moved"))
    place, common = root / "places" / "one", root / ".git"
    (place / ".git").write_text(f"gitdir: {common / 'worktrees' / 'one'}\n")
    reconnect(common, root / "places")
    assert linked_record(common, place) == common / "worktrees" / "one"


def test_the_worktrees_of_a_copy_are_left_to_the_first(git: Outside) -> None:
    place = made(git)
    copy = git.root.with_name("copy")
    shutil.copytree(git.root, copy)
    reconnect(copy / ".git", copy / "places")
    assert linked_record(copy / ".git", copy / "places" / "one") is None
    assert linked_record(git.root / ".git", place) is not None


def test_a_folder_that_names_the_record_of_another_is_not_believed(git: Outside) -> None:
    place = made(git)
    other = place.with_name("other")
    other.mkdir()
    (other / ".git").write_text("gitdir: /gone/.git/worktrees/one\n")
    (git.root / "places" / "odd").mkdir()
    (git.root / "places" / "odd" / ".git").write_text("gitdir: /gone/..\n")
    reconnect(git.root / ".git", git.root / "places")
    assert linked_record(git.root / ".git", place) is not None
    assert linked_record(git.root / ".git", other) is None
