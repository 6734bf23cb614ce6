"""Swarms on repositories of another kind: bare, with linked worktrees, without an identity."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from abathur.swarm.events import SwarmEventKind
from tests.swarm.conftest import made_world

WRITE = [{"write": {"path": "a.txt", "text": "a\n"}}]


def clone(repo: Path, bare: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--bare", str(repo), str(bare)], check=True)


def is_named(repo: Path) -> bool:
    found = subprocess.run(["git", "config", "user.email"], check=False, cwd=repo)
    return found.returncode == 0


async def test_in_a_bare_repository_work_lands_without_any_working_tree(
    git_repo: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "project.git"
    clone(git_repo, bare)
    async with made_world(bare, bare / ".abathur" / "abathur.db") as world:
        world.configure(verify="test -e a.txt", targets={"main": {"allow": True}})
        task = await world.submit("Write", WRITE, feature_branch="main")
        result = await world.run_until_idle()
        assert (result.completed, result.failed) == (1, 0)
        assert world.file("a.txt") == "a"
        assert world.landed() == [task.id]
        assert world.git("worktree", "list").split() == [str(bare), "(bare)"]
        assert world.survivors() == []
        assert world.git("fsck", "--connectivity-only", "--no-dangling") == ""


async def test_a_target_that_is_checked_out_in_a_linked_worktree_is_brought_along(
    world: Any, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    world.git("worktree", "add", "-q", "-b", "dev", str(linked))
    await world.submit("Write", WRITE, feature_branch="dev")
    result = await world.run_until_idle()
    assert result.completed == 1
    assert (linked / "a.txt").read_text() == "a\n"
    assert world.git("-C", str(linked), "status", "--porcelain") == ""
    assert world.git("-C", str(linked), "rev-parse", "HEAD") == world.git("rev-parse", "dev")
    assert not (world.root / "a.txt").exists()


async def test_a_linked_worktree_with_changes_of_its_own_is_left_alone_and_told(
    world: Any, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    world.git("worktree", "add", "-q", "-b", "dev", str(linked))
    (linked / "README.md").write_text("mine\n")
    task = await world.submit("Write", WRITE, feature_branch="dev")
    result = await world.run_until_idle()
    assert result.completed == 1
    assert world.file("a.txt", "dev") == "a"
    assert (linked / "README.md").read_text() == "mine\n"
    assert not (linked / "a.txt").exists()
    (landing,) = await world.landings(task)
    assert list(landing.facts["left_behind"]) == [str(linked)]
    told = [event.text for event in world.events if event.kind is SwarmEventKind.WARNING]
    assert any(str(linked) in text for text in told)


async def test_without_a_name_for_commits_they_are_made_in_the_name_of_abathur(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(world.root.parent))
    monkeypatch.setenv("EMAIL", "")
    assert not is_named(world.root)
    await world.submit("Write", WRITE)
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (1, 0)
    names = set(world.git("log", "--topo-order", "-2", "--format=%an <%ae>/%cn").splitlines())
    assert names == {"Abathur <abathur@localhost>/Abathur"}
    await world.assert_sound()


async def test_in_a_sparse_repository_work_outside_of_the_cone_lands_too(world: Any) -> None:
    for folder in ("in", "out"):
        (world.root / folder).mkdir()
        (world.root / folder / "f").write_text("f\n")
    world.git("add", "in", "out")
    world.git("commit", "-q", "-m", "Folders")
    world.git("sparse-checkout", "set", "in")
    made = [{"write": {"path": f"{folder}/new", "text": "n\n"}} for folder in ("in", "out")]
    await world.submit("Write", made)
    assert (await world.run_until_idle()).completed == 1
    assert (world.file("in/new"), world.file("out/new"), world.file("out/f")) == ("n", "n", "f")
    assert not (world.root / "out").exists()
    await world.assert_sound()
