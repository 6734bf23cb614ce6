"""Sessions, their events and their state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from abathur.domain.records import made
from abathur.domain.sessions import Session, SessionEvent, SessionStatus, SessionTask
from abathur.infrastructure.database.codecs import json_of, json_text, moment, time_of
from abathur.infrastructure.database.stores.tasks import ABOVE_ALL_IDS

if TYPE_CHECKING:
    from abathur.domain.sessions import NewSession, StateScope
    from abathur.infrastructure.database.engines.base import Row
    from abathur.infrastructure.database.engines.base import Session as Transaction


class SqlSessions:
    """Meets `ports.memory.SessionStore`."""

    def __init__(self, session: Transaction) -> None:
        self._session = session

    def insert(self, new: NewSession, now: datetime) -> None:
        self._session.execute(
            "sessions_insert",
            id=new.id,
            app_name=new.app_name,
            user_id=new.user_id,
            project_id=new.project_id,
            status=SessionStatus.CREATED,
            metadata=new.metadata,
            created_at=now,
            last_update_time=now,
        )

    def get(self, session_id: str) -> Session | None:
        row = self._session.fetch_one("sessions_get", id=session_id)
        return None if row is None else _session_of(row)

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]:
        rows = self._session.fetch(
            "sessions_by_prefix", low=prefix, high=prefix + ABOVE_ALL_IDS, limit=limit
        )
        return [row["id"] for row in rows]

    def select(
        self, *, status: str | None, user_id: str | None, project_id: str | None, limit: int
    ) -> Sequence[Session]:
        rows = self._session.fetch(
            "sessions_select", status=status, user_id=user_id, project_id=project_id, limit=limit
        )
        return [_session_of(row) for row in rows]

    def touch(self, session_id: str, now: datetime) -> bool:
        return self._session.execute("sessions_touch", id=session_id, now=now) > 0

    def archive(self, session_id: str, now: datetime) -> bool:
        return self._session.execute("sessions_archive", id=session_id, now=now) > 0

    def append(
        self, session_id: str, sequence: int, event: Mapping[str, Any], at: datetime
    ) -> None:
        self._session.execute(
            "session_events_insert", session_id=session_id, sequence=sequence, at=at, event=event
        )

    def last_event(self, session_id: str) -> int:
        row = self._session.fetch_one("session_events_last", session_id=session_id)
        return int(row["n"]) if row else 0

    def events(self, session_id: str, after: int, limit: int) -> Sequence[SessionEvent]:
        rows = self._session.fetch(
            "session_events_of", session_id=session_id, after=after, limit=limit
        )
        return [
            SessionEvent(row["sequence"], moment(row["at"]), json_of(row["event"])) for row in rows
        ]

    def state(self, scope: StateScope, owner: str) -> Mapping[str, Any]:
        rows = self._session.fetch("session_state_of", scope=scope, owner=owner)
        return {row["key"]: json_of(row["value"]) for row in rows}

    def value(self, scope: StateScope, owner: str, key: str) -> tuple[Any] | None:
        row = self._session.fetch_one("session_state_get", scope=scope, owner=owner, key=key)
        return None if row is None else (json_of(row["value"]),)

    def set_value(self, scope: StateScope, owner: str, key: str, value: Any, now: datetime) -> None:
        self._session.execute(
            "session_state_set",
            scope=scope,
            owner=owner,
            key=key,
            value=json_text(value),
            updated_at=now,
        )

    def drop_state(self, scope: StateScope, owner: str) -> None:
        self._session.execute("session_state_drop", scope=scope, owner=owner)

    def link(self, session_id: str, task_id: str) -> bool:
        changed = self._session.execute(
            "session_tasks_link", session_id=session_id, task_id=task_id
        )
        return changed > 0

    def tasks(self, session_id: str) -> Sequence[SessionTask]:
        rows = self._session.fetch("session_tasks", session_id=session_id)
        return [
            SessionTask(
                row["id"], row["summary"], row["status"], row["number"], row["transcript_path"]
            )
            for row in rows
        ]


def _session_of(row: Row) -> Session:
    events, state = json_of(row.pop("events")), json_of(row.pop("state"))
    row["older_events"] = tuple(events) if isinstance(events, list) else ()
    row["older_state"] = state if isinstance(state, dict) else {}
    row["status"] = SessionStatus(row["status"])
    row["metadata"] = json_of(row["metadata"]) or {}
    row["created_at"] = moment(row["created_at"])
    row["last_update_time"] = moment(row["last_update_time"])
    row["terminated_at"] = time_of(row["terminated_at"])
    row["archived_at"] = time_of(row["archived_at"])
    return made(Session, row)
