"""Money and limits in a whole swarm, with agents that report what they are told to."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from abathur.cli.queue_view import queue_lines
from abathur.domain.admission import UNLIMITED, Hold, HoldCause, HoldScope
from abathur.domain.money import CostGroup
from abathur.infrastructure.runtimes.fake import FakeRuntime
from abathur.services import accounting, pausing
from abathur.services.queue_facts import queue_facts
from abathur.swarm.events import SwarmEventKind

WRITE = {"write": {"path": "a.txt", "text": "a\n"}}


async def known(world: Any) -> float:
    report = await world.db.read(accounting.cost_report, CostGroup.TASK, None)
    return float(report.total.known_usd)


async def test_an_agent_over_its_budget_is_stopped_and_its_work_is_kept(world: Any) -> None:
    world.configure(budget={"task_usd": 1.2, "assumed_usd_per_attempt": 0.1})
    script = [WRITE, {"usage": {"cost_usd": 1}}, {"usage": {"cost_usd": 1}}, {"hang": True}]
    task = await world.submit("Costly", script)
    result = await world.run_until_idle()
    assert result.stopped_by == "held"
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "budget")
    assert world.git("show", f"{attempt.salvage_ref}:a.txt") == "a"
    assert await known(world) == 2.0
    assert (await world.task(task)).status == "ready"
    await world.assert_sound()


async def test_a_limited_provider_holds_its_own_tasks_only(world: Any) -> None:
    world.configure(agents={"other": {"runtime": "fake", "provider": "elsewhere"}})
    reached = {"warn_limit": {"status": "rejected", "resets_in_seconds": 2}}
    limited = await world.submit(
        "Limited", {"1": [reached, {"limit": {"retry_after_seconds": 2}}], "*": [WRITE]}, priority=9
    )
    free = await world.submit("Free", [{"write": {"path": "b", "text": "b\n"}}], agent_type="other")
    result = await world.run_until_idle()
    assert result.completed == 2
    kinds = [event.kind for event in world.events]
    assert "limit_reached" in kinds
    ends = [event.task_id for event in world.events if event.kind == "task_completed"]
    assert ends == [free.id, limited.id]
    assert (await world.task(limited)).retry_count == 0
    assert await world.db.read(lambda stores: stores.pools.closed()) == []
    await world.assert_sound()


async def test_nothing_is_started_while_the_queue_is_empty_or_held(
    world: Any, monkeypatch: Any
) -> None:
    started: list[str] = []
    real = FakeRuntime.command

    def command(self: FakeRuntime, spec: Any) -> Any:
        started.append(spec.task_id)
        return real(self, spec)

    monkeypatch.setattr(FakeRuntime, "command", command)
    assert (await world.run_until_idle()).stopped_by == "idle"
    for number in range(3):
        await world.submit(f"Held {number}", [WRITE])
    hold = Hold(
        id="h",
        scope=HoldScope.EVERYTHING,
        name="",
        cause=HoldCause.BUDGET,
        reason="",
        hold_until=None,
        created_by="cli:eve",
        created_at=datetime.now(UTC),
    )
    await world.db.write(pausing.pause, hold)
    assert (await world.run_until_idle()).stopped_by == "held"
    assert started == []
    assert not Path(world.root, ".abathur", "runs").exists()


async def test_a_refused_login_burns_one_attempt_not_all(world: Any) -> None:
    world.configure(swarm={"max_agents": 1})
    fail = [{"fail": {"message": "HTTP 401", "class": "authentication"}}]
    for number in range(5):
        await world.submit(f"Task {number}", fail)
    assert (await world.run_until_idle()).stopped_by == "held"
    tasks = await world.tasks()
    assert sorted(task.attempt_count for task in tasks) == [0, 0, 0, 0, 1]
    assert {task.status for task in tasks} == {"ready"}


async def test_a_program_that_is_none_is_asked_about_at_once(world: Any) -> None:
    Path(world.root, "agent.sh").write_text("no program\n")
    Path(world.root, "agent.sh").chmod(0o755)
    world.git("add", "agent.sh")
    world.git("commit", "-qm", "what an installer left")
    world.configure(agents={"general": {"runtime": "command", "argv": ["./agent.sh"]}})
    task = await world.submit("Try it", [])
    assert (await world.run_until_idle()).stopped_by == "held"
    (attempt,) = await world.attempts(task)
    assert attempt.failure_class == "configuration"
    now = datetime.now(UTC)
    (line,) = queue_lines(await world.db.read(queue_facts, UNLIMITED, now), now)
    assert "can't start `./agent.sh`: neither a program nor a script" in line
    assert line.endswith("Put that right, then run `abathur resume --agent-type general`")
    (waits,) = (event for event in world.events if event.kind is SwarmEventKind.TASK_WAITS)
    assert waits.text == "waits for a person"


async def test_a_budget_of_all_stops_those_who_run_when_it_is_spent(world: Any) -> None:
    world.configure(budget={"day_usd": 2.5, "assumed_usd_per_attempt": 0.1})
    spend = {"usage": {"cost_usd": 0.4}}
    script = [WRITE, *[spend] * 50, {"hang": True}]
    tasks = [await world.submit(f"Costly {number}", script) for number in range(4)]
    assert (await world.run_until_idle()).stopped_by == "held"
    attempts = [one for task in tasks for one in await world.attempts(task)]
    assert {(one.outcome, one.failure_class) for one in attempts} == {("failed", "budget")}
    assert all("as the budget of the day" in one.error_message for one in attempts)
    assert all(world.git("show", f"{one.salvage_ref}:a.txt") == "a" for one in attempts)
    (hold,) = await world.db.read(lambda stores: stores.admission.holds())
    assert (hold.scope, hold.cause) == (HoldScope.EVERYTHING, HoldCause.BUDGET)
    assert {(await world.task(one)).status for one in tasks} == {"ready"}
    await world.assert_sound()


async def test_a_targets_budget_counts_tasks_that_name_no_target(world: Any) -> None:
    """They land on the branch that is checked out, though no setting names it."""
    world.configure(
        budget={"target_usd": {"main": 1.0}, "assumed_usd_per_attempt": 0.1},
        swarm={"max_agents": 1},
    )
    spend = [WRITE, {"usage": {"cost_usd": 1.0}}]
    first = await world.submit("First", spend, priority=9)
    assert first.feature_branch is None
    second = await world.submit("Second", spend)
    assert (await world.run_until_idle()).stopped_by == "held"
    assert [(await world.task(one)).status for one in (first, second)] == ["completed", "ready"]
    (hold,) = await world.db.read(lambda stores: stores.admission.holds())
    assert (hold.scope, hold.name, hold.cause) == ("target", "main", "budget")
