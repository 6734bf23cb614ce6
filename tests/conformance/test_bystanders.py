"""What is done to a row, or asked about one, leaves out the rows beside it."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.admission import Overlap
from abathur.domain.agents import Agent, AgentState
from abathur.domain.budgets import Allowance, BudgetScope
from abathur.domain.errors import IllegalTransitionError
from abathur.domain.failures import FailureClass
from abathur.domain.landing import LandingState
from abathur.domain.money import Cost, CostGroup
from abathur.domain.pools import Pool, PoolSource
from abathur.domain.records import changed
from abathur.domain.results import ResultCheck, ResultOrigin, TaskResult
from abathur.domain.reviews import Review, ReviewKind, ReviewState
from abathur.domain.runs import LateReport, OutcomeKind, Usage
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule
from abathur.domain.sessions import NewSession, StateScope
from abathur.services import claiming

if TYPE_CHECKING:
    from abathur.ports.stores import Stores
    from abathur.services.claiming import Claim
    from tests.conformance.conftest import Queue

RESULT = TaskResult(content={"a": 1}, origin=ResultOrigin.TOOL, check=ResultCheck.VALID)
TODAY, YESTERDAY = "2030-01-31", "2030-01-30"
KNOWN = Usage(
    input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4, cost_usd=0.5
)


async def two_attempts(queue: Queue) -> tuple[Claim, Claim]:
    """The first and the second one of a task."""
    await queue.submit()
    first = await queue.claim_one()
    await queue.end(first, OutcomeKind.RELEASED)
    return first, await queue.claim_one()


async def test_one_worker_stops_and_is_told_so_once(queue: Queue) -> None:
    def stop(stores: Stores) -> tuple[bool, bool]:
        stores.workers.resize("w1", 7)
        asked = stores.workers.request_stop("w1", queue.now)
        again = stores.workers.request_stop("w1", queue.now + timedelta(seconds=1))
        stores.workers.mark_stopped("w1", queue.now + timedelta(seconds=2))
        stores.workers.mark_stopped("w1", queue.now + timedelta(seconds=3))
        return asked, again

    before = await queue.read(lambda stores: stores.workers.get("w2"))
    assert await queue.db.write(stop) == (True, False)
    gone = await queue.read(lambda stores: stores.workers.get("w1"))
    assert gone is not None
    assert (gone.id, gone.max_agents) == ("w1", 7)
    assert (gone.stop_requested_at, gone.stopped_at) == (
        queue.now, queue.now + timedelta(seconds=2),
    )  # fmt: skip
    assert await queue.read(lambda stores: stores.workers.get("w2")) == before
    assert await queue.read(lambda stores: stores.workers.live()) == [before]


async def test_an_agent_ends_with_its_attempt_alone(queue: Queue) -> None:
    one, other = await queue.submit(), await queue.submit()

    def agent(task_id: str, number: int, seconds: int) -> Agent:
        return Agent(
            id=f"{task_id}-{number}",
            name=f"coder-{number}",
            agent_type="coder",
            task_id=task_id,
            state=AgentState.BUSY,
            model="small",
            spawned_at=queue.now + timedelta(seconds=seconds),
        )

    agents = [agent(one.id, 1, 0), agent(one.id, 2, 1), agent(other.id, 1, 1)]

    def end(stores: Stores) -> None:
        for each in agents:
            stores.workers.insert_agent(each)
        stores.workers.end_agent(one.id, 1, queue.now)
        stores.workers.end_agent(one.id, 1, queue.now + timedelta(seconds=9))

    await queue.db.write(end)
    ended = replace(agents[0], state=AgentState.TERMINATED, terminated_at=queue.now)
    # The newest first, then by id.
    assert await queue.read(lambda stores: stores.workers.agents()) == [*agents[1:], ended]
    assert await queue.read(lambda stores: stores.workers.agents(one.id)) == [agents[1], ended]
    later = queue.now + timedelta(seconds=9)
    await queue.db.write(lambda stores: stores.workers.end_agents(one.id, later))
    last = replace(agents[1], state=AgentState.TERMINATED, terminated_at=later)
    assert await queue.read(lambda stores: stores.workers.agents()) == [last, agents[2], ended]


async def test_a_worker_renews_what_it_holds_itself(queue: Queue) -> None:
    landings, claims = [], []
    for worker in ("w1", "w2"):
        await queue.submit()
        await queue.succeed(await queue.claim_one(worker), f"for {worker}")
        landings.append(await queue.lander(worker))
        await queue.submit()
        claims.append(await queue.claim_one(worker))
    queue.pass_time(9)
    await queue.write(claiming.renew, worker_id="w1", now=queue.now, lease=queue.lease)
    until = queue.now + queue.lease
    assert (await queue.task(claims[0].task)).lease_until == until
    assert (await queue.landing(landings[0].id)).lease_until == until
    assert (await queue.task(claims[1].task)).lease_until == claims[1].task.lease_until
    assert await queue.landing(landings[1].id) == landings[1]
    other = await queue.read(lambda stores: stores.workers.get("w2"))
    assert other is not None
    assert other.lease_until == until - timedelta(seconds=9)


async def test_an_attempt_is_saved_whole_and_alone(queue: Queue) -> None:
    first, second = await two_attempts(queue)
    before = await queue.attempt(first)
    told: dict[str, Any] = dict.fromkeys(
        ["runtime", "model", "session_id", "branch", "worktree_path", "base_commit"], "a"
    )
    told |= dict.fromkeys(["head_commit", "salvage_ref", "transcript_path", "error_message"], "b")
    told |= {"model_choice": "c", "definition_version": "d"}
    told |= {"pid": 7, "pid_started_at": 1.5, "ended_at": queue.now, "exit_code": 3}
    told |= {"outcome": OutcomeKind.FAILED, "failure_class": FailureClass.PROCESS}
    told |= {"usage": KNOWN, "feedback": {"kind": "conflict"}, "fence": 9, "worker_id": "w2"}
    told |= {"lease_until": queue.now, "result": RESULT}
    saved = changed(second.attempt, **told)
    await queue.db.write(lambda stores: stores.attempts.save(saved))
    assert asdict(await queue.attempt(second)) == asdict(saved)
    assert await queue.attempt(first) == before


async def test_the_attempts_of_one_worker_are_those_that_it_runs(queue: Queue) -> None:
    for _ in range(3):
        await queue.submit()
    mine = await queue.claim_one("w1")
    ended = await queue.claim_one("w1")
    await queue.end(ended)
    theirs = await queue.claim_one("w2")
    assert await queue.read(lambda stores: stores.attempts.unended("w1")) == [mine.attempt]
    assert await queue.read(lambda stores: stores.attempts.unended()) == [
        mine.attempt, theirs.attempt,
    ]  # fmt: skip


async def test_late_reports_are_those_of_their_task_in_order(queue: Queue) -> None:
    (one, two), (other, _) = await two_attempts(queue), await two_attempts(queue)

    def late(claimed: Claim, fence: int) -> LateReport:
        task_id, number = claimed.task.id, claimed.attempt.number
        return LateReport(
            task_id=task_id,
            attempt=number,
            fence=fence,
            worker_id="w1",
            received_at=queue.now,
            report={"outcome": "failed"},
        )

    wanted = [late(one, 1), late(one, 2), late(two, 3)]

    def add(stores: Stores) -> None:
        for each in (wanted[2], late(other, 1), wanted[1], wanted[0]):
            stores.attempts.add_late_report(each)

    await queue.db.write(add)
    found = await queue.read(lambda stores: stores.attempts.late_reports(one.task.id))
    assert found == wanted


async def test_overlaps_are_those_of_the_task_from_either_side(queue: Queue) -> None:
    one, two, three = [await queue.submit() for _ in range(3)]

    def overlap(task: str, other: str) -> Overlap:
        return Overlap(
            task_id=task, attempt=1, other_task_id=other, paths=("a",), found_at=queue.now
        )

    all_of_them = [overlap(one.id, two.id), overlap(two.id, one.id), overlap(two.id, three.id)]
    for _ in range(3):
        await queue.claim_one()

    def add(stores: Stores) -> None:
        for each in reversed(all_of_them):
            stores.admission.add_overlap(each)

    await queue.db.write(add)
    assert await queue.read(lambda s: s.admission.overlaps(one.id)) == all_of_them[:2]
    assert await queue.read(lambda s: s.admission.overlaps(three.id)) == all_of_them[2:]


async def test_refused_work_is_listed_whatever_it_was_refused_for(queue: Queue) -> None:
    refused = []
    for state in (LandingState.CONFLICTED, LandingState.REJECTED):
        await queue.submit()
        await queue.succeed(await queue.claim_one())
        done = await queue.refuse(await queue.lander(), state, max_rework=0)
        refused.append(done.landing)
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    assert await queue.read(lambda stores: stores.landings.refused(9)) == refused[::-1]


def cost(claimed: Claim, number: int, **fields: Any) -> Cost:
    facts: dict[str, Any] = {
        "target": "main", "agent_type": "coder", "model": "small", "day": TODAY,
        "input_tokens": None, "output_tokens": None, "cache_read_tokens": None,
        "cache_write_tokens": None, "reserved_usd": 0, "cost_usd": None, "estimated_usd": None,
        "estimate_rule": None, "settled_at": None,
    }  # fmt: skip
    return Cost(**{"task_id": claimed.task.id, "attempt": number, **facts, **fields})


async def test_costs_are_added_up_for_what_is_asked_about(queue: Queue) -> None:
    for _ in range(2):
        await queue.submit()
    one, other = await queue.claim(2)
    settled = {"settled_at": queue.now}
    guess = {"estimated_usd": 2.0, "estimate_rule": "the most"}
    costs = [
        cost(one, 1, cost_usd=1.0, target="next", day=YESTERDAY, **settled),
        cost(one, 2, **guess, **settled),
        cost(other, 1, cost_usd=4.0, agent_type="writer", **settled),
        cost(other, 2, **guess, target="next", agent_type="writer", **settled),
    ]

    def settle(stores: Stores) -> None:
        for each in costs:
            stores.costs.settle(each)

    await queue.db.write(settle)

    def sums(stores: Stores) -> list[tuple[float, float]]:
        return [
            stores.costs.sums(BudgetScope.TASK, one.task.id),
            stores.costs.sums(BudgetScope.TARGET, "next"),
            stores.costs.sums(BudgetScope.DAY, TODAY),
        ]

    assert await queue.read(sums) == [(3, 0), (3, 0), (8, 0)]
    assert await queue.read(lambda stores: stores.costs.known("writer", "small", 9)) == [4.0]
    assert await queue.read(lambda stores: stores.costs.known("coder", "small", 9)) == [1.0]
    assert await queue.read(lambda stores: stores.costs.rules(TODAY)) == [("the most", 2)]
    (day,) = await queue.read(lambda stores: stores.costs.totals(CostGroup.DAY, TODAY))
    assert (day.name, day.attempts, day.known_usd, day.estimated_usd) == (TODAY, 3, 4.0, 4.0)
    assert (day.unknown_attempts, day.running_attempts) == (2, 0)

    correct = [
        await queue.db.write(lambda stores: stores.costs.correct(one.task.id, 2, KNOWN))
        for _ in range(2)
    ]
    assert correct == [True, False]
    costs[1] = cost(one, 2, **{**asdict(KNOWN), **settled})

    def kept(stores: Stores) -> list[Cost | None]:
        return [stores.costs.get(each.task_id, each.attempt) for each in costs]

    assert await queue.read(kept) == costs


async def test_a_budget_is_answered_and_taken_away_alone(queue: Queue) -> None:
    names = [(BudgetScope.TASK, "a"), (BudgetScope.TASK, "b"), (BudgetScope.TARGET, "a")]

    def answer(stores: Stores) -> None:
        for number, (scope, name) in enumerate(names):
            stores.costs.set_limit(scope, name, 1.0 + number)
            stores.costs.ask(scope, name, asked_usd=2.0, needed_usd=3.0)
        stores.costs.answer(*names[0], 5.0)

    def allowances(stores: Stores) -> list[Allowance | None]:
        return [stores.costs.allowance(*name) for name in names]

    await queue.db.write(answer)
    asked = {"asked_usd": 2.0, "needed_usd": 3.0}
    first = Allowance(limit_usd=1, granted_usd=5, asked_usd=0, needed_usd=3)
    others = [Allowance(limit_usd=2, **asked), Allowance(limit_usd=3, **asked)]
    assert await queue.read(allowances) == [first, *others]
    await queue.db.write(lambda stores: stores.costs.set_limit(*names[0], None))
    assert await queue.read(allowances) == [None, *others]


async def test_sessions_are_told_apart(queue: Queue) -> None:
    def make(stores: Stores) -> None:
        for seconds, (name, project) in enumerate((("a1", "p"), ("a2", "q"), ("b1", "q"))):
            new = NewSession(
                id=name, app_name="app", user_id="u", project_id=project, state={}, metadata={}
            )
            stores.sessions.insert(new, queue.now + timedelta(seconds=seconds))
            stores.sessions.set_value(StateScope.SESSION, name, "key", name, queue.now)
        stores.sessions.append("a1", 1, {}, queue.now)
        stores.sessions.append("a2", 7, {}, queue.now)

    await queue.db.write(make)

    def selected(stores: Stores, project: str | None) -> list[str]:
        found = stores.sessions.select(status=None, user_id=None, project_id=project, limit=2)
        return [one.id for one in found]

    assert await queue.read(selected, None) == ["b1", "a2"]
    assert await queue.read(selected, "p") == ["a1"]
    assert await queue.read(lambda s: s.sessions.by_prefix("a", 9)) == ["a1", "a2"]
    assert await queue.read(lambda s: s.sessions.by_prefix("b", 9)) == ["b1"]
    assert await queue.read(lambda s: s.sessions.by_prefix("a", 1)) == ["a1"]
    assert await queue.read(lambda s: s.sessions.last_event("a1")) == 1
    value = await queue.read(lambda s: s.sessions.value(StateScope.SESSION, "a2", "key"))
    assert value == ("a2",)


async def test_an_answer_opens_the_pool_that_was_tried_and_no_other(queue: Queue) -> None:
    later = queue.now + timedelta(hours=1)

    def pool(account: str, window: str, until: datetime | None, probe: str | None = None) -> Pool:
        provider, _, name = account.partition("/")
        return Pool(
            provider=provider,
            account=name,
            limit_window=window,
            exhausted_until=until,
            used_share=1.0,
            refusals=2,
            probe=probe,
            source=PoolSource.ERROR,
            observed_at=queue.now - timedelta(hours=1),
        )

    pools = [
        pool("p/a", "day", later, "task/1"),
        pool("p/a", "five", queue.now),
        pool("p/a", "month", None),
        pool("p/a", "week", later, "task/2"),
        pool("p/b", "day", queue.now),
        pool("q/a", "day", queue.now),
    ]

    def save(stores: Stores) -> list[Pool | None]:
        for each in reversed(pools):
            stores.pools.save(each)
        return [stores.pools.get(each.key, each.limit_window) for each in pools]

    assert await queue.db.write(save) == pools
    assert await queue.read(lambda stores: stores.pools.all()) == pools
    key = pools[0].key
    opened = [
        await queue.db.write(lambda stores: stores.pools.open(key, "task/1", queue.now))
        for _ in range(2)
    ]
    assert opened == [True, False]
    for number in (0, 1):
        pools[number] = changed(
            pools[number],
            exhausted_until=None,
            used_share=None,
            refusals=0,
            probe=None,
            observed_at=queue.now,
        )
    assert await queue.read(lambda stores: stores.pools.all()) == pools
    assert await queue.read(lambda stores: stores.pools.closed()) == pools[3:]


async def test_the_trail_goes_on_after_the_entry_that_was_read(queue: Queue) -> None:
    task, other = await queue.submit(), await queue.submit()
    await queue.cancel(task)
    first, second = await queue.audit(task)
    assert first.id is not None
    after = first.id
    assert await queue.read(lambda s: s.audit.after(after, task_id=task.id)) == [second]
    everything = await queue.read(lambda s: s.audit.after(after))
    assert [one.task_id for one in everything] == [other.id, task.id]
    assert await queue.read(lambda s: s.audit.after(after, 1)) == everything[:1]


async def test_what_is_open_and_wrong_is_found_and_what_is_right_beside_it_is_not(
    queue: Queue,
) -> None:
    done = await queue.submit()
    await queue.complete_next()
    base = await queue.submit()
    await queue.submit(done, base)
    over = await queue.submit(base)
    later = await queue.submit(not_before=queue.now + timedelta(hours=1))

    async def found() -> list[tuple[str, str]]:
        problems = await queue.read(lambda stores: stores.upkeep.open_problems(9))
        return sorted((one.code, one.task_id or "") for one in problems)

    assert await found() == []

    def spoil(stores: Stores) -> None:
        for task_id, wrong in (
            (base.id, {"lease_until": queue.now}),
            (over.id, {"unmet_count": 2}),
            (later.id, {"worker_id": "w1"}),
        ):
            old = stores.tasks.get(task_id)
            assert old is not None
            stores.tasks.save(changed(old, **wrong), old.fence)

    await queue.db.write(spoil)
    assert await found() == [
        ("lease_without_run", base.id),
        ("lease_without_run", later.id),
        ("unmet_counts", over.id),
    ]
    first = await queue.read(lambda stores: stores.upkeep.open_problems(1))
    assert len([one for one in first if one.code == "lease_without_run"]) == 1


async def test_an_answer_that_was_given_is_not_written_over(queue: Queue) -> None:
    task = await queue.submit()
    open_one = Review(
        id="r1",
        task_id=task.id,
        attempt=1,
        kind=ReviewKind.QUESTION,
        tree=None,
        question="Which port?",
        data={},
        state=ReviewState.OPEN,
        comment=None,
        asked_at=queue.now,
        decided_at=None,
        decided_by=None,
    )
    beside = changed(open_one, id="r2")
    decided = {"decided_at": queue.now, "decided_by": "cli:bob"}
    refused = changed(open_one, state=ReviewState.REJECTED, comment="none", **decided)

    def refuse(stores: Stores) -> None:
        stores.reviews.insert(beside)
        stores.reviews.insert(open_one)
        stores.reviews.save(refused)

    await queue.db.write(refuse)
    approved = changed(refused, state=ReviewState.APPROVED, comment="80")
    with pytest.raises(IllegalTransitionError, match="answered by somebody else"):
        await queue.db.write(lambda stores: stores.reviews.save(approved))
    assert await queue.read(lambda s: s.reviews.of_task(task.id)) == [refused, beside]
    assert await queue.read(lambda s: s.reviews.recent(1)) == [beside]


async def test_a_schedule_is_due_at_its_time_and_goes_alone(queue: Queue) -> None:
    def schedule(name: str, minutes: int | None) -> Schedule:
        return Schedule(
            id=f"id-{name}",
            name=name,
            cron="@daily",
            time_zone="UTC",
            template={},
            missed=MissedPolicy.SKIP,
            overlap=OverlapPolicy.SKIP,
            next_at=None if minutes is None else queue.now + timedelta(minutes=minutes),
            last_at=None,
            last_task_id=None,
            paused_at=queue.now if minutes is None else None,
            created_by="cli:alice",
            created_at=queue.now,
        )

    all_of_them = [schedule(*one) for one in (("a", 0), ("b", 0), ("c", -1), ("d", 1), ("e", None))]

    def insert(stores: Stores) -> None:
        for each in reversed(all_of_them):
            stores.schedules.insert(each)

    await queue.db.write(insert)
    due = await queue.read(lambda stores: stores.schedules.due(queue.now))
    assert due == ["id-c", "id-a", "id-b"]
    await queue.db.write(lambda stores: stores.schedules.delete("id-b"))
    del all_of_them[1]
    all_of_them[0] = changed(all_of_them[0], last_at=queue.now)
    await queue.db.write(lambda stores: stores.schedules.save(all_of_them[0]))
    assert await queue.read(lambda stores: stores.schedules.all()) == all_of_them
