"""What an agent at work tells of itself, and waiting for others."""

import asyncio
from typing import Any

import pytest
from mcp import MCPError

from abathur.domain.results import ExecutionStatus
from abathur.services.noting import MOST_NOTES
from abathur.services.reading import task_detail
from abathur.services.reviewing import approve, resolve
from tests.mcp.conftest import PERSON, Refused, Site


async def test_a_result_is_kept_for_the_end_of_the_run(site: Site) -> None:
    run, own = await site.run()
    done = await site.call(
        "task_report",
        run,
        execution_status="success",
        deliverables={"files": ["a.py"]},
        orchestration_context={"next_recommended_action": "test it"},
    )
    assert done == {"accepted": True, "check": "unchecked", "problem": None}
    attempt = await site.db.read(lambda stores: stores.attempts.get(own.id, 1))
    assert attempt is not None
    assert attempt.result is not None
    assert attempt.result.status is ExecutionStatus.SUCCESS
    assert attempt.result.content["deliverables"] == {"files": ["a.py"]}


async def test_a_result_that_means_nothing_is_kept_and_told(site: Site) -> None:
    run, _ = await site.run()
    done = await site.call("task_report", run, execution_status={"status": "GREAT"})
    assert not done["accepted"]
    assert "one of SUCCESS, PARTIAL, FAILURE is expected" in done["problem"]


async def test_tools_for_agents_are_neither_shown_nor_given_to_others(site: Site) -> None:
    async with site.client() as client:
        assert "task_report" not in {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(Exception, match="Unknown tool: task_report"):
            await client.call_tool("task_report", {"execution_status": "SUCCESS"})


async def test_a_long_operation_is_declared_where_the_swarm_looks(site: Site) -> None:
    run, own = await site.run()
    with pytest.raises(Refused, match="this run is on another host"):
        await site.call("task_extend", run, seconds=60)
    scratch = site.host.project.folder / "runs" / own.id / "1" / "scratch"
    scratch.mkdir(parents=True)
    done = await site.call("task_extend", run, seconds=7200, reason="a build")
    assert done["believed_seconds"] == 3600
    assert (scratch / "busy").read_text() == "7200s"


async def test_progress_is_seen_by_a_person_and_counts_as_a_sign_of_life(site: Site) -> None:
    run, own = await site.run()
    scratch = site.host.project.folder / "runs" / own.id / "1" / "scratch"
    scratch.mkdir(parents=True)
    told = await site.call("task_progress", run, note="tests pass\nnext: docs", percent=60)
    assert told == {"noted": True, "notes_left": MOST_NOTES - 1}
    detail = await site.db.read(task_detail, own.id, site.host.now())
    assert detail.progress is not None
    assert detail.progress.action_data == {
        "attempt": 1, "note": "tests pass next: docs", "percent": 60
    }  # fmt: skip
    assert (scratch / "busy").read_text() == "600s"
    await site.call("task_extend", run, seconds=7200)
    await site.call("task_progress", run, note="building")
    assert (scratch / "busy").read_text() == "7200s"


async def test_a_person_is_asked_and_the_answer_is_told_when_asked_again(site: Site) -> None:
    run, own = await site.run()
    asked = await site.call("task_ask", run, question="Which port?", context="token=abc123")
    assert (asked["state"], asked["answer"]) == ("open", None)
    why = await site.call("task_why", run, task_id=own.id)
    (asking,) = [one for one in why["details"] if "its agent asked: Which port?" in one]
    assert "answer with `abathur review answer" in asking
    review_id = asked["review_id"]
    review = await site.db.read(resolve, review_id)
    assert review.data == {"context": "token=[REDACTED]"}
    said: dict[str, Any] = {"comment": "8080", "allow": (), "actor": "cli:ada"}
    await site.db.write(approve, review_id, **said, now=site.host.now())
    again = await site.call("task_ask", run, question="Which port?")
    assert (again["review_id"], again["answer"]) == (review_id, "8080")
    why = await site.call("task_why", run, task_id=own.id)
    assert "its agent asked: Which port?; cli:ada answered 8080" in why["details"]


async def test_a_person_s_program_lists_and_answers_what_agents_have_asked(site: Site) -> None:
    run, own = await site.run()
    asked = await site.call("task_ask", run, question="Which port?", context="80 or 8080")
    (question,) = (await site.call("question_list"))["questions"]
    assert question["question"] == "Which port?"
    assert (question["task_id"], question["context"]) == (own.id, "80 or 8080")
    async with site.client(run) as client:
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("question_answer", {"review_id": "0", "answer": "80"})
    told = await site.call("question_answer", review_id=asked["review_id"], answer=" 8080 ")
    assert (told["task_id"], told["status"]) == (own.id, "running")
    assert (await site.call("task_ask", run, question="Which port?"))["answer"] == "8080"
    assert (await site.call("question_list"))["questions"] == []
    review = await site.db.read(resolve, asked["review_id"])
    assert review.decided_by == PERSON.actor


async def test_waiting_tells_of_progress_and_ends_with_the_task(site: Site) -> None:
    first, second = await site.add(), await site.add()
    told: list[str] = []
    begun = asyncio.Event()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(f"{progress:g}/{total:g} {message}")
        begun.set()

    async def end() -> None:
        await begun.wait()
        begun.clear()
        await site.call("task_cancel", task_id=first)
        await begun.wait()
        await site.call("task_cancel", task_id=second)

    async with site.client() as client:
        ending = asyncio.create_task(end())
        args: dict[str, Any] = {"task_ids": [first, second[:24]], "timeout_seconds": 60}
        result = await client.call_tool("task_wait", args, progress_callback=progress)
        await ending
    assert result.structured_content["finished"]
    assert told[0].startswith("0/2 ")
    assert any("is cancelled" in one for one in told)


async def test_waiting_ends_when_its_time_is_up(site: Site) -> None:
    done = await site.call("task_wait", task_ids=[await site.add()], timeout_seconds=0)
    assert not done["finished"]
    assert done["tasks"][0]["status"] == "ready"
