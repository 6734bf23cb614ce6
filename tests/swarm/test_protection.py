"""Protected targets: refused before an agent runs, and never landed on by mistake."""

from typing import Any

import pytest

from abathur.domain.errors import ProtectedTargetError
from abathur.swarm.events import SwarmEventKind

WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


async def test_a_swarm_does_not_start_while_a_task_wants_a_protected_target(world: Any) -> None:
    world.configure(targets={})
    await world.submit("Write", WRITE, feature_branch="main")
    supervisor = await world.supervisor()
    with pytest.raises(ProtectedTargetError, match=r"targets: {main: {allow: true}}"):
        await supervisor.preflight()


async def test_no_agent_runs_for_a_task_that_came_later(world: Any) -> None:
    world.configure(targets={})
    task = await world.submit("Write", WRITE, feature_branch="main", max_retries=0)
    assert (await world.run_until_idle()).failed == 1
    assert SwarmEventKind.AGENT_STARTED not in world.kinds(task)
    assert "is protected" in (await world.task(task)).error_message


async def test_work_that_was_done_before_the_protection_does_not_land(world: Any) -> None:
    task = await world.submit("Write", WRITE, feature_branch="main")
    await world.run_agents()
    before = world.git("rev-parse", "main")
    world.configure(targets={})
    assert (await world.run_until_idle()).failed == 1
    assert world.git("rev-parse", "main") == before
    (landing,) = await world.landings(task)
    assert "is protected" in landing.detail
    assert world.git("show", f"{landing.facts['salvage_ref']}:new.txt") == "hello"
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
    with pytest.raises(ProtectedTargetError, match="`stable` is protected"):
        await (await world.supervisor()).preflight()
