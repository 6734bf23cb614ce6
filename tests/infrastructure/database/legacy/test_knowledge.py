"""Memories, sessions and documents of an older file are there for today's use cases."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import NotFoundError
from abathur.domain.memories import NewMemory
from abathur.infrastructure.database import Database
from abathur.ports.memory import DocumentFilter, MemoryFilter
from abathur.services import documents, remembering, searching, sessions
from tests.infrastructure.database.legacy.older import LAST, make

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
MEMORY = {"namespace": "project:build", "memory_type": "semantic"}


@pytest.fixture
async def db(tmp_path: Path) -> Database:
    path = tmp_path / "abathur.db"
    rows: dict[str, Any] = {
        "memory_entries": [
            {**MEMORY, "key": "flags", "value": '{"cc": "gcc"}', "created_by": "alice"},
            {**MEMORY, "key": "flags", "value": '{"cc": "clang"}', "version": 2},
            {**MEMORY, "key": "gone", "value": '{"a": "gcc"}', "is_deleted": 1},
        ],
        "sessions": [
            {
                "id": "s1",
                "app_name": "a",
                "user_id": "u",
                "events": '[{"n": 1}, {"n": 2}]',
                "state": '{"k": 1, "user:k": 2}',
            }
        ],
        "document_index": [
            {"file_path": "a.md", "title": "A", "content_hash": "h", "sync_status": "synced"}
        ],
    }
    make(path, LAST, rows)
    return Database(path)


async def test_memories_can_be_read_found_changed_and_restored(db: Database) -> None:
    async with db:
        flags = await db.read(remembering.get, "project:build", "flags", now=NOW)
        assert (flags.value, flags.version, flags.created_by) == ({"cc": "clang"}, 2, "alice")
        versions = await db.read(remembering.history, "project:build", "flags")
        assert [one.value for one in versions] == [{"cc": "gcc"}, {"cc": "clang"}]
        where = MemoryFilter(namespace="project")
        for text, found in (("clang", ["flags"]), ("gcc", [])):
            hits = await db.read(searching.search_memories, text, where, now=NOW)
            assert [hit.memory.key for hit in hits] == found
        with pytest.raises(NotFoundError):
            await db.read(remembering.get, "project:build", "gone", now=NOW)
        back = await db.write(remembering.restore, "project:build", "gone", actor="cli:a", now=NOW)
        assert back.value == {"a": "gcc"}
        new = NewMemory(namespace="project:build", key="new", value=1)
        await db.write(remembering.add, new, actor="cli:a", now=NOW)
        assert await db.check(full=True) == []


async def test_sessions_go_on_after_their_old_events_and_state(db: Database) -> None:
    async with db:
        delta = {"k": 3}
        number = await db.write(sessions.append_event, "s1", {"n": 3}, state_delta=delta, now=NOW)
        events = await db.read(sessions.events, "s1")
        assert number == 3
        assert [(one.sequence, one.event["n"]) for one in events] == [(1, 1), (2, 2), (3, 3)]
        page = await db.read(sessions.events, "s1", after=1, limit=1)
        assert [one.sequence for one in page] == [2]
        assert await db.read(sessions.state, "s1") == {"k": 3, "user:k": 2}
        assert await db.read(sessions.get_state, "s1", "user:k") == 2


async def test_a_document_has_to_be_indexed_again(db: Database) -> None:
    async with db:
        (document,) = await db.read(documents.select, DocumentFilter())
        assert document.sync_status == "stale"
        assert await db.read(documents.hashes, DocumentFilter()) == {}
