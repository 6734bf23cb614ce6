"""Sessions: their events one after the other, and a state that may be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from abathur.domain.audit import Action
from abathur.domain.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
)
from abathur.domain.memories import check_json
from abathur.domain.sessions import (
    MAX_EVENT,
    MAX_VALUE,
    NewSession,
    Session,
    SessionEvent,
    SessionStatus,
    SessionTask,
    StateScope,
    check_name,
    owner_of,
    scope_of,
    shown_key,
)
from abathur.domain.tasks import JsonObject
from abathur.ports.stores import Stores
from abathur.services import trail

SHOWN_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class SessionDetail:
    session: Session
    state: Mapping[str, Any]
    """Of all scopes, under the keys that `get_state` takes."""
    events: Sequence[SessionEvent]
    tasks: Sequence[SessionTask]


def create(stores: Stores, new: NewSession, *, actor: str, now: datetime) -> Session:
    """Raises `ConflictError` when the id is used, `InvalidInputError`."""
    check_name("the id of a session", new.id)
    check_name("the app of a session", new.app_name)
    check_name("the user of a session", new.user_id)
    if new.project_id is not None:
        check_name("the project of a session", new.project_id)
    check_json("the metadata", new.metadata, MAX_VALUE)
    if stores.sessions.get(new.id) is not None:
        raise ConflictError(f"session {new.id} is there already; use another id")
    stores.sessions.insert(new, now)
    session = get(stores, new.id)
    for key, value in new.state.items():
        _set(stores, session, key, value, now)
    trail.record(stores, Action.SESSION_CREATED, "", actor, now, session=new.id)
    return session


def get(stores: Stores, session_id: str) -> Session:
    """Raises `NotFoundError`."""
    session = stores.sessions.get(session_id)
    if session is None:
        raise NotFoundError(
            f"there is no session {session_id}; `abathur session list` shows which there are"
        )
    return session


def resolve(stores: Stores, text: str) -> Session:
    """The session of an id or its unique prefix. Raises `NotFoundError`, `InvalidInputError`."""
    exact = stores.sessions.get(text)
    if exact is not None:
        return exact
    found = stores.sessions.by_prefix(text, SHOWN_CANDIDATES + 1)
    if len(found) > 1:
        shown = ", ".join(found[:SHOWN_CANDIDATES])
        raise InvalidInputError(f"id `{text}` fits several sessions ({shown}); type more of it")
    return get(stores, found[0] if found else text)


def select(
    stores: Stores,
    *,
    status: SessionStatus | None = None,
    user_id: str | None = None,
    project_id: str | None = None,
    limit: int = 100,
) -> Sequence[Session]:
    """The newest first."""
    return stores.sessions.select(
        status=status, user_id=user_id, project_id=project_id, limit=limit
    )


def detail(stores: Stores, session_id: str, *, after: int = 0, limit: int = 100) -> SessionDetail:
    """A session with a page of its events. Raises `NotFoundError`."""
    session = resolve(stores, session_id)
    return SessionDetail(
        session,
        state(stores, session.id),
        events(stores, session.id, after=after, limit=limit),
        stores.sessions.tasks(session.id),
    )


def events(
    stores: Stores, session_id: str, *, after: int = 0, limit: int = 100
) -> Sequence[SessionEvent]:
    """The first `limit` with a higher number than `after`. Raises `NotFoundError`."""
    older = get(stores, session_id).older_events
    found = [
        SessionEvent(number, None, event)
        for number, event in enumerate(older[after : after + limit], after + 1)
    ]
    return [*found, *stores.sessions.events(session_id, after, limit - len(found))]


def append_event(
    stores: Stores,
    session_id: str,
    event: JsonObject,
    *,
    state_delta: Mapping[str, Any] | None = None,
    now: datetime,
) -> int:
    """Write the event after all others, and its changes of the state; the event's number.

    Raises `NotFoundError`, `InvalidInputError`, `IllegalTransitionError` when it has ended.
    """
    check_json("the event", event, MAX_EVENT)
    session = _open(stores, session_id, now)
    last = max(stores.sessions.last_event(session_id), len(session.older_events))
    stores.sessions.append(session_id, last + 1, event, now)
    for key, value in (state_delta or {}).items():
        _set(stores, session, key, value, now)
    return last + 1


def state(stores: Stores, session_id: str) -> Mapping[str, Any]:
    """Everything that the session can see. Raises `NotFoundError`."""
    session = get(stores, session_id)
    found: dict[str, Any] = dict(session.older_state)
    for scope in StateScope:
        if scope is StateScope.PROJECT and session.project_id is None:
            continue
        values = stores.sessions.state(scope, owner_of(scope, session))
        found |= {shown_key(scope, name): value for name, value in values.items()}
    return found


def get_state(stores: Stores, session_id: str, key: str) -> Any:
    """None when it was never set. Raises `NotFoundError`, `InvalidInputError`."""
    session = get(stores, session_id)
    scope, name = scope_of(key)
    found = stores.sessions.value(scope, owner_of(scope, session), name)
    return session.older_state.get(key) if found is None else found[0]


def set_state(stores: Stores, session_id: str, key: str, value: Any, *, now: datetime) -> None:
    """Raises `NotFoundError`, `InvalidInputError`, `IllegalTransitionError` when it has ended."""
    _set(stores, _open(stores, session_id, now), key, value, now)


def _set(stores: Stores, session: Session, key: str, value: Any, now: datetime) -> None:
    scope, name = scope_of(key)
    check_json(f"the value of `{key}`", value, MAX_VALUE)
    stores.sessions.set_value(scope, owner_of(scope, session), name, value, now)


def _open(stores: Stores, session_id: str, now: datetime) -> Session:
    session = get(stores, session_id)
    if not stores.sessions.touch(session_id, now):
        raise IllegalTransitionError(
            f"session {session_id} is {session.status}; create another one to go on"
        )
    return session


def archive(stores: Stores, text: str, *, actor: str, now: datetime) -> Session:
    """End it for good; its temporary state goes. Raises `NotFoundError`, `ConflictError`."""
    session = resolve(stores, text)
    if not stores.sessions.archive(session.id, now):
        raise ConflictError(f"session {session.id} is archived already; there is nothing to do")
    stores.sessions.drop_state(StateScope.TEMP, session.id)
    trail.record(stores, Action.SESSION_ARCHIVED, "", actor, now, session=session.id)
    return get(stores, session.id)


def link_task(stores: Stores, session_id: str, task_id: str) -> None:
    """Say that a task belongs to the session. Raises `NotFoundError`."""
    get(stores, session_id)
    if not stores.sessions.link(session_id, task_id):
        raise NotFoundError(
            f"there is no task {task_id}; `abathur task list` shows which there are"
        )
