"""Git as the harness runs it, beside gits of swarms that were struck."""

import shutil
from pathlib import Path

import pytest

from abathur.chaos.programs import git


def test_a_git_that_meets_one_that_makes_a_worktree_is_tried_again(
    git_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = tmp_path / "met"
    (tmp_path / "bin").mkdir()
    (program := tmp_path / "bin" / "git").write_text(
        f'#!/bin/sh\n[ -e {met} ] && exec {shutil.which("git")} "$@"\ntouch {met}\n'
        "echo 'fatal: failed to read .git/worktrees/x/commondir: Success' >&2\nexit 128\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert git(git_repo, "worktree", "list").startswith(str(git_repo))
    assert met.exists()
