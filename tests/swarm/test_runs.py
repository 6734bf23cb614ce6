"""Attempts: how they fail, are tried again, time out, are cancelled and handed back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from abathur.domain.runs import OutcomeKind
from abathur.services.cancelling import cancel
from abathur.swarm.events import SwarmEvent, SwarmEventKind

UNRESOLVED = "curl: (6) Could not resolve host: example.org"
HANG = [{"write": {"path": "half.txt", "text": "half\n"}}, {"say": "hanging"}, {"hang": True}]


def outcomes(attempts: Any) -> list[OutcomeKind]:
    return [attempt.outcome for attempt in attempts]


async def when(world: Any, supervisor: Any, kind: SwarmEventKind, text: str = "") -> None:
    """Wait for an event of a supervisor that runs in this process."""
    seen = asyncio.Event()

    def watch(event: SwarmEvent) -> None:
        world.events.append(event)
        if event.kind is kind and text in event.text:
            seen.set()

    supervisor._state.sink = watch
    await seen.wait()


async def test_a_failed_attempt_is_tried_again_until_it_succeeds(world: Any) -> None:
    script = {
        "1": [{"fail": "no idea"}],
        "2": [{"die": 3}],
        "*": [{"write": {"path": "a.txt", "text": "a\n"}}],
    }
    task = await world.submit("Try hard", script)
    result = await world.run_until_idle()
    assert result.completed == 1
    attempts = await world.attempts(task)
    assert outcomes(attempts) == ["failed", "failed", "succeeded"]
    assert "no idea" in attempts[0].error_message
    assert (await world.task(task)).retry_count == 2
    await world.assert_sound()


async def test_after_the_last_retry_it_fails_and_takes_its_dependants_along(world: Any) -> None:
    task = await world.submit("Hopeless", [{"fail": "no idea"}], max_retries=1)
    after = await world.submit("After", prerequisites=(task.id,))
    result = await world.run_until_idle()
    assert result.failed == 1
    assert len(await world.attempts(task)) == 2
    assert (await world.task(task)).error_message == "no idea"
    assert (await world.task(after)).cancelled_by == task.id


async def test_work_of_a_failed_attempt_is_kept(world: Any) -> None:
    script = [{"write": {"path": "half.txt", "text": "half\n"}}, {"fail": "stuck"}]
    task = await world.submit("Half", script, max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    await world.assert_sound()


async def test_a_hanging_agent_is_ended_at_its_timeout(world: Any) -> None:
    task = await world.submit("Hang", HANG, max_execution_timeout_seconds=1, max_retries=0)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert attempt.outcome == "timed_out"
    assert "1 s" in attempt.error_message
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    await world.assert_sound()


async def test_a_rate_limit_spends_no_retry(world: Any) -> None:
    script = {
        "1": [{"limit": {"retry_after_seconds": 1}}],
        "*": [{"write": {"path": "a.txt", "text": "a\n"}}],
    }
    task = await world.submit("Limited", script, max_retries=0)
    result = await world.run_until_idle()
    assert result.completed == 1
    assert outcomes(await world.attempts(task)) == ["rate_limited", "succeeded"]
    assert (await world.task(task)).retry_count == 0


async def test_cancelling_a_running_task_ends_its_agent_and_keeps_its_work(world: Any) -> None:
    task = await world.submit("Hang", HANG)
    supervisor = await world.supervisor()
    running = asyncio.create_task(supervisor.run(until_idle=True))
    await when(world, supervisor, SwarmEventKind.AGENT_EVENT, "hanging")
    now = supervisor._parts.clock.now()
    await world.db.write(cancel, task.id, now=now, actor="test")
    await running
    assert (await world.task(task)).status == "cancelled"
    (attempt,) = await world.attempts(task)
    assert attempt.outcome == "cancelled"
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    await world.assert_sound()


async def test_an_orderly_stop_hands_tasks_back_with_their_work_kept(world: Any) -> None:
    task = await world.submit("Hang", HANG)
    supervisor = await world.supervisor()
    running = asyncio.create_task(supervisor.run())
    await when(world, supervisor, SwarmEventKind.AGENT_EVENT, "hanging")
    supervisor.stop(now=True)
    result = await running
    assert result.stopped_by == "signal"
    back = await world.task(task)
    assert (back.status, back.retry_count, back.worker_id) == ("ready", 0, None)
    (attempt,) = await world.attempts(task)
    assert attempt.outcome == "released"
    assert world.git("show", f"{attempt.salvage_ref}:half.txt") == "half"
    assert await world.db.read(lambda stores: stores.workers.live()) == []
    await world.assert_sound()


async def test_an_agent_that_ends_within_the_grace_period_still_lands(world: Any) -> None:
    go = world.root / ".abathur" / "go"
    script = [{"say": "waiting"}, {"wait_for": str(go)}, {"write": {"path": "a", "text": "a\n"}}]
    task = await world.submit("Slow", script)
    world.configure(swarm={"grace_seconds": 20, "heartbeat_seconds": 1, "lease_seconds": 30})
    supervisor = await world.supervisor()
    running = asyncio.create_task(supervisor.run())
    await when(world, supervisor, SwarmEventKind.AGENT_EVENT, "waiting")
    supervisor.stop()
    go.touch()
    await running
    # It reported; the landing waits in the queue for the next start.
    assert outcomes(await world.attempts(task)) == ["succeeded"]
    await world.run_until_idle()
    assert world.landed() == [task.id]
    await world.assert_sound()


async def test_a_task_limit_is_the_number_of_tasks_that_end(world: Any) -> None:
    for index in range(5):
        await world.submit(f"Task {index}", [{"write": {"path": f"{index}", "text": "x\n"}}])
    supervisor = await world.supervisor()
    result = await supervisor.run(task_limit=2)
    assert (result.completed, result.stopped_by) == (2, "limit")
    counts = await world.db.read(lambda stores: stores.tasks.counts())
    assert counts["completed"] == 2
    assert counts["ready"] == 3


async def test_two_supervisors_share_a_queue_and_no_task_is_run_twice(world: Any) -> None:
    tasks = [
        await world.submit(f"Task {index}", [{"write": {"path": f"{index}", "text": "x\n"}}])
        for index in range(12)
    ]
    first, second = await world.supervisor(), await world.supervisor()
    await asyncio.gather(first.run(until_idle=True), second.run(until_idle=True))
    for task in tasks:
        assert outcomes(await world.attempts(task)) == ["succeeded"]
    assert sorted(world.landed()) == sorted(task.id for task in tasks)
    await world.assert_sound()


async def test_a_command_agent_works_on_its_own_worktree(world: Any) -> None:
    world.configure(
        agents={"upper": {"runtime": "command", "argv": ["sh", "-c", "tr a-z A-Z > shout.txt"]}}
    )
    task = await world.submit("be loud", agent_type="upper")
    await world.run_until_idle()
    assert world.file("shout.txt") == "BE LOUD"
    assert (await world.attempts(task))[0].runtime == "command"


async def test_a_setup_command_runs_before_the_agent_and_its_failure_is_told(world: Any) -> None:
    world.configure(setup={"command": ["sh", "-c", "echo no network >&2; exit 4"]})
    task = await world.submit("Never starts", max_retries=0)
    await world.run_until_idle()
    failed = await world.task(task)
    assert failed.status == "failed"
    assert "set-up command ended with code 4: no network" in failed.error_message


async def test_an_outage_that_setup_meets_spends_no_retry_and_all_go_on_after_it(
    world: Any,
) -> None:
    seen = world.root / ".abathur" / "seen"
    fetch = f'echo x >> "{seen}"; [ $(wc -l < "{seen}") -gt 2 ] || {{ echo "{UNRESOLVED}" >&2; '
    world.configure(setup={"command": ["sh", "-c", f"{fetch} echo see the log >&2; exit 6; }}"]})
    tasks = [await world.submit(f"Write {n}", max_retries=0) for n in range(2)]
    result = await world.run_until_idle()
    assert result.completed == 2
    ends = [end for task in tasks for end in await world.attempts(task)]
    failed = [one for one in ends if one.outcome == "failed"]
    assert {one.failure_class for one in failed} == {"network"}
    assert all(UNRESOLVED in one.error_message for one in failed)
    assert [(await world.task(task)).retry_count for task in tasks] == [0, 0]
    assert SwarmEventKind.LIMIT_OVER in world.kinds()
    await world.assert_sound()


async def test_files_that_git_cannot_fetch_spend_no_retry_and_keep_no_work_from_landing(
    world: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("abathur.swarm.lander.LONGEST_PAUSE_SECONDS", 0.01)
    seen = world.root / ".abathur" / "seen"
    count = f'echo x >> "{seen}"; n=$(wc -l < "{seen}")'
    fails = f'{{ echo "{UNRESOLVED}" >&2; exit 2; }}'
    world.git("config", "filter.far.required", "true")
    world.git("config", "filter.far.clean", "cat")
    (world.root / ".gitattributes").write_text("*.far filter=far\n")
    (world.root / "one.far").write_text("far away\n")
    world.git("add", ".")
    world.git("commit", "-qm", "far")
    # The attempt's first worktree, and then more of the landing's than are taken for its fault.
    smudge = f"{count}; [ $n -ne 1 ] || {fails}; [ $n -lt 3 -o $n -gt 8 ] || {fails}; cat"
    world.git("config", "filter.far.smudge", smudge)
    world.configure(verify={"command": ["cat", "one.far"]})
    task = await world.submit("Write", [{"write": {"path": "a", "text": "a\n"}}], max_retries=0)
    result = await world.run_until_idle()
    assert result.completed == 1
    assert outcomes(await world.attempts(task)) == ["failed", "succeeded"]
    waits = [e for e in world.events if "the landing waits until this is over" in e.text]
    assert len(waits) == 1


async def test_the_prompt_of_a_sent_back_task_holds_the_facts(world: Any) -> None:
    world.configure(
        verify={"command": ["sh", "-c", "echo wrong number; test -e fixed"]},
        agents={
            "sh": {
                "runtime": "command",
                "argv": ["sh", "-c", "cat > said; grep -q 'wrong number' said && touch fixed; :"],
                "briefing": True,
            }
        },
    )
    task = await world.submit("Do it", agent_type="sh")
    result = await world.run_until_idle()
    assert result.completed == 1
    said = world.file("said")
    assert "# Why you are asked again" in said
    assert len(await world.attempts(task)) == 2


async def test_an_agent_type_that_nobody_can_run_fails_with_what_to_do(world: Any) -> None:
    world.configure(agents={"ghost": {"runtime": "nowhere"}})
    task = await world.submit("Boo", agent_type="ghost", max_retries=0)
    await world.run_until_idle()
    assert "nowhere" in (await world.task(task)).error_message


async def test_a_task_scheduled_for_later_does_not_keep_a_swarm_from_being_idle(world: Any) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    task = await world.submit("Tomorrow", not_before=later)
    result = await world.run_until_idle()
    assert (result.completed, result.stopped_by) == (0, "idle")
    assert (await world.task(task)).status == "pending"


async def test_tasks_of_the_same_name_that_start_together_get_branches_of_their_own(
    world: Any,
) -> None:
    tasks = [
        await world.submit("The same name", [{"write": {"path": f"{index}", "text": "x\n"}}])
        for index in range(3)
    ]
    await world.run_until_idle()
    attempts = [await world.attempts(task) for task in tasks]
    assert [outcomes(each) for each in attempts] == [["succeeded"]] * 3
    assert len({each[0].branch for each in attempts}) == 3
    await world.assert_sound()


async def test_a_definition_file_says_which_runtime_and_model_serve_an_agent_type(
    world: Any,
) -> None:
    folder = world.root / ".claude" / "agents" / "team"
    folder.mkdir(parents=True)
    text = "---\nname: scribe\ndescription: Writes\nruntime: fake\nmodel: small\n---\nYou write.\n"
    (folder / "scribe.md").write_text(text)
    world.configure(default_runtime="claude")
    script = [{"write": {"path": "a.txt", "text": "a\n"}}]
    task = await world.submit("Write", script, agent_type="scribe")
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert (attempt.runtime, attempt.model, attempt.outcome) == ("fake", "small", "succeeded")
    (agent,) = await world.db.read(lambda stores: stores.workers.agents(task.id))
    assert (agent.agent_type, agent.model, agent.state) == ("scribe", "small", "terminated")
