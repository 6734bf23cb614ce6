"""Resources, what becomes of them, and prompts."""

import asyncio
import json
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import ResourceUpdatedNotification, TextResourceContents

from abathur.domain.runs import EventKind, RunEvent
from abathur.mcp.resources import MOST_EVENTS
from tests.mcp.conftest import Refused, Site


async def read(site: Site, uri: str, *args: Any) -> Any:
    problem = ""
    async with site.client(*args) as client:
        try:
            (content,) = (await client.read_resource(uri)).contents
        except MCPError as error:
            problem = str(error)
    if problem:
        raise Refused(problem)
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text)


async def test_the_queue_a_task_its_log_and_a_memory_are_resources(site: Site) -> None:
    task_id = await site.add()
    await site.call(
        "memory_add",
        namespace="project:build",
        key="a b/c",
        value={"x": 1},
        memory_type="semantic",
        created_by="ada",
    )
    assert (await read(site, "abathur://queue"))["total_tasks"] == 1
    assert (await read(site, f"abathur://task/{task_id}"))["id"] == task_id
    assert await read(site, f"abathur://task/{task_id}/log") == []
    assert (await read(site, "abathur://memory/project%3Abuild/a%20b%2Fc"))["value"] == {"x": 1}
    async with site.client() as client:
        assert [one.name for one in (await client.list_resources()).resources] == ["queue"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.name for one in templates] == ["task", "task-log", "memory"]


async def test_the_log_of_a_long_run_is_its_end(site: Site) -> None:
    """Its beginning would never change again for who listens to it."""
    _, task = await site.run()
    said = [
        (number, site.host.now(), RunEvent(EventKind.TEXT, f"step {number}"))
        for number in range(1, MOST_EVENTS + 11)
    ]
    await site.db.write(lambda stores: stores.attempts.add_events(task.id, 1, said))
    log = await read(site, f"abathur://task/{task.id}/log")
    assert [one["number"] for one in log] == [*range(11, MOST_EVENTS + 11)]
    assert log[-1]["text"] == f"step {MOST_EVENTS + 10}"


@pytest.mark.parametrize(
    "uri",
    [
        "abathur://task/01234567",
        "abathur://task/../../etc/passwd",
        "abathur://nothing",
        "file:///etc/passwd",
        "abathur://task/%00",
        "abathur://memory/a/b",
    ],
)
async def test_what_is_no_resource_is_said_to_be_none(site: Site, uri: str) -> None:
    with pytest.raises(Refused, match=r"no task|there is no|isn't a task id"):
        await read(site, uri)


async def test_an_agent_reads_no_task_that_its_work_does_not_need(site: Site) -> None:
    run, own = await site.run()
    assert (await read(site, f"abathur://task/{own.id}", run))["id"] == own.id
    await site.call("task_cancel", task_id=own.id)
    with pytest.raises(Refused, match="is over"):
        await read(site, "abathur://queue", run)


async def test_a_subscriber_is_told_when_a_resource_changes(site: Site) -> None:
    task_id = await site.add()
    uri = f"abathur://task/{task_id}"
    async with (
        site.client(mode="2026-07-28") as client,
        client.listen(resource_subscriptions=[uri]) as events,
    ):
        await site.add("Another one, which changes nothing of it")
        await site.call("task_cancel", task_id=task_id)
        async with asyncio.timeout(20):
            async for event in events:
                assert getattr(event, "uri", None) == uri
                break
    assert (await read(site, uri))["status"] == "cancelled"


@pytest.mark.filterwarnings("ignore:resources/.*subscribe is removed")
async def test_a_client_of_the_older_era_subscribes_to_one_resource_after_another(
    site: Site,
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.put_nowait(message.params.uri)

    first, second = [f"abathur://task/{await site.add()}" for _ in range(2)]
    async with site.client(message_handler=hear) as client:
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe
        with pytest.raises(MCPError, match="no task"):
            await client.subscribe_resource("abathur://task/01234567")
        await client.subscribe_resource(first)
        await client.subscribe_resource(second)
        await client.unsubscribe_resource(first)
        for uri in (first, second):
            await client.call_tool("task_cancel", {"task_id": uri.rpartition("/")[2]})
        async with asyncio.timeout(20):
            assert await heard.get() == second
    assert heard.empty()


async def test_prompts_are_filled_with_what_is_given(site: Site) -> None:
    async with site.client() as client:
        assert [one.name for one in (await client.list_prompts()).prompts] == ["plan", "report"]
        found = await client.get_prompt("plan", {"goal": "fly {goal}"})
        assert "fly {goal}" in str(found.messages[0].content)
        with pytest.raises(MCPError, match="`feature_branch` is missing"):
            await client.get_prompt("report", {})
