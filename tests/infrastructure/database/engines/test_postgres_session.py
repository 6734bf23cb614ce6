"""What a PostgreSQL transaction takes, refuses and repeats."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import DatabaseError, IntegrityViolation, InvalidInputError
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database, queries
from abathur.infrastructure.database.engines.postgres_link import prepare_for_writing
from abathur.infrastructure.database.engines.postgres_statements import Statements
from abathur.ports.stores import Stores
from abathur.services import submitting

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
HOT = (
    "attempts_get",
    "attempts_save",
    "audit_of_task",
    "edges_count_down",
    "edges_dependents",
    "edges_unmet",
    "events_of_attempt",
    "landings_claim",
    "landings_get",
    "landings_renew",
    "landings_save",
    "tasks_by_key",
    "tasks_by_prefix",
    "tasks_claim",
    "tasks_due",
    "tasks_expired",
    "tasks_get",
    "tasks_get_many",
    "tasks_held",
    "tasks_renew",
    "tasks_save",
)

SAVED = ("attempts_save", "landings_save", "tasks_save")
OF_MANY = (
    "attempts_ahead_of_time",
    "audit_ends",
    "landings_ahead_of_time",
    "tasks_ahead_of_time",
    "tasks_get_many",
)
STATEMENTS = Statements(queries.load("postgres"), writing=True)


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as db:
        yield db


def submit(stores: Stores, task_id: str = "one", key: str | None = None) -> str:
    new = NewTask(prompt="Do it", idempotency_key=key)
    return submitting.submit(stores, new, task_id=task_id, now=NOON, actor="a").task.id


def told(text: str) -> AuditEntry:
    return AuditEntry(
        timestamp=NOON,
        task_id="one",
        action_type=Action.TASK_FAILED,
        actor="a",
        action_data={"said": text},
    )


async def test_the_trail_comes_back_byte_for_byte(db: Database) -> None:
    text = 'é "\\ \t \N{PILE OF POO} \0'
    await db.write(lambda stores: stores.audit.append(told(text)))
    (entry,) = await db.read(lambda stores: stores.audit.recent(9))
    assert entry.action_data == {"said": text}


async def test_a_nul_that_an_agent_said_is_replaced(db: Database) -> None:
    await db.write(submit)
    entry = AuditEntry(timestamp=NOON, task_id="a\0b", action_type=Action.TASK_FAILED, actor="a")
    await db.write(lambda stores: stores.audit.append(entry))
    assert [one.task_id for one in await db.read(lambda stores: stores.audit.recent(1))] == [
        "a\N{REPLACEMENT CHARACTER}b"
    ]


async def test_what_is_larger_than_the_network_takes_at_once_arrives(db: Database) -> None:
    prompts = [f"{number}" + "ü" * 4_000_000 for number in range(3)]

    def submit_all(stores: Stores) -> None:
        for number, prompt in enumerate(prompts):
            new = NewTask(prompt=prompt)
            submitting.submit(stores, new, task_id=f"t{number}", now=NOON, actor="a")

    await db.write(submit_all)
    rows = await db.query("SELECT prompt FROM tasks ORDER BY id")
    assert [row["prompt"] for row in rows] == prompts


async def test_a_server_that_writes_times_in_another_way_is_understood(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c DateStyle=German")
    async with Database(postgres_url) as db:
        assert await db.write(submit) == "one"


async def test_half_a_character_is_refused(db: Database) -> None:
    with pytest.raises(InvalidInputError, match="half a character"):
        await db.write(submit, "\udcff")
    await db.write(submit)


async def test_a_number_of_more_than_64_bits_is_refused(db: Database) -> None:
    await db.write(submit)
    with pytest.raises(InvalidInputError, match="64 bits"):
        await db.write(lambda stores: stores.tasks.rerank("one", 2**63))


async def test_a_trail_has_no_gaps_whatever_fails(db: Database) -> None:
    def broken(stores: Stores) -> None:
        submit(stores, "two")
        raise ZeroDivisionError

    await db.write(submit)
    with pytest.raises(ZeroDivisionError):
        await db.write(broken)
    await db.write(submit, "three")
    assert [e.id for e in await db.read(lambda stores: stores.audit.recent(9))] == [1, 2]


async def test_a_transaction_reads_its_own_entries(db: Database) -> None:
    def both(stores: Stores) -> int:
        submit(stores)
        return len(stores.audit.recent(9))

    assert await db.write(both) == 1


async def test_what_is_refused_for_good_is_told(db: Database) -> None:
    await db.write(submit)
    with pytest.raises(IntegrityViolation, match="tasks_pkey"):
        await db.write(submit)


async def test_a_use_case_that_swallows_an_error_isnt_half_done(db: Database) -> None:
    def careless(stores: Stores) -> None:
        submit(stores, "two")
        try:
            stores.tasks.rerank("two", 2**63)
            stores.tasks.get("two")
        except InvalidInputError:
            pass

    with pytest.raises(InvalidInputError):
        await db.write(careless)
    assert await db.query("SELECT id FROM tasks") == []


async def test_stores_are_closed_with_their_transaction(db: Database) -> None:
    stores = await db.write(lambda stores: stores)
    with pytest.raises(DatabaseError, match="after its end"):
        stores.tasks.get("one")


async def test_a_query_only_reads(db: Database) -> None:
    with pytest.raises(DatabaseError, match="may only read"):
        await db.read(submit)
    with pytest.raises(DatabaseError, match="may only read"):
        await db.query("DELETE FROM tasks")


async def test_numbers_of_any_size_fit_one_statement(db: Database) -> None:
    ranks = (1, 40_000, 5_000_000_000)
    await db.write(submit)

    def change(stores: Stores) -> None:
        for rank in ranks:
            stores.tasks.rerank("one", rank)

    await db.write(change)
    task = await db.read(lambda stores: stores.tasks.get("one"))
    assert task is not None
    assert task.rank == ranks[-1]


def plan_of(url: str, name: str) -> str:
    """As a writing connection makes it, which doesn't know what is asked for."""
    statement = STATEMENTS[name]
    values = ("[]" if one == "ids" else "1" for one in statement.names)
    return planned(url, statement.sql, *values)


def planned(url: str, sql: bytes, *values: str) -> str:
    with psycopg.connect(url, cursor_factory=psycopg.RawCursor, row_factory=dict_row) as connection:
        prepare_for_writing(connection)
        connection.execute(b"PREPARE wanted AS " + sql)
        told = ", ".join(f"'{value}'" for value in values)
        lines = connection.execute(f"EXPLAIN EXECUTE wanted({told})".encode()).fetchall()
    return "\n".join(line["QUERY PLAN"] for line in lines)


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_scans_no_table(postgres_url: str, name: str) -> None:
    # Without statistics all tables are small, so scans are forbidden: what still scans has to.
    scanned = r"Seq Scan on (tasks|attempts|landings|audit|task_dependencies)"
    assert not re.findall(scanned, plan_of(postgres_url, name))


@pytest.mark.parametrize("name", [*SAVED, *OF_MANY])
def test_rows_that_are_read_or_saved_together_are_looked_up_one_by_one(
    postgres_url: str, name: str
) -> None:
    # A new table may be large soon, and the plan is kept. One that is known to be empty is read as
    # a whole until the server looks again, and it may know so of what other tests have left.
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE tasks, attempts, landings, audit_heads CASCADE")
    sql = STATEMENTS.change(name, ("fence",), False).many if name in SAVED else STATEMENTS[name].sql
    plan = planned(postgres_url, sql, "[]")
    scans = re.findall(r"Scan using \w+ on (?:tasks|attempts|landings|audit_heads).*\n(.*)", plan)
    assert scans
    assert [below for below in scans if "Index Cond: " not in below] == []


CLAIM = ("Index Scan using tasks_ready", "Tid Scan on tasks", "hold_until > $")
"""By which a claim reads no more than it takes; it is planned once, not for what is asked for."""


async def test_claiming_finds_its_tasks_by_index_whatever_is_known_of_the_table(
    db: Database, postgres_url: str
) -> None:
    plans = [plan_of(postgres_url, "tasks_claim")]
    await db.write(lambda stores: [submit(stores, str(number)) for number in range(1200)])
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ANALYZE tasks")
        plans.append(plan_of(postgres_url, "tasks_claim"))
        # A drained queue: an index that is full of what was ready, and the few that are left.
        connection.execute(
            "UPDATE tasks SET status = 'failed', completed_at = submitted_at WHERE id > '1'"
        )
        connection.execute("ANALYZE tasks")
        plans.append(plan_of(postgres_url, "tasks_claim"))
    for plan in plans:
        assert [words for words in CLAIM if words not in plan] == []
        assert "Sort" not in plan
