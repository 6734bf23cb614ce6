"""A swarm that asks a person: before work lands, and when an agent was denied something."""

from datetime import UTC, datetime
from typing import Any

import pytest

from abathur.domain.briefing import feedback_text
from abathur.domain.errors import IllegalTransitionError
from abathur.domain.failures import FailureClass
from abathur.domain.landing import LandingState
from abathur.domain.needs import Need
from abathur.domain.reviews import Review, ReviewState
from abathur.domain.tasks import Task
from abathur.infrastructure.git.repository import open_repository
from abathur.services import reviewing
from abathur.swarm.answering import reject
from abathur.swarm.events import SwarmEventKind

MAIN = {"review": {"required_for": ["main"]}}


def change(path: str, text: str) -> list[dict[str, Any]]:
    return [{"write": {"path": path, "text": text}}]


async def open_reviews(world: Any) -> list[Review]:
    return list(await world.db.read(lambda stores: stores.reviews.open()))


async def approve(world: Any, review: Review, allow: tuple[str, ...] = ()) -> None:
    now = datetime.now(UTC)
    await world.db.write(
        reviewing.approve, review.id, comment=None, allow=allow, actor="cli:bob", now=now
    )


async def say_no(world: Any, review: Review, comment: str, *, cancels: bool = False) -> None:
    repository = await open_repository(world.root)
    await reject(
        world.db,
        repository,
        review.id,
        comment=comment,
        cancels=cancels,
        actor="cli:bob",
        now=datetime.now(UTC),
    )


async def test_work_waits_and_the_swarm_ends_idle(world: Any) -> None:
    world.configure(**MAIN)
    before = world.git("rev-parse", "main")
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    result = await world.run_until_idle()
    assert (result.stopped_by, result.completed, result.failed) == ("idle", 0, 0)
    assert world.git("rev-parse", "main") == before
    (review,) = await open_reviews(world)
    (landing,) = await world.landings(task)
    assert review.tree == world.git("rev-parse", f"{landing.work_commit}^{{tree}}")
    assert review.data["target_commit"] == before
    (event,) = [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]
    assert event.data["need"] == Need.REVIEW
    assert f"abathur review show {review.id[:13]}" in event.text


async def test_approved_work_lands_with_the_next_swarm(world: Any) -> None:
    world.configure(**MAIN)
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    await approve(world, (await open_reviews(world))[0])
    result = await world.run_until_idle()
    assert result.completed == 1
    (landing,) = await world.landings(task)
    (review,) = await world.db.read(lambda stores: stores.reviews.of_task(task.id))
    assert review.tree == world.git("rev-parse", f"{landing.work_commit}^{{tree}}")
    await world.assert_sound()


async def test_the_agent_amends_the_very_work_that_was_rejected(world: Any) -> None:
    world.configure(**MAIN, retry={"initial_seconds": 0.05, "max_rework": 0})
    script = {
        "1": change("page.txt", "short\n"),
        "2": [{"append": {"path": "page.txt", "text": "longer\n"}}],
    }
    task = await world.submit("Write a page", script)
    await world.run_until_idle()
    await say_no(world, (await open_reviews(world))[0], "write more")
    first, *_ = await world.attempts(task)
    assert world.git("show", f"{first.salvage_ref}:page.txt") == "short"
    await world.run_until_idle()
    second = (await world.attempts(task))[1]
    assert second.feedback["comment"] == "write more"
    await approve(world, (await open_reviews(world))[0])
    await world.run_until_idle()
    assert world.file("page.txt") == "short\nlonger"
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


async def test_rejected_for_good_the_task_is_cancelled_and_its_work_kept(world: Any) -> None:
    world.configure(**MAIN)
    task = await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    await say_no(world, (await open_reviews(world))[0], "", cancels=True)
    await world.run_until_idle()
    (attempt,) = await world.attempts(task)
    assert (await world.task(task)).status == "cancelled"
    assert world.git("show", f"{attempt.salvage_ref}:new.txt") == "hello"
    await world.assert_sound()


async def test_what_needs_no_approval_lands_past_what_does(world: Any) -> None:
    world.configure(review={"required_for": ["agent:junior"]})
    held = await world.submit("Junior", change("a.txt", "a\n"), agent_type="junior", priority=10)
    free = await world.submit("Senior", change("b.txt", "b\n"))
    result = await world.run_until_idle()
    assert result.completed == 1
    assert (await world.task(free)).status == "completed"
    assert (await world.task(held)).status == "running"
    # The approval is of the work; it is merged with what has landed meanwhile.
    await approve(world, (await open_reviews(world))[0])
    await world.run_until_idle()
    assert (world.file("a.txt"), world.file("b.txt")) == ("a", "b")
    await world.assert_sound()


async def test_work_that_changes_nothing_needs_no_approval(world: Any) -> None:
    world.configure(**MAIN)
    task = await world.submit("Look around", [{"say": "all is well"}])
    assert (await world.run_until_idle()).completed == 1
    assert (await world.landings(task))[0].state is LandingState.NOTHING_CHANGED
    assert await open_reviews(world) == []


async def test_a_new_attempt_after_a_conflict_is_asked_about_anew(world: Any) -> None:
    world.configure(**MAIN)
    script = {
        "1": change("list.txt", "mine\n"),
        "2": [{"append": {"path": "list.txt", "text": "mine\n"}}],
    }
    task = await world.submit("Put mine", script)
    await world.run_until_idle()
    (world.root / "list.txt").write_text("theirs\n")
    world.git("add", "list.txt")
    world.git("commit", "-qm", "Theirs")
    await approve(world, (await open_reviews(world))[0])
    assert (await world.run_until_idle()).completed == 0
    old, new = await world.db.read(lambda stores: stores.reviews.of_task(task.id))
    assert (old.state, new.state) == (ReviewState.VOID, ReviewState.OPEN)
    assert old.tree != new.tree
    with pytest.raises(IllegalTransitionError, match="is void already"):
        await approve(world, old)
    await approve(world, new)
    await world.run_until_idle()
    assert world.file("list.txt") == "theirs\nmine"
    await world.assert_sound()


async def test_an_approval_of_another_tree_doesnt_let_work_land(world: Any) -> None:
    """As after a restored backup, whose approvals are of work that isn't there any more."""
    world.configure(**MAIN)
    before = world.git("rev-parse", "main")
    await world.submit("Add a file", change("new.txt", "hello\n"))
    await world.run_until_idle()
    (review,) = await open_reviews(world)
    await world.db.write(lambda stores: stores.upkeep.fix(_forged(review), datetime.now(UTC)))
    await world.db.write(lambda stores: stores.reviews.insert(_of_other_tree(review)))
    await world.run_until_idle()
    assert world.git("rev-parse", "main") == before
    *_, asked = await open_reviews(world)
    assert asked.tree == review.tree
    await approve(world, asked)
    assert (await world.run_until_idle()).completed == 1
    await world.assert_sound()


def _forged(review: Review) -> Any:
    from abathur.domain.problems import Problem

    return Problem(
        code="review_open", text="", table="reviews", key=review.id, task_id=review.task_id
    )


def _of_other_tree(review: Review) -> Review:
    from abathur.domain.records import changed

    return changed(review, id="other", tree="f" * 40, state=ReviewState.APPROVED)


async def test_the_setting_holds_for_work_that_was_done_before(world: Any) -> None:
    script = [*change("new.txt", "hello\n"), {"touch": str(world.root / ".abathur" / "done")}]
    task = await world.submit("Add a file", script)
    supervisor = await world.supervisor()
    supervisor.stop()
    await supervisor.run()
    world.configure(**MAIN)
    await world.run_until_idle()
    (review,) = await open_reviews(world)
    assert review.task_id == task.id


async def test_a_denied_agent_is_asked_about_and_goes_on_when_allowed(world: Any) -> None:
    script = [{"need": "Bash(make deploy)"}, *change("new.txt", "hello\n")]
    task = await world.submit("Deploy", script, max_retries=0)
    result = await world.run_until_idle()
    assert (result.stopped_by, result.failed) == ("idle", 0)
    assert SwarmEventKind.TASK_WAITS not in world.kinds(task)
    (review,) = await open_reviews(world)
    await approve(world, review)
    assert (await world.run_until_idle()).completed == 1
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


async def test_a_denied_agent_is_told_the_no(world: Any) -> None:
    script = {"1": [{"need": "Bash(rm)"}], "2": change("new.txt", "without\n")}
    task = await world.submit("Clean", script)
    await world.run_until_idle()
    await say_no(world, (await open_reviews(world))[0], "nothing is removed here")
    assert (await world.run_until_idle()).completed == 1
    second = (await world.attempts(task))[1]
    assert second.feedback["permissions"]["refused"][0]["comment"] == "nothing is removed here"
    await world.assert_sound()


async def conflicting(world: Any) -> tuple[Task, Task]:
    """Two tasks that write the same file, each without knowing of the other."""
    world.configure(retry={"initial_seconds": 0.05, "max_rework": 0})
    first = await world.submit("Say one", change("a.txt", "one\n"), priority=9)
    second = await world.submit("Say two", change("a.txt", "two\n"))
    await world.run_agents()
    return first, second


async def test_a_conflict_that_no_agent_may_solve_any_more_is_asked_about(world: Any) -> None:
    first, second = await conflicting(world)
    after = await world.submit("Go on", change("b.txt", "b\n"), prerequisites=(second.id,))
    result = await world.run_until_idle()
    assert (result.stopped_by, result.completed, result.failed) == ("idle", 1, 0)
    assert (await world.task(first)).status == "completed"
    (review,) = await open_reviews(world)
    assert review.task_id == second.id
    assert review.question == (
        "May the work of attempt 1 land on main, with which it conflicts in a.txt?"
    )
    (attempt,) = await world.attempts(second)
    assert attempt.failure_class is FailureClass.CONFLICT
    assert review.data["conflict"]["salvage_ref"] == attempt.salvage_ref
    assert (await world.task(after)).status == "blocked"
    calls = [one for one in world.events if one.kind is SwarmEventKind.NEEDS_PERSON]
    assert [one.task_id for one in calls] == [second.id]
    await world.assert_sound()

    # Whoever merges it by hand approves, and the work is found where it belongs.
    world.git("merge", "-q", "-X", "ours", "-m", "Both", attempt.salvage_ref)
    await approve(world, review)
    result = await world.run_until_idle()
    assert result.completed == 2
    assert (await world.task(second)).status == "completed"
    assert world.file("a.txt") == "one"


async def test_a_conflict_that_is_approved_and_still_there_is_asked_about_anew(world: Any) -> None:
    _, second = await conflicting(world)
    await world.run_until_idle()
    (asked,) = await open_reviews(world)
    await approve(world, asked)
    await world.run_until_idle()
    (again,) = await open_reviews(world)
    assert (again.task_id, again.data["conflict"]["paths"]) == (second.id, ["a.txt"])
    (old,) = [one for one in await reviews_of(world, second) if one.id == asked.id]
    assert old.state is ReviewState.VOID
    await world.assert_sound()


async def test_a_conflict_that_is_rejected_goes_to_an_agent_that_knows_both_sides(
    world: Any,
) -> None:
    _, second = await conflicting(world)
    await world.run_until_idle()
    await say_no(world, (await open_reviews(world))[0], "keep both lines")
    await world.run_until_idle()
    attempt = (await world.attempts(second))[1]
    assert attempt.feedback["kind"] == "conflict"
    assert attempt.feedback["comment"] == "keep both lines"
    assert attempt.feedback["hunks"]
    assert "keep both lines" in feedback_text(attempt.feedback)
    assert attempt.base_commit == world.git("rev-parse", "main~1")
    assert (await world.task(second)).status == "completed"
    await world.assert_sound()


async def reviews_of(world: Any, task: Task) -> list[Review]:
    return list(await world.db.read(lambda stores: stores.reviews.of_task(task.id)))
