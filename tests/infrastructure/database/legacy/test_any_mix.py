"""Whatever mix of tables, columns and values a file holds, every row of it is found again."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abathur.infrastructure.database import Database
from abathur.services.verifying import verify
from tests.infrastructure.database.legacy.found import lost
from tests.infrastructure.database.legacy.older import UUIDS, contents, make

COLUMNS = {
    "tasks": "prompt summary agent_type priority status input_data result_data error_message "
    "retry_count max_retries submitted_at started_at completed_at last_updated_at parent_task_id "
    "dependencies session_id source calculated_priority deadline dependency_depth title "
    "description template_name goal_id idempotency_key awaiting_children surprise",
    "agents": "name specialization task_id state model spawned_at session_id status",
    "audit": "timestamp agent_id task_id action_type action_data result operation actor surprise",
    "state": "task_id key value",
    "task_dependencies": "dependent_task_id prerequisite_task_id created_at resolved_at "
    "depends_on_id task_id dependency_type",
    "sessions": "app_name user_id status events state created_at updated_at",
    "memory_entries": "namespace key value memory_type version is_deleted metadata created_at",
    "memories": "namespace key value memory_type tier",
    "document_index": "file_path title content_hash chunk_count embedding_blob sync_status",
    "checkpoints": "task_id iteration state created_at",
    "metrics": "timestamp metric_name metric_value labels",
    "surprises": "anything",
}
REBUILDS = ["", "", "", "_new", "_old"]

ids = st.sampled_from([*UUIDS[:6], "ABC", "not hex", ""])
times = st.sampled_from(
    [
        "2025-10-10T10:00:00+00:00",
        "2025-10-10 10:00:00",
        "2025-10-10T10:00:00-07:00",
        "2026-01-05T12:00:00.123456789Z",
        "0001-01-01T00:00:00+14:00",
        "soon",
    ]
)
words = "completed running pending blocked validating task semantic low {} [] null NaN"
texts = st.text(max_size=12) | st.sampled_from(
    [*words.split(), '{"a": [1]}', '"\\ud800"', "x" * 150, f'["{UUIDS[0]}", "{UUIDS[1]}"]']
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12) | st.floats()
values = st.none() | ids | times | texts | numbers | st.binary(max_size=6)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, list[dict[str, Any]]]]:
    sql = ["CREATE TABLE memory_entries_tmp (namespace, key, memory_type);"]
    rows: dict[str, list[dict[str, Any]]] = {}
    for table in draw(st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6)):
        name = table + draw(st.sampled_from(REBUILDS))
        key = draw(st.sampled_from(["id", "id INTEGER PRIMARY KEY", "id PRIMARY KEY"]))
        columns = draw(st.sets(st.sampled_from(COLUMNS[table].split()), min_size=1))
        sql.append(f"CREATE TABLE {name} ({', '.join([key, *sorted(columns)])});")
        fields = {"id": st.none() if "INTEGER" in key else ids, **dict.fromkeys(columns, values)}
        rows[name] = draw(st.lists(st.fixed_dictionaries(fields), max_size=5))
    return "".join(sql), {name: _distinct(each) for name, each in rows.items()}


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {index if row["id"] is None else row["id"]: row for index, row in enumerate(rows)}
    return [*by_id.values()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_every_row_is_found_again(file: tuple[str, dict[str, list[dict[str, Any]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "abathur.db"
        make(path, *file)
        older = contents(path)
        asyncio.run(_check(path, older))


async def _check(path: Path, older: dict[str, list[dict[str, Any]]]) -> None:
    async with Database(path) as db:
        assert await db.check(full=True) == []
        assert (await db.read(verify)).breaks == []
        await db.read(lambda stores: [*stores.audit.recent(1000), *stores.workers.agents()])
        tables = (await db.info())["rows"]
        today = {table: await db.query(f'SELECT * FROM "{table}"') for table in tables}
    assert lost(older, today) == []
