"""Whoever changes the file behind the program's back is found out: which task, which row, what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action, entry_hash
from abathur.domain.chain import Anchor
from abathur.domain.errors import IntegrityViolation
from abathur.domain.replay import UNTOLD
from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import Connection, connect, translated
from abathur.services import reading, trail, verifying
from abathur.services.replaying import task_at
from abathur.services.verifying import Verification

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

OpenQueue = Callable[[Database], "Queue"]

COLUMNS = (
    *("id", "timestamp", "task_id", "agent_id", "actor", "action_type", "action_data", "result"),
    *("memory_operation_type", "memory_namespace", "memory_entry_id", "sequence", "hash"),
)
CHANGEABLE = sorted({*Task.__dataclass_fields__} - UNTOLD - {"id", "prerequisites"})


class Forger:
    """Somebody with the file, SQL and no scruples."""

    def __init__(self, queue: Queue, raw: Connection) -> None:
        self.queue = queue
        self.raw = raw
        self("PRAGMA foreign_keys = OFF")
        self("PRAGMA ignore_check_constraints = ON")
        for (name,) in self("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
            self(f"DROP TRIGGER {name}")

    def __call__(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.raw.execute(sql, values).fetchall()

    async def verify(self, *ids: str, anchor: Anchor | None = None) -> Verification:
        return await self.queue.read(verifying.verify, ids or None, anchor)

    async def found(self, *ids: str) -> list[str]:
        return [str(one) for one in (await self.verify(*ids)).breaks]

    def renumber(self) -> None:
        """Close the gaps of the ids."""
        for new, (old,) in enumerate(self("SELECT id FROM audit ORDER BY id"), 1):
            self("UPDATE audit SET id = ? WHERE id = ?", new, old)
        self("UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM audit) WHERE name = 'audit'")

    def chain_anew(self) -> None:
        """Make all hashes fit what the rows say."""
        self("UPDATE audit_heads SET sequence = 0")
        self("CREATE TEMP TABLE old AS SELECT * FROM audit ORDER BY id")
        self("DELETE FROM audit")
        self("DELETE FROM audit_heads")
        previous: dict[str, tuple[int, str]] = {}
        for row in self(
            "SELECT id, task_id, timestamp, actor, action_type, action_data FROM old ORDER BY id"
        ):
            row_id, task_id, *rest = row
            sequence, before = previous.get(task_id, (0, "0" * 64))
            made = entry_hash(before, sequence + 1, row_id, task_id, *rest)
            previous[task_id] = (sequence + 1, made)
            self(
                "INSERT INTO audit (id, task_id, timestamp, actor, action_type, action_data,"
                " sequence, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(*row, sequence + 1, made),
            )
        for task_id, (sequence, last) in previous.items():
            self("INSERT INTO audit_heads VALUES (?, ?, ?)", task_id, sequence, last)


@pytest.fixture
async def forger(open_queue: OpenQueue, tmp_path: Path) -> AsyncIterator[Forger]:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        queue = open_queue(db)
        await queue.prepare()
        first = await queue.submit(max_retries=0, input_data={"größe": [1, None, 0.5]})
        await queue.submit(first)
        other = await queue.submit(priority=9)
        claimed = await queue.claim_one()
        await queue.start(claimed, branch="b", worktree_path="/w")
        queue.pass_time(1)
        await queue.land(claimed)
        await queue.submit(other, first)
        with closing(connect(str(path), busy_timeout=10)) as raw:
            yield Forger(queue, raw)


def rows(forger: Forger) -> Iterator[tuple[int, str]]:
    yield from forger("SELECT id, task_id FROM audit ORDER BY id")


def changed(value: object) -> object:
    match value:
        case None:
            return "x"
        case int():
            return value + 1000
    return f"{value} "


async def test_what_nobody_touched_is_whole(forger: Forger) -> None:
    verified = await forger.verify()
    assert verified.breaks == []
    assert verified.tasks == 4
    last = max(row_id for row_id, _ in rows(forger))
    assert (verified.entries, verified.anchor and verified.anchor.row) == (last, last)


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_change_of_any_column_of_any_row_is_named(forger: Forger, column: str) -> None:
    for row_id, task_id in rows(forger):
        ((value,),) = forger(f"SELECT {column} FROM audit WHERE id = ?", row_id)
        new = changed(value)
        forger(f"UPDATE audit SET {column} = ? WHERE id = ?", new, row_id)
        place = new if column == "id" else row_id
        about = new if column == "task_id" else task_id
        found = await forger.found()
        assert any(one.startswith(f"task {about}: row {place} ") for one in found), found
        forger(f"UPDATE audit SET {column} = ? WHERE id = ?", value, place)
    assert await forger.found() == []


async def test_every_column_of_the_table_is_changed_by_these_tests(forger: Forger) -> None:
    columns = forger("SELECT name FROM pragma_table_info('audit')")
    assert {name for (name,) in columns} == set(COLUMNS)


@pytest.mark.parametrize("is_renumbered", [False, True])
async def test_a_row_that_is_gone_is_named(forger: Forger, is_renumbered: bool) -> None:
    forger("CREATE TEMP TABLE kept AS SELECT * FROM audit")
    ((last,),) = forger("SELECT max(id) FROM audit")
    for row_id, task_id in rows(forger):
        forger("DELETE FROM audit WHERE id = ?", row_id)
        if is_renumbered:
            forger.renumber()
        found = await forger.found()
        assert any(one.startswith(f"task {task_id}: ") for one in found), (row_id, found)
        assert is_renumbered or f"audit: row {row_id} is missing" in found
        forger("DELETE FROM audit")
        forger("INSERT INTO audit SELECT * FROM kept")
        forger("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", last)
    assert await forger.found() == []


async def test_two_rows_that_changed_places_are_named(forger: Forger) -> None:
    known = list(rows(forger))
    for (low, first), (high, second) in pairwise(known):
        for old, new in ((low, -1), (high, low), (-1, high)):
            forger("UPDATE audit SET id = ? WHERE id = ?", new, old)
        found = await forger.found()
        assert any(one.startswith(f"task {first}: row {high} ") for one in found), found
        assert any(one.startswith(f"task {second}: row {low} ") for one in found), found
        for old, new in ((low, -1), (high, low), (-1, high)):
            forger("UPDATE audit SET id = ? WHERE id = ?", new, old)
    assert await forger.found() == []


async def test_a_row_that_was_put_in_is_named(forger: Forger) -> None:
    _, task_id = next(rows(forger))
    ((last,),) = forger("SELECT max(sequence) FROM audit WHERE task_id = ?", task_id)
    forger(
        "INSERT INTO audit (timestamp, task_id, actor, action_type, sequence, hash)"
        " VALUES ('2030-01-31T12:00:00.000000Z', ?, 'cli:eve', 'task_cancelled', ?, ?)",
        *(task_id, last + 1, "a" * 64),
    )
    ((row_id,),) = forger("SELECT max(id) FROM audit")
    named = f"task {task_id}: row {row_id} (entry {last + 1}) "
    found = await forger.found(task_id)
    assert [one.startswith(named) for one in found] == [True, True]
    forger(
        "UPDATE audit_heads SET sequence = ?, hash = ? WHERE task_id = ?",
        *(last + 1, "a" * 64, task_id),
    )
    (found_then,) = await forger.found()
    assert found_then.startswith(named)


async def test_the_last_row_is_missed_also_when_the_head_is_set_back(forger: Forger) -> None:
    ((row_id, task_id, sequence),) = forger(
        "SELECT id, task_id, sequence FROM audit WHERE action_type = 'task_completed'"
    )
    forger("DELETE FROM audit WHERE id = ?", row_id)
    forger(
        "UPDATE audit_heads SET (sequence, hash) ="
        " (SELECT sequence, hash FROM audit WHERE task_id = ?1 AND sequence = ?2)"
        " WHERE task_id = ?1",
        *(task_id, sequence - 1),
    )
    found = await forger.found()
    assert f"task {task_id}: status is `completed`, but its trail tells `running`" in found
    assert f"audit: row {row_id} is missing" in found


async def test_a_trail_that_is_gone_as_a_whole_is_missed(forger: Forger) -> None:
    _, task_id = next(rows(forger))
    gone = [row_id for row_id, about in rows(forger) if about == task_id]
    forger("DELETE FROM audit WHERE task_id = ?", task_id)
    whole, untold, *_ = await forger.found()
    assert whole == f"task {task_id}: all {len(gone)} entries were removed"
    assert untold == f"task {task_id}: has no trail at all"
    assert await forger.found(task_id) != []
    forger("DELETE FROM audit_heads WHERE task_id = ?", task_id)
    assert f"task {task_id}: has no trail at all" in await forger.found()
    forger("DELETE FROM tasks WHERE id = ?", task_id)
    assert await forger.found() == [f"audit: row {row_id} is missing" for row_id in gone]


async def test_a_task_that_is_not_what_its_trail_tells_is_named(forger: Forger) -> None:
    task = (await forger.queue.read(reading.all_tasks))[0]
    for column in CHANGEABLE:
        ((value,),) = forger(f"SELECT {column} FROM tasks WHERE id = ?", task.id)
        wrong = {
            "status": "failed",
            "source": "agent_planner",
            "input_data": "{}",
            "result_data": "{}",
        }.get(column, "2031-01-01T00:00:00Z" if "_at" in column else changed(value))
        if column in {"deadline", "not_before"}:
            wrong = "2031-01-01T00:00:00Z"
        forger(f"UPDATE tasks SET {column} = ? WHERE id = ?", wrong, task.id)
        found = await forger.found()
        assert any(one.startswith(f"task {task.id}: {column} is ") for one in found), column
        forger(f"UPDATE tasks SET {column} = ? WHERE id = ?", value, task.id)
    assert await forger.found() == []


async def test_edges_and_rows_that_are_gone_are_missed(forger: Forger) -> None:
    ((prerequisite, dependent),) = forger(
        "SELECT prerequisite_task_id, dependent_task_id FROM task_dependencies LIMIT 1"
    )
    forger("DELETE FROM task_dependencies WHERE dependent_task_id = ?", dependent)
    (edge,) = await forger.found(dependent)
    assert edge.startswith(f"task {dependent}: prerequisites is ")
    assert prerequisite in edge
    forger("DELETE FROM tasks WHERE id = ?", dependent)
    assert await forger.found(dependent) == [
        f"task {dependent}: is blocked by its trail, but its row is gone"
    ]


async def test_a_trail_written_anew_is_found_out_by_an_anchor(forger: Forger) -> None:
    anchor = (await forger.verify()).anchor
    await forger.queue.submit()
    assert (await forger.verify(anchor=anchor)).breaks == []
    forger("UPDATE audit SET actor = 'cli:eve' WHERE id = 2")
    forger.chain_anew()
    assert await forger.found() == []
    (only,) = (await forger.verify(anchor=anchor)).breaks
    assert anchor is not None
    what = f"up to row {anchor.row} it isn't the trail that the anchor was made of"
    assert str(only) == f"audit: {what}"


async def test_pruned_tasks_keep_their_trail_and_are_missed_by_nobody(forger: Forger) -> None:
    """Also where others refer to them."""
    queue = forger.queue
    dead = await queue.submit(max_retries=0)
    part = await queue.submit(dead, parent_task_id=dead.id)
    await queue.cancel(dead)
    monday = queue.now
    queue.pass_time(1)
    action: Any = "task_pruned"
    await queue.write(lambda stores: trail.record(stores, action, dead.id, "cli:al", queue.now))
    forger("DELETE FROM task_dependencies WHERE prerequisite_task_id = ?", dead.id)
    forger(
        "UPDATE tasks SET parent_task_id = NULL, cancelled_by = NULL WHERE id = ?",
        part.id,
    )
    forger("DELETE FROM tasks WHERE id = ?", dead.id)
    assert await forger.found() == []
    assert (await queue.read(task_at, dead.id, monday)).status == "cancelled"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET actor = 'cli:eve'",
        "DELETE FROM audit",
        "DELETE FROM audit_heads",
    ],
)
async def test_the_database_itself_refuses_to_change_the_trail(
    open_queue: OpenQueue, tmp_path: Path, sql: str
) -> None:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        queue = open_queue(db)
        task = await queue.submit()
        before = await queue.contents()
        with closing(connect(str(path), busy_timeout=10)) as raw:
            refused = pytest.raises(IntegrityViolation, match="the audit trail is append-only")
            with refused, translated(str(path)):
                raw.execute(sql)
        assert await queue.contents() == before
        (entry,) = await queue.audit(task)
        assert entry.action_type is Action.TASK_SUBMITTED
