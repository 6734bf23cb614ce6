"""A person's word: what waits for it, what follows from it, and what makes it void."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.delegation import RunKey
from abathur.domain.errors import (
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)
from abathur.domain.landing import Landing, LandingState
from abathur.domain.questions import MOST_OPEN
from abathur.domain.reviews import Review, ReviewKind, ReviewState
from abathur.domain.runs import Denial, OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.services import noting, reading, reviewing, verifying
from abathur.services.asking import Asking
from abathur.services.claiming import Claim
from abathur.services.reviewing import Rejection
from abathur.swarm import approvals

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

DEPLOY = Denial(tool="Bash", input={"command": "make deploy"}, rule="Bash(make deploy)")
FETCH = Denial(tool="WebFetch", input={}, rule="WebFetch(domain:example.org)")
BOB = "cli:bob"


async def done(queue: Queue, claimed: Claim, tree: str = "tree") -> Landing:
    """Report success for work that a person has to approve."""
    asking = Asking(review_id=queue.new_id(), tree=tree, target_commit="tip")
    return await queue.succeed(claimed, asking=asking)


async def denied(queue: Queue, claimed: Claim, *what: Denial) -> Task:
    return await queue.end(claimed, asking=Asking(review_id=queue.new_id()), denied=what)


async def reviewed(queue: Queue, **fields: Any) -> tuple[Landing, Review]:
    """Work that waits for a person."""
    await queue.submit(**fields)
    landing = await done(queue, await queue.claim_one())
    return landing, (await reviews(queue, landing.task_id))[-1]


async def reviews(queue: Queue, task_id: str) -> Sequence[Review]:
    return await queue.read(lambda stores: stores.reviews.of_task(task_id))


async def states(queue: Queue, task_id: str) -> list[ReviewState]:
    return [one.state for one in await reviews(queue, task_id)]


async def approve(
    queue: Queue, review: Review, allow: Sequence[str] = (), comment: str | None = None
) -> Review:
    answered = await queue.write(
        reviewing.approve, review.id, comment=comment, allow=allow, actor=BOB, now=queue.now
    )
    return answered.review


async def reject(
    queue: Queue, review: Review, comment: str = "too short", *, cancels: bool = False
) -> Task:
    rejection = Rejection(comment, "refs/kept", cancels)
    answered = await queue.write(reviewing.reject, review.id, rejection, actor=BOB, now=queue.now)
    return answered.task


async def told(queue: Queue, task_id: str) -> list[Action]:
    task = await queue.task(task_id)
    return [entry.action_type for entry in await queue.audit(task)]


async def assert_sound(queue: Queue) -> None:
    assert await queue.db.check(full=True) == []
    assert list(map(str, (await queue.read(verifying.verify)).breaks)) == []


# Before work lands


async def test_work_that_waits_for_a_person_is_not_taken(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    assert await queue.claim_landing() is None
    assert await queue.read(lambda stores: stores.landings.wanted()) == []
    assert (await queue.landing(landing.id)).state is LandingState.QUEUED
    assert (review.kind, review.tree, review.state) == (
        ReviewKind.LANDING, "tree", ReviewState.OPEN,
    )  # fmt: skip
    assert review.data["work_commit"] == landing.work_commit
    assert review.data["target_commit"] == "tip"
    await assert_sound(queue)


async def test_others_of_the_target_go_past_it(queue: Queue) -> None:
    await reviewed(queue, priority=10)
    await queue.submit()
    other = await queue.succeed(await queue.claim_one())
    wanted = await queue.read(lambda stores: stores.landings.wanted())
    assert [one.id for one in wanted] == [other.id]
    assert (await queue.lander()).id == other.id


async def test_approved_work_lands(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    queue.pass_time(5)
    answer = await approve(queue, review, comment="fine")
    assert (answer.state, answer.decided_by, answer.comment) == (
        ReviewState.APPROVED, BOB, "fine",
    )  # fmt: skip
    assert answer.decided_at == queue.now
    taken = await queue.lander()
    assert taken.id == landing.id
    assert (await queue.conclude(taken)).task.status is TaskStatus.COMPLETED
    assert Action.REVIEW_APPROVED in await told(queue, landing.task_id)
    await assert_sound(queue)


async def test_rejected_work_goes_to_an_agent_with_the_comment(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    task = await reject(queue, review, "write more")
    assert (task.status, task.retry_count, task.rework_count) == (TaskStatus.READY, 0, 1)
    ended = await queue.landing(landing.id)
    assert (ended.state, ended.fence) == (LandingState.REJECTED, landing.fence + 1)
    entries = [one for one in await queue.audit(task) if one.action_type is Action.LANDING_ENDED]
    assert [(one.action_data["state"], one.action_data["detail"]) for one in entries] == [
        ("rejected", "rejected by bob: write more")
    ]
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert feedback["kind"] == "review"
    assert feedback["comment"] == "write more"
    assert (feedback["onto"], feedback["work_commit"]) == ("base", landing.work_commit)
    assert feedback["salvage_ref"] == "refs/kept"
    await assert_sound(queue)


async def test_a_persons_no_is_not_charged_to_the_rework(queue: Queue) -> None:
    _, review = await reviewed(queue)
    for _ in range(3):
        await reject(queue, review)
        landing = await done(queue, await queue.claim_one())
        review = (await reviews(queue, landing.task_id))[-1]
    await approve(queue, review)
    refused = await queue.refuse(await queue.lander(), max_rework=1)
    assert refused.task.status is TaskStatus.READY
    await queue.succeed(await queue.claim_one())
    refused = await queue.refuse(await queue.lander(), max_rework=1)
    assert refused.task.status is TaskStatus.FAILED


async def test_rework_counts_anew_after_a_retry(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    await reject(queue, review)
    await queue.succeed(await queue.claim_one())
    assert (await queue.refuse(await queue.lander(), max_rework=0)).task.status == "failed"
    await queue.retry(await queue.task(landing.task_id))
    await queue.succeed(await queue.claim_one())
    assert (await queue.refuse(await queue.lander(), max_rework=1)).task.status == "ready"
    await queue.succeed(await queue.claim_one())
    assert (await queue.refuse(await queue.lander(), max_rework=1)).task.status == "failed"


async def test_rejecting_can_cancel_the_task_and_what_waits_for_it(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    task = await queue.task(landing.task_id)
    behind = await queue.submit(task)
    cancelled = await reject(queue, review, "not wanted", cancels=True)
    assert cancelled.status is TaskStatus.CANCELLED
    assert cancelled.error_message == "rejected: not wanted"
    assert await queue.statuses(behind) == [TaskStatus.CANCELLED]
    assert (await queue.landing(landing.id)).state is LandingState.CANCELLED
    assert await states(queue, task.id) == [ReviewState.REJECTED]
    await assert_sound(queue)


async def test_a_new_attempt_makes_the_approval_void_and_asks_anew(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    await approve(queue, review)
    await queue.refuse(await queue.lander())
    again = await done(queue, await queue.claim_one(), "another tree")
    assert await states(queue, landing.task_id) == [ReviewState.VOID, ReviewState.OPEN]
    gone = (await reviews(queue, landing.task_id))[0]
    assert gone.comment is not None
    assert "attempt 2 made the tree another" in gone.comment
    (entry,) = [e for e in await queue.audit() if e.action_type is Action.REVIEW_VOIDED]
    assert entry.action_data["was"] == "approved"
    assert "attempt 2" in entry.action_data["why"]
    assert await queue.claim_landing() is None
    await approve(queue, (await reviews(queue, again.task_id))[-1])
    assert (await queue.lander()).id == again.id
    await assert_sound(queue)


async def test_an_approval_is_good_for_its_tree_alone(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    await approve(queue, review)
    taken = await queue.lander()
    assert await queue.read(reviewing.is_approved, taken, "tree")
    assert not await queue.read(reviewing.is_approved, taken, "other")
    wanted = Asking(review_id=queue.new_id(), tree="other", target_commit="tip")
    asked = await queue.write(
        reviewing.ask_unless_approved, taken, wanted, actor="worker:w1", now=queue.now
    )
    assert asked is not None
    assert asked.id == wanted.review_id
    assert await states(queue, landing.task_id) == [ReviewState.VOID, ReviewState.OPEN]
    again = Asking(review_id=queue.new_id(), tree="other", target_commit="tip")
    same = await queue.write(
        reviewing.ask_unless_approved, taken, again, actor="worker:w1", now=queue.now
    )
    assert same is not None
    assert same.id == asked.id


async def test_a_question_goes_with_the_task_that_is_cancelled(queue: Queue) -> None:
    landing, _ = await reviewed(queue)
    await queue.cancel(await queue.task(landing.task_id), "not needed")
    assert await states(queue, landing.task_id) == [ReviewState.VOID]
    assert (await reviews(queue, landing.task_id))[0].comment == "not needed"
    assert await queue.read(lambda stores: stores.reviews.open()) == []
    await assert_sound(queue)


async def test_a_landing_that_is_asked_about_later_waits_too(queue: Queue) -> None:
    """The setting came when the work was queued already."""
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    taken = await queue.lander()
    wanted = Asking(review_id=queue.new_id(), tree="tree", target_commit="tip")
    await queue.write(
        reviewing.ask_unless_approved, taken, wanted, actor="worker:w1", now=queue.now
    )
    # Its lander dies before it gives the landing back: it is taken up again to be looked at.
    queue.pass_time(61)
    assert (await queue.lander("w2")).id == taken.id


# Answers


async def test_a_review_is_answered_once(queue: Queue) -> None:
    _, review = await reviewed(queue)
    await approve(queue, review)
    with pytest.raises(IllegalTransitionError, match="is approved already"):
        await approve(queue, review)
    with pytest.raises(IllegalTransitionError, match="is approved already"):
        await reject(queue, review)


async def test_of_two_answers_at_the_same_moment_one_counts(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    outcomes = await asyncio.gather(
        approve(queue, review), reject(queue, review), return_exceptions=True
    )
    failed = [one for one in outcomes if isinstance(one, IllegalTransitionError)]
    assert len(failed) == 1
    state = (await reviews(queue, landing.task_id))[0].state
    waits = await queue.claim_landing() is None
    assert waits == (state is ReviewState.REJECTED)
    await assert_sound(queue)


async def test_a_review_is_found_by_the_beginning_of_its_id(queue: Queue) -> None:
    _, review = await reviewed(queue)
    assert await queue.read(reviewing.resolve, review.id[:8]) == review
    with pytest.raises(NotFoundError, match="review list"):
        await queue.read(reviewing.resolve, "ffff")
    with pytest.raises(InvalidInputError, match="isn't the id"):
        await queue.read(reviewing.resolve, "x'; --")
    await reviewed(queue)
    with pytest.raises(InvalidInputError, match="several reviews"):
        await queue.read(reviewing.resolve, "0")


async def test_reviews_are_listed_oldest_first(queue: Queue) -> None:
    _, first = await reviewed(queue)
    _, second = await reviewed(queue)
    assert await queue.read(reviewing.select, task_id=None, also_decided=False) == [first, second]
    await approve(queue, first)
    assert await queue.read(reviewing.select, task_id=None, also_decided=False) == [second]
    every = await queue.read(reviewing.select, task_id=None, also_decided=True)
    assert [one.id for one in every] == [first.id, second.id]
    of_first = {"task_id": first.task_id}
    assert await queue.read(reviewing.select, **of_first, also_decided=False) == []
    assert len(await queue.read(reviewing.select, **of_first, also_decided=True)) == 1


# Permissions


async def test_a_denied_agent_waits_for_a_person_and_spends_no_retry(queue: Queue) -> None:
    await queue.submit(max_retries=0)
    task = await denied(queue, await queue.claim_one(), DEPLOY, FETCH)
    assert (task.status, task.not_before, task.retry_count) == (TaskStatus.PENDING, None, 0)
    (review,) = await reviews(queue, task.id)
    assert review.question == "May the agent use Bash(make deploy), WebFetch(domain:example.org)?"
    assert review.data["denied"][0] == {
        "tool": "Bash", "input": {"command": "make deploy"}, "rule": "Bash(make deploy)",
    }  # fmt: skip
    queue.pass_time(1_000_000)
    assert await queue.claim() == []
    await assert_sound(queue)


async def test_an_approved_permission_reaches_the_next_attempts(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    await approve(queue, (await reviews(queue, task.id))[0])
    claimed = await queue.claim_one()
    assert claimed.attempt.feedback == {
        "kind": "permission", "permissions": {"allowed": ["Bash(make deploy)"], "refused": []},
    }  # fmt: skip
    await queue.end(claimed, OutcomeKind.RELEASED)
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert feedback["permissions"]["allowed"] == ["Bash(make deploy)"]
    await assert_sound(queue)


async def test_a_person_may_allow_something_else(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    await approve(queue, (await reviews(queue, task.id))[0], allow=["Bash(make *)", "Read"])
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert feedback["permissions"]["allowed"] == ["Bash(make *)", "Read"]


async def test_a_rejected_permission_is_told_to_the_agent(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    back = await reject(queue, (await reviews(queue, task.id))[0], "use the staging host")
    assert (back.status, back.retry_count, back.rework_count) == (TaskStatus.READY, 0, 0)
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert feedback["permissions"]["refused"] == [
        {"rules": ["Bash(make deploy)"], "comment": "use the staging host"}
    ]


@pytest.mark.parametrize("answer", ["approve", "reject"])
async def test_what_was_answered_is_not_asked_again(queue: Queue, answer: str) -> None:
    await queue.submit(max_retries=1)
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    (review,) = await reviews(queue, task.id)
    await (approve(queue, review) if answer == "approve" else reject(queue, review))
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    assert (task.status, task.retry_count) == (TaskStatus.PENDING, 1)
    assert task.not_before is not None
    assert len(await reviews(queue, task.id)) == 1
    queue.pass_time(100)
    task = await denied(queue, await queue.claim_one(), DEPLOY, FETCH)
    assert (await reviews(queue, task.id))[-1].question == (
        "May the agent use WebFetch(domain:example.org)?"
    )


async def test_what_nobody_answered_is_asked_again_after_a_retry(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    await queue.cancel(task)
    await queue.retry(task)
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    assert (task.status, task.not_before) == (TaskStatus.PENDING, None)
    assert await states(queue, task.id) == [ReviewState.VOID, ReviewState.OPEN]


async def test_a_permission_outlives_the_question_whether_the_work_may_land(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    await approve(queue, (await reviews(queue, task.id))[0])
    await done(queue, await queue.claim_one())
    assert await states(queue, task.id) == [ReviewState.APPROVED, ReviewState.OPEN]


async def test_a_task_that_waits_for_a_permission_can_be_cancelled(queue: Queue) -> None:
    await queue.submit()
    task = await denied(queue, await queue.claim_one(), DEPLOY)
    (review,) = await reviews(queue, task.id)
    cancelled = await reject(queue, review, "", cancels=True)
    assert (cancelled.status, cancelled.error_message) == (TaskStatus.CANCELLED, "rejected")
    await queue.retry(task)
    assert (await queue.claim_one()).task.id == task.id
    await assert_sound(queue)


async def test_secrets_are_no_part_of_a_question(queue: Queue) -> None:
    await queue.submit()
    command = "curl -H 'Authorization: Bearer abcdef123456' https://me:hunter2@example.org"
    asked = Denial(tool="Bash", input={"command": command}, rule=f"Bash({command})")
    task = await denied(queue, await queue.claim_one(), asked)
    (review,) = await reviews(queue, task.id)
    assert review.question == "May the agent use Bash?"
    everything = str(await queue.db.query("SELECT * FROM reviews, audit"))
    assert "abcdef123456" not in everything
    assert "hunter2" not in everything


# What a swarm and a person see


async def test_a_queue_in_which_all_waits_for_a_person_is_idle(queue: Queue) -> None:
    await reviewed(queue)
    await queue.submit()
    await denied(queue, await queue.claim_one(), DEPLOY)
    status = await queue.read(reading.swarm_status)
    assert status.is_idle
    assert len(status.reviews) == 2
    assert (status.scheduled, status.next_due) == (0, None)


async def test_a_queue_with_an_approved_landing_is_not_idle(queue: Queue) -> None:
    _, review = await reviewed(queue)
    await approve(queue, review)
    assert not await queue.read(reading.is_idle)


async def test_why_tells_how_to_answer(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    _, told = await queue.read(reading.explain_task, landing.task_id, queue.now, lambda _: True)
    assert "waits for a person's approval" in told.summary
    assert f"abathur review approve {review.id[:13]}" in told.next_step
    await approve(queue, review)
    _, told = await queue.read(reading.explain_task, landing.task_id, queue.now, lambda _: True)
    assert "review" not in told.summary + told.next_step


async def test_a_pruned_task_takes_its_reviews_along(queue: Queue) -> None:
    landing, review = await reviewed(queue)
    await approve(queue, review)
    await queue.conclude(await queue.lander())
    await queue.write(lambda stores: stores.upkeep.remove([landing.task_id]))
    assert await reviews(queue, landing.task_id) == []


# Questions of agents


async def asked(queue: Queue, claimed: Claim, text: str = "Which port?") -> Review:
    return await queue.write(
        noting.ask_person,
        RunKey(claimed.task.id, claimed.attempt.number, claimed.attempt.fence),
        text,
        "80 or 8080",
        review_id=queue.new_id(),
        actor="mcp:agent",
        now=queue.now,
    )


async def test_a_task_that_can_not_go_on_waits_for_the_answer_and_is_told_it(queue: Queue) -> None:
    await queue.submit(max_retries=0)
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    await assert_sound(queue)
    task = await queue.end(claimed, OutcomeKind.FAILED)
    assert (task.status, task.not_before, task.retry_count) == (TaskStatus.PENDING, None, 0)
    assert (await queue.read(reading.swarm_status)).scheduled == 0
    assert await queue.claim() == []
    await assert_sound(queue)
    await approve(queue, review, comment="8080")
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback == {
        "kind": "answer",
        "answers": [{"question": "Which port?", "answer": "8080", "refused": False}],
    }
    await assert_sound(queue)


async def test_a_person_is_called_when_a_task_begins_to_wait_for_an_answer(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    calls: list[str] = []
    parts: Any = SimpleNamespace(db=queue.db)
    state: Any = SimpleNamespace(needs_person=lambda need, text, task: calls.append(text))
    await approvals.tell_asked(parts, state, None, await queue.task(claimed.task))
    assert calls == []
    waiting = await queue.end(claimed, OutcomeKind.FAILED)
    await approvals.tell_asked(parts, state, None, waiting)
    (call,) = calls
    assert call.startswith(f"Which port? `abathur review show {review.id[:13]}`")


async def test_an_agent_that_goes_on_can_look_for_the_answer(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    assert (await asked(queue, claimed)).id == review.id
    answered = await queue.write(
        reviewing.reject, review.id, Rejection("neither", None), actor=BOB, now=queue.now
    )
    assert answered.task.status is TaskStatus.RUNNING
    again = await asked(queue, claimed, "Which  port?")
    assert (again.state, again.comment) == (ReviewState.REJECTED, "neither")
    task = await queue.end(claimed, OutcomeKind.FAILED)
    assert task.retry_count == 1


async def test_only_a_question_takes_an_answer_in_words(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    with pytest.raises(InvalidInputError, match="the answer is empty"):
        await queue.write(reviewing.answer, review.id, " ", actor=BOB, now=queue.now)
    told = await queue.write(reviewing.answer, review.id, " 80\n", actor=BOB, now=queue.now)
    assert (told.review.state, told.review.comment) == (ReviewState.APPROVED, "80")
    with pytest.raises(IllegalTransitionError, match="approved already: 80"):
        await queue.write(reviewing.answer, review.id, "81", actor=BOB, now=queue.now)


async def test_a_task_with_two_questions_waits_for_both_answers(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    first, second = await asked(queue, claimed), await asked(queue, claimed, "Which host?")
    await queue.end(claimed, OutcomeKind.FAILED)
    await approve(queue, first)
    assert await queue.claim() == []
    await approve(queue, second)
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert [one["answer"] for one in feedback["answers"]] == ["yes", "yes"]


async def test_what_nobody_needs_to_know_any_more_is_void(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    await queue.land(claimed)
    (found,) = await reviews(queue, claimed.task.id)
    assert (found.id, found.state) == (review.id, ReviewState.VOID)
    await assert_sound(queue)


async def test_a_failed_task_needs_no_answer_any_more(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    await queue.succeed(claimed)
    refused = await queue.refuse(await queue.lander(), max_rework=0)
    assert refused.task.status is TaskStatus.FAILED
    (found,) = await reviews(queue, claimed.task.id)
    assert (found.id, found.state, found.comment) == (
        review.id, ReviewState.VOID, "the task has failed",
    )  # fmt: skip
    assert await told(queue, claimed.task.id) == [
        Action.TASK_SUBMITTED, Action.TASK_CLAIMED, Action.REVIEW_ASKED, Action.LANDING_REQUESTED,
        Action.LANDING_STARTED, Action.LANDING_ENDED, Action.REVIEW_VOIDED, Action.TASK_FAILED,
    ]  # fmt: skip


async def test_who_mends_refused_work_is_told_why_and_the_answers(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    review = await asked(queue, claimed)
    await queue.succeed(claimed)
    await queue.refuse(await queue.lander())
    await approve(queue, review, comment="8080")
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert (feedback["kind"], feedback["files"]) == ("conflict", ["a.txt"])
    assert [one["answer"] for one in feedback["answers"]] == ["8080"]


async def test_an_agent_asks_a_few_questions_at_once_and_not_more(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    for number in range(MOST_OPEN):
        await asked(queue, claimed, f"Question {number}?")
    with pytest.raises(RefusedError, match="5 questions of this task wait for an answer already"):
        await asked(queue, claimed, "One more?")


async def test_a_run_that_is_over_asks_nothing(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    await queue.end(claimed, OutcomeKind.RELEASED)
    with pytest.raises(RefusedError, match="is over"):
        await asked(queue, claimed)
