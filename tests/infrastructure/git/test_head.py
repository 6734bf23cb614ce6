"""What is checked out, by a look at a file."""

import subprocess
from pathlib import Path

import pytest

from abathur.infrastructure.git.head import checked_out, lacks_branch


def test_the_branch_of_the_main_working_tree_is_read(git_repo: Path) -> None:
    assert checked_out(git_repo) == "main"
    subprocess.run(["git", "switch", "-qc", "feature/a"], cwd=git_repo, check=True)
    assert checked_out(git_repo) == "feature/a"


def test_a_detached_head_is_no_branch(git_repo: Path) -> None:
    subprocess.run(["git", "switch", "-q", "--detach"], cwd=git_repo, check=True)
    assert checked_out(git_repo) is None


def test_a_bare_repository_has_one_too(git_repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(git_repo), str(bare)], check=True)
    assert checked_out(bare) == "main"


@pytest.mark.parametrize(
    "text", ["", "ref: refs/heads/.invalid\n", "ref: refs/heads/a\nb\n", "\xff"]
)
def test_what_only_git_understands_is_left_to_it(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(text, encoding="latin-1")
    assert checked_out(tmp_path) is None


def test_a_branch_that_is_nowhere_is_known_to_be_missing_until_it_is_made(git_repo: Path) -> None:
    assert lacks_branch(git_repo, "release/9")
    subprocess.run(["git", "branch", "release/9"], cwd=git_repo, check=True)
    assert not lacks_branch(git_repo, "release/9")
    subprocess.run(["git", "pack-refs", "--all"], cwd=git_repo, check=True)
    assert not (git_repo / ".git" / "refs" / "heads" / "release" / "9").exists()
    assert not lacks_branch(git_repo, "release/9")
    assert lacks_branch(git_repo, "release")


def test_where_branches_are_kept_elsewhere_none_is_called_missing(git_repo: Path) -> None:
    config = git_repo / ".git" / "config"
    config.write_text(config.read_text() + "[extensions]\n  refStorage = reftable\n")
    assert not lacks_branch(git_repo, "gone")
    assert not lacks_branch(git_repo / "nothing", "gone")
