"""Loops in the queue: what an iteration leads to, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.admission import (
    UNLIMITED,
    AdmissionRules,
    Hold,
    HoldCause,
    HoldScope,
)
from abathur.domain.audit import Action
from abathur.domain.briefing import feedback_text
from abathur.domain.budgets import Budgets, BudgetScope, SpendingRules
from abathur.domain.concurrency import Limits
from abathur.domain.delegation import RunKey
from abathur.domain.errors import (
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    StaleFenceError,
)
from abathur.domain.failures import FailureClass
from abathur.domain.iterations import Iteration, Trial
from abathur.domain.loops.specs import Otherwise
from abathur.domain.money import Pricing
from abathur.domain.runs import Outcome, OutcomeKind, Usage
from abathur.domain.settings import McpSettings
from abathur.domain.splitting import Part
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.upkeep import PruneFilter
from abathur.services import (
    cancelling,
    joining,
    looping,
    parting,
    pausing,
    pruning,
    reports,
    running,
    verifying,
)
from abathur.services.claiming import Claim
from abathur.services.running import Report

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

METRIC = {"metric": {"command": "measure", "json": "x", "threshold": 10}}
LOOP = {"until": METRIC, "max_iterations": 4, "otherwise": "land"}
CANDIDATES = {"candidates": [{"model": "a"}, {"model": "b"}]}


def made(claimed: Claim, number: int, tree: str) -> Iteration:
    task_id = claimed.task.id
    return Iteration(
        task_id=task_id,
        number=number,
        attempt=claimed.attempt.number,
        runtime="fake",
        model=None,
        strategy=None,
        pattern=None,
        target="main",
        base_commit="base",
        work_commit=f"work-{task_id}-{claimed.attempt.number}",
        tree=tree,
        started_at=claimed.attempt.started_at,
        measured_at=None,
        measurement=None,
        reading=None,
        verdict=None,
    )


async def checkpoint(queue: Queue, claimed: Claim, number: int, tree: str) -> Iteration:
    iteration = made(claimed, number, tree)
    plan = await queue.read(looping.plan, claimed.task)
    assert plan is not None
    if plan.verdict is not None:
        iteration = Iteration(
            **{
                **vars(iteration),
                "strategy": plan.verdict.strategy,
                "pattern": plan.verdict.pattern,
            }
        )
    fence = claimed.task.fence
    await queue.write(looping.checkpoint, iteration, fence=fence, actor="worker:w1")
    return iteration


async def iterate(
    queue: Queue, number: int, seen: Any, tree: str = "", seconds: float = 0, **more: Any
) -> Task:
    """Claim the task, make an iteration and report what was measured."""
    claimed = await queue.claim_one()
    await queue.start(claimed)
    queue.pass_time(seconds)
    done = await checkpoint(queue, claimed, number, tree or f"tree{number}")
    measurement = {"tree": done.tree, "observations": seen, "is_changed": True, **more}
    trial = Trial(
        number=number,
        attempt=claimed.attempt.number,
        target="main",
        base_commit="base",
        work_commit=done.work_commit,
        tree=done.tree,
        measurement=measurement,
    )
    usage = Usage(input_tokens=7, output_tokens=3, cost_usd=0.5)
    report = Report(
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED, usage=usage),
        base_commit="base",
        head_commit=done.work_commit,
        target="main",
        landing_id=f"landing-{done.work_commit}",
        trial=trial,
    )
    holder = queue.holder(claimed)
    return await queue.write(running.report, holder, report, queue.policy, queue.now)


def value(number: float) -> dict[str, Any]:
    return {"until": {"exit_code": 0, "value": number}}


async def assert_sound(queue: Queue) -> None:
    assert await queue.db.check() == []
    assert list((await queue.read(verifying.verify)).breaks) == []


async def test_a_loop_goes_back_to_the_queue_until_it_has_converged(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP, max_retries=0)
    assert (await iterate(queue, 1, value(3))).status is TaskStatus.READY
    queue.pass_time(5)
    after = await iterate(queue, 2, value(12))
    assert (after.status, after.retry_count) == (TaskStatus.RUNNING, 0)
    landing = await queue.lander()
    assert landing.work_commit == f"work-{task.id}-2"
    await queue.conclude(landing)
    found = await queue.read(looping.view, await queue.task(task))
    assert [one.reading.value for one in found.iterations if one.reading] == [3, 12]
    assert (found.spent.tokens, found.spent.usd) == (20, 1.0)
    told = [entry.action_data for entry in await queue.audit(task)]
    ended = [one for one in told if "value" in one]
    assert [(one["iteration"], one["value"], one["is_met"], one["next"]) for one in ended] == [
        (1, 3, False, "again"), (2, 12, True, "land"),
    ]  # fmt: skip
    await assert_sound(queue)


async def test_a_pause_holds_the_next_iteration(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    await iterate(queue, 1, value(3))
    hold = Hold(
        id="h",
        scope=HoldScope.TASK,
        name=task.id,
        cause=HoldCause.PERSON,
        reason="",
        hold_until=None,
        created_by="cli:eve",
        created_at=queue.now,
    )
    await queue.write(pausing.pause, hold)
    assert await queue.claim() == []
    told = await queue.read(looping.sentences, await queue.task(task))
    assert told[0] == "its loop has made 1 of at most 4 iterations"


async def test_the_best_lands_when_the_limit_is_reached(queue: Queue) -> None:
    task = await queue.submit(loop={**LOOP, "max_iterations": 3})
    for number, seen in enumerate((3, 8, 5), 1):
        await iterate(queue, number, value(seen))
    assert (await queue.lander()).work_commit == f"work-{task.id}-2"
    await assert_sound(queue)


async def test_the_best_lands_when_the_time_is_spent(queue: Queue) -> None:
    task = await queue.submit(loop={**LOOP, "max_time": "2m"})
    for number, seen in enumerate((3, 8), 1):
        # What passes between two runs isn't counted.
        queue.pass_time(600)
        assert (await iterate(queue, number, value(seen), seconds=59)).status is TaskStatus.READY
    assert (await queue.read(looping.spent, task.id)).seconds == 118
    assert (await iterate(queue, 3, value(5), seconds=2)).status is TaskStatus.RUNNING
    assert (await queue.lander()).work_commit == f"work-{task.id}-2"


async def test_the_next_attempt_is_told_what_was_measured(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    await iterate(queue, 1, value(3))
    feedback = (await queue.claim_one()).attempt.feedback
    assert feedback is not None
    assert (feedback["kind"], feedback["work_commit"]) == ("iteration", f"work-{task.id}-1")
    assert feedback["history"][0]["value"] == 3


async def test_a_failed_run_is_retried_and_is_no_iteration(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    await iterate(queue, 1, value(3))
    after = await queue.end(await queue.claim_one())
    assert (after.status, after.retry_count) == (TaskStatus.PENDING, 1)
    assert len(await queue.read(lambda stores: stores.loops.iterations(task.id))) == 1


async def test_evidence_is_counted_and_outlives_its_task(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP, agent_type="smith")
    await iterate(queue, 1, value(3), "same")
    await iterate(queue, 2, value(3), "same")
    await iterate(queue, 3, value(5))
    evidence = await queue.read(lambda stores: stores.loops.evidence("smith"))
    assert [(*key, one.runs, one.improved) for key, one in evidence.items()] == [
        ("fixed_point", "other_approach", 1, 1)
    ]
    assert await queue.read(lambda stores: stores.loops.evidence("cook")) == {}
    assert await queue.read(lambda stores: stores.loops.under_way(9)) == [task.id]


async def test_a_loop_that_failed_is_refined_afresh_when_it_is_retried(queue: Queue) -> None:
    task = await queue.submit(loop={**LOOP, "max_iterations": 1, "otherwise": "fail"})
    assert (await iterate(queue, 1, value(3))).status is TaskStatus.FAILED
    await queue.retry(await queue.task(task))
    found = await queue.read(looping.view, await queue.task(task))
    assert found.spec.max_iterations == 2
    assert (await iterate(queue, 2, value(12))).status is TaskStatus.RUNNING
    await assert_sound(queue)


async def test_a_task_goes_with_its_loop(queue: Queue) -> None:
    await queue.submit(loop=LOOP)
    await iterate(queue, 1, value(12))
    done = await queue.conclude(await queue.lander())
    queue.pass_time(1000)
    only = PruneFilter(ids=[done.task.id])
    wanted = await queue.read(pruning.select, only, now=queue.now, in_git={})
    assert len(wanted.tasks) == 1
    await queue.write(pruning.prune, wanted.tasks, now=queue.now, actor="cli:eve")
    assert await queue.read(lambda stores: stores.loops.iterations(done.task.id)) == []
    assert await queue.db.check() == []


async def test_who_lost_the_lease_makes_no_checkpoint(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    claimed = await queue.claim_one()
    queue.pass_time(61)
    await queue.adopt(await queue.task(task))
    with pytest.raises(StaleFenceError):
        await checkpoint(queue, claimed, 1, "tree")


async def test_a_checkpoint_outlives_the_attempt_that_made_it(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    claimed = await queue.claim_one()
    await checkpoint(queue, claimed, 1, "tree")
    queue.pass_time(61)
    adopted, _ = await queue.adopt(await queue.task(task))
    await queue.take_back(adopted)
    plan = await queue.read(looping.plan, (await queue.claim_one()).task)
    assert plan is not None
    assert plan.checkpoint is not None
    assert (plan.number, plan.checkpoint.work_commit) == (1, f"work-{task.id}-1")


async def test_a_loop_that_was_stopped_settles_without_a_run(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    after = await iterate(queue, 1, value(3))
    await queue.write(looping.stop, after, Otherwise.FAIL, now=queue.now, actor="cli:eve")
    claimed = await queue.claim_one()
    plan = await queue.read(looping.plan, claimed.task)
    assert plan is not None
    assert plan.is_settling
    trial = Trial(
        number=1,
        attempt=2,
        target="main",
        base_commit="base",
        work_commit=f"work-{task.id}-1",
        tree="tree1",
        is_settling=True,
    )
    report = Report(outcome=Outcome(kind=OutcomeKind.SUCCEEDED), landing_id="l", trial=trial)
    ended = await queue.write(
        running.report, queue.holder(claimed), report, queue.policy, queue.now
    )
    assert (ended.status, ended.error_message) == (
        TaskStatus.FAILED,
        "the loop ended: it was asked to stop",
    )
    await assert_sound(queue)


async def test_a_loop_is_given_to_a_task_that_waits_and_to_no_other(queue: Queue) -> None:
    task = await queue.submit()
    await queue.write(looping.start, task.id, LOOP, now=queue.now, actor="cli:eve")
    await queue.claim_one()
    with pytest.raises(IllegalTransitionError, match="wait for its attempt"):
        await queue.write(looping.start, task.id, LOOP, now=queue.now, actor="cli:eve")
    with pytest.raises(NotFoundError, match="has no loop"):
        await queue.read(looping.view, await queue.submit())
    await queue.cancel(task)
    with pytest.raises(IllegalTransitionError, match="retry it first"):
        await queue.write(looping.start, task.id, LOOP, now=queue.now, actor="cli:eve")


async def test_a_loop_with_iterations_is_changed_but_not_into_candidates(queue: Queue) -> None:
    task = await queue.submit(loop=LOOP)
    await iterate(queue, 1, value(3))
    with pytest.raises(InvalidInputError, match="candidates need a task of their own"):
        await queue.write(looping.start, task.id, CANDIDATES, now=queue.now, actor="cli:eve")
    more = {**LOOP, "max_iterations": 9}
    found = await queue.write(looping.start, task.id, more, now=queue.now, actor="cli:eve")
    assert (found.most, len(found.iterations)) == (9, 1)


def gates(*passed: bool) -> dict[str, Any]:
    return {f"gate:g{n}": {"exit_code": 0 if ok else 1} for n, ok in enumerate(passed)}


async def test_of_candidates_the_verified_one_lands_and_no_other(queue: Queue) -> None:
    task = await queue.submit(loop=CANDIDATES)
    plan = await queue.read(looping.plan, task)
    assert plan is not None
    assert plan.choice.model == "a"
    assert (await iterate(queue, 1, gates(True, True), diff_lines=90)).status == "ready"
    assert (await iterate(queue, 2, gates(True, False), diff_lines=1)).status == "running"
    landing = await queue.lander()
    assert landing.work_commit == f"work-{task.id}-1"
    await queue.conclude(landing)
    assert len(await queue.read(lambda stores: stores.landings.of_task(task.id))) == 1
    await assert_sound(queue)


async def begin_all(queue: Queue, rules: AdmissionRules = UNLIMITED) -> list[Claim]:
    first = await queue.claim_one()
    others = await queue.write(
        joining.join,
        first.task.id,
        fence=first.task.fence,
        worker_id="w1",
        limit=9,
        now=queue.now,
        rules=rules,
    )
    return [first, *others]


async def measured(queue: Queue, claimed: Claim, seen: Any, **more: Any) -> Task:
    plan = await queue.read(looping.plan, claimed.task, claimed.attempt)
    assert plan is not None
    done = await checkpoint(queue, claimed, plan.number, f"tree{plan.number}")
    trial = Trial(
        number=plan.number,
        attempt=claimed.attempt.number,
        target="main",
        base_commit="base",
        work_commit=done.work_commit,
        tree=done.tree,
        measurement={"tree": done.tree, "observations": seen, "is_changed": True, **more},
    )
    report = Report(
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED, usage=Usage(cost_usd=0.5)),
        base_commit="base",
        head_commit=done.work_commit,
        target="main",
        landing_id=f"landing-{done.work_commit}",
        trial=trial,
    )
    return await queue.write(running.report, queue.holder(claimed), report, queue.policy, queue.now)


async def test_candidates_share_a_claim_and_one_lands_when_the_last_has_ended(
    queue: Queue,
) -> None:
    task = await queue.submit(loop=CANDIDATES)
    one, two = await begin_all(queue)
    assert (two.task.fence, two.attempt.number) == (one.task.fence, 2)
    assert (await measured(queue, two, gates(True), diff_lines=9)).fence == one.task.fence
    assert await queue.claim() == []
    assert (await measured(queue, one, gates(True), diff_lines=90)).status == "running"
    landing = await queue.lander()
    assert landing.work_commit == f"work-{task.id}-2"
    await queue.conclude(landing)
    assert (await queue.task(task)).status is TaskStatus.COMPLETED
    await assert_sound(queue)


async def test_every_candidate_counts_against_the_limits(queue: Queue) -> None:
    await queue.submit(loop=CANDIDATES)
    rules = AdmissionRules(limits=Limits(agent_types={"general": 1}))
    assert len(await begin_all(queue, rules)) == 1
    await queue.submit(agent_type="general")
    two = AdmissionRules(limits=Limits(agent_types={"general": 3}))
    (running_one,) = await queue.read(
        lambda stores: stores.tasks.get_many([t.id for t in stores.admission.running()])
    )
    joined = await queue.write(
        joining.join,
        running_one.id,
        fence=running_one.fence,
        worker_id="w1",
        limit=9,
        now=queue.now,
        rules=two,
    )
    assert len(joined) == 1
    assert len(await queue.read(lambda stores: stores.admission.running())) == 2


async def test_a_candidate_that_joins_is_told_and_paid_for_like_any_other(queue: Queue) -> None:
    task = await queue.submit(loop=CANDIDATES)
    spending = SpendingRules(budgets=Budgets(day_usd=1.5), pricing=Pricing(assumed_usd=1.0))
    queue.pass_time(1)
    _, joined = await begin_all(queue, AdmissionRules(spending=spending))
    entry = (await queue.audit(task))[-1]
    assert (entry.action_type, entry.action_data["candidate"]) == (Action.CANDIDATE_BEGUN, 2)
    assert joined.task.last_updated_at == queue.now
    assert await queue.read(lambda s: s.costs.sums(BudgetScope.TASK, task.id)) == (0, 1)
    await queue.submit(loop=CANDIDATES)
    assert len(await begin_all(queue, AdmissionRules(spending=spending))) == 1


@pytest.mark.parametrize("ends", ["limit", "stop", "other"])
async def test_no_candidate_joins_where_none_is_wanted(queue: Queue, ends: str) -> None:
    spec = {"candidates": [{"model": "a"}, {"model": "b"}, {"model": "c"}], "max_usd": 0.4}
    task = await queue.submit(loop=LOOP if ends == "other" else spec)
    claimed = await queue.claim_one()
    known = (task.id, claimed.task.fence)
    assert await queue.read(joining.may_join, *known, UNLIMITED, queue.now) is (ends != "other")
    if ends == "stop":
        await queue.write(
            looping.stop, claimed.task, Otherwise.LAND, now=queue.now, actor="cli:eve"
        )
    if ends == "limit":
        (joined,) = await queue.write(
            joining.join,
            task.id,
            fence=known[1],
            worker_id="w1",
            limit=1,
            now=queue.now,
            rules=UNLIMITED,
        )
        await measured(queue, joined, gates(True), diff_lines=1)
    assert not await queue.read(joining.may_join, *known, UNLIMITED, queue.now)


async def test_a_candidate_is_tried_once_under_a_claim_and_again_under_the_next(
    queue: Queue,
) -> None:
    task = await queue.submit(loop=CANDIDATES)
    one, two = await begin_all(queue)
    refused = await queue.end(one, OutcomeKind.RATE_LIMITED, "slow down")
    assert (refused.status, refused.fence) == (TaskStatus.RUNNING, one.task.fence)
    known = (task.id, one.task.fence)
    assert not await queue.read(joining.may_join, *known, UNLIMITED, queue.now)
    assert (await measured(queue, two, gates(True), diff_lines=9)).status is TaskStatus.READY
    again = await queue.claim_one()
    assert again.attempt.feedback is not None
    assert (again.attempt.number, again.attempt.feedback["iteration"]) == (3, 1)
    assert (await measured(queue, again, gates(True), diff_lines=1)).status == "running"
    assert (await queue.lander()).work_commit == f"work-{task.id}-3"
    await assert_sound(queue)


async def test_all_candidates_of_a_dead_worker_are_lost_and_its_checkpoints_are_kept(
    queue: Queue,
) -> None:
    task = await queue.submit(loop=CANDIDATES)
    _, two = await begin_all(queue)
    await checkpoint(queue, two, 2, "tree2")
    queue.pass_time(61)
    adopted, lost = await queue.adopt(await queue.task(task))
    assert [one.number for one in lost] == [1, 2]
    runs = await queue.read(lambda stores: stores.attempts.of_task(task.id))
    assert [one.outcome for one in runs] == ["lost", "lost"]
    await queue.take_back(adopted)
    first, second = await begin_all(queue)
    plans = [await queue.read(looping.plan, one.task, one.attempt) for one in (first, second)]
    assert [(p.number, p.checkpoint and p.checkpoint.tree) for p in plans if p] == [
        (1, None),
        (2, "tree2"),
    ]
    await assert_sound(queue)


async def test_cancelling_a_task_ends_every_candidate(queue: Queue) -> None:
    task = await queue.submit(loop=CANDIDATES)
    claims = await begin_all(queue)
    await queue.write(cancelling.cancel, task.id, now=queue.now, actor="cli:eve")
    ended = [await queue.attempt(claimed) for claimed in claims]
    assert [one.outcome for one in ended] == ["cancelled", "cancelled"]
    with pytest.raises(StaleFenceError):
        await measured(queue, claims[0], gates(True))
    await assert_sound(queue)


async def test_a_report_of_a_candidate_is_applied_once(queue: Queue) -> None:
    await queue.submit(loop=CANDIDATES)
    one, _ = await begin_all(queue)
    await measured(queue, one, gates(True), diff_lines=1)
    found = await queue.read(reports.standing, queue.holder(one))
    assert found.fate is reports.Fate.ALREADY


async def test_what_is_left_of_a_limit_is_shared_by_the_candidates_to_come(queue: Queue) -> None:
    await queue.submit(loop={**CANDIDATES, "max_usd": 4.0, "max_tokens": 100})
    one, two = await begin_all(queue)
    plan = await queue.read(looping.plan, two.task, two.attempt)
    assert plan is not None
    assert (plan.usd_left, plan.tokens_left) == (2.0, 50)
    await measured(queue, one, gates(True))
    later = await queue.read(looping.plan, two.task, two.attempt)
    assert later is not None
    assert later.usd_left == 3.5


async def test_a_candidate_whose_run_fails_has_lost_and_spends_no_retry(queue: Queue) -> None:
    task = await queue.submit(loop=CANDIDATES, max_retries=0)
    claimed = await queue.claim_one()
    await queue.start(claimed, runtime="fake", model="a")
    after = await queue.end(claimed)
    assert (after.status, after.retry_count) == (TaskStatus.READY, 0)
    assert (await iterate(queue, 2, gates(True), diff_lines=1)).status == "running"
    assert (await queue.lander()).work_commit == f"work-{task.id}-2"
    await assert_sound(queue)


async def made_of(queue: Queue, task: Task) -> list[Iteration]:
    return list(await queue.read(lambda stores: stores.loops.iterations(task.id)))


UNLIKE = {"candidates": [{"runtime": "codex"}, {"runtime": "claude"}]}


async def test_a_candidate_that_can_not_be_made_as_asked_loses_while_another_may_win(
    queue: Queue,
) -> None:
    task = await queue.submit(loop=UNLIKE)
    told: Any = {"message": "not logged in", "failure": FailureClass.AUTHENTICATION}
    assert (await queue.end(await queue.claim_one(), **told)).status is TaskStatus.READY
    assert await queue.read(lambda stores: stores.admission.holds()) == []
    assert (await iterate(queue, 2, gates(True), diff_lines=1)).status == "running"
    first, _ = await made_of(queue, task)
    assert (first.runtime, first.reading and first.reading.text) == (
        "codex",
        "its run failed: not logged in",
    )
    await assert_sound(queue)


async def test_the_last_candidate_that_can_not_be_made_asks_a_person(queue: Queue) -> None:
    task = await queue.submit(loop=UNLIKE)
    told: Any = {"message": "not logged in", "failure": FailureClass.AUTHENTICATION}
    for _ in range(2):
        await queue.end(await queue.claim_one(), **told)
    (hold,) = await queue.read(lambda stores: stores.admission.holds())
    assert "not logged in" in hold.reason
    assert ((await queue.task(task)).status, len(await made_of(queue, task))) == ("ready", 1)
    await assert_sound(queue)


async def stuck(queue: Queue, **more: Any) -> tuple[Task, Claim]:
    """A task whose loop stands still, and the run that is asked for its parts."""
    strategies = ["feedback", "decompose"]
    task = await queue.submit(loop={**LOOP, "max_iterations": 9, "strategies": strategies}, **more)
    for number in (1, 2):
        await iterate(queue, number, value(3), tree="same")
        queue.pass_time(1)
    return task, await queue.claim_one()


async def split(queue: Queue, claimed: Claim, *names: str) -> Task:
    new_id = iter(f"part-{name}" for name in names).__next__
    if names:
        await queue.write(
            parting.queue,
            RunKey(claimed.task.id, claimed.attempt.number, claimed.attempt.fence),
            [Part(name=name, description="Do") for name in names],
            number=3,
            limits=McpSettings(),
            new_id=new_id,
            now=queue.now,
        )
    trial = Trial(
        number=3,
        attempt=claimed.attempt.number,
        target="main",
        base_commit="base",
        work_commit="work",
        tree="",
        is_splitting=True,
    )
    report = Report(outcome=Outcome(kind=OutcomeKind.SUCCEEDED), landing_id="l", trial=trial)
    return await queue.write(running.report, queue.holder(claimed), report, queue.policy, queue.now)


async def test_a_task_that_is_split_waits_for_its_parts_and_goes_on_from_the_target(
    queue: Queue,
) -> None:
    task, claimed = await stuck(queue)
    assert (claimed.attempt.feedback or {})["phase"] == "split"
    waiting = await split(queue, claimed, "a", "b")
    assert (waiting.status, waiting.unmet_count) == (TaskStatus.BLOCKED, 2)
    part = await queue.task("part-a")
    assert waiting.dependency_depth == part.dependency_depth + 1
    assert (part.agent_type, part.priority) == (task.agent_type, task.priority)
    await assert_sound(queue)
    for _ in range(2):
        assert (await queue.land(await queue.claim_one())).task.status is TaskStatus.COMPLETED
    again = await queue.claim_one()
    facts = again.attempt.feedback or {}
    assert (again.task.id, facts["phase"], facts["parts"]) == (task.id, "join", ["Do", "Do"])
    assert "work_commit" not in facts
    await assert_sound(queue)


async def test_a_task_goes_on_without_a_part_that_fails_and_is_told_of_it(queue: Queue) -> None:
    task, claimed = await stuck(queue, max_retries=0)
    await split(queue, claimed, "a", "b")
    follower = await queue.submit(task)
    failed = await queue.claim_one()
    user = await queue.submit(await queue.task(failed.task))
    await queue.end(failed, message="no\nidea")
    waiting = await queue.task(task)
    assert (waiting.status, waiting.unmet_count) == (TaskStatus.BLOCKED, 1)
    user = await queue.task(user)
    assert (user.status, user.prerequisites) == (TaskStatus.CANCELLED, (failed.task.id,))
    await assert_sound(queue)
    await queue.land(await queue.claim_one())
    again = await queue.claim_one()
    facts = again.attempt.feedback or {}
    assert (again.task.id, facts["phase"], facts["parts"]) == (task.id, "join", ["Do"])
    assert facts["lost_parts"] == ["Do (failed: no idea)"]
    assert "weren't done" in feedback_text(facts)
    assert (await queue.task(follower)).status is TaskStatus.BLOCKED
    await assert_sound(queue)


async def test_a_task_without_any_part_left_goes_on_from_its_best_work(queue: Queue) -> None:
    task, claimed = await stuck(queue)
    await split(queue, claimed, "a", "b")
    for part in ("part-a", "part-b"):
        await queue.write(cancelling.cancel, part, now=queue.now, actor="cli:alice")
    facts = (await queue.claim_one()).attempt.feedback or {}
    assert (facts.get("phase"), facts["work_commit"]) == (None, f"work-{task.id}-2")
    assert len(facts["lost_parts"]) == 2
    await queue.write(cancelling.retry, "part-a", now=queue.now, actor="cli:alice")
    assert (await queue.task(task)).unmet_count == 0
    await assert_sound(queue)


async def test_a_task_that_is_split_is_cancelled_and_comes_back_with_its_parts(
    queue: Queue,
) -> None:
    task, claimed = await stuck(queue)
    await split(queue, claimed, "a", "b", "c")
    second = await queue.read(lambda stores: stores.tasks.get("part-b"))
    assert second is not None
    outsider = await queue.submit(second)
    awaited, at_work = await queue.claim(2)
    assert (awaited.task.id, at_work.task.id) == ("part-b", "part-a")
    gone = await queue.write(cancelling.cancel, task.id, now=queue.now, actor="cli:eve")
    assert [one.id for one in gone] == [task.id, "part-a", "part-c"]
    assert [one.cancelled_by for one in gone] == [None, task.id, task.id]
    assert (await queue.attempt(at_work)).outcome == "cancelled"
    assert (await queue.task(outsider)).status is TaskStatus.BLOCKED
    await assert_sound(queue)
    back = await queue.write(cancelling.retry, task.id, now=queue.now, actor="cli:eve")
    assert [one.id for one in back] == [task.id, "part-a", "part-c"]
    whole = await queue.task(task)
    assert (whole.status, whole.unmet_count) == (TaskStatus.BLOCKED, 3)
    await assert_sound(queue)
    await queue.land(awaited)
    for _ in range(3):
        await queue.land(await queue.claim_one())
    again = await queue.claim_one()
    assert (again.task.id, (again.attempt.feedback or {})["phase"]) == (task.id, "join")


async def test_parts_of_parts_go_along_and_a_lost_one_is_waited_for_no_longer(
    queue: Queue,
) -> None:
    task, claimed = await stuck(queue)
    await split(queue, claimed, "a")
    spec = {**LOOP, "max_iterations": 9, "strategies": ["feedback", "decompose"]}
    await queue.write(looping.add, "part-a", spec, now=queue.now, actor="cli:eve")
    for number in (1, 2):
        await iterate(queue, number, value(3), tree="same")
        queue.pass_time(1)
    await split(queue, await queue.claim_one(), "x", "y")
    gone = await queue.write(cancelling.cancel, task.id, now=queue.now, actor="cli:eve")
    assert [one.id for one in gone] == [task.id, "part-a", "part-x", "part-y"]
    await queue.write(cancelling.retry, "part-y", now=queue.now, actor="cli:eve")
    await queue.write(cancelling.cancel, "part-y", now=queue.now, actor="cli:eve")
    back = await queue.write(cancelling.retry, task.id, now=queue.now, actor="cli:eve")
    assert [(one.id, one.status, one.unmet_count) for one in back] == [
        (task.id, TaskStatus.BLOCKED, 1),
        ("part-a", TaskStatus.BLOCKED, 1),
        ("part-x", TaskStatus.READY, 0),
    ]
    await assert_sound(queue)


async def test_a_task_that_is_not_split_is_ready_for_its_next_step(queue: Queue) -> None:
    task, claimed = await stuck(queue)
    assert (await split(queue, claimed)).status is TaskStatus.READY
    facts = (await queue.claim_one()).attempt.feedback or {}
    assert (facts.get("phase"), facts["work_commit"]) == (None, f"work-{task.id}-2")
    await assert_sound(queue)


async def test_a_task_does_not_wait_for_what_waits_for_it(queue: Queue) -> None:
    task, claimed = await stuck(queue)
    follower = await queue.submit(task, parent_task_id=task.id)
    after = await split(queue, claimed, "a")
    assert after.unmet_count == 1
    unmet = await queue.read(lambda stores: stores.graph.unmet(task.id))
    assert follower.id not in [one.id for one in unmet]
    await assert_sound(queue)
