"""What attempts cost, budgets that hold, and providers' limits, on every engine."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abathur.domain.admission import UNLIMITED, AdmissionRules, HoldCause, HoldScope
from abathur.domain.agents import AgentSpec
from abathur.domain.budgets import Budgets, SpendingRules
from abathur.domain.errors import StaleFenceError
from abathur.domain.failures import ASKING, FailureClass
from abathur.domain.money import CostGroup, Pricing
from abathur.domain.pools import PROBE, Observation, PoolKey, PoolSource, host_pool
from abathur.domain.runs import Outcome, OutcomeKind, Usage
from abathur.services import accounting, budgeting, cancelling, claiming, pausing, pooling, running
from abathur.services.claiming import Claim
from abathur.services.pooling import Draws
from abathur.services.queue_facts import queue_facts
from abathur.services.reserving import Further, keep_up, reserve_more, share
from abathur.services.running import Report

FAILED, LIMITED = OutcomeKind.FAILED, OutcomeKind.RATE_LIMITED
FAKE = PoolKey("fake")
POOLED = AdmissionRules(pools_of=lambda _: ("fake/default",))
ASSUMED = Pricing(assumed_usd=1.0)


def budgeted(**limits: Any) -> AdmissionRules:
    spending = SpendingRules(budgets=Budgets(**limits), pricing=ASSUMED)
    return AdmissionRules(default_target="main", spending=spending)


async def claim(
    queue: Any, rules: AdmissionRules = UNLIMITED, limit: int = 9, worker: str = "w1"
) -> list[Claim]:
    return list(
        await queue.write(
            claiming.claim,
            worker_id=worker,
            limit=limit,
            now=queue.now,
            lease=queue.lease,
            rules=rules,
        )
    )


async def end(queue: Any, claimed: Claim, outcome: Outcome, **more: Any) -> Any:
    report = Report(outcome=outcome, **more)
    holder = queue.holder(claimed)
    return await queue.write(running.report, holder, report, queue.policy, queue.now)


def failed(failure: FailureClass, **more: Any) -> Outcome:
    return Outcome(kind=FAILED, message="no", failure=failure, **more)


def draws(claimed: Claim) -> Draws:
    return Draws(f"{claimed.task.id}/{claimed.attempt.number}", (FAKE,))


async def totals(queue: Any, by: CostGroup = CostGroup.DAY) -> Any:
    return (await queue.read(accounting.cost_report, by, None)).total


# What attempts cost


async def test_known_and_unknown_costs_are_kept_apart(queue: Any) -> None:
    for _ in range(2):
        await queue.submit(max_retries=0)
    known, unknown = await claim(queue)
    await end(queue, known, Outcome(kind=FAILED, usage=Usage(cost_usd=0.5, output_tokens=7)))
    usage = Usage(input_tokens=3)
    await end(
        queue, unknown, Outcome(kind=FAILED, usage=usage), spending=SpendingRules(pricing=ASSUMED)
    )
    found = await totals(queue)
    assert (found.known_usd, found.known_attempts) == (0.5, 1)
    assert (found.estimated_usd, found.unknown_attempts) == (0.5, 1)
    assert (found.input_tokens, found.output_tokens) == (3, 7)
    cost = await queue.read(lambda s: s.costs.get(unknown.task.id, 1))
    assert (cost.cost_usd, cost.estimate_rule) == (
        None,
        "median of 1 known of this agent type and model",
    )


async def test_a_lost_attempt_is_estimated_and_corrected_by_what_comes_late(queue: Any) -> None:
    await queue.submit()
    (lost,) = await claim(queue)
    await queue.start(lost, runtime="claude")
    await queue.write(running.add_process, queue.holder(lost), 7, 1.0)
    queue.pass_time(100)
    await queue.adopt(await queue.task(lost.task))
    assert (await totals(queue)).estimated_usd == 1.0
    usage = Usage(cost_usd=0.25)
    assert await queue.write(accounting.correct, lost.task.id, 1, usage)
    assert not await queue.write(accounting.correct, lost.task.id, 1, Usage(cost_usd=9))
    found = await totals(queue)
    assert (found.known_usd, found.estimated_usd) == (0.25, 0)


async def test_an_agent_that_never_started_cost_nothing(queue: Any) -> None:
    await queue.submit(max_retries=0)
    (claimed,) = await claim(queue)
    await end(queue, claimed, Outcome(kind=FAILED), spending=SpendingRules(pricing=ASSUMED))
    assert (await totals(queue)).counted_usd == 0


async def test_a_cost_is_booked_on_the_target_that_is_known(queue: Any) -> None:
    await queue.submit(feature_branch="next", max_retries=0)
    await queue.submit(max_retries=0)
    told, untold = await claim(queue)
    cost = Outcome(kind=FAILED, usage=Usage(cost_usd=0.5))
    await end(queue, told, cost)
    await end(queue, untold, cost)
    targets = await queue.read(lambda s: s.costs.totals(CostGroup.TARGET, ""))
    assert [one.name for one in targets] == ["", "next"]


async def test_what_a_run_has_told_is_estimated_although_no_process_is_known(queue: Any) -> None:
    await queue.submit(max_retries=0)
    (claimed,) = await claim(queue)
    used = Outcome(kind=FAILED, usage=Usage(output_tokens=7))
    await end(queue, claimed, used, spending=SpendingRules(pricing=ASSUMED))
    assert (await totals(queue)).estimated_usd == 1.0


@pytest.mark.parametrize("by", list(CostGroup))
async def test_costs_add_up_the_same_by_whatever(queue: Any, by: CostGroup) -> None:
    for target in ("main", "other"):
        await queue.submit(feature_branch=target, max_retries=0)
    for claimed in await claim(queue):
        await end(queue, claimed, Outcome(kind=FAILED, usage=Usage(cost_usd=0.5)))
    assert (await totals(queue, by)).known_usd == 1.0


# Budgets


async def test_two_that_claim_at_once_never_share_the_last_dollar(queue: Any) -> None:
    rules = budgeted(day_usd=3)
    for _ in range(8):
        await queue.submit()
    found = await asyncio.gather(
        *(claim(queue, rules, 2, worker) for worker in ("w1", "w2", "w1", "w2"))
    )
    assert sum(map(len, found)) == 3
    assert (await totals(queue)).reserved_usd == 3.0


async def test_without_room_a_task_waits_until_others_have_settled(queue: Any) -> None:
    rules = budgeted(day_usd=1)
    for _ in range(2):
        await queue.submit(max_retries=0)
    (first,) = await claim(queue, rules)
    assert await queue.read(lambda s: s.admission.holds()) == []
    await end(queue, first, Outcome(kind=FAILED, usage=Usage(cost_usd=0.0)))
    assert len(await claim(queue, rules)) == 1


@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        ({"day_usd": 1.5}, HoldScope.EVERYTHING),
        ({"target_usd": 1.5}, HoldScope.TARGET),
        ({"targets": {"main": 1.5}}, HoldScope.TARGET),
        ({"task_usd": 1.5}, HoldScope.TASK),
    ],
)
async def test_a_used_up_budget_holds_asks_and_resuming_grants_more(
    queue: Any, limits: dict[str, Any], scope: HoldScope
) -> None:
    rules = budgeted(**limits)
    task = await queue.submit(feature_branch="main")
    (first,) = await claim(queue, rules)
    await end(queue, first, Outcome(kind=FAILED, usage=Usage(cost_usd=1.2)))
    queue.pass_time(60)
    # Asking isn't granting, however often somebody tries to claim.
    assert await claim(queue, rules) == await claim(queue, rules) == []
    (hold,) = await queue.read(lambda s: s.admission.holds())
    assert (hold.scope, hold.cause) == (scope, HoldCause.BUDGET)
    assert hold.name == {HoldScope.TARGET: "main", HoldScope.TASK: task.id}.get(scope, "")
    midnight = datetime(2030, 2, 1, tzinfo=UTC)
    assert hold.hold_until == (midnight if scope is HoldScope.EVERYTHING else None)
    assert "$1.20 spent of $1.50" in hold.reason
    assert hold.reason.endswith("resuming grants $1.50 more")
    await queue.write(pausing.resume, hold.scope, hold.name, now=queue.now, actor="cli:eve")
    assert len(await claim(queue, rules)) == 1


async def test_resuming_grants_at_least_what_the_next_attempt_needs(queue: Any) -> None:
    rules = budgeted(task_usd=0.25)
    await queue.submit()
    assert await claim(queue, rules) == []
    (hold,) = await queue.read(lambda s: s.admission.holds())
    assert hold.reason.endswith("resuming grants $0.75 more")
    await queue.write(pausing.resume, hold.scope, hold.name, now=queue.now, actor="cli:eve")
    assert len(await claim(queue, rules)) == 1


@pytest.mark.parametrize(
    ("limits", "refused", "waits"),
    [
        ({"task_usd": 2.0}, "", False),
        ({"task_usd": 1.9}, "the task has no room: $0.90 of $1.90 are left", False),
        ({"target_usd": 1.9}, "target `main` has no room", False),
        ({"day_usd": 1.9}, "has no room: $0.90 of $1.90 are left, and it counts $1.00", True),
    ],
)
async def test_a_judge_is_reserved_for_beside_the_run_that_it_judges(
    queue: Any, limits: dict[str, float], refused: str, waits: bool
) -> None:
    rules = budgeted(**limits)
    await queue.submit()
    (claimed,) = await claim(queue, rules)
    critic = AgentSpec(agent_type="critic", runtime="claude", system_prompt="")
    judge = Further(spec=critic, target="main", used=Usage(cost_usd=1.0))
    spending, holder = rules.spending, queue.holder(claimed)
    room = await queue.write(reserve_more, spending, holder, judge, queue.now)
    assert (refused in room.refusal, bool(room.refusal)) == (True, bool(refused))
    assert (room.wait_seconds is not None) is waits
    cost = await queue.read(lambda stores: stores.costs.get(claimed.task.id, 1))
    assert cost.reserved_usd == (1.0 if refused else 2.0)
    with pytest.raises(StaleFenceError):
        await queue.write(reserve_more, spending, replace(holder, fence=0), judge, queue.now)


@pytest.mark.parametrize(
    ("limits", "narrowest"), [({"target_usd": 3.5}, "target `main`"), ({"day_usd": 3.5}, "the day")]
)
async def test_what_a_run_spends_beyond_its_reservation_is_room_for_no_other(
    queue: Any, limits: dict[str, float], narrowest: str
) -> None:
    rules = budgeted(**limits)
    for _ in range(2):
        await queue.submit()
    first, second = await claim(queue, rules, limit=2)

    async def spends(claimed: Any, usd: float) -> Any:
        return await queue.write(keep_up, rules.spending, queue.holder(claimed), usd)

    found = await queue.read(lambda stores: share(stores, rules.spending, first.task.id, 1))
    assert (found.reserved_usd, found.left_usd) == (1.0, 2.5)
    assert found.narrowest.startswith(narrowest)
    assert (await spends(first, 0.9)).reserved_usd == 1.0
    assert (await spends(first, 1.5)).reserved_usd == pytest.approx(1.8)  # and some more
    assert (await spends(first, 2.4)).reserved_usd == pytest.approx(2.5)  # all there is
    over = await spends(second, 1.2)
    assert (over.left_usd, over.reserved_usd) == (pytest.approx(1.0), 1.2)  # spent all the same
    with pytest.raises(StaleFenceError):
        await queue.write(keep_up, rules.spending, replace(queue.holder(first), fence=0), 9.0)


async def test_a_run_without_a_budget_to_share_keeps_up_with_none(queue: Any) -> None:
    await queue.submit()
    (claimed,) = await claim(queue, budgeted(task_usd=5))
    kept = await queue.write(keep_up, budgeted().spending, queue.holder(claimed), 9.0)
    assert kept is None


async def test_who_ran_out_of_a_shared_budget_waits_for_the_others_before_anybody_is_asked(
    queue: Any,
) -> None:
    rules = budgeted(day_usd=2.5)
    for _ in range(2):
        await queue.submit()
    first, second = await claim(queue, rules, limit=2)
    over = failed(FailureClass.BUDGET, usage=Usage(cost_usd=1.0))
    back = await end(queue, first, over, spending=rules.spending)
    assert (back.status, back.retry_count) == ("ready", 0)
    assert await queue.read(lambda s: s.admission.holds()) == []  # $1.50 may be left
    assert await claim(queue, rules) == []  # of which the second has $1.00
    await end(queue, second, replace(over, usage=Usage(cost_usd=1.5)), spending=rules.spending)
    (hold,) = await queue.read(lambda s: s.admission.holds())
    assert (hold.scope, hold.cause) == (HoldScope.EVERYTHING, HoldCause.BUDGET)
    assert "$2.50 spent of $2.50" in hold.reason


async def test_a_raised_budget_ends_its_hold(queue: Any) -> None:
    await queue.submit()
    rules = budgeted(task_usd=0.5)
    assert await claim(queue, rules) == []
    assert len(await queue.read(lambda s: s.admission.holds())) == 1
    assert len(await claim(queue, budgeted(task_usd=2))) == 1
    assert await queue.read(lambda s: s.admission.holds()) == []


async def test_a_task_may_have_a_budget_of_its_own(queue: Any) -> None:
    task = await queue.submit()
    spending = replace(UNLIMITED, spending=SpendingRules(pricing=ASSUMED))
    set_budget = budgeting.set_task_budget
    await queue.write(set_budget, task.id, 0.5, now=queue.now, actor="cli:eve")
    assert await claim(queue, spending) == []
    await queue.write(set_budget, task.id, 5.0, now=queue.now, actor="cli:eve")
    assert len(await claim(queue, spending)) == 1


async def test_a_task_whose_agent_spent_its_budget_is_held_at_no_charge(queue: Any) -> None:
    rules = budgeted(task_usd=1)
    await queue.submit()
    (first,) = await claim(queue, rules)
    over = failed(FailureClass.BUDGET, usage=Usage(cost_usd=1.5))
    back = await end(queue, first, over, spending=rules.spending)
    assert (back.status, back.retry_count) == ("ready", 0)
    assert await claim(queue, rules) == []
    (hold,) = await queue.read(lambda s: s.admission.holds())
    assert "$1.50 spent of $1.00" in hold.reason


# Kinds of failure


@pytest.mark.parametrize("failure", sorted(ASKING - {FailureClass.BUDGET}))
async def test_what_a_person_must_mend_holds_its_agent_type(
    queue: Any, failure: FailureClass
) -> None:
    for _ in range(5):
        await queue.submit(max_retries=0)
    await queue.submit(agent_type="other")
    (first,) = await claim(queue, limit=1)
    back = await end(queue, first, failed(failure))
    assert (back.status, back.retry_count) == ("ready", 0)
    assert [one.task.agent_type for one in await claim(queue)] == ["other"]
    (hold,) = await queue.read(lambda s: s.admission.holds())
    assert (hold.scope, hold.name) == (HoldScope.AGENT_TYPE, "general")
    await queue.write(pausing.resume, hold.scope, hold.name, now=queue.now, actor="cli:eve")
    assert len(await claim(queue)) == 5


async def test_the_class_is_stored_and_told(queue: Any) -> None:
    await queue.submit()
    (first,) = await claim(queue)
    await end(queue, first, failed(FailureClass.PROCESS))
    assert (await queue.attempt(first)).failure_class is FailureClass.PROCESS
    told = [e.action_data for e in await queue.audit() if e.action_type == "attempt_ended"]
    assert told[0]["failure_class"] == "process"


async def test_a_refused_landing_is_the_failure_of_its_attempt(queue: Any) -> None:
    await queue.submit()
    (first,) = await claim(queue)
    await queue.succeed(first)
    await queue.refuse(await queue.lander())
    assert (await queue.attempt(first)).failure_class is FailureClass.CONFLICT


# Providers' limits


async def test_a_pool_waits_then_one_task_tries_it_then_all(queue: Any) -> None:
    for _ in range(4):
        await queue.submit(max_retries=0)
    (first,) = await claim(queue, POOLED, 1)
    limited = Outcome(kind=LIMITED, failure=FailureClass.QUOTA, retry_after_seconds=60)
    back = await end(queue, first, limited, draws=draws(first))
    assert (back.status, back.retry_count) == ("pending", 0)
    assert await claim(queue, POOLED) == []
    queue.pass_time(61)
    (probe,) = await claim(queue, POOLED)
    assert await claim(queue, POOLED) == []
    assert await queue.read(pooling.tried_by, draws(probe).run) == {FAKE}
    assert await queue.write(pooling.answered, draws(probe), queue.now)
    assert len(await claim(queue, POOLED)) == 3


@pytest.mark.parametrize(
    ("failure", "said"),
    [(FailureClass.NETWORK, "can't be reached or fails"), (FailureClass.QUOTA, "is used up")],
)
async def test_a_provider_that_gives_no_answer_is_no_limit(
    queue: Any, failure: FailureClass, said: str
) -> None:
    await queue.submit()
    (first,) = await claim(queue, POOLED, 1)
    outcome = Outcome(kind=OutcomeKind.FAILED, failure=failure, retry_after_seconds=60)
    await end(queue, first, outcome, draws=draws(first))
    await queue.submit()
    (refused,) = (await queue.read(queue_facts, POOLED, queue.now)).refused
    assert refused.text.endswith(said)


async def test_a_probe_that_is_refused_closes_the_pool_for_longer(queue: Any) -> None:
    await queue.submit(max_retries=0)
    waits = []
    for _ in range(3):
        (claimed,) = await claim(queue, POOLED)
        busy = Outcome(kind=LIMITED, failure=FailureClass.CAPACITY)
        await end(queue, claimed, busy, draws=draws(claimed))
        (pool,) = await queue.read(lambda s: s.pools.all())
        waits.append((pool.exhausted_until - queue.now).total_seconds())
        queue.now = max(pool.exhausted_until, (await queue.task(claimed.task)).not_before)
    assert waits == [10, 20, 40]


async def test_several_that_are_refused_at_once_are_one_refusal(queue: Any) -> None:
    for _ in range(2):
        await queue.submit()
    one, other = await claim(queue, POOLED)
    limited = Outcome(kind=LIMITED, failure=FailureClass.QUOTA, retry_after_seconds=60)
    await end(queue, one, limited, draws=draws(one))
    closed = await queue.read(lambda s: s.pools.all())
    assert [(pool.refusals, pool.source) for pool in closed] == [(1, PoolSource.ERROR)]
    queue.pass_time(5)
    back = await end(queue, other, limited, draws=draws(other))
    assert await queue.read(lambda s: s.pools.all()) == closed
    assert back.not_before >= closed[0].exhausted_until


async def test_a_pool_is_not_left_alone_for_longer_because_of_a_guess(queue: Any) -> None:
    await queue.submit()
    waits = []
    for _ in range(3):
        (claimed,) = await claim(queue, POOLED)
        busy = Outcome(kind=LIMITED, failure=FailureClass.CAPACITY, is_guess=True)
        await end(queue, claimed, busy, draws=draws(claimed))
        (pool,) = await queue.read(lambda s: s.pools.all())
        waits.append((pool.exhausted_until - queue.now).total_seconds())
        queue.now = max(pool.exhausted_until, (await queue.task(claimed.task)).not_before)
    assert waits == [10, 10, 10]
    assert pool.source is PoolSource.TEXT


async def test_what_is_seen_of_a_window_closes_it_only_when_it_is_rejected(queue: Any) -> None:
    await queue.submit()
    (claimed,) = await claim(queue, POOLED)

    async def see(**seen: Any) -> Any:
        told = Observation(window="five_hour", **seen)
        closed = await queue.write(pooling.observe, draws(claimed), told, queue.now)
        (pool,) = await queue.read(lambda s: s.pools.all())
        assert closed in (None, pool)
        return closed is not None, pool.used_share, pool.refusals, pool.exhausted_until is not None

    assert await see(is_rejected=False, used_share=0.4) == (False, 0.4, 0, False)
    assert await see(is_rejected=False) == (False, None, 0, False)
    assert await see(is_rejected=True) == (True, 1.0, 1, True)
    assert await see(is_rejected=True, used_share=0.9) == (True, 0.9, 1, True)


async def test_a_probe_without_an_answer_is_followed_by_another(queue: Any) -> None:
    for _ in range(2):
        await queue.submit()
    (first,) = await claim(queue, POOLED, 1)
    seen = Observation(window="five_hour", is_rejected=True)
    pool = await queue.write(pooling.observe, draws(first), seen, queue.now)
    queue.now = pool.exhausted_until
    (probe,) = await claim(queue, POOLED)
    assert probe.task.id != first.task.id
    await queue.submit()
    assert await claim(queue, POOLED) == []
    queue.now += PROBE
    assert len(await claim(queue, POOLED)) == 1


@pytest.mark.parametrize("ended_by", ["cancel", "death", "stop"])
async def test_a_probe_that_was_ended_from_outside_is_followed_by_another_at_once(
    queue: Any, ended_by: str
) -> None:
    for _ in range(3):
        await queue.submit()
    (first,) = await claim(queue, POOLED, 1)
    seen = Observation(window="five_hour", is_rejected=True)
    pool = await queue.write(pooling.observe, draws(first), seen, queue.now)
    queue.now = pool.exhausted_until
    (probe,) = await claim(queue, POOLED)
    task = probe.task
    assert await claim(queue, POOLED) == []
    if ended_by == "cancel":
        await queue.write(cancelling.cancel, task.id, now=queue.now, actor="test")
    elif ended_by == "death":
        taking = {"fence": task.fence, "worker_id": task.worker_id, "lease": timedelta(minutes=1)}
        await queue.write(claiming.adopt, task.id, now=queue.now, **taking)
    else:
        released = Outcome(kind=OutcomeKind.RELEASED)
        await end(queue, probe, released, draws=draws(probe), is_probe=True)
    (second,) = await claim(queue, POOLED)
    assert await queue.read(pooling.tried_by, draws(second).run) == {FAKE}
    assert await queue.read(pooling.tried_by, draws(probe).run) == frozenset()
    assert await claim(queue, POOLED) == []


async def test_guesses_from_text_are_charged_in_the_end(queue: Any) -> None:
    task = await queue.submit(max_retries=1)
    guess = failed(FailureClass.CAPACITY, is_guess=True)
    charged = []
    for _ in range(5):
        queue.pass_time(7200)
        (claimed,) = await claim(queue)
        charged.append((await end(queue, claimed, guess)).retry_count)
    assert charged == [0, 0, 0, 1, 1]
    assert (await queue.task(task)).status == "failed"


# A host on which nothing can be prepared


ON_HOST = AdmissionRules(pools_of=lambda _: ("fake/default",), host="here:1")
ELSEWHERE = AdmissionRules(pools_of=lambda _: ("fake/default",), host="there:1")
OUTAGE = failed(FailureClass.NETWORK, is_guess=True)


def of_host(claimed: Claim) -> Draws:
    return Draws(f"{claimed.task.id}/{claimed.attempt.number}", (host_pool("here:1"),))


async def test_an_outage_of_a_host_charges_nobody_and_one_tries_it_again(queue: Any) -> None:
    for _ in range(3):
        await queue.submit(max_retries=0)
    waits = []
    for _ in range(8):
        (claimed, *others) = await claim(queue, ON_HOST)
        ended = [await end(queue, one, OUTAGE, draws=of_host(one)) for one in (claimed, *others)]
        assert {(one.status, one.retry_count) for one in ended} == {("pending", 0)}
        (pool,) = await queue.read(lambda stores: stores.pools.all())
        waits.append((len(others), (pool.exhausted_until - queue.now).total_seconds()))
        queue.now = max(pool.exhausted_until, *[one.not_before for one in ended])
    assert waits[0] == (2, 10)
    assert {others for others, _ in waits[1:]} == {0}
    assert [seconds for _, seconds in waits[1:]] == [20, 40, 60, 60, 60, 60, 60]


async def test_the_outage_is_told_and_holds_up_its_host_alone(queue: Any) -> None:
    for _ in range(2):
        await queue.submit()
    (first,) = await claim(queue, ON_HOST, 1)
    await end(queue, first, OUTAGE, draws=of_host(first))
    (refused,) = (await queue.read(queue_facts, ON_HOST, queue.now)).refused
    assert "worktrees can't be prepared on host `here`" in refused.text
    assert refused.until is not None
    assert await claim(queue, ON_HOST) == []
    assert len(await claim(queue, ELSEWHERE)) == 1


async def test_who_tried_a_host_lets_all_others_go(queue: Any) -> None:
    for _ in range(3):
        await queue.submit()
    (first,) = await claim(queue, ON_HOST, 1)
    await end(queue, first, OUTAGE, draws=of_host(first))
    queue.pass_time(11)
    (probe,) = await claim(queue, ON_HOST)
    assert await queue.read(pooling.tried_by, of_host(probe).run) == {host_pool("here:1")}
    assert await queue.write(pooling.answered, of_host(probe), queue.now)
    assert len(await claim(queue, ON_HOST)) == 2


async def test_who_fails_alone_where_others_succeed_is_charged_in_the_end(queue: Any) -> None:
    task = await queue.submit(max_retries=0)
    for _ in range(4):
        queue.pass_time(7200)
        (claimed,) = await claim(queue, ON_HOST)
        await end(queue, claimed, OUTAGE, draws=of_host(claimed))
        queue.pass_time(7200)
        await queue.write(pooling.answered, of_host(claimed), queue.now)
    assert (await queue.task(task)).status == "failed"
