"""Squashed and rebased work: in the target by its tree, and kept by a ref of its own."""

from typing import Any

import pytest

from abathur.domain.landing import LandingState, Strategy

GIT = "git -c user.name=A -c user.email=a@x"
TWO_COMMITS = [
    {"write": {"path": "a.txt", "text": "a\n"}},
    {"commit": "First step"},
    {"write": {"path": "b.txt", "text": "b\n"}},
    {"commit": "Second step"},
]


def subjects(world: Any) -> list[str]:
    log: str = world.git("log", "--format=%s", "main")
    return log.splitlines()


async def landed(world: Any, strategy: str, script: Any = TWO_COMMITS) -> Any:
    """The landing of a task under that strategy, after somebody else has landed too."""
    world.configure(targets={"main": {"allow": True, "strategy": strategy}})
    task = await world.submit("Do two steps", script)
    await world.run_agents()
    world.git("commit", "-q", "--allow-empty", "-m", "Meanwhile")
    assert (await world.run_until_idle()).completed == 1
    (landing,) = await world.landings(task)
    assert landing.state is LandingState.LANDED
    assert landing.proof.merge_commit == world.git("rev-parse", "main")
    assert world.landed() == [task.id]
    assert (world.file("a.txt"), world.file("b.txt")) == ("a", "b")
    await world.assert_sound()
    return landing


async def test_squashed_work_is_one_commit_that_names_it(world: Any) -> None:
    landing = await landed(world, "squash")
    assert landing.proof.strategy is Strategy.SQUASH
    assert subjects(world) == ["Do two steps", "Meanwhile", "Start"]
    trailers = world.git("log", "-1", "--format=%(trailers:key=Abathur-Work,valueonly)", "main")
    assert trailers == landing.work_commit
    assert landing.proof.work_ref == f"refs/abathur/landed/{landing.task_id}/1"
    assert world.git("rev-parse", landing.proof.work_ref) == landing.work_commit


async def test_rebased_work_keeps_its_commits_and_authors(world: Any) -> None:
    landing = await landed(world, "rebase")
    assert landing.proof.strategy is Strategy.REBASE
    assert subjects(world) == ["Second step", "First step", "Meanwhile", "Start"]
    originals = world.git("log", "--format=%an %ae %ad", "-2", landing.work_commit)
    assert world.git("log", "--format=%an %ae %ad", "-2", "main") == originals
    assert world.git("rev-parse", landing.proof.work_ref) == landing.work_commit


async def test_work_with_merges_is_rebased_without_them(world: Any) -> None:
    script = [
        {"run": f"git switch -q -c side && echo s > side && git add . && {GIT} commit -qm Side"},
        {"run": "git switch -q -"},
        *TWO_COMMITS,
        {"run": f"{GIT} merge -q --no-ff -m Merge side"},
    ]
    landing = await landed(world, "rebase", script)
    assert landing.proof.strategy is Strategy.REBASE
    assert "Merge" not in subjects(world)
    assert {"Side", "First step", "Second step"} < set(subjects(world))


async def test_work_whose_commits_can_not_be_made_again_lands_as_one(world: Any) -> None:
    """A merge with a change of its own, which no commit but the merge holds."""
    script = [
        {"run": f"git switch -q -c side && echo s > side && git add . && {GIT} commit -qm Side"},
        {"run": "git switch -q -"},
        *TWO_COMMITS,
        {"run": f"{GIT} merge -q --no-ff --no-commit side && echo own > own && git add own"},
        {"run": f"{GIT} commit -qm Merge"},
    ]
    landing = await landed(world, "rebase", script)
    assert landing.proof.strategy is Strategy.SQUASH
    assert world.file("own") == "own"
    assert subjects(world) == ["Do two steps", "Meanwhile", "Start"]


@pytest.mark.parametrize("strategy", ["squash", "rebase"])
async def test_a_batch_lands_by_any_strategy(world: Any, strategy: str) -> None:
    world.configure(landing={"strategy": strategy}, verify={"command": ["test", "-e", "1"]})
    tasks = [
        await world.submit(f"Add {n}", [{"write": {"path": f"{n}", "text": "x\n"}}])
        for n in range(3)
    ]
    await world.run_agents()
    assert (await world.run_until_idle()).completed == 3
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    assert world.git("rev-list", "--merges", "main") == ""
    for task in tasks:
        (landing,) = await world.landings(task)
        assert world.git("rev-parse", f"{landing.merge_commit}^") == landing.onto
    await world.assert_sound()


async def test_work_that_failed_its_gate_is_mended_and_squashed(world: Any) -> None:
    world.configure(
        landing={"strategy": "squash"}, verify={"command": ["grep", "-q", "good", "new.txt"]}
    )
    script = {
        "1": [{"write": {"path": "new.txt", "text": "bad\n"}}],
        "2": [{"replace": {"path": "new.txt", "old": "bad", "new": "good"}}],
    }
    task = await world.submit("Write good", script)
    assert (await world.run_until_idle()).completed == 1
    assert world.landed() == [task.id]
    assert world.file("new.txt") == "good"
    assert subjects(world) == ["Write good", "Start"]
    await world.assert_sound()
