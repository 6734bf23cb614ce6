"""Protected targets: refused before an agent runs, and never landed on by mistake."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from abathur.cli.queue_view import queue_lines
from abathur.domain.errors import DirtyTargetError
from abathur.domain.landing import LandingState
from abathur.services.queue_facts import queue_facts
from abathur.swarm.admission import admission_rules
from abathur.swarm.events import SwarmEventKind

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


async def test_a_swarm_says_what_is_in_the_way_where_nothing_is_uncommitted(world: Any) -> None:
    await world.submit("Write", WRITE, feature_branch="main")
    (world.root / ".git" / "index.lock").touch()
    with pytest.raises(DirtyTargetError, match=r"with the lock `.*index.lock` of a git that works"):
        await (await world.supervisor()).preflight()


@pytest.mark.parametrize("closed", ["main", "gone"])
async def test_a_swarm_starts_although_a_task_wants_a_target_that_is_closed(
    world: Any, closed: str
) -> None:
    """Changes that lie about in its working tree are in nobody's way."""
    world.configure(targets={})
    (world.root / "README.md").write_text("changed\n")
    await world.submit("Write", WRITE, feature_branch=closed)
    await (await world.supervisor()).preflight()


async def test_a_target_that_goes_away_while_it_is_judged_is_waited_for(world: Any) -> None:
    world.git("branch", "feature/x")
    away = f"git -C {world.root} branch -m feature/x away"
    world.configure(verify={"command": ["sh", "-c", away]})
    task = await world.submit("Write", WRITE, feature_branch="feature/x")
    await world.run_agents()
    assert (await world.run_until_idle()).stopped_by == "held"
    (landing,) = await world.landings(task)
    assert (landing.state, landing.merge_commit) == (LandingState.QUEUED, None)
    assert SwarmEventKind.WARNING not in world.kinds()
    rules, now = admission_rules((await world.supervisor())._parts), datetime.now(UTC)
    assert list(queue_lines(await world.db.read(queue_facts, rules, now), now)) == [
        "1 finished task waits to land on feature/x: target branch `feature/x` doesn't exist"
    ]
    world.git("branch", "-m", "away", "feature/x")
    assert (await world.run_until_idle()).completed == 1
    await world.assert_sound()


async def test_a_task_that_came_later_waits_at_no_charge_until_its_target_is_allowed(
    world: Any,
) -> None:
    world.configure(targets={})
    task = await world.submit("Write", WRITE, feature_branch="main", max_retries=0)
    assert (await world.run_until_idle()).stopped_by == "held"
    assert (await world.task(task)).attempt_count == 0
    (told,) = [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]
    assert (
        "target `main` is protected, so work for it waits; put `targets: {main: {all" in told.text
    )
    world.configure()
    assert (await world.run_until_idle()).completed == 1


async def test_others_pass_by_what_waits_for_its_target(world: Any) -> None:
    world.configure(targets={})
    world.git("branch", "feature/x")
    waiting = await world.submit("Write", WRITE, feature_branch="main", priority=9)
    await world.submit("Write", WRITE, feature_branch="feature/x")
    result = await world.run_until_idle()
    assert (result.completed, result.failed, result.stopped_by) == (1, 0, "held")
    assert (await world.task(waiting)).attempt_count == 0


async def test_a_task_goes_on_by_itself_when_its_branch_is_there(world: Any) -> None:
    world.configure(swarm={"poll_seconds": 0.05})
    task = await world.submit("Write", WRITE, feature_branch="release-9", max_retries=0)
    supervisor = await world.supervisor()
    running = asyncio.create_task(supervisor.run(task_limit=1))
    try:
        while SwarmEventKind.NEEDS_PERSON not in world.kinds():
            await asyncio.wait({running}, timeout=0.02)
        world.git("branch", "release-9")
        assert (await running).completed == 1
    finally:
        supervisor.stop()
        await running
    assert (await world.task(task)).attempt_count == 1


async def test_work_that_was_done_before_the_protection_waits_and_lands_after_it(
    world: Any,
) -> None:
    task = await world.submit("Write", WRITE, feature_branch="main")
    await world.run_agents()
    before = world.git("rev-parse", "main")
    world.configure(targets={})
    assert (await world.run_until_idle()).stopped_by == "held"
    assert world.git("rev-parse", "main") == before
    (landing,) = await world.landings(task)
    assert landing.state is LandingState.QUEUED
    world.configure()
    assert (await world.run_until_idle()).completed == 1
    assert world.git("show", "main:new.txt") == "hello"
    await world.assert_sound()


async def test_other_targets_need_no_leave(world: Any) -> None:
    world.configure(targets={})
    world.git("branch", "feature/x")
    await world.submit("Write", WRITE, feature_branch="feature/x")
    await (await world.supervisor()).preflight()
    assert (await world.run_until_idle()).completed == 1


async def test_what_is_protected_is_a_setting(world: Any) -> None:
    world.git("branch", "stable")
    world.configure(landing={"protected": ["sta*"]}, targets={})
    await world.submit("Write", WRITE, feature_branch="stable")
    assert (await world.run_until_idle()).stopped_by == "held"
    (told,) = [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]
    assert "`stable` is protected" in told.text
