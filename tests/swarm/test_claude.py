"""The real Claude Code in a real swarm, against a scripted model: from the task to what landed."""

import asyncio
import os
from contextlib import suppress
from typing import Any

import psutil
import pytest
from anyio import wait_readable

from abathur.bootstrap import load_project, supervision
from abathur.infrastructure.model_server.script import (
    Conversation,
    Ending,
    Match,
    Script,
    ToolCall,
    Turn,
)
from abathur.infrastructure.model_server.server import ModelServer
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("claude")]

REPORT = 'Done.\n```json\n{"execution_status": {"status": "SUCCESS"}, "deliverables": {}}\n```'
HANG = ToolCall("Bash", {"command": "tail -f /dev/null", "description": "wait"})


def write(name: str) -> Turn:
    return Turn(tools=(ToolCall("Write", {"file_path": name, "content": "hi\n"}),))


def talk(about: str, *turns: Turn, **more: Any) -> Conversation:
    return Conversation(name=about, when=Match(prompt=(about,)), turns=turns, **more)


def serve(*talks: Conversation) -> ModelServer:
    return ModelServer(Script(name="test", conversations=talks))


def configure(world: Any, server: ModelServer, **sections: Any) -> None:
    env = {
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }
    settings = {"program": str(program("claude")), "model": "claude-opus-5-5", "env": env}
    world.configure(default_runtime="claude", runtimes={"claude": settings}, **sections)


async def test_its_work_is_checked_and_lands_and_what_it_was_denied_is_asked(world: Any) -> None:
    bash = ToolCall("Bash", {"command": "cat hello.txt >> more.txt", "description": "add"})
    hello = talk("Write hello.txt", write("hello.txt"), Turn(tools=(bash,)), Turn(texts=(REPORT,)))
    denied = talk("Write locked.txt", write("locked.txt"), Turn(texts=("I may not.",)))
    with serve(hello, denied) as server:
        configure(
            world,
            server,
            verify={"command": ["grep", "-q", "hi", "hello.txt"]},
            agents={"careful": {"permission_mode": "default", "allowed_tools": ["Read"]}},
        )
        first = await world.submit("Write hello.txt", priority=9)
        second = await world.submit("Write locked.txt", agent_type="careful")
        result = await world.run_until_idle()
    assert result.completed == 1
    assert (world.file("hello.txt"), world.file("more.txt")) == ("hi", "hi")
    (attempt,) = await world.attempts(first)
    assert (attempt.runtime, attempt.outcome) == ("claude", "succeeded")
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (3000, 150)
    assert attempt.usage.cost_usd > 0
    assert "# Task" in str(server.requests[0].body["messages"])
    (asked,) = await world.db.read(lambda stores: stores.reviews.open())
    assert asked.task_id == second.id
    assert "Write" in str(asked)


async def test_a_limit_and_a_wrong_key_hold_the_queue_instead_of_failing_tasks(world: Any) -> None:
    refused = Turn(status=429, headers={"retry-after": "300"})
    limited = talk("Limited", refused, then=Ending.REPEAT)
    wrong = talk("Wrong key", Turn(status=401), then=Ending.REPEAT)
    with serve(limited, wrong) as server:
        configure(world, server, agents={"other": {"provider": "elsewhere"}})
        tasks = [
            await world.submit("Limited"),
            await world.submit("Wrong key", agent_type="other"),
        ]
        await run_until(world, SwarmEventKind.ATTEMPT_ENDED, len(tasks))
    ends = [(await world.attempts(task))[0] for task in tasks]
    assert [(end.outcome, end.failure_class) for end in ends] == [
        ("rate_limited", "capacity"),
        ("failed", "authentication"),
    ]
    assert [(await world.task(task)).retry_count for task in tasks] == [0, 0]
    assert [(await world.task(task)).status.is_final for task in tasks] == [False, False]
    (pool,) = await world.db.read(lambda stores: stores.pools.closed())
    assert pool.exhausted_until is not None
    assert len(server.requests) <= 4


async def test_a_run_over_its_budget_or_its_time_ends_and_leaves_nothing(world: Any) -> None:
    costly = talk("Costly", write("a.txt"), write("b.txt"), then=Ending.REPEAT)
    endless = talk("Endless", Turn(tools=(HANG,)))
    with serve(costly, endless) as server:
        configure(world, server, retry={"initial_seconds": 0.05, "max_seconds": 0.1})
        late = await world.submit(
            "Endless", max_execution_timeout_seconds=3, max_retries=0, priority=9
        )
        await world.run_until_idle()
        configure(world, server, budget={"task_usd": 0.001, "assumed_usd_per_attempt": 0.0001})
        task = await world.submit("Costly")
        await world.run_until_idle()
    (attempt,) = await world.attempts(late)
    assert attempt.outcome == "timed_out"
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "budget")
    assert attempt.usage.cost_usd > 0.001
    await world.assert_sound()


async def test_nothing_of_it_outlives_a_swarm_that_is_killed(world: Any) -> None:
    with serve(talk("Endless", Turn(tools=(HANG,)))) as server:
        configure(world, server)
        await world.submit("Endless")
        with world.start_swarm("forever") as swarm:
            assert any("tail -f" in line for line in swarm.stdout)
            living = {process.pid for process in psutil.process_iter() if is_of(process, world)}
            assert living
            swarm.kill()
        async with asyncio.timeout(30):
            await gone(living)
    assert world.survivors() == []


def is_of(process: psutil.Process, world: Any) -> bool:
    with suppress(psutil.Error, OSError):
        env = process.environ()
        return "ABATHUR_WORKER" in env and str(world.root) in env.get("ABATHUR_FACTS", "")
    return False


async def run_until(world: Any, kind: SwarmEventKind, count: int) -> None:
    """A supervisor that is stopped at so many events of the kind."""
    supervisor: Any = None

    def see(event: SwarmEvent) -> None:
        world.events.append(event)
        if world.kinds().count(kind) >= count:
            supervisor.stop()

    supervisor = await supervision.build_supervisor(load_project(world.root), world.db, see)
    async with asyncio.timeout(60):
        await supervisor.run()


async def gone(pids: set[int]) -> None:
    """By the kernel's own word: nothing is looked at again and again."""
    for pid in pids:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                await wait_readable(handle)
            finally:
                os.close(handle)


async def test_a_result_that_breaks_its_schema_is_asked_for_in_the_same_session(
    world: Any,
) -> None:
    good = REPORT.replace('"deliverables": {}', '"deliverables": {"plan": ["one"]}')
    bad = Turn(texts=(REPORT,))  # twice: the program itself asks once for what the schema wants
    work = talk("Plan it", write("plan.txt"), bad, bad, Turn(texts=(good,)))
    schema = {"properties": {"deliverables": {"required": ["plan"]}}}
    with serve(work) as server:
        configure(world, server, agents={"planner": {"result_schema": schema}})
        task = await world.submit("Plan it", agent_type="planner", max_retries=0)
        result = await world.run_until_idle()
    assert result.completed == 1, world.events
    (attempt,) = await world.attempts(task)
    assert (attempt.result.origin, attempt.result.check) == ("repair", "valid")
    assert (await world.task(task)).result_data["deliverables"] == {"plan": ["one"]}
    last = str(server.requests[-1].body["messages"])
    assert "be used as it is" in last
    assert "plan.txt" in last, "the question came in a session of its own"
    assert attempt.usage.output_tokens == 50 * len(server.requests)
    await world.assert_sound()
