"""The tables and columns that are documented: programs of others may read them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abathur.domain.errors import IntegrityViolation
from abathur.domain.runs import EventKind, RunEvent
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import submitting
from abathur.services.submitting import Submitted

COLUMNS = {
    "tasks": (
        "id summary prompt agent_type priority status source parent_task_id session_id deadline "
        "estimated_duration_seconds max_retries max_execution_timeout_seconds input_data "
        "result_data error_message feature_branch task_branch worktree_path idempotency_key "
        "created_by submitted_at started_at completed_at last_updated_at not_before "
        "dependency_depth unmet_count rank fence worker_id lease_until attempt_count retry_count "
        "rework_count lost_count cancelled_by"
    ),
    "task_dependencies": (
        "prerequisite_task_id dependent_task_id dependency_type created_at resolved_at"
    ),
    "agents": (
        "id name specialization task_id state model spawned_at terminated_at resource_usage "
        "session_id"
    ),
    "audit": (
        "id timestamp task_id agent_id actor action_type action_data result "
        "memory_operation_type memory_namespace memory_entry_id sequence hash"
    ),
    "audit_heads": "task_id sequence hash",
    "sessions": (
        "id app_name user_id project_id status events state metadata created_at "
        "last_update_time terminated_at archived_at"
    ),
    "memory_entries": (
        "id namespace key value memory_type version is_deleted metadata created_by updated_by "
        "created_at updated_at task_id"
    ),
    "memories": (
        "id namespace key memory_type version importance task_id created_by created_at updated_by "
        "updated_at expires_at deleted_at access_count last_used_at promoted_at"
    ),
    "memory_uses": "memory_id task_id used_at",
    "document_index": (
        "id file_path title document_type content_hash chunk_count embedding_model "
        "embedding_blob metadata last_synced_at sync_status created_at updated_at namespace"
    ),
    "passages": "id memory_id document_id heading text first_line last_line",
    "vectors": "passage_id model dimension vector",
    "vector_blocks": "id source model ids signs layout",
    "session_events": "session_id sequence at event",
    "session_state": "scope owner key value updated_at",
    "checkpoints": "task_id iteration state created_at session_id",
    "legacy_rows": "id source_table source_key content reason",
    "metrics": "id timestamp metric_name metric_value labels",
    "attempts": (
        "task_id number fence worker_id runtime model session_id branch worktree_path base_commit "
        "head_commit salvage_ref transcript_path pid pid_started_at lease_until started_at "
        "ended_at outcome exit_code error_message usage feedback failure_class "
        "definition_version result model_choice"
    ),
    "run_events": "task_id attempt sequence at kind text data",
    "landings": (
        "id task_id attempt target base_commit work_commit state rank worker_id lease_until fence "
        "requested_at started_at ended_at target_before merge_commit verify_log detail proof facts "
        "strategy onto batch"
    ),
    "workers": (
        "id host pid pid_started_at repository max_agents started_at heartbeat_at lease_until "
        "stop_requested_at stopped_at"
    ),
    "holds": "id scope name cause reason hold_until created_by created_at",
    "task_paths": "task_id pattern may_overlap",
    "path_overlaps": "task_id attempt other_task_id paths found_at",
    "gate_runs": (
        "id landing_id gate command tree batch_size started_at ended_at exit_code verdict log_path"
    ),
    "reviews": (
        "id task_id attempt kind tree question data state comment asked_at decided_at decided_by"
    ),
    "costs": (
        "task_id attempt target agent_type model day input_tokens output_tokens cache_read_tokens "
        "cache_write_tokens reserved_usd cost_usd estimated_usd estimate_rule settled_at"
    ),
    "budgets": "scope name limit_usd granted_usd asked_usd needed_usd",
    "pools": (
        "provider account limit_window exhausted_until used_share refusals probe source observed_at"
    ),
    "late_reports": "task_id attempt fence worker_id received_at report",
    "schedules": (
        "id name cron time_zone template next_at last_at last_task_id created_by created_at missed "
        "overlap paused_at"
    ),
    "loops": "task_id spec created_by created_at stop_as stopped_by",
    "iterations": (
        "task_id number attempt runtime model strategy pattern target base_commit work_commit tree "
        "started_at measured_at measurement reading verdict"
    ),
    "strategy_evidence": "agent_type pattern strategy runs improved",
    "schema_migrations": "version name checksum applied_at",
}
TABLES = """
SELECT name FROM sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'passage_words%'
"""
"""Without the index of words, which is SQLite's own affair."""


@pytest.fixture(params=["memory", "file"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return ":memory:" if request.param == "memory" else tmp_path / "new" / "queue.db"


async def test_the_documented_tables_are_there_and_no_others(where: Path | str) -> None:
    async with Database(where) as db:
        assert {row["name"] for row in await db.query(TABLES)} == set(COLUMNS)


@pytest.mark.parametrize("table", COLUMNS)
async def test_a_table_has_the_documented_columns(where: Path | str, table: str) -> None:
    async with Database(where) as db:
        rows = await db.query("SELECT name FROM pragma_table_info(?)", [table])
        assert [row["name"] for row in rows] == COLUMNS[table].split()


async def test_foreign_keys_are_enforced(where: Path | str) -> None:
    event = (1, datetime(2030, 1, 31, tzinfo=UTC), RunEvent(EventKind.TEXT))
    async with Database(where) as db:
        assert await db.query("PRAGMA foreign_keys") == [{"foreign_keys": 1}]
        with pytest.raises(IntegrityViolation, match="FOREIGN KEY"):
            await db.write(lambda stores: stores.attempts.add_events("no task", 1, [event]))


async def test_a_database_is_initialised_any_number_of_times(where: Path | str) -> None:
    db = Database(where)
    for _ in range(3):
        await db.initialize()
    await db.write(submit)
    await db.initialize()
    assert [row["id"] for row in await db.query("SELECT id FROM tasks")] == ["one"]
    assert await db.check(full=True) == []
    await db.close()


async def test_many_open_a_new_file_at_once_and_what_is_stored_stays(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    for _ in range(2):
        others = [Database(path) for _ in range(4)]
        await asyncio.gather(*(other.initialize() for other in others))
        answers = await asyncio.gather(*(other.write(submit) for other in others))
        assert {answer.task.id for answer in answers} == {"one"}
        assert len(await others[0].query("SELECT * FROM schema_migrations")) >= 1
        for other in others:
            await other.close()


def submit(stores: Stores) -> Submitted:
    new = NewTask(prompt="Do it", idempotency_key="one")
    now = datetime(2030, 1, 31, tzinfo=UTC)
    return submitting.submit(stores, new, task_id="one", now=now, actor="cli:alice")
