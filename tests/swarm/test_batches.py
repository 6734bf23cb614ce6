"""Several landings of one target at once: one gate run, one move, and a proof for each."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.landing import LandingState
from abathur.domain.tasks import Task
from abathur.services.cancelling import cancel
from abathur.services.pausing import pause, resume
from abathur.swarm.events import SwarmEventKind

SECONDS = 30


def change(path: str, text: str = "x\n") -> list[dict[str, Any]]:
    return [{"write": {"path": path, "text": text}}]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def queue(world: Any, *paths: str, **fields: Any) -> list[Task]:
    """A task for each path, whose work waits to land."""
    tasks = [await world.submit(f"Add {path}", change(path), **fields) for path in paths]
    await world.run_agents()
    return tasks


def counting(world: Any, script: str) -> dict[str, Any]:
    """A gate that notes each of its runs, and the file with the notes."""
    return {"command": ["sh", "-c", f"echo run >> {world.root}/.abathur/gates; {script}"]}


def moves(world: Any) -> int:
    return len(world.git("reflog", "--format=%gs", "main").splitlines()) - 1


async def test_a_batch_is_judged_once_and_moves_the_target_once(world: Any) -> None:
    world.configure(verify=counting(world, "test -e a && test -e b && test -e c"))
    tasks = await queue(world, "a", "b", "c")
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (3, 0)
    assert lines(world.root / ".abathur" / "gates") == ["run"]
    assert moves(world) == 1
    found = [(await world.landings(task))[0] for task in tasks]
    assert len({landing.merge_commit for landing in found}) == 3
    assert {landing.proof.target_commit for landing in found} == {world.git("rev-parse", "main")}
    for landing in found:
        parents = world.git("rev-parse", f"{landing.merge_commit}^1", f"{landing.merge_commit}^2")
        assert parents.split() == [landing.onto, landing.work_commit]
    runs = [run for task in tasks for run in await world.gate_runs(task)]
    tree = world.git("rev-parse", "main^{tree}")
    assert [(run.gate, run.verdict, run.tree, run.batch_size) for run in runs] == [
        ("verify", "passed", tree, 3)
    ] * 3
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    await world.assert_sound()


async def test_one_that_fails_the_gate_does_not_hold_the_others(world: Any) -> None:
    world.configure(
        verify={"command": ["test", "!", "-e", "bad"]},
        retry={"max_rework": 0},
        landing={"retry_flaky": False},
    )
    *good, bad = await queue(world, "a", "b", "c", "bad")
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (3, 1)
    assert sorted(world.landed()) == sorted(task.id for task in good)
    (landing,) = await world.landings(bad)
    assert (landing.state, landing.facts["gate"]) == (LandingState.REJECTED, "verify")
    assert world.git("show", f"{landing.facts['salvage_ref']}:bad") == "x"
    # Four together, then two and two, then the one that it was.
    sizes = [[run.batch_size for run in await world.gate_runs(task)] for task in (good[0], bad)]
    assert sizes == [[4, 2], [4, 2, 1]]
    assert SwarmEventKind.LANDING_SPLIT in world.kinds()
    await world.assert_sound()


async def test_two_that_only_fail_together_are_told_apart(world: Any) -> None:
    together = "! { test -e a && test -e d; }"
    world.configure(verify={"command": together}, retry={"max_rework": 0})
    tasks = await queue(world, "a", "b", "c", "d")
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (3, 1)
    assert [(await world.task(task)).status for task in tasks] == [*["completed"] * 3, "failed"]
    await world.assert_sound()


async def test_one_that_does_not_fit_the_others_is_tried_alone(world: Any) -> None:
    (world.root / "list").write_text("first\n")
    world.git("add", "list")
    world.git("commit", "-qm", "A list")
    one = await world.submit("One", {"1": change("list", "one\n"), "*": []}, priority=9)
    two = await world.submit("Two", {"1": change("list", "two\n"), "*": []}, priority=5)
    three = await world.submit("Three", change("three"), priority=1)
    await world.run_agents()
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (3, 0)
    states = [[one.state for one in await world.landings(task)] for task in (one, two, three)]
    assert states == [["landed"], ["conflicted", "nothing_changed"], ["landed"]]
    assert moves(world) == 2  # a commit by hand, and the batch
    assert world.file("list") == "one"
    await world.assert_sound()


async def test_what_can_not_land_at_all_does_not_hold_the_others(world: Any) -> None:
    orphan = [{"run": "git switch -q --orphan fresh"}, *change("b"), {"commit": "All new"}]
    odd = await world.submit("Start over", orphan, max_retries=0)
    others = await queue(world, "a", "c")
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (2, 1)
    assert "unrelated histories" in (await world.task(odd)).error_message
    assert [e.text for e in world.events if e.kind is SwarmEventKind.WARNING] == []
    assert sorted(world.landed()) == sorted(task.id for task in others)
    await world.assert_sound()


async def test_a_batch_of_one_lands_as_ever(world: Any) -> None:
    world.configure(verify=counting(world, "true"), landing={"batch_size": 1})
    await queue(world, "a", "b", "c")
    assert (await world.run_until_idle()).completed == 3
    assert len(lines(world.root / ".abathur" / "gates")) == moves(world) == 3


async def test_the_most_urgent_is_the_first_of_its_batch(world: Any) -> None:
    world.configure(landing={"batch_size": 2})
    low = await world.submit("Low", change("low"), priority=1)
    high = await world.submit("High", change("high"), priority=9)
    middle = await world.submit("Middle", change("middle"), priority=5)
    await world.run_agents()
    await world.run_until_idle()
    assert world.landed() == [low.id, middle.id, high.id]  # the newest commit first
    assert moves(world) == 2


async def test_one_that_is_cancelled_meanwhile_leaves_the_batch(world: Any) -> None:
    begun, go = world.root / ".abathur" / "begun", world.root / ".abathur" / "go"
    os.mkfifo(begun)  # who reads it waits for the gate to begin
    wait = f"echo x > {begun}; while [ ! -e {go} ]; do sleep 0.02; done"
    world.configure(verify={"command": ["sh", "-c", wait]})
    kept, gone = await queue(world, "kept", "gone")
    running = asyncio.create_task(world.run_until_idle())
    async with asyncio.timeout(SECONDS):
        await asyncio.to_thread(begun.read_text)
        now = (await world.supervisor())._parts.clock.now()
        await world.db.write(cancel, gone.id, now=now, actor="test")
        await asyncio.to_thread(begun.read_text)
        go.touch()
        await running
    assert world.landed() == [kept.id]
    assert "gone" not in world.git("ls-tree", "--name-only", "main").split()
    (attempt,) = await world.attempts(gone)
    assert world.git("show", f"{attempt.salvage_ref}:gone") == "x"
    await world.assert_sound()


async def test_nothing_lands_on_a_target_that_was_paused_while_the_batch_was_judged(
    world: Any,
) -> None:
    begun, go = world.root / ".abathur" / "begun", world.root / ".abathur" / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    world.configure(verify={"command": ["sh", "-c", f"echo run > {begun}; read word < {go}"]})
    tasks = await queue(world, "a", "b")
    before = world.git("rev-parse", "main")
    running = asyncio.create_task(world.run_until_idle())
    async with asyncio.timeout(SECONDS):
        await asyncio.to_thread(begun.read_text)
        now = (await world.supervisor())._parts.clock.now()
        hold = Hold(
            id="h", scope=HoldScope.TARGET, name="main", cause=HoldCause.PERSON, reason="release",
            hold_until=None, created_by="test", created_at=now,
        )  # fmt: skip
        await world.db.write(pause, hold)
        await asyncio.to_thread(go.write_text, "on\n")
        assert (await running).stopped_by == "held"
    assert world.git("rev-parse", "main") == before
    await world.db.write(resume, HoldScope.TARGET, "main", now=now, actor="test")
    # What was judged needn't be judged again.
    assert (await world.run_until_idle()).completed == 2
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    await world.assert_sound()


async def test_a_target_that_moves_under_a_batch_gets_it_all_the_same(world: Any) -> None:
    commit = "git -c user.name=P -c user.email=p@x commit -q --allow-empty -m Meanwhile"
    check = f"cd {world.root} && {{ git log --format=%s | grep -q Meanwhile || {commit}; }}"
    world.configure(verify={"command": ["sh", "-c", check]})
    tasks = await queue(world, "a", "b")
    assert (await world.run_until_idle()).completed == 2
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    # The tree was the same both times, so it was judged once.
    assert [len(await world.gate_runs(task)) for task in tasks] == [1, 1]
    await world.assert_sound()


async def two_swarms(world: Any) -> None:
    """Two land on one target; a gate that finds another one at work fails."""
    lock = world.root / ".abathur" / "lock"
    world.configure(
        verify={"command": ["sh", "-c", f"mkdir {lock} && sleep 0.05 && rmdir {lock}"]},
        landing={"batch_size": 2, "retry_flaky": False},
        retry={"max_rework": 0},
    )
    tasks = [await world.submit(f"Add {n}", change(f"{n}")) for n in range(6)]
    project = bootstrap.load_project(world.root)
    async with bootstrap.open_database(project) as other:
        second = await supervision.build_supervisor(project, other, world.events.append)
        results = await asyncio.gather(world.run_until_idle(), second.run(until_idle=True))
    assert sum(result.completed for result in results) == 6
    assert Counter(world.landed()) == Counter(task.id for task in tasks)
    await world.assert_sound()


async def test_two_swarms_never_land_on_one_target_at_once(world: Any) -> None:
    await two_swarms(world)


async def test_two_swarms_on_a_server_never_land_on_one_target_at_once(
    postgres_world: Any,
) -> None:
    await two_swarms(postgres_world)


@pytest.mark.parametrize("failing", ["announce", "conclude", "add_gate_runs"])
async def test_a_database_that_is_away_for_a_moment_loses_no_member(
    world: Any, failing: str
) -> None:
    from tests.swarm.test_adversity import Faulty, supervisor_on

    world.configure(verify={"command": ["true"]})
    tasks = await queue(world, "a", "b", "c")
    supervisor = await supervisor_on(world, Faulty(world.db, failing={failing: 1}))
    async with asyncio.timeout(SECONDS):
        result = await supervisor.run(until_idle=True)
    assert result.completed == 3
    assert Counter(world.landed()) == Counter(task.id for task in tasks)
    await world.assert_sound()


async def test_one_whose_approval_was_taken_back_leaves_the_batch_and_the_others_land(
    world: Any,
) -> None:
    """Claimed with the others while it was approved, as rules may change in between."""
    held = await world.submit("Junior", change("a"), agent_type="junior", priority=9)
    others = [await world.submit(f"Add {path}", change(path)) for path in ("b", "c")]
    await world.run_agents()
    world.configure(review={"required_for": ["agent:junior"]})
    result = await world.run_until_idle()
    assert (result.completed, result.failed) == (2, 0)
    assert sorted(world.landed()) == sorted(task.id for task in others)
    assert moves(world) == 1
    (landing,) = await world.landings(held)
    assert (landing.state, landing.merge_commit) == (LandingState.QUEUED, None)
    (review,) = await world.db.read(lambda stores: stores.reviews.open())
    assert review.task_id == held.id
