"""Each thing that is checked can be found broken; a queue that was left alone passes."""

import asyncio
import os
import random
import subprocess
from pathlib import Path

import pytest

from abathur.chaos import ground as grounds
from abathur.chaos.ground import Ground, Known
from abathur.chaos.invariants import findings
from abathur.chaos.orders import Orders
from abathur.chaos.programs import Swarm, git

pytestmark = pytest.mark.slow


def at_rest(root: Path) -> Ground:
    ground = grounds.make(root / "repository")
    asyncio.run(grounds.submit_some(ground, 0, random.Random(0), ["commits", "hopeless"]))
    orders = Orders(
        root=str(ground.root),
        note=str(root / "struck"),
        record=str(root / "reached"),
        watchdog_seconds=60,
    )
    assert Swarm(orders.text(), root / "log").wait() == 0, (root / "log").read_text()
    return ground


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return at_rest(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def ground(first: Ground, tmp_path: Path) -> Ground:
    """A copy, to be broken."""
    root = tmp_path / "repository"
    subprocess.run(["cp", "-a", str(first.root), str(root)], check=True)
    return Ground(root, tasks=list(first.tasks))


def found(ground: Ground) -> str:
    return "\n".join(asyncio.run(findings(ground, at_rest=True)))


def test_a_queue_at_rest_has_no_findings(ground: Ground) -> None:
    assert found(ground) == ""


def test_a_task_that_is_gone(ground: Ground) -> None:
    ground.tasks.append(Known("01890000-0000-7000-8000-000000000000", "0009", "plain", False))
    assert "acknowledged, and is gone" in found(ground)


def test_work_that_is_not_in_the_target(ground: Ground) -> None:
    git(ground.root, "reset", "--quiet", "--hard", "HEAD~1")
    assert "0 commits in the target land it, not 1" in found(ground)


def test_work_that_landed_twice(ground: Ground) -> None:
    trailer = f"Again\n\nAbathur-Task: {ground.tasks[0].id}\n"
    git(ground.root, "commit", "--quiet", "--allow-empty", "--message", trailer)
    assert "2 commits in the target land it, not 1" in found(ground)


def test_work_that_failed_its_gate(ground: Ground) -> None:
    (ground.root / "bad").write_text("bad")
    git(ground.root, "add", "bad")
    git(ground.root, "commit", "--quiet", "--message", "Bad")
    assert "failed its gate" in found(ground)


def test_work_of_a_failed_task_in_the_target(ground: Ground) -> None:
    (ground.root / "out" / ground.tasks[1].key).write_text("x")
    git(ground.root, "add", "out")
    git(ground.root, "commit", "--quiet", "--message", "Sneaked in")
    assert "it is failed, and its work is in the target" in found(ground)


def test_a_commit_that_no_ref_keeps(ground: Ground) -> None:
    refs = git(ground.root, "for-each-ref", "--format=%(refname)", "refs/abathur").split()
    assert refs
    for ref in refs:
        git(ground.root, "update-ref", "-d", ref)
    assert "a commit of an agent is on no ref" in found(ground)


def test_a_commit_that_was_killed_before_it_moved_its_branch_is_none(ground: Ground) -> None:
    kept, *_ = git(ground.root, "for-each-ref", "--format=%(refname)", "refs/abathur").split()

    # One or two: an attempt after a failed check starts from the merged tree.
    parents = git(ground.root, "log", "--no-walk", "--format=%P", kept).split()

    def leave(*parents: str) -> None:
        agent = ("-c", "user.name=Fake Agent", "-c", "user.email=fake@localhost")
        git(ground.root, *agent, "commit-tree", "-m", "Half", *parents, f"{kept}^{{tree}}")

    leave(*(f"-p{parent}" for parent in parents))
    assert found(ground) == ""
    leave()
    assert "a commit of an agent is on no ref" in found(ground)


def test_a_branch_and_a_worktree_without_an_owner(ground: Ground) -> None:
    place = ground.root / ".abathur" / "worktrees" / "left"
    git(ground.root, "worktree", "add", "--quiet", "-b", "task/left", str(place))
    own = f"{ground.tasks[0].id}-7"
    for name in ("abathur-worktree-verify-x-1", f"worktrees/{own}", "worktrees/of-a-person"):
        (ground.root / ".git" / name).mkdir()
    said = found(ground)
    for text in (
        "a worktree is left: left",
        "git knows of a worktree",
        "a branch is left",
        f"a record of a worktree is left: worktrees/{own}",
        "a record of a worktree is left: abathur-worktree-verify-x-1",
    ):
        assert text in said
    assert "of-a-person" not in said


def test_a_tree_that_was_not_brought_along(ground: Ground) -> None:
    (ground.root / "out" / ground.tasks[0].key).unlink()
    assert "isn't as the target" in found(ground)


def test_a_process_that_lives(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abathur.chaos.invariants.SECONDS_TO_END", 0.0)
    worker = workers_of(ground)[0]
    env = {**os.environ, "ABATHUR_WORKER": worker}
    with subprocess.Popen(["sleep", "600"], env=env) as process:
        try:
            assert "a process lives" in found(ground)
        finally:
            process.kill()


def workers_of(ground: Ground) -> list[str]:
    from abathur import bootstrap

    async def ids() -> list[str]:
        async with bootstrap.open_database(ground.project) as db:
            return [str(row["id"]) for row in await db.query("SELECT id FROM workers")]

    return asyncio.run(ids())
