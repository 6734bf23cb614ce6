"""Loops in a real swarm: what is made is measured, and goes on until it is good enough."""

import asyncio
import signal
import tempfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from abathur.domain.iterations import Iteration
from abathur.domain.money import CostGroup
from abathur.services import accounting, budgeting, looping, reviewing
from abathur.services.reviewing import Rejection
from tests.forked import Forked

DIE_AT = Path(__file__).with_name("die_at.py")

GROW = [{"append": {"path": "work.txt", "text": "line\n"}}]
LINES = {"command": "printf 'lines: '; wc -l < work.txt", "pattern": r"lines: *(\d+)"}


def lines(threshold: int, **limits: Any) -> dict[str, Any]:
    return {"until": {"metric": {**LINES, "threshold": threshold}}, **limits}


async def iterations(world: Any, task: Any) -> list[Iteration]:
    return list(await world.db.read(lambda stores: stores.loops.iterations(task.id)))


def die(world: Any, place: str, moment: str, call: int) -> None:
    with tempfile.TemporaryFile("w+") as errors:
        with Forked(
            DIE_AT, str(world.root), place, moment, str(call), stderr=errors.fileno()
        ) as swarm:
            code = swarm.wait(timeout=60)
        errors.seek(0)
        assert code == -signal.SIGKILL, errors.read()


def values(history: list[Iteration]) -> list[float | None]:
    return [one.reading.value if one.reading else None for one in history]


async def test_a_loop_goes_on_from_its_own_work_until_it_has_converged(world: Any) -> None:
    task = await world.submit("Grow", GROW, loop=lines(3))
    await world.run_until_idle()
    history = await iterations(world, task)
    assert values(history) == [1, 2, 3]
    assert [one.verdict.next for one in history if one.verdict] == ["again", "again", "land"]
    assert (await world.task(task)).status == "completed"
    assert world.file("work.txt") == "line\nline\nline"
    assert world.landed() == [task.id]
    assert (await world.task(task)).retry_count == 0
    await world.assert_sound()


DEATHS = {
    "work done, not kept": ("repository.salvage", "before", 1),
    "work kept, no checkpoint": ("db.checkpoint", "before", 1),
    "checkpoint written": ("db.checkpoint", "after", 1),
    "while it is measured": ("processes.run", "during", 2),
    "spooled, place not cleared": ("spool.put", "after", 1),
    "place cleared, not reported": ("db.report", "before", 1),
    "while the second is measured": ("processes.run", "during", 4),
    "the last one reported, not landed": ("db.report", "after", 3),
}


@pytest.mark.parametrize("point", DEATHS.values(), ids=DEATHS)
async def test_a_loop_survives_its_swarm(world: Any, point: tuple[str, str, int]) -> None:
    task = await world.submit("Grow", GROW, loop=lines(3))
    die(world, *point)
    await world.run_until_idle()
    history = await iterations(world, task)
    assert [one.number for one in history] == [1, 2, 3]
    assert values(history) == [1, 2, 3]
    assert world.file("work.txt") == "line\nline\nline"
    assert world.landed() == [task.id]
    assert (await world.task(task)).retry_count == 0
    await world.assert_sound()


async def test_a_checkpoint_is_measured_without_running_the_agent_again(world: Any) -> None:
    script = {"1": GROW, "*": [{"fail": "the agent must not run"}]}
    task = await world.submit("Grow", script, loop=lines(1), max_retries=0)
    die(world, "db.checkpoint", "after", 1)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert [one.attempt for one in await iterations(world, task)] == [1]


async def test_the_best_iteration_lands_and_not_the_last(world: Any) -> None:
    script = {
        str(number): [{"write": {"path": "work.txt", "text": "line\n" * count}}]
        for number, count in enumerate([2, 5, 1], 1)
    }
    loop = lines(9, max_iterations=3, otherwise="land")
    task = await world.submit("Grow", script, loop=loop)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert values(await iterations(world, task)) == [2, 5, 1]
    assert world.file("work.txt").count("line") == 5
    kept = world.git("for-each-ref", "--format=%(refname)", "refs/abathur/salvage")
    assert kept.count(task.id) == 3
    await world.assert_sound()


async def test_a_person_is_asked_about_the_best_when_a_loop_does_not_converge(world: Any) -> None:
    task = await world.submit("Grow", GROW, loop=lines(9, max_iterations=2))
    await world.run_until_idle()
    (review,) = await world.db.read(lambda stores: stores.reviews.of_task(task.id))
    assert review.state == "open"
    assert review.question == (
        "The loop ended without converging: 2 iterations of at most 2 are made. May its best "
        "iteration, 2, land on main? (measured 2, wanted is at least 9)"
    )
    assert world.landed() == []
    await world.db.write(
        reviewing.approve, review.id, comment=None, allow=(), now=datetime.now(UTC), actor="test"
    )
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.file("work.txt") == "line\nline"
    await world.assert_sound()


async def test_what_a_person_rejects_is_refined_on(world: Any) -> None:
    task = await world.submit("Grow", GROW, loop=lines(3, max_iterations=2))
    await world.run_until_idle()
    (review,) = await world.db.read(lambda stores: stores.reviews.of_task(task.id))
    await world.db.write(
        reviewing.reject,
        review.id,
        Rejection("one more", None),
        now=datetime.now(UTC),
        actor="test",
    )
    await world.run_until_idle()
    assert values(await iterations(world, task)) == [1, 2, 3]
    assert (await world.task(task)).status == "completed"


async def test_a_loop_that_was_asked_to_stop_runs_nothing_more(world: Any) -> None:
    task = await world.submit("Grow", GROW, loop=lines(9, otherwise="land"))
    die(world, "db.report", "after", 2)
    found = await world.task(task)
    assert found.status == "ready"
    await world.db.write(looping.stop, found, None, now=datetime.now(UTC), actor="test")
    await world.run_until_idle()
    assert values(await iterations(world, task)) == [1, 2]
    assert world.file("work.txt") == "line\nline"
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


async def test_a_loop_that_stands_still_is_answered_and_given_up_in_the_end(world: Any) -> None:
    still = [{"write": {"path": "work.txt", "text": "line\n"}}]
    task = await world.submit("Grow", still, loop=lines(9, otherwise="fail"))
    await world.run_until_idle()
    history = await iterations(world, task)
    assert [one.verdict.strategy for one in history if one.verdict][:2] == [
        "feedback",
        "other_approach",
    ]
    assert history[-1].verdict is not None
    assert history[-1].verdict.next == "ask"
    assert len(history) < 9
    evidence = await world.db.read(lambda stores: stores.loops.evidence("general"))
    assert {one.improved for one in evidence.values()} == {0}
    (review,) = await world.db.read(lambda stores: stores.reviews.open())
    assert "nothing else is left to try" in review.question


STILL = [{"write": {"path": "work.txt", "text": "line\n"}}]


def part(name: str, *needs: str) -> dict[str, Any]:
    steps = [{"write": {"path": f"{name}.txt", "text": f"{name}\n"}}]
    return {
        "name": name,
        "description": f"Make {name}",
        "needs": needs,
        "input_data": {"script": steps},
    }


NAMED = [{"result": {"deliverables": {"tasks": [part("a"), part("b", "a")]}}}]
FINISH = [{"write": {"path": "work.txt", "text": "line\nline\nline\n"}}]


def split_when_stuck(**limits: Any) -> dict[str, Any]:
    return lines(3, strategies=["feedback", "decompose", "ask"], **limits)


async def test_a_loop_that_stands_still_is_split_and_goes_on_when_its_parts_have_landed(
    world: Any,
) -> None:
    script = {"1": STILL, "2": STILL, "3": NAMED, "*": FINISH}
    task = await world.submit("Grow", script, loop=split_when_stuck(), priority=9)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    parts = [one for one in await world.tasks() if one.parent_task_id == task.id]
    assert [(one.status, one.dependency_depth) for one in parts] == [
        ("completed", 0),
        ("completed", 1),
    ]
    assert world.landed() == [task.id, *(one.id for one in reversed(parts))]
    history = await iterations(world, task)
    assert [(one.attempt, one.strategy) for one in history][1:] == [
        (2, "feedback"),
        (4, "decompose"),
    ]
    start = (await world.attempts(task))[-1].feedback
    assert (start["phase"], "work_commit" in start) == ("join", False)
    evidence = await world.db.read(lambda stores: stores.loops.evidence("general"))
    assert [(*key, one.improved) for key, one in evidence.items()] == [
        ("fixed_point", "decompose", 1)
    ]
    await world.assert_sound()


async def test_a_task_that_can_not_be_split_takes_the_next_step_from_its_best_work(
    world: Any,
) -> None:
    none = [{"result": {"deliverables": {"tasks": [{"description": " "}, 7]}}}]
    script = {"1": STILL, "2": STILL, "3": none, "*": FINISH}
    task = await world.submit("Grow", script, loop=split_when_stuck())
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    assert "work_commit" in (await world.attempts(task))[-1].feedback
    await world.assert_sound()


@pytest.mark.parametrize(
    "point",
    [("db.queue", "after", 1), ("db.report", "after", 3)],
    ids=["parts are queued", "it waits"],
)
async def test_parts_are_queued_once_whatever_dies(world: Any, point: Any) -> None:
    """The fourth run may have to be told that the parts are there: it names them once more."""
    script = {"1": STILL, "2": STILL, "3": NAMED, "*": FINISH}
    task = await world.submit("Grow", script, loop=split_when_stuck(), priority=9)
    die(world, *point)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert len(await world.tasks()) == 3
    assert (len(world.landed()), world.landed()[0]) == (3, task.id)
    await world.assert_sound()


async def test_a_judge_that_its_provider_refuses_judges_later_and_the_agent_does_not_run_again(
    world: Any,
) -> None:
    score = [{"result": {"text": '{"score": 0.9, "reasons": ["ok"]}'}}]
    judge = {"script": {"1": [{"limit": {"retry_after_seconds": 1}}], "*": score}}
    world.configure(agents={"critic": {"settings": {**judge, "provider": "judges"}}})
    loop = {"judge": {"agent": "critic", "rubric": "Is it long?", "threshold": 0.8}}
    script = {"1": GROW, "*": [{"fail": "the agent must not run"}]}
    task = await world.submit("Grow", script, loop=loop, max_retries=0)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    (made,) = await iterations(world, task)
    assert made.reading
    assert (made.attempt, made.reading.value) == (1, 0.9)
    first, _ = await world.attempts(task)
    assert (first.outcome, first.failure_class) == ("rate_limited", "quota")
    pools = await world.db.read(lambda stores: stores.pools.all())
    assert {pool.key.provider for pool in pools} <= {"judges"}
    await world.assert_sound()


async def test_a_judge_does_not_start_where_the_budget_has_no_room_for_it(world: Any) -> None:
    score = [{"usage": {"cost_usd": 0.4}}, {"result": {"text": '{"score": 0.9, "reasons": []}'}}]
    world.configure(
        agents={"critic": {"settings": {"script": score}}},
        budget={"task_usd": 1.4, "assumed_usd_per_attempt": 0.5},
    )
    loop = {"judge": {"agent": "critic", "rubric": "Is it long?", "threshold": 0.8}}
    script = {"1": [*GROW, {"usage": {"cost_usd": 1}}], "*": [{"fail": "the agent must not run"}]}
    task = await world.submit("Grow", script, loop=loop, max_retries=0)
    assert (await world.run_until_idle()).stopped_by == "held"
    (attempt,) = await world.attempts(task)
    assert (attempt.outcome, attempt.failure_class) == ("failed", "budget")
    assert "$0.40 of $1.40 are left, and it counts $0.50" in attempt.error_message
    (cost,) = (await world.db.read(accounting.cost_report, CostGroup.TASK, None)).groups
    assert (cost.known_usd, cost.reserved_usd) == (1.0, 0.0)
    now = datetime.now(UTC)
    await world.db.write(budgeting.set_task_budget, task.id, 2.0, now=now, actor="cli:eve")
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    report = await world.db.read(accounting.cost_report, CostGroup.TASK, None)
    assert report.total.known_usd == 1.4
    await world.assert_sound()


async def test_a_candidate_draws_on_the_pool_of_its_own_runtime(world: Any) -> None:
    world.configure(
        default_runtime="command",
        runtimes={
            "command": {"argv": ["touch", "made.txt"], "provider": "ours"},
            "fake": {"provider": "theirs"},
        },
    )
    script = [{"warn_limit": {"utilization": 0.9}}, *GROW]
    loop = {"candidates": [{"runtime": "command"}, {"runtime": "fake"}]}
    task = await world.submit("Grow", script, loop=loop)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    pools = await world.db.read(lambda stores: stores.pools.all())
    assert {pool.key.provider for pool in pools} == {"theirs"}


async def test_every_kind_of_criterion_is_measured(world: Any) -> None:
    (world.root / ".abathur" / "measures.py").write_text(
        "def size(facts):\n    print('noise')\n    return len(open('work.txt').read())\n"
    )
    judge = [{"say": "looking"}, {"result": {"text": 'fine {"score": 0.9, "reasons": ["ok"]}'}}]
    world.configure(agents={"critic": {"settings": {"script": judge}}})
    parts = [
        {"metric": {"command": 'echo \'{"a": [{"b": 7}]}\'', "json": "a[0].b", "threshold": 7}},
        {"passes": "test -f work.txt"},
        {"custom": {"function": "measures.py:size", "threshold": 10}},
        {"judge": {"agent": "critic", "rubric": "Is it long?", "threshold": 0.8}},
        {"stable": {"of": "output", "command": "echo same", "window": 2}},
    ]
    task = await world.submit("Grow", GROW, loop={"all": parts, "max_iterations": 4})
    await world.run_until_idle()
    history = await iterations(world, task)
    assert [one.reading.is_met for one in history if one.reading] == [False, True]
    assert history[0].measurement is not None
    seen = history[0].measurement["observations"]
    assert [
        seen[f"until.all[{index}]"].get(name)
        for index, name in enumerate(["value", "exit_code", "score", "score", "output"])
    ] == [7, 0, 5, 0.9, "same"]
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


WAYS = {
    "1": [{"write": {"path": "big.txt", "text": "1\n2\n3\n"}}],
    "2": [{"write": {"path": "broken.txt", "text": "1\n"}}],
    "3": [{"write": {"path": "small.txt", "text": "1\n2\n"}}],
}
THREE = {"candidates": [{"model": "a"}, {"model": "b"}, {"model": "c"}]}


def meeting(world: Any, number: int, of: int) -> list[dict[str, Any]]:
    """Steps that end only when as many agents are at work at once."""
    flags = world.root / ".abathur"
    waits = [{"wait_for": str(flags / f"here-{n}")} for n in range(1, of + 1) if n != number]
    return [{"touch": str(flags / f"here-{number}")}, *waits]


async def test_candidates_are_made_at_once(world: Any) -> None:
    ways = {key: [*meeting(world, int(key), 3), *steps] for key, steps in WAYS.items()}
    task = await world.submit("Ways", ways, loop=THREE)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    runs = await world.attempts(task)
    assert [(one.model, one.outcome) for one in runs] == [(m, "succeeded") for m in "abc"]
    assert len({one.fence for one in runs}) == 1
    assert [one.attempt for one in await iterations(world, task)] == [1, 2, 3]
    await world.assert_sound()


async def test_candidates_keep_to_the_limits_on_agents(world: Any) -> None:
    world.configure(limits={"agent_types": {"general": 1}})
    task = await world.submit("Ways", WAYS, loop=THREE)
    await world.run_until_idle()
    runs = await world.attempts(task)
    assert [one.model for one in runs] == ["a", "b", "c"]
    assert all(one.ended_at <= two.started_at for one, two in pairwise(runs))
    assert world.landed() == [task.id]


AT_ONCE_DEATHS = {
    "all are at work": ("db.add_process", "after", 3),
    "two have one": ("db.checkpoint", "after", 2),
    "one is reported": ("db.report", "after", 1),
    "a further one is begun": ("db.join", "after", 1),
}


@pytest.mark.parametrize("point", AT_ONCE_DEATHS.values(), ids=AT_ONCE_DEATHS)
async def test_candidates_at_once_survive_their_swarm(world: Any, point: Any) -> None:
    world.configure(verify={"command": ["test", "!", "-f", "broken.txt"]})
    steps = [{"write": {"path": "new.txt", "text": "1\n"}}]
    ways = {str(n): [*meeting(world, n, 3), *steps] for n in (1, 2, 3)}
    task = await world.submit("Ways", {**ways, "*": steps}, loop=THREE, max_retries=0)
    die(world, *point)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    history = await iterations(world, task)
    assert [(one.number, one.model) for one in history] == [(1, "a"), (2, "b"), (3, "c")]
    assert all(one.reading and one.reading.is_met for one in history)
    assert (await world.task(task)).retry_count == 0
    await world.assert_sound()


async def test_of_several_candidates_the_best_lands_and_the_losers_are_kept(world: Any) -> None:
    world.configure(verify={"command": ["test", "!", "-f", "broken.txt"]})
    task = await world.submit("Ways", WAYS, loop=THREE)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    assert world.file("small.txt") == "1\n2"
    assert world.git("ls-tree", "--name-only", "main").split() == ["README.md", "small.txt"]
    assert [one.model for one in await world.attempts(task)] == ["a", "b", "c"]
    for number, name in ((1, "big"), (2, "broken"), (3, "small")):
        assert world.git("show", f"refs/abathur/salvage/{task.id}/{number}:{name}.txt")
    await world.assert_sound()


@pytest.mark.parametrize(
    "point",
    [
        ("processes.run", "during", 4),
        ("spool.put", "after", 2),
        ("db.report", "after", 3),
        ("db.announce", "after", 1),
    ],
    ids=["a candidate is verified", "one is spooled", "the winner is chosen", "it lands"],
)
async def test_one_candidate_lands_whatever_dies(world: Any, point: Any) -> None:
    world.configure(verify={"command": ["test", "!", "-f", "broken.txt"]})
    ways = {**WAYS, "4": WAYS["3"]}
    task = await world.submit("Ways", ways, loop=THREE)
    die(world, *point)
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.landed() == [task.id]
    assert len(await iterations(world, task)) == 3
    await world.assert_sound()


async def test_a_model_is_chosen_by_how_the_models_have_done(world: Any) -> None:
    smith = {
        "model": "auto",
        "models": ["small", "large"],
        "model_rule": {"min_runs": 1, "explore": 0},
    }
    world.configure(agents={"smith": smith})
    for prompt, script in (("One", [{"fail": "too hard"}]), ("Two", GROW), ("Three", GROW)):
        await world.submit(prompt, script, agent_type="smith", max_retries=0)
        await world.run_until_idle()
    runs = [attempt for task in await world.tasks() for attempt in await world.attempts(task)]
    assert [run.model for run in runs] == ["small", "large", "large"]
    assert runs[2].model_choice == "the best of 2: 100 % of 1 runs succeeded"


async def test_the_money_of_a_loop_is_kept_for_its_judge_too(world: Any) -> None:
    """The agent would spend all of it; the judge's share stays."""
    score = [{"usage": {"cost_usd": 0.5}}, {"result": {"text": '{"score": 0.1, "reasons": []}'}}]
    world.configure(
        agents={"critic": {"settings": {"script": score}}},
        budget={"assumed_usd_per_attempt": 0.5},
    )
    judge = {"judge": {"agent": "critic", "rubric": "Is it long?", "threshold": 0.8}}
    script = {"1": [*GROW, {"usage": {"cost_usd": 0.1}}], "*": [*GROW, SPENT, {"hang": True}]}
    loop = {"until": judge, "max_usd": 1.4, "max_iterations": 5, "otherwise": "land"}
    task = await world.submit("Grow", script, loop=loop)
    await world.run_until_idle()
    made = await iterations(world, task)
    assert made[0].measurement
    first, second = [run.usage.cost_usd for run in await world.attempts(task)][:2]
    assert (first, second) == (0.6, 1.0)
    assert (await world.attempts(task))[1].error_message == (
        "stopped at $1.00, as $0.40 of its budget were left"
    )


SPENT = {"usage": {"input_tokens": 60, "output_tokens": 40, "cost_usd": 1.0}}


@pytest.mark.parametrize("limit", [{"max_tokens": 150}, {"max_usd": 1.5}, {"max_time": 2}])
async def test_a_limit_ends_a_run_that_is_under_way(world: Any, limit: dict[str, Any]) -> None:
    """The second run would hang for ever; the first one's work is what lands."""
    script = {"1": [*GROW, SPENT], "*": [*GROW, SPENT, {"hang": True}]}
    task = await world.submit("Grow", script, loop=lines(9, **limit, otherwise="land"))
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert world.file("work.txt") == "line"
    (made,) = await iterations(world, task)
    assert made.verdict
    assert (made.verdict.next, made.verdict.number) == ("land", 1)
    await world.assert_sound()


async def test_a_swarm_that_stops_while_it_measures_goes_on_with_measuring(world: Any) -> None:
    mark = world.root / ".abathur" / "measuring"
    command = f"if test -f {mark}; then echo 'lines: 1'; else touch {mark}; sleep 600; fi"
    metric = {"metric": {"command": command, "pattern": r"lines: (\d+)", "threshold": 1}}
    script = {"1": GROW, "*": [{"fail": "the agent must not run"}]}
    task = await world.submit("Grow", script, loop=metric, max_retries=0)
    supervisor = await world.supervisor()
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(20):
        async for _ in watchfiles.awatch(mark.parent, recursive=False, rust_timeout=500):
            if mark.exists():
                break
    supervisor.stop()
    supervisor.stop()
    await running
    assert (await world.task(task)).status == "ready"
    await world.run_until_idle()
    assert (await world.task(task)).status == "completed"
    assert [one.attempt for one in await iterations(world, task)] == [1]
    await world.assert_sound()
