"""What use cases on PostgreSQL say that they will read, and what waits to be written meanwhile."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from abathur.domain.agents import Worker
from abathur.domain.landing import Announcement, Landing, Proof
from abathur.domain.records import changed
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.tasks import NewTask, Task
from abathur.infrastructure.database import Database, queries
from abathur.infrastructure.database.engines.foreseen import LOCKING_TASKS, Foreseen
from abathur.infrastructure.database.engines.postgres_batches import Batches
from abathur.infrastructure.database.engines.postgres_statements import Statements
from abathur.ports.stores import Stores, foreseen_by
from abathur.services import claiming, landing, running, submitting
from abathur.services.landing import Concluded
from abathur.services.running import Holder, Report
from tests.infrastructure.database.engines.held_up import together

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
LEASE = timedelta(minutes=1)
COMMIT = 40 * "a"
POLICY = RetryPolicy(initial_seconds=1, factor=2, max_seconds=60, jitter=0)
WORKER = Worker(
    id="w",
    host="here",
    pid=1,
    pid_started_at=1.0,
    repository="/repository",
    max_agents=1,
    started_at=NOON,
    heartbeat_at=NOON,
    lease_until=NOON + LEASE,
)

UseCase = Callable[[Stores], Any]


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as db:
        await db.write(lambda stores: stores.workers.insert(WORKER))
        yield db


def submit(task_id: str, *prerequisites: str) -> UseCase:
    def use_case(stores: Stores) -> Task:
        new = NewTask(prompt="Do it", prerequisites=prerequisites)
        return submitting.submit(stores, new, task_id=task_id, now=NOON, actor="a").task

    return use_case


def take(stores: Stores) -> Landing:
    """A task of its own target is claimed and reported, and its landing claimed."""
    (claim,) = claiming.claim(stores, worker_id="w", limit=1, now=NOON, lease=LEASE)
    told = Report(
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED),
        base_commit=COMMIT,
        head_commit=COMMIT,
        target=claim.task.id,
        landing_id=f"landing-{claim.task.id}",
    )
    holder = Holder(claim.task.id, claim.attempt.number, claim.attempt.fence, "w")
    running.report(stores, holder, told, POLICY, NOON)
    (taken,) = landing.claim_landings(stores, worker_id="w", limit=1, now=NOON, lease=LEASE)
    return taken


def foreseeing(use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> UseCase:
    """As `Database.write` calls it with these arguments."""

    def run(stores: Stores) -> Any:
        return use_case(stores, *args, **kwargs)

    tell = vars(use_case)["foresee"]
    return foreseen_by(lambda stores: tell(stores, *args, **kwargs))(run)


def announce(taken: Landing) -> UseCase:
    told = Announcement(landing=taken, target_before=COMMIT, merge_commit=COMMIT)
    return foreseeing(landing.announce, [told], NOON)


def conclude(taken: Landing) -> UseCase:
    proof = Proof(
        target=taken.target,
        target_commit=COMMIT,
        work_commit=COMMIT,
        merge_commit=COMMIT,
        checked_at=NOON,
    )
    return foreseeing(landing.conclude, taken, proof, detail=None, now=NOON)


async def announced(db: Database, *task_ids: str) -> list[Landing]:
    for task_id in task_ids:
        await db.write(submit(task_id))
    taken = await together(db, *(take for _ in task_ids))
    told = await together(db, *map(announce, taken))
    return sorted((one for (one,) in told), key=lambda one: one.task_id)


async def test_who_concludes_a_landing_asks_for_nothing_by_itself(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    execute = psycopg.Connection.execute

    def noted(connection: psycopg.Connection[Any], sql: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(sql)
        return execute(connection, sql, *args, **kwargs)

    landings = await announced(db, "a", "b", "c")
    monkeypatch.setattr(psycopg.Connection, "execute", noted)
    concluded: Sequence[Concluded] = await together(db, *map(conclude, landings))
    assert [one.task.status.value for one in concluded] == 3 * ["completed"]
    statements = Statements(queries.load("postgres"), writing=True)
    alone = ("tasks_get", "landings_get", "tasks_at_end")
    assert [name for name in alone if statements[name].sql in asked] == []
    assert statements["landings_ahead_of_time"].sql in asked


async def test_who_was_known_to_have_no_dependents_and_got_one_since_lets_it_go(
    db: Database,
) -> None:
    landed, other = await announced(db, "a", "c")
    _, _, concluded = await together(db, conclude(other), submit("b", "a"), conclude(landed))
    assert [task.id for task in concluded.released] == ["b"]
    (row,) = await db.query("SELECT status, unmet_count FROM tasks WHERE id = 'b'")
    assert row == {"status": "ready", "unmet_count": 0}


KEYS = """
SELECT c.conrelid::regclass::text AS pointing, c.confrelid::regclass::text AS parent,
       a.attname AS name
FROM pg_constraint AS c
JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'f'
"""


async def test_what_a_change_may_point_to_is_written_before_it(db: Database) -> None:
    keys = await db.query(KEYS)
    assert {"pointing": "schedules", "parent": "tasks", "name": "last_task_id"} in keys
    texts = queries.load("postgres")
    statements = Statements(texts, writing=True)
    late = []
    for name, statement in statements.items():
        changed = re.findall(r"SET\b(.*?)(?:WHERE|;)", texts[name], re.DOTALL)
        given = re.findall(r"(\w+) =", " ".join(changed))
        for key in keys:
            row = statements.get(f"{key['parent']}_insert")
            is_given = key["pointing"] == statement.table and key["name"] in given
            if is_given and statement.is_update and row and row.many:
                waiting = Batches()
                waiting.insert(row, dict.fromkeys(row.names, "x"))
                if not waiting.concern(statement):
                    late.append((name, key["parent"]))
    assert late == []


async def test_different_changes_of_a_table_are_written_as_if_one_after_the_other(
    db: Database,
) -> None:
    def save(task_id: str, **values: Any) -> UseCase:
        @foreseen_by(lambda stores: stores.tasks.foresee(task_id))
        def use_case(stores: Stores) -> None:
            task = stores.tasks.get(task_id)
            assert task is not None
            more = changed(task, fence=task.fence + 1, **values)
            stores.tasks.save(more, task.fence, (*values, "fence"))

        return use_case

    await together(db, submit("a"), submit("b"))
    results = await together(
        db,
        save("a", error_message="one"),
        save("b", lost_count=7),
        submit("c"),
        save("b", error_message="two"),
        save("a", lost_count=8),
        save("c", error_message="three"),
    )
    assert [type(result) for result in results] == [type(None)] * 2 + [Task] + [type(None)] * 3
    rows = await db.query("SELECT id, error_message, lost_count, fence FROM tasks ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("a", "one", 8, 2),
        ("b", "two", 7, 2),
        ("c", "three", 0, 1),
    ]


async def test_a_row_that_is_changed_twice_is_as_it_was_left(db: Database) -> None:
    def save_twice(stores: Stores) -> None:
        task = stores.tasks.get("a")
        assert task is not None
        once = changed(task, fence=1, error_message="once")
        stores.tasks.save(once, 0, ("error_message", "fence"))
        twice = changed(once, fence=2, error_message="twice")
        stores.tasks.save(twice, 1, ("error_message", "fence"))

    await db.write(submit("a"))
    await db.write(save_twice)
    rows = await db.query("SELECT error_message, fence FROM tasks")
    assert rows == [{"error_message": "twice", "fence": 2}]


def test_nothing_is_only_known_of_tasks_that_are_held() -> None:
    foreseen = Foreseen()
    foreseen.learn(LOCKING_TASKS, ["id"], [{"id": "held"}, {"id": "asked"}])
    foreseen.learn_nothing(
        "of_task", "reviews", ["held", "asked", "of somebody else"], [{"task_id": "asked"}]
    )
    known = {one: foreseen.finds_nothing("of_task", one) for one in ("held", "asked")}
    assert known == {"held": True, "asked": False}
    assert not foreseen.finds_nothing("of_task", "of somebody else")
    foreseen.forget("tasks", {"id": "held"})
    assert foreseen.finds_nothing("of_task", "held")
    foreseen.forget("reviews", {"id": "r", "task_id": "another"})
    assert not foreseen.finds_nothing("of_task", "held")
