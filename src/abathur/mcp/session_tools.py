"""Tools about sessions: what happened in a conversation, and what it has to remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from abathur.domain.sessions import AGENTS_OF, MADE_BY, NewSession
from abathur.mcp.enqueueing import own_task
from abathur.mcp.memory_tools import stamp
from abathur.mcp.tool import (
    Answer,
    Call,
    Tool,
    anything,
    free_object,
    listing,
    maybe,
    text,
    thing,
    whole,
)
from abathur.ports.stores import Stores
from abathur.services import reaching, sessions

T = TypeVar("T")
SHOWN_EVENTS: Final = 1000


async def create(call: Call) -> Answer:
    own, args = await own_task(call), call.args
    new = NewSession(
        id=args["session_id"],
        app_name=args["app_name"],
        user_id=args["user_id"],
        project_id=call.get("project_id"),
        state=call.get("initial_state", {}),
        metadata={} if own is None else {AGENTS_OF: own.feature_branch or "", MADE_BY: own.id},
    )

    def write(stores: Stores) -> str:
        made = sessions.create(stores, new, actor=call.caller.actor, now=call.now)
        if own is not None:
            sessions.link_task(stores, made.id, own.id)
        return made.id

    return {"session_id": await call.write(write), "status": "created"}


async def get(call: Call) -> Answer:
    def read(stores: Stores, session_id: str) -> Answer:
        one = sessions.get(stores, session_id)
        after = call.get("after_event", 0)
        found = sessions.events(stores, session_id, after=after, limit=SHOWN_EVENTS)
        return {
            "id": one.id,
            "app_name": one.app_name,
            "user_id": one.user_id,
            "project_id": one.project_id,
            "status": one.status.value,
            "events": [dict(each.event) for each in found],
            "state": dict(sessions.state(stores, session_id)),
            "metadata": dict(one.metadata),
            "created_at": stamp(one.created_at),
            "last_update_time": stamp(one.last_update_time),
            "terminated_at": stamp(one.terminated_at),
            "archived_at": stamp(one.archived_at),
        }

    return await _in_session(call, read, writes=False)


async def append_event(call: Call) -> Answer:
    def write(stores: Stores, session_id: str) -> int:
        return sessions.append_event(
            stores,
            session_id,
            call.args["event"],
            state_delta=call.get("state_delta"),
            now=call.now,
        )

    return {"status": "event_appended", "number": await _in_session(call, write)}


async def get_state(call: Call) -> Answer:
    def read(stores: Stores, session_id: str) -> Any:
        return sessions.get_state(stores, session_id, call.args["key"])

    return {"value": await _in_session(call, read, writes=False)}


async def set_state(call: Call) -> Answer:
    def write(stores: Stores, session_id: str) -> None:
        value = call.args.get("value")
        sessions.set_state(stores, session_id, call.args["key"], value, now=call.now)

    await _in_session(call, write)
    return {"status": "state_updated"}


async def _in_session(call: Call, work: Callable[[Stores, str], T], *, writes: bool = True) -> T:
    """Raises `NotFoundError` for a session that a run may not see."""
    own, session_id = await own_task(call), call.args["session_id"]

    def checked(stores: Stores) -> T:
        if own is not None:
            reaching.check_session(stores, own, session_id)
        return work(stores, session_id)

    return await (call.write(checked) if writes else call.read(checked))


SESSION: Final = text("The session's id.", most=200, least=1)
STATE_KEY: Final = text(
    "With who shares it: `session:`, `temp:`, `user:`, `app:` or `project:`.", most=200, least=1
)
TIME: Final = maybe(text("YYYY-MM-DD HH:MM:SS, UTC.", most=40))
DONE: Final = thing({"status": text("What was done.")}, ("status",))

TOOLS: Final = (
    Tool(
        name="session_create",
        title="Begin a session",
        description="Begin a session. An agent's is linked to its task.",
        takes={
            "session_id": SESSION,
            "app_name": text("Which app it belongs to.", most=200, least=1),
            "user_id": text("Which user it belongs to.", most=200, least=1),
            "project_id": text("Which project it belongs to.", most=200),
            "initial_state": free_object("Keys and values of its state."),
        },
        needs=("session_id", "app_name", "user_id"),
        gives=thing(
            {"session_id": SESSION, "status": text("`created`.")}, ("session_id", "status")
        ),
        run=create,
    ),
    Tool(
        name="session_get",
        title="Look at a session",
        description=f"A session with its state and {SHOWN_EVENTS} of its events.",
        takes={
            "session_id": SESSION,
            "after_event": whole("The number of the event after which to begin.", 0, 2**31),
        },
        needs=("session_id",),
        gives=thing(
            {
                "id": SESSION,
                "app_name": text("Its app."),
                "user_id": text("Its user."),
                "project_id": maybe(text("Its project.")),
                "status": text("`created`, `active`, `paused`, `terminated` or `archived`."),
                "events": listing(free_object("An event."), "In their order.", SHOWN_EVENTS),
                "state": free_object("Keys and values."),
                "metadata": free_object("More about it."),
                "created_at": TIME,
                "last_update_time": TIME,
                "terminated_at": TIME,
                "archived_at": TIME,
            },
            ("id", "status", "events", "state"),
        ),
        run=get,
        only_reads=True,
    ),
    Tool(
        name="session_append_event",
        title="Note an event",
        description="Write an event after all others, and what it changes of the state.",
        takes={
            "session_id": SESSION,
            "event": free_object(
                "Mostly event_id, timestamp, event_type, actor, content, is_final_response."
            ),
            "state_delta": free_object("Keys of the state with their new values."),
        },
        needs=("session_id", "event"),
        gives=thing(
            {"status": text("`event_appended`."), "number": whole("Of the event.", 1, 2**53)},
            ("status",),
        ),
        run=append_event,
    ),
    Tool(
        name="session_get_state",
        title="Read a session's state",
        description="One value of the state; null when it was never set.",
        takes={"session_id": SESSION, "key": STATE_KEY},
        needs=("session_id", "key"),
        gives=thing({"value": anything("Any JSON.")}, ("value",)),
        run=get_state,
        only_reads=True,
    ),
    Tool(
        name="session_set_state",
        title="Set a session's state",
        description="Set one value of the state.",
        takes={"session_id": SESSION, "key": STATE_KEY, "value": anything("Any JSON.")},
        needs=("session_id", "key"),
        gives=DONE,
        run=set_state,
        is_idempotent=True,
    ),
)
