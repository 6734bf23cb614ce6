"""The tools about tasks, as clients of older versions and of today call them."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from abathur.mcp import advice
from abathur.mcp.advice import for_model
from abathur.mcp.catalogue import tools_of
from tests.mcp.conftest import Refused, Site

OLDER = {
    "task_enqueue",
    "task_get",
    "task_list",
    "task_queue_status",
    "task_cancel",
    "task_execution_plan",
    "feature_branch_summary",
    "feature_branch_list",
    "feature_branch_blockers",
}
OLDER_TASK = {
    "id",
    "prompt",
    "summary",
    "agent_type",
    "priority",
    "status",
    "input_data",
    "result_data",
    "error_message",
    "retry_count",
    "max_retries",
    "max_execution_timeout_seconds",
    "submitted_at",
    "started_at",
    "completed_at",
    "last_updated_at",
    "created_by",
    "parent_task_id",
    "dependencies",
    "session_id",
    "source",
    "dependency_type",
    "calculated_priority",
    "deadline",
    "estimated_duration_seconds",
    "dependency_depth",
    "feature_branch",
    "task_branch",
    "worktree_path",
}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_every_older_tool_is_offered_in_both_eras(site: Site, mode: str) -> None:
    async with site.client(only="tasks", mode=mode) as client:
        listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} >= OLDER
    for tool in listed:
        assert tool.output_schema is not None
        assert tool.annotations is not None
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
        # The server answers calls on the word that no parameter is repeated in a header.
        assert "x-mcp-header" not in json.dumps(tool.input_schema)


async def test_the_wrong_names_that_older_definitions_use_are_understood(site: Site) -> None:
    first = await site.add()
    done = await site.call(
        "task_enqueue",
        description="Design it",
        source="requirements-gatherer",
        agent_type="technical-architect",
        priority=7,
        prerequisite_task_ids=[first],
        metadata={"memory": "task:1:requirements"},
    )
    task = await site.call("task_get", task_id=done["task_id"])
    assert task["priority"] == 7
    assert task["dependencies"] == [first]
    assert task["input_data"] == {"memory": "task:1:requirements"}
    assert task["source"] == "agent_requirements"
    assert task["status"] == "blocked"
    assert task.keys() == OLDER_TASK


async def test_text_and_structured_content_say_the_same_and_fit_the_schema(site: Site) -> None:
    task_id = await site.add(deadline="2031-01-01T00:00:00", session_id="s1")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("task_get", {"task_id": task_id}),
        ("task_list", {}),
        ("task_queue_status", {}),
        ("task_why", {"task_id": task_id}),
        ("task_execution_plan", {"task_ids": [task_id]}),
        ("feature_branch_summary", {"feature_branch": "main"}),
        ("feature_branch_list", {}),
        ("feature_branch_blockers", {"feature_branch": "main"}),
        ("task_enqueue_many", {"tasks": [{"description": "More"}]}),
        ("task_cancel", {"task_id": task_id}),
    ]
    async with site.client() as client:
        for name, args in calls:
            result = await client.call_tool(name, args)
            assert not result.is_error, (name, result.content)
            assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
            Draft202012Validator(tools_of(None)[name].output_schema).validate(
                result.structured_content
            )


async def test_an_error_is_one_that_the_model_can_read_and_act_on(site: Site) -> None:
    with pytest.raises(Refused, match=r"ValidationError: task_enqueue: `description` is missing"):
        await site.call("task_enqueue")
    with pytest.raises(Refused, match=r"ValidationError: task_list: limit: it must be"):
        await site.call("task_list", limit=501)
    with pytest.raises(Refused, match="NotFoundError: no task has an id"):
        await site.call("task_get", task_id="01234567-89ab-4def-8123-456789abcdef")
    with pytest.raises(Refused, match="exclude each other"):
        await site.call("task_list", status="ready", exclude_status="failed")
    with pytest.raises(Refused, match="no branch `nowhere`"):
        await site.call("task_enqueue", description="x", feature_branch="nowhere")
    with pytest.raises(Refused, match="is no agent of this project"):
        await site.call("task_enqueue", description="x", agent_type="General-Purpose")


async def test_what_a_tool_does_not_know_is_ignored_and_said(site: Site) -> None:
    done = await site.call("task_enqueue", description="x", wortree="y", worktree_path="/tmp/z")
    assert any("wortree" in one for one in done["warnings"])
    assert any("worktree_path is ignored" in one for one in done["warnings"])


async def test_pages_follow_each_other_by_importance_without_gaps(site: Site) -> None:
    tasks = [
        {"name": str(place), "description": "x", "base_priority": place % 3} for place in range(7)
    ]
    await site.call("task_enqueue_many", tasks=tasks)
    seen: list[tuple[int, str]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await site.call("task_list", limit=2, **cursor)
        seen += [(-task["priority"], task["id"]) for task in page["tasks"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == 7
    assert seen == sorted(seen)


async def test_a_whole_graph_is_added_or_nothing_of_it(site: Site) -> None:
    first = await site.add()
    graph = [
        {"name": "test", "description": "Test", "needs": ["build"]},
        {"name": "build", "description": "Build", "prerequisites": [first]},
    ]
    done = await site.call("task_enqueue_many", tasks=graph, idempotency_key="k")
    assert [one["name"] for one in done["tasks"]] == ["build", "test"]
    again = await site.call("task_enqueue_many", tasks=graph, idempotency_key="k")
    assert again["created"] == 0
    assert [one["task_id"] for one in again["tasks"]] == [one["task_id"] for one in done["tasks"]]
    before = await site.call("task_queue_status")
    for bad in (
        {"name": "b", "description": "B", "needs": ["nobody"]},
        {"name": "b", "description": "B", "prerequisites": ["01234567"]},
        {"name": "a", "description": "B"},
        {"name": "b", "description": "B", "needs": ["b"]},
    ):
        with pytest.raises(Refused):
            await site.call("task_enqueue_many", tasks=[{"name": "a", "description": "A"}, bad])
    assert (await site.call("task_queue_status"))["total_tasks"] == before["total_tasks"]


async def test_the_same_key_creates_nothing_twice_and_never_something_else(site: Site) -> None:
    one = await site.call("task_enqueue", description="x", idempotency_key="k")
    two = await site.call("task_enqueue", description="x", idempotency_key="k")
    assert (two["task_id"], two["created"]) == (one["task_id"], False)
    with pytest.raises(Refused, match="ConflictError"):
        await site.call("task_enqueue", description="y", idempotency_key="k")


async def test_cancelling_takes_along_what_waits(site: Site) -> None:
    first = await site.add()
    second = await site.add(prerequisites=[first])
    done = await site.call("task_cancel", task_id=first[:24])
    assert done == {
        "cancelled_task_id": first,
        "cascaded_task_ids": [second],
        "total_cancelled": 2,
    }


async def test_every_call_is_in_the_log_with_its_caller_and_without_its_words(site: Site) -> None:
    await site.add("a secret plan")
    (line,) = site.log
    assert line.startswith("task_enqueue mcp:ada ok ")
    assert "secret" not in line


async def test_adding_to_a_known_branch_starts_no_git_but_the_first_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add()
    monkeypatch.setenv("PATH", "")
    task = await site.call("task_get", task_id=await site.add())
    assert task["feature_branch"] == "main"
    with pytest.raises(Refused, match="git"):
        await site.add(feature_branch="another")


async def test_a_loop_or_candidates_are_asked_for_in_the_words_of_a_backlog(site: Site) -> None:
    judge = {"judge": {"agent": "critic", "rubric": "Is it short?", "threshold": 0.8}}
    one = await site.call("task_enqueue", description="a", loop=judge)
    two = await site.call("task_enqueue", description="b", candidates=[{"model": "x"}, {}])
    many = await site.call("task_enqueue_many", tasks=[{"description": "c", "candidates": 3}])
    ids = [one["task_id"], two["task_id"], many["tasks"][0]["task_id"]]
    loops = await site.db.read(lambda stores: [stores.loops.get(one) for one in ids])
    assert [one and one.spec for one in loops] == [
        judge,
        {"candidates": [{"model": "x"}, {}]},
        {"candidates": 3},
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"loop": {"passes": "rm -rf /"}}, "can't bring programs along"),
        ({"loop": {"all": [{"custom": {"command": "x", "threshold": 1}}]}}, "bring programs"),
        ({"loop": "nightly"}, "no loop `nightly` is configured"),
        ({"loop": {"candidates": 2}, "candidates": 2}, "leave one out"),
        ({"candidates": 17}, "smaller than or equal to 16"),
    ],
)
async def test_a_client_brings_no_programs_to_be_run(
    site: Site, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(Refused, match=told):
        await site.call("task_enqueue", description="a", **given)


@pytest.mark.parametrize(
    ("tool", "args", "said"),
    [
        ("task_get", {"task_id": "abc"}, "NotFoundError: .*`task_list` shows"),
        ("memory_get", {"namespace": "a:b", "key": "x"}, "`memory_search` shows .*`memory_get`"),
        ("task_enqueue", {"description": "  "}, "ValidationError: description: it is empty"),
    ],
)
async def test_an_error_tells_a_model_which_tool_to_take(
    site: Site, tool: str, args: dict[str, Any], said: str
) -> None:
    with pytest.raises(Refused, match=said) as refused:
        await site.call(tool, **args)
    assert "`abathur " not in str(refused.value)


def test_commands_without_a_tool_stay_as_they_are() -> None:
    told = "see `abathur why 01ab`, then `abathur task retry 01ab`"
    assert for_model(told) == "see `task_why` of `01ab`, then `abathur task retry 01ab`"


def test_the_tools_that_errors_name_are_there_for_everybody() -> None:
    names = {name for told in advice.TOOLS.values() for name in re.findall(r"`(\w+_\w+)`", told)}
    assert len(names) == len(advice.TOOLS)
    assert all(tools_of(None)[name].for_runs is None for name in names)


async def test_a_memory_that_is_there_is_a_conflict(site: Site) -> None:
    memory: dict[str, Any] = {"namespace": "a:b", "key": "x", "value": {}, "created_by": "ada"}
    await site.call("memory_add", **memory, memory_type="semantic")
    with pytest.raises(Refused, match=r"ConflictError: .*`memory_update`"):
        await site.call("memory_add", **memory, memory_type="semantic")
