"""Fixing: every planted fault is found and fixed, and nothing else is touched."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.audit import Action
from abathur.domain.documents import Chunk, NewDocument
from abathur.domain.errors import StaleFenceError
from abathur.domain.memories import NewMemory
from abathur.domain.problems import FIXABLE, Fix, Problem
from abathur.domain.runs import EventKind, RunEvent
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database, queries
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_inspection import user_tables
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores
from abathur.ports.vectors import Embedded
from abathur.services import (
    documents,
    embedding,
    fixing,
    remembering,
    searching,
    verifying,
)
from tests.conformance.conftest import Queue
from tests.infrastructure.database.schemas import TIME, fill

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.sqlite import Connection

EVENT: Final = RunEvent(EventKind.TEXT, "hello")
NOON: Final = "'2030-01-31T12:00:00.000000Z'"
FIRST: Final = "(SELECT min(id) FROM tasks WHERE status = 'completed')"
HELD: Final = "status = 'running' AND worker_id IS NOT NULL"
# Each fault by the code word that it is found under.
FAULTS: Final[dict[str, str]] = {
    "unmet_counts": "UPDATE tasks SET unmet_count = unmet_count + 7 WHERE status = 'ready'",
    "blocked_without_reason": "UPDATE tasks SET unmet_count = 0 WHERE status = 'blocked'",
    "started_too_early": "UPDATE tasks SET status = 'ready' WHERE status = 'blocked'",
    "waits_for_dead_end": "UPDATE tasks SET status = 'blocked', cancelled_by = NULL,"
    " completed_at = NULL, error_message = NULL WHERE status = 'cancelled'",
    "running_without_holder": f"UPDATE tasks SET worker_id = NULL WHERE {HELD}",
    "holder_gone": "UPDATE workers SET stopped_at = started_at",
    "lease_without_end": f"UPDATE tasks SET lease_until = NULL WHERE {HELD}",
    "lease_without_run": "UPDATE tasks SET worker_id = 'w1' WHERE status = 'ready'",
    "attempt_count_behind": f"UPDATE tasks SET attempt_count = 0 WHERE id = {FIRST}",
    "fence_behind": f"UPDATE tasks SET fence = 0 WHERE id = {FIRST}",
    "attempt_unended": f"UPDATE attempts SET ended_at = NULL, outcome = NULL"
    f" WHERE task_id = {FIRST}",
    "landing_open": "UPDATE tasks SET status = 'failed' WHERE id ="
    " (SELECT task_id FROM landings WHERE state = 'queued')",
    "landing_without_holder": "UPDATE landings SET state = 'running' WHERE state = 'queued'",
    "review_open": "INSERT INTO reviews (id, task_id, attempt, kind, question, state, asked_at)"
    " SELECT 'r', max(id), 1, 'landing', 'May it?', 'open', min(submitted_at) FROM tasks"
    " WHERE status = 'completed'",
    "orphan_review": "INSERT INTO reviews (id, task_id, attempt, kind, question, state, asked_at)"
    " SELECT 'gone', 'gone', 1, 'landing', 'May it?', 'void', min(submitted_at) FROM tasks",
    "waits_for_nothing": "UPDATE tasks SET not_before = NULL WHERE status = 'pending'",
    "agent_unended": "UPDATE agents SET terminated_at = NULL, state = 'busy'",
    "edge_resolved_early": "UPDATE task_dependencies SET resolved_at = created_at"
    " WHERE dependent_task_id IN (SELECT id FROM tasks WHERE status = 'blocked')",
    "edge_unresolved": "UPDATE task_dependencies SET resolved_at = NULL"
    f" WHERE prerequisite_task_id = {FIRST}",
    "orphan_edge": "INSERT INTO task_dependencies SELECT min(id), 'nobody', 'sequential',"
    " min(submitted_at), NULL FROM tasks",
    "orphan_attempt": "UPDATE attempts SET task_id = 'nobody'"
    " WHERE task_id = (SELECT min(id) FROM tasks WHERE status = 'failed')",
    "orphan_events": f"UPDATE run_events SET task_id = 'nobody' WHERE task_id = {FIRST}",
    "orphan_landing": "UPDATE landings SET task_id = 'nobody' WHERE state = 'queued'",
    "orphan_agent": "UPDATE agents SET task_id = 'nobody'",
    "orphan_checkpoint": "INSERT INTO checkpoints VALUES"
    " ('nobody', 1, '{}', '2030-01-31T12:00:00.000000Z', NULL)",
    "parent_gone": f"UPDATE tasks SET parent_task_id = 'nobody' WHERE id = {FIRST}",
    "canceller_gone": "UPDATE tasks SET cancelled_by = 'nobody' WHERE status = 'cancelled'",
    "session_gone": f"UPDATE tasks SET session_id = 'nobody' WHERE id = {FIRST}",
    "landing_worker_gone": f"UPDATE landings SET worker_id = 'nobody' WHERE task_id = {FIRST}",
    "attempt_worker_gone": f"UPDATE attempts SET worker_id = 'nobody' WHERE task_id = {FIRST}",
    "schedule_task_gone": "INSERT INTO schedules (id, name, cron, time_zone, template, next_at,"
    " last_task_id, created_by, created_at)"
    f" VALUES ('gone', 'nightly', '@daily', 'UTC', '{{}}', {NOON}, 'nobody', 'cli:alice', {NOON})",
    "agent_session_gone": "UPDATE agents SET session_id = 'nobody'",
    "checkpoint_session_gone": f"INSERT INTO checkpoints VALUES ({FIRST}, 9, '{{}}', {NOON}, 'no')",
    "unknown_source": f"UPDATE tasks SET source = 'nobody' WHERE id = {FIRST}",
    "time_in_tasks": f"UPDATE tasks SET started_at = 'yesterday' WHERE id = {FIRST}",
    "json_in_tasks": f"UPDATE tasks SET input_data = '{{' WHERE id = {FIRST}",
    "orphan_loop": f"INSERT INTO loops (task_id, spec, created_by, created_at)"
    f" VALUES ('nobody', '{{}}', 'cli:alice', {NOON})",
    "orphan_iteration": "INSERT INTO iterations (task_id, number, attempt, target, base_commit,"
    f" work_commit, tree, started_at) VALUES ('noloop', 1, 1, 'main', 'a', 'b', 'c', {NOON})",
    "orphan_late_report": f"INSERT INTO late_reports VALUES ('nobody', 7, 1, 'w1', {NOON}, '{{}}')",
    "orphan_path": "INSERT INTO task_paths VALUES ('nobody', 'a/**', 0)",
    "orphan_overlap": f"INSERT INTO path_overlaps VALUES ({FIRST}, 1, 'nobody', '[]', {NOON})",
    "orphan_gate_run": "INSERT INTO gate_runs (landing_id, gate, command, tree, batch_size,"
    f" started_at, ended_at, verdict) VALUES ('no', 'g', 'c', 't', 1, {NOON}, {NOON}, 'passed')",
    "orphan_memory_use": f"INSERT INTO memory_uses VALUES (77, 'nobody', {NOON})",
    "orphan_session_event": f"INSERT INTO session_events VALUES ('nobody', 1, {NOON}, '{{}}')",
    "orphan_passage": "INSERT INTO passages (id, memory_id, text) VALUES (66, 77, 'wings');"
    "INSERT INTO passage_words (rowid, text) VALUES (66, 'wings')",
    "orphan_vector": "INSERT INTO vectors VALUES (88, 'two', 1, x'0000803f');"
    "INSERT INTO vector_blocks (source, model, ids, signs)"
    " VALUES ('memory', 'two', x'5800000000000000', x'0100000000000000')",
    "passage_words": "INSERT INTO memories (id, namespace, key, memory_type, version, created_at,"
    f" updated_at) VALUES (5, 'zoo', 'pet', 'semantic', 1, {NOON}, {NOON});"
    "INSERT INTO memory_entries (namespace, key, value, memory_type, created_at, updated_at)"
    f" VALUES ('zoo', 'pet', '1', 'semantic', {NOON}, {NOON});"
    "INSERT INTO passages (id, memory_id, text) VALUES (55, 5, 'a dog')",
}
UNFIXABLE: Final[dict[str, str]] = {
    "ran_too_early": f"UPDATE tasks SET unmet_count = 1 WHERE id = {FIRST}",
    "completed_without_proof": "UPDATE tasks SET status = 'completed' WHERE status = 'pending'",
    "landing_announced": "UPDATE tasks SET status = 'failed' WHERE id ="
    " (SELECT task_id FROM landings WHERE state = 'queued');"
    "UPDATE landings SET merge_commit = 'abc' WHERE state = 'queued'",
    "unknown_outcome": f"UPDATE attempts SET outcome = 'nobody' WHERE task_id = {FIRST}",
    "audit_gap": "DELETE FROM audit WHERE id = 3",
    "audit_end": "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)",
    "cycle": "INSERT INTO task_dependencies SELECT max(id), min(id), 'sequential',"
    " min(submitted_at), NULL FROM tasks WHERE status IN ('ready', 'blocked');"
    "INSERT OR IGNORE INTO task_dependencies SELECT min(id), max(id), 'sequential',"
    " min(submitted_at), NULL FROM tasks WHERE status IN ('ready', 'blocked')",
    "time_in_attempts": f"UPDATE attempts SET ended_at = '2030-13-31T12:00:00.000000Z'"
    f" WHERE task_id = {FIRST}",
    "time_in_landings": f"UPDATE landings SET requested_at = '' WHERE task_id = {FIRST}",
    "time_in_reviews": "INSERT INTO reviews (id, task_id, attempt, kind, question, state, asked_at)"
    f" VALUES ('r', {FIRST}, 1, 'landing', 'May it?', 'void', 'noon')",
    "time_in_schedules": "INSERT INTO schedules"
    " (id, name, cron, time_zone, template, next_at, created_by, created_at)"
    " VALUES ('s', 'nightly', '@daily', 'UTC', '{}', 'noon', 'cli:alice',"
    " '2030-01-31T12:00:00.000000Z')",
    "time_in_workers": "UPDATE workers SET heartbeat_at = 'now' WHERE id = 'w2'",
    "time_in_audit": "UPDATE audit SET timestamp = 'yesterday' WHERE id = 1",
    "time_in_run_events": f"UPDATE run_events SET at = 'noon' WHERE task_id = {FIRST}",
    "vector_unlisted": "INSERT INTO vectors VALUES (88, 'two', 1, x'0000803f')",
    "json_in_attempts": f"UPDATE attempts SET usage = 'much' WHERE task_id = {FIRST}",
    "json_in_landings": f"UPDATE landings SET proof = 'sure' WHERE task_id = {FIRST}",
    "json_in_audit": "UPDATE audit SET action_data = 'x' WHERE id = 1",
    "json_in_run_events": f"UPDATE run_events SET data = 'x' WHERE task_id = {FIRST}",
}
SEARCHED: Final[dict[str, str]] = {
    "memory_empty": "INSERT INTO memories (namespace, key, memory_type, version, created_at,"
    f" updated_at) VALUES ('zoo', 'void', 'semantic', 1, {NOON}, {NOON})",
    "memory_without_version": "UPDATE memories SET version = 7",
    "version_without_memory": "DELETE FROM memories",
    "vector_length": "UPDATE vectors SET dimension = 7",
    "memory_passage": "DELETE FROM passages WHERE memory_id IS NOT NULL",
    "passage_owner": "INSERT INTO passages (memory_id, document_id, heading, text)"
    " SELECT min(m.id), min(d.id), '', 'of both' FROM memories AS m, document_index AS d",
    "document_passages": "UPDATE document_index SET sync_status = 'synced', chunk_count = 7",
}
"""Faults of what is made of memories and documents."""
KEYS: Final[Mapping[str, Sequence[str]]] = {
    "tasks": ("id",),
    "task_dependencies": ("prerequisite_task_id", "dependent_task_id"),
    "attempts": ("task_id", "number"),
    "landings": ("id",),
    "agents": ("id",),
    "checkpoints": ("task_id", "iteration"),
    "run_events": ("task_id", "attempt"),
    "workers": ("id",),
    "reviews": ("id",),
    "schedules": ("id",),
    "loops": ("task_id",),
    "iterations": ("task_id", "number"),
    "late_reports": ("task_id", "attempt", "fence"),
    "task_paths": ("task_id", "pattern"),
    "path_overlaps": ("task_id", "attempt", "other_task_id"),
    "gate_runs": ("id",),
    "memory_uses": ("memory_id", "task_id"),
    "session_events": ("session_id", "sequence"),
    "passages": ("id",),
    "vectors": ("passage_id",),
    "passage_words_docsize": ("id",),
}


async def filled(db: Database) -> Queue:
    """Tasks in every status, with agents, events, a landing that waits, and edges of all kinds."""
    queue = Queue(db)
    await queue.prepare()
    first = await queue.submit()
    claimed = await queue.claim_one()
    await queue.start(claimed)
    await queue.land(claimed)
    event = (1, queue.now, EVENT)
    await db.write(lambda stores: stores.attempts.add_events(first.id, 1, [event]))
    dead = await queue.submit(max_retries=0)
    await queue.submit(dead)
    await queue.fail_next()
    await queue.submit(first)
    await queue.succeed(await queue.claim_one())
    await queue.submit()
    await queue.claim_one()
    await queue.submit(not_before=queue.now + queue.lease)
    await queue.submit(await queue.submit())
    return queue


def break_it(path: Path, *statements: str) -> None:
    connection = connect(str(path), busy_timeout=5)
    try:
        connection.execute("PRAGMA foreign_keys = OFF")
        for (trigger,) in triggers(connection):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def triggers(connection: Connection) -> list[Any]:
    return connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()


async def rows(db: Database) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Everything that can be fixed, by table and key."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for table, key in KEYS.items():
        for row in await db.query(f"SELECT * FROM {table}"):
            found.setdefault((table, "/".join(str(row[name]) for name in key)), []).append(row)
    return found


async def fix(queue: Queue) -> list[Fix]:
    done: list[Fix] = []
    while True:
        problems = await queue.read(fixing.find_problems)
        step = await queue.write(fixing.fix, problems, now=queue.now, actor="cli:alice")
        if not step:
            return done
        done += step


def codes(problems: Sequence[Problem]) -> set[str]:
    return {problem.code for problem in problems}


def test_every_problem_that_can_be_fixed_has_a_planted_fault() -> None:
    assert set(FAULTS) | set(SEARCHED) == FIXABLE


async def test_a_healthy_queue_has_nothing_to_fix(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db:
        queue = await filled(db)
        assert await db.check(full=True) == []
        assert await fix(queue) == []


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied, never opened."""
    file = tmp_path_factory.mktemp("filled") / "queue.db"

    async def fill_it() -> None:
        async with Database(file) as db:
            await filled(db)

    asyncio.run(fill_it())
    return file


@pytest.fixture
def path(filled_once: Path, tmp_path: Path) -> Path:
    """Of a filled queue of one's own."""
    shutil.copyfile(filled_once, tmp_path / "queue.db")
    return tmp_path / "queue.db"


@pytest.mark.parametrize("code", [*FAULTS, *UNFIXABLE])
async def test_a_planted_fault_is_found(path: Path, code: str) -> None:
    break_it(path, (FAULTS | UNFIXABLE)[code])
    async with Database(path) as db:
        found = [problem for problem in await db.check() if problem.code == code]
        assert found
        assert all(problem.fixable == (code in FAULTS) for problem in found)
        assert all(problem.table and problem.text for problem in found)


@settings(max_examples=25, deadline=None)
@given(planted=st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=4, unique=True))
def test_what_can_be_fixed_is_fixed_and_nothing_else_touched(planted: list[str]) -> None:
    asyncio.run(_fix_and_compare(planted))


async def _fix_and_compare(planted: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queue.db"
        async with Database(path) as db:
            queue = await filled(db)
            break_it(path, *(FAULTS[code] for code in planted))
            found = await db.check()
            broken, told = await rows(db), len(await queue.audit())
            fixes = await fix(queue)
            fixed = await rows(db)
            left = await db.check(full=True)
            entries = (await queue.audit())[told:]
    assert found
    assert [problem for problem in left if problem.fixable] == []
    assert codes(left) <= codes(found)
    touched = {(fix.problem.table, fix.problem.key) for fix in fixes}
    differing = {place for place in broken | fixed if broken.get(place) != fixed.get(place)}
    assert differing == touched
    assert len(entries) == len(fixes)
    assert {entry.action_type for entry in entries} <= {Action.TASK_FIXED, Action.ROW_FIXED}


@pytest.mark.parametrize("code", sorted(set(FAULTS) - {"landing_open"}))
async def test_the_trail_tells_the_fixed_queue(path: Path, code: str) -> None:
    """Except where the fault itself is a status that nobody told."""
    break_it(path, FAULTS[code])
    async with Database(path) as db:
        queue = Queue(db)
        queue.pass_time(3600)
        assert await fix(queue)
        verified = await queue.read(verifying.verify)
    assert list(map(str, verified.breaks)) == []


async def test_a_rehearsal_tells_the_same_and_changes_nothing(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db:
        queue = await filled(db)
        break_it(tmp_path / "queue.db", FAULTS["waits_for_dead_end"], FAULTS["holder_gone"])
        before = await rows(db)
        with pytest.raises(fixing.Rehearsed) as rehearsal:
            await queue.write(fixing.rehearse, now=queue.now, actor="cli:alice")
        assert await rows(db) == before
        assert list(rehearsal.value.fixes) == await fix(queue)


async def test_a_chain_below_a_dead_end_is_cancelled_to_its_end(queue: Queue) -> None:
    dead = await queue.submit(max_retries=0)
    chain = [dead]
    for _ in range(5):
        chain.append(await queue.submit(chain[-1]))
    await queue.fail_next()
    blocked = {"status": TaskStatus.BLOCKED, "completed_at": None, "cancelled_by": None}
    for task in chain[1:]:
        await queue.write(_planted, task.id, blocked)
    assert await queue.statuses(*chain[1:]) == [TaskStatus.BLOCKED] * 5
    await fix(queue)
    assert await queue.statuses(*chain[1:]) == [TaskStatus.CANCELLED] * 5
    assert await queue.db.check() == []
    await queue.retry(dead)
    assert await queue.statuses(*chain) == [TaskStatus.READY, *[TaskStatus.BLOCKED] * 5]


async def test_a_lost_run_is_queued_again_and_its_late_report_refused(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    await queue.write(lambda stores: stores.workers.mark_stopped("w1", queue.now))
    await fix(queue)
    task = await queue.task(claimed.task)
    assert (task.status, task.worker_id) == (TaskStatus.READY, None)
    assert (await queue.attempt(claimed)).ended_at == queue.now
    with pytest.raises(StaleFenceError):
        await queue.end(claimed)
    assert (await queue.claim_one("w2")).attempt.number == 2


def _planted(stores: Stores, task_id: str, fault: Mapping[str, Any]) -> None:
    task = stores.tasks.get(task_id)
    assert task is not None
    stores.tasks.save(replace(task, **fault), task.fence)


def test_every_time_of_every_table_is_looked_at(tmp_path: Path) -> None:
    asyncio.run(_spoil_times(tmp_path / "queue.db"))


async def _spoil_times(path: Path) -> None:
    async with Database(path):
        pass
    break_it(path)
    connection = connect(str(path), busy_timeout=5)
    fill(connection)
    times = [
        (table, name)
        for table in user_tables(connection)
        for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
        if kind == "TEXT" and TIME.search(name) and table != "schema_migrations"
    ]
    checks = queries.load("sqlite")
    missed = []
    for table, name in times:
        check = checks[f"check_time_in_{table}"]
        assert connection.execute(check, {"limit": 10}).fetchall() == []
        with suppress(Spoiled), connection:
            connection.execute(f"UPDATE {table} SET {name} = 'noon'")
            if not connection.execute(check, {"limit": 10}).fetchall():
                missed.append((table, name))
            raise Spoiled
    connection.close()
    assert len(times) > 60
    assert missed == []


class Spoiled(Exception):
    """Undoes what was done to the rows."""


@pytest.mark.parametrize("engine", ["file", "postgres"])
async def test_what_is_searched_is_made_again(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str
) -> None:
    is_file = engine == "file"
    where = tmp_path / "queue.db" if is_file else request.getfixturevalue("postgres_url")
    async with Database(where) as db:
        queue = Queue(db)
        await remember(queue)
        for code, statement in SEARCHED.items():
            if is_file:
                connect(str(where), busy_timeout=5).execute(statement)
            else:
                with psycopg.connect(str(where), autocommit=True) as connection:
                    connection.execute(statement.encode())
            problems = await queue.read(fixing.find_problems)
            assert code in codes(problems)
            told = len(await queue.audit())
            fixes = await fix(queue)
            assert code in {one.problem.code for one in fixes}
            assert len(await queue.audit()) == told + len(fixes)
            assert await queue.read(fixing.find_problems) == []
        hits = await queue.read(searching.search_memories, "gcc", MemoryFilter(), now=queue.now)
        assert [hit.memory.key for hit in hits] == ["compiler"]


async def remember(queue: Queue) -> None:
    new = NewMemory(namespace="project", key="compiler", value="gcc links it")
    document = NewDocument(
        file_path="a.md",
        title="A",
        document_type="markdown",
        content_hash="1",
        chunks=(Chunk("A", "linked by gcc", 1, 1),),
    )
    await queue.write(remembering.add, new, actor="cli:alice", now=queue.now)
    await queue.write(documents.index, document, actor="cli:alice", now=queue.now)
    waiting = await queue.read(embedding.missing, "model")
    made = [Embedded(one.passage_id, one.source, [1.0, 0.5]) for one in waiting]
    await queue.write(embedding.save, "model", made)


async def test_what_the_trail_would_tell_is_left_when_the_trail_is_not_whole(path: Path) -> None:
    changed = f"UPDATE audit SET action_data = '{{}}' WHERE task_id = {FIRST} AND sequence = 1"
    break_it(path, FAULTS["time_in_tasks"], changed)
    async with Database(path) as db:
        queue = Queue(db)
        assert await fix(queue) == []
        (problem,) = await db.check()
    assert (problem.code, problem.fixable) == ("time_in_tasks", True)
