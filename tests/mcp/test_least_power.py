"""What an agent at work may do through the servers, and what it may not."""

import subprocess

import pytest

from abathur.bootstrap import Project
from abathur.domain.delegation import Caller, RunKey
from abathur.domain.tokens import issued, read
from abathur.ports.stores import TaskFilter
from abathur.services.reading import list_tasks
from tests.mcp.conftest import Refused, Site

KEY = b"k" * 32


async def test_an_agents_tasks_are_parts_of_its_own_and_land_where_its_own_does(
    site: Site,
) -> None:
    run, own = await site.run()
    done = await site.call("task_enqueue", run, description="Part", source="human")
    part = await site.call("task_get", run, task_id=done["task_id"])
    assert part["parent_task_id"] == own.id
    assert part["feature_branch"] == "main"
    assert part["source"] == "agent_requirements"
    assert part["created_by"] == f"mcp:{own.id}"
    deeper = await site.call(
        "task_enqueue", run, description="Deeper", parent_task_id=done["task_id"]
    )
    assert (await site.call("task_get", task_id=deeper["task_id"]))["parent_task_id"] == done[
        "task_id"
    ]


async def test_an_agent_adds_nothing_to_the_tasks_of_others(site: Site) -> None:
    other = await site.add("Somebody else's")
    run, _ = await site.run()
    with pytest.raises(Refused, match="PermissionError: parent_task_id"):
        await site.call("task_enqueue", run, description="x", parent_task_id=other)


async def test_an_agent_cancels_its_own_parts_only(site: Site) -> None:
    other = await site.add("Somebody else's")
    run, own = await site.run()
    part = (await site.call("task_enqueue", run, description="Part"))["task_id"]
    for task_id in (other, own.id):
        with pytest.raises(Refused, match="PermissionError"):
            await site.call("task_cancel", run, task_id=task_id)
    waiting = await site.add("Waits for the part", prerequisites=[part])
    with pytest.raises(Refused, match="which isn't yours, waits for"):
        await site.call("task_cancel", run, task_id=part)
    assert (await site.call("task_get", task_id=part))["status"] == "ready"
    await site.call("task_cancel", task_id=waiting)
    assert (await site.call("task_cancel", run, task_id=part))["total_cancelled"] == 1


@pytest.fixture
def other_branch(project: Project) -> str:
    subprocess.run(["git", "branch", "other"], cwd=project.root, check=True)
    return "other"


async def test_an_agent_sees_the_work_on_its_own_target_only(site: Site, other_branch: str) -> None:
    hidden = await site.add("On another branch", feature_branch=other_branch)
    run, own = await site.run()
    listed = await site.call("task_list", run)
    assert [task["id"] for task in listed["tasks"]] == [own.id]
    assert (await site.call("task_queue_status", run))["total_tasks"] == 1
    assert (await site.call("feature_branch_list", run))["count"] == 1
    for tool, args in (
        ("task_get", {"task_id": hidden}),
        ("task_why", {"task_id": hidden}),
        ("task_execution_plan", {"task_ids": [hidden]}),
        ("task_enqueue", {"description": "x", "prerequisites": [hidden]}),
        ("task_list", {"feature_branch": "other"}),
        ("feature_branch_summary", {"feature_branch": "other"}),
    ):
        with pytest.raises(Refused, match="NotFoundError"):
            await site.call(tool, run, **args)
    with pytest.raises(Refused, match="PermissionError: feature_branch"):
        await site.call("task_enqueue", run, description="x", feature_branch="other")


async def test_depth_and_number_of_an_agents_tasks_are_limited(site: Site) -> None:
    run, own = await site.run()
    small = site.limited(max_tasks=3)
    await small.call("task_enqueue_many", run, tasks=[{"description": "x"}] * 3)
    with pytest.raises(Refused, match=r"3 tasks came from the first one already.*max_tasks"):
        await small.call("task_enqueue", run, description="x")
    with pytest.raises(Refused, match="max_depth"):
        await site.limited(max_depth=0).call("task_enqueue", run, description="x")
    tasks = await site.db.read(list_tasks, TaskFilter(parent_task_id=own.id))
    assert len(tasks) == 3


async def test_a_run_that_is_over_may_do_nothing_more(site: Site) -> None:
    run, own = await site.run()
    await site.call("task_cancel", task_id=own.id)
    for tool, args in (
        ("task_enqueue", {"description": "x"}),
        ("task_list", {}),
        ("task_get", {"task_id": own.id}),
        ("task_cancel", {"task_id": own.id}),
    ):
        with pytest.raises(Refused, match=r"PermissionError: attempt 1 of task .* is over"):
            await site.call(tool, run, **args)


async def test_what_an_agent_does_is_audited_with_its_task(site: Site) -> None:
    run, own = await site.run()
    part = (await site.call("task_enqueue", run, description="Part"))["task_id"]
    (entry,) = await site.db.read(lambda stores: stores.audit.of_task(part))
    assert entry.actor == f"mcp:{own.id}"


def test_a_token_is_believed_only_as_it_was_issued() -> None:
    run = Caller(name="", run=RunKey("0a1b-2c", 3, 7))
    token = issued(KEY, run)
    assert read(KEY, token) == run
    assert read(KEY, issued(KEY, Caller(name="Ada Ünsal"))) == Caller(name="Ada Ünsal")
    head, task, attempt, fence, signature = token.split(".")
    for forged in (
        f"{head}.{task}.{attempt}.8.{signature}",
        f"{head}.other.{attempt}.{fence}.{signature}",
        f"{head}.{task}.{attempt}.{fence}.{'0' * 64}",
        f"{head}.{task}.{attempt}.{fence}.",
        f"{head}..{signature}",
        "",
        "ä.b.c",
        "x" * 10_000,
    ):
        assert read(KEY, forged) is None
    assert read(b"j" * 32, token) is None


async def test_each_candidate_that_an_agent_asks_for_counts_as_a_task(site: Site) -> None:
    run, _ = await site.run()
    site = site.limited(max_tasks=4)
    with pytest.raises(Refused, match="PermissionError"):
        await site.call("task_enqueue", run, description="x", candidates=5)
    await site.call("task_enqueue", run, description="x", candidates=[{"model": "a"}, {}])
