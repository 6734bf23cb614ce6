"""Sessions: what happened in a conversation, event by event, and what it has to remember."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.records import record
from abathur.domain.tasks import JsonObject

MAX_ID: Final = 200
MAX_EVENT: Final = 262_144
"""Bytes of the JSON of an event."""
MAX_VALUE: Final = 65_536
"""Bytes of the JSON of a value in the state."""
NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class SessionStatus(StrEnum):
    CREATED = "created"
    ACTIVE = "active"
    PAUSED = "paused"
    TERMINATED = "terminated"
    ARCHIVED = "archived"

    @property
    def is_final(self) -> bool:
        return self in {SessionStatus.TERMINATED, SessionStatus.ARCHIVED}


class StateScope(StrEnum):
    """Who shares a value: the word before the first `:` of its key."""

    SESSION = "session"
    TEMP = "temp"
    """The session, until it is archived."""
    USER = "user"
    """All sessions of the user in the same app."""
    APP = "app"
    PROJECT = "project"
    """All sessions of the project."""


SCOPES: Final = frozenset(scope.value for scope in StateScope)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    id: str
    app_name: str
    user_id: str
    project_id: str | None = None
    state: JsonObject
    metadata: JsonObject


AGENTS_OF: Final = "agents_of"
"""In the metadata of a session that an agent at work has made: the target of its task."""
MADE_BY: Final = "made_by"
"""Likewise: its task. A task is linked to one session, and its agent may make several."""


@record
class Session:
    id: str
    app_name: str
    user_id: str
    project_id: str | None
    status: SessionStatus
    metadata: JsonObject
    created_at: datetime
    last_update_time: datetime
    terminated_at: datetime | None
    archived_at: datetime | None
    older_events: tuple[JsonObject, ...]
    """Written by an older version; they come before all others."""
    older_state: JsonObject
    """Likewise; what was set since wins."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    sequence: int
    """Counts the events of the session from 1."""
    at: datetime | None
    """None for an event of an older version, which tells its time itself, if it does."""
    event: JsonObject


@dataclass(frozen=True, slots=True)
class SessionTask:
    """An attempt of a task that belongs to a session."""

    task_id: str
    summary: str
    status: str
    attempt: int | None
    """None when the task wasn't tried yet."""
    transcript_path: str | None


def scope_of(key: str) -> tuple[StateScope, str]:
    """Where a key belongs, and its name there; one without a scope belongs to the session.

    Raises `InvalidInputError`.
    """
    if not NAME.fullmatch(key):
        raise InvalidInputError("a key of the state is 1 to 200 characters of text; change it")
    before, mark, name = key.partition(":")
    if not mark or before not in SCOPES:
        return StateScope.SESSION, key
    if not name:
        raise InvalidInputError(f"the key `{key}` has no name after its scope; add one")
    return StateScope(before), name


def owner_of(scope: StateScope, session: Session) -> str:
    """Who has the state of this scope. Raises `InvalidInputError` without a project.

    What sessions of agents share, they share with those of the same target alone: an agent names
    its user, app and project as it likes.
    """
    target = session.metadata.get(AGENTS_OF)
    whose = "" if target is None else f"{target}\x1e"
    match scope:
        case StateScope.SESSION | StateScope.TEMP:
            return session.id
        case StateScope.USER:
            return f"{whose}{session.app_name}\x1f{session.user_id}"
        case StateScope.APP:
            return f"{whose}{session.app_name}"
        case StateScope.PROJECT:
            if session.project_id is None:
                raise InvalidInputError(
                    f"session {session.id} belongs to no project; leave `project:` out of the key"
                )
            return f"{whose}{session.project_id}"


def check_name(what: str, text: str) -> None:
    if not NAME.fullmatch(text):
        raise InvalidInputError(f"{what} must be 1 to 200 characters of text; change it")


def shown_key(scope: StateScope, name: str) -> str:
    return name if scope is StateScope.SESSION else f"{scope}:{name}"
