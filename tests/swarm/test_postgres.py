"""The swarm on PostgreSQL: it runs, dies, loses its connections, and everything lands once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database
from tests import postgres
from tests.swarm.conftest import made_world


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """One that may be stopped: nobody else uses it."""
    server = postgres.new_server()
    server.start()
    yield server
    server.stop("immediate")
    server.remove()


async def fill(world: Any, count: int) -> list[Any]:
    tasks: list[Any] = []
    for index in range(count):
        needs = (tasks[index - 2].id,) if index % 3 == 2 else ()
        script = [{"write": {"path": f"out/{index}.txt", "text": f"{index}\n"}}]
        tasks.append(await world.submit(f"Task {index}", script, prerequisites=needs))
    return tasks


async def test_a_swarm_works_a_graph_off(postgres_world: Any) -> None:
    tasks = await fill(postgres_world, 6)
    result = await postgres_world.run_until_idle()
    assert (result.completed, result.failed) == (6, 0)
    assert sorted(postgres_world.landed()) == sorted(task.id for task in tasks)
    await postgres_world.assert_sound()


async def test_two_swarms_share_a_queue(postgres_world: Any) -> None:
    tasks = await fill(postgres_world, 6)
    project = bootstrap.load_project(postgres_world.root)
    async with bootstrap.open_database(project) as other:
        second = await supervision.build_supervisor(project, other, postgres_world.events.append)
        results = await asyncio.gather(postgres_world.run_until_idle(), second.run(until_idle=True))
    assert sum(result.completed for result in results) == 6
    assert sorted(postgres_world.landed()) == sorted(task.id for task in tasks)
    await postgres_world.assert_sound()


async def test_the_next_swarm_takes_over_from_a_killed_one(postgres_world: Any) -> None:
    task = await postgres_world.submit(
        "Be interrupted", {"1": [{"say": "here"}, {"hang": True}], "*": [{"say": "again"}]}
    )
    with postgres_world.start_swarm("forever") as swarm:
        for line in swarm.stdout:
            if "here" in line:
                break
        swarm.kill()
    assert (await postgres_world.run_until_idle()).completed == 1
    attempts = await postgres_world.attempts(task)
    assert [one.outcome for one in attempts] == [OutcomeKind.LOST, OutcomeKind.SUCCEEDED]
    await postgres_world.assert_sound()


async def test_a_swarm_whose_connections_are_killed_goes_on(
    postgres_world: Any, postgres_url: str
) -> None:
    tasks = await fill(postgres_world, 5)
    run = asyncio.ensure_future(postgres_world.run_until_idle())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for wanted in range(1, 4):
            await completed(postgres_world, wanted)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'abathur' AND datname = current_database()"
            )
    assert (await run).completed == 5
    assert sorted(postgres_world.landed()) == sorted(task.id for task in tasks)
    await postgres_world.assert_sound()


async def test_a_swarm_whose_server_is_restarted_goes_on(
    server: postgres.Server, git_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABATHUR_DB", server.url)
    async with Database(server.url, may_migrate=True):
        pass
    async with made_world(git_repo, server.url) as world:
        tasks = await fill(world, 6)
        run = asyncio.ensure_future(world.run_until_idle())
        for wanted, mode in ((1, "immediate"), (3, "fast")):
            await completed(world, wanted)
            await asyncio.to_thread(server.stop, mode)
            await asyncio.to_thread(server.start)
        result = await run
        assert (result.completed, result.failed) == (6, 0)
        assert sorted(world.landed()) == sorted(task.id for task in tasks)
        for task in tasks:
            (attempt,) = await world.attempts(task)
            assert attempt.outcome is OutcomeKind.SUCCEEDED
        await world.assert_sound()


async def completed(world: Any, count: int) -> None:
    """Wait until so many tasks are completed."""
    async with world.db.wakeups() as wakeups:
        while True:
            counts = await world.db.read(lambda stores: stores.tasks.counts())
            if counts[TaskStatus.COMPLETED] >= count:
                return
            await wakeups.wait(1)
