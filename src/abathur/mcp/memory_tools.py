"""Tools about memories: what one agent has learnt, for those that come after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from abathur.bootstrap.remembering import meaning_of
from abathur.domain.errors import AbathurError
from abathur.domain.memories import SEPARATOR, Memory, MemoryType, MemoryVersion, NewMemory
from abathur.domain.tasks import Task
from abathur.mcp.enqueueing import own_task
from abathur.mcp.tool import (
    Answer,
    Call,
    Json,
    Tool,
    free_object,
    listing,
    maybe,
    number,
    one_of,
    text,
    thing,
    truth,
    whole,
)
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores
from abathur.services import reaching, remembering
from abathur.services.searching import Meaning, search_memories

TYPES: Final = [kind.value for kind in MemoryType]
MOST_FOUND: Final = 500
LOOKED_AT: Final = 2000
"""Memories that are read to find those that a run may see."""


async def add(call: Call) -> Answer:
    own = await own_task(call)
    args = call.args

    def write(stores: Stores) -> Memory:
        _check_write(stores, call, own)
        new = NewMemory(
            namespace=args["namespace"],
            key=args["key"],
            value=args["value"],
            memory_type=MemoryType(args["memory_type"]),
            metadata=call.get("metadata", {}),
            created_by=args["created_by"],
            task_id=own.id if own else call.get("task_id"),
        )
        rules = call.host.project.settings.memory.rules
        return remembering.add(stores, new, actor=call.caller.actor, now=call.now, rules=rules)

    return {"memory_id": (await call.write(write)).entry_id, "status": "created"}


def _check_write(stores: Stores, call: Call, own: Task | None) -> None:
    if own is not None:
        settings = call.host.project.settings.mcp
        reaching.check_writable(stores, own, call.args["namespace"], settings)


async def get(call: Call) -> Answer:
    own, version = await own_task(call), call.get("version")
    namespace, key = call.args["namespace"], call.args["key"]

    def read(stores: Stores) -> Json:
        if own is not None:
            reaching.check_readable(stores, own, namespace)
        if version is not None:
            return _version(remembering.version_of(stores, namespace, key, version))
        memory = remembering.get(stores, namespace, key, now=call.now)
        if own is not None:
            _use(stores, call, own, [memory])
        return _row(memory)

    # Only what a run reads counts as used, and that is written down.
    return await (call.write(read) if own else call.read(read))


def _use(stores: Stores, call: Call, own: Task, found: Sequence[Memory]) -> None:
    ids = [memory.id for memory in found]
    actor, now = call.caller.actor, call.now
    remembering.use(stores, ids, task_id=own.id, actor=actor, now=now)


async def search(call: Call) -> Answer:
    own, limit, query = await own_task(call), call.get("limit", 50), call.get("query")
    kind = call.get("memory_type")
    where = MemoryFilter(
        namespace=_namespace(call.args["namespace_prefix"]),
        types=[MemoryType(kind)] if kind else None,
        limit=LOOKED_AT if own else limit,
    )
    meaning = await _meaning(call, query) if query else None

    def found(stores: Stores, where: MemoryFilter) -> list[tuple[Memory, Json]]:
        if not query:
            return [(one, {}) for one in remembering.select(stores, where, now=call.now)]
        hits = search_memories(stores, query, where, now=call.now, meaning=meaning)
        return [(hit.memory, _told(hit.excerpt, hit.why.score)) for hit in hits]

    def read(stores: Stores) -> list[Any]:
        rows = found(stores, where)
        if not rows and where.namespace:
            # It may end within a word, like a task's id that is cut short.
            above = where.namespace.rpartition(SEPARATOR)[0] or None
            wider = found(stores, replace(where, namespace=above, limit=LOOKED_AT))
            rows = [one for one in wider if one[0].namespace.startswith(where.namespace)]
        if own is not None:
            rows = [one for one in rows if reaching.is_readable(stores, own, one[0].namespace)]
            _use(stores, call, own, [one for one, _ in rows[:limit]])
        return [{**_row(memory), **more} for memory, more in rows[:limit]]

    return await (call.write(read) if own else call.read(read))


async def _meaning(call: Call, query: str) -> Meaning | None:
    """None where words have to do: nobody says what texts mean, or it can't be asked."""
    try:
        return await meaning_of(call.host.embedder(), query)
    except AbathurError:
        return None


def _told(excerpt: str, score: float) -> Json:
    return {"excerpt": excerpt, "score": round(score, 6)}


def _namespace(prefix: str) -> str | None:
    """`task:1:` is all below `task:1`; nothing is everything."""
    return prefix.strip().strip(SEPARATOR) or None


async def update(call: Call) -> Answer:
    own, args = await own_task(call), call.args

    def write(stores: Stores) -> Memory:
        _check_write(stores, call, own)
        change = remembering.MemoryChange(
            value=args["value"],
            metadata=call.get("metadata"),
            expected_version=call.get("expected_version"),
            task_id=own.id if own else call.get("task_id"),
        )
        return remembering.update(
            stores,
            args["namespace"],
            args["key"],
            change,
            updated_by=args["updated_by"],
            actor=call.caller.actor,
            now=call.now,
            rules=call.host.project.settings.memory.rules,
        )

    memory = await call.write(write)
    return {"memory_id": memory.entry_id, "status": "updated", "version": memory.version}


async def delete(call: Call) -> Answer:
    own = await own_task(call)

    def write(stores: Stores) -> bool:
        _check_write(stores, call, own)
        return remembering.delete(
            stores,
            call.args["namespace"],
            call.args["key"],
            actor=call.caller.actor,
            now=call.now,
            task_id=own.id if own else call.get("task_id"),
        )

    return {"deleted": await call.write(write)}


def _row(memory: Memory) -> Json:
    is_deleted = memory.deleted_at is not None
    return _fields(memory, memory.entry_id, is_deleted, memory.updated_by)


def _version(version: MemoryVersion) -> Json:
    return _fields(version, version.entry_id, version.is_deleted, version.updated_by)


def _fields(
    one: Memory | MemoryVersion, entry_id: int, is_deleted: bool, updated_by: str | None
) -> Json:
    return {
        "id": entry_id,
        "namespace": one.namespace,
        "key": one.key,
        "value": one.value,
        "memory_type": one.memory_type.value,
        "version": one.version,
        "is_deleted": int(is_deleted),
        "metadata": dict(one.metadata),
        "created_by": one.created_by,
        "updated_by": updated_by,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
    }


def stamp(time: datetime | None) -> str | None:
    """As clients of older versions know it: UTC, to the second."""
    return None if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


NAMESPACE: Final = text("Words joined by `:`, like `task:ID:requirements`.", most=200, least=1)
KEY: Final = text("Its name in the namespace.", most=200, least=1)
TASK: Final = text("The task that it is for; an agent's is its own.", most=64)
VALUE: Final = free_object("What is to be remembered, as a JSON object.")
TYPE: Final = one_of("A fact, an event, a way of doing it, or for a short time.", TYPES)
NAME: Final = text("Who says it.", most=200, least=1)
STAMP: Final = text("YYYY-MM-DD HH:MM:SS, UTC.", most=40)
ID: Final = whole("Of this version.", 0, 2**53)
VERSION: Final = whole("Its version.", 1, 2**31)
MEMORY: Final = thing(
    {
        "id": ID,
        "namespace": NAMESPACE,
        "key": KEY,
        "value": {"description": "What is remembered."},
        "memory_type": TYPE,
        "version": VERSION,
        "is_deleted": whole("1 when it was deleted.", 0, 1),
        "metadata": free_object("More about it."),
        "created_by": maybe(text("Who wrote it first.", most=10**6)),
        "updated_by": maybe(text("Who wrote this version.", most=10**6)),
        "created_at": STAMP,
        "updated_at": STAMP,
        "excerpt": text("Where the words of the query stand.", most=10**6),
        "score": number("How well it fits the query.", 0, 1),
    },
    ("id", "namespace", "key", "value", "memory_type", "version"),
)
_PLACE: Final = {"namespace": NAMESPACE, "key": KEY}

ADD: Final = Tool(
    name="memory_add",
    title="Remember",
    description=(
        "Keep something for later tasks. A key that is used already is refused: use"
        " `memory_update`. An agent writes into the namespaces of its own task and of those"
        " that it has added."
    ),
    takes={
        **_PLACE,
        "value": VALUE,
        "memory_type": TYPE,
        "created_by": NAME,
        "task_id": TASK,
        "metadata": free_object("More about it."),
    },
    needs=("namespace", "key", "value", "memory_type", "created_by"),
    gives=thing({"memory_id": ID, "status": text("`created`.")}, ("memory_id", "status")),
    run=add,
)

GET: Final = Tool(
    name="memory_get",
    title="Recall",
    description="One memory, as it is now or as an earlier version of it was.",
    takes={**_PLACE, "version": {**VERSION, "description": "Left out: the present one."}},
    needs=("namespace", "key"),
    gives=MEMORY,
    run=get,
    only_reads=True,
)

SEARCH: Final = Tool(
    name="memory_search",
    title="Look for memories",
    description=(
        "Memories below a namespace, the newest first; with a `query` those that fit it best, by"
        " their words and by what they mean. An empty prefix looks everywhere."
    ),
    takes={
        "namespace_prefix": text(
            "A namespace, with all below it; or the beginning of one, where none is called so.",
            most=200,
        ),
        "memory_type": TYPE,
        "query": text("What you want to know, in words.", most=2000, least=1),
        "limit": whole("At most so many.", 1, MOST_FOUND, default=50),
    },
    needs=("namespace_prefix",),
    gives=listing(MEMORY, "The present versions.", MOST_FOUND),
    run=search,
    only_reads=True,
)

UPDATE: Final = Tool(
    name="memory_update",
    title="Change a memory",
    description="Write a new version. With `expected_version`, only if nobody else has done so.",
    takes={
        **_PLACE,
        "value": VALUE,
        "updated_by": NAME,
        "task_id": TASK,
        "metadata": free_object("Left out: it stays as it is."),
        "expected_version": VERSION,
    },
    needs=("namespace", "key", "value", "updated_by"),
    gives=thing(
        {"memory_id": ID, "status": text("`updated`."), "version": VERSION},
        ("memory_id", "status", "version"),
    ),
    run=update,
)

DELETE: Final = Tool(
    name="memory_delete",
    title="Forget",
    description="Take a memory out of every answer. A person can bring it back.",
    takes={**_PLACE, "task_id": TASK},
    needs=("namespace", "key"),
    gives=thing({"deleted": truth("False when there was none.")}, ("deleted",)),
    run=delete,
    destroys=True,
    is_idempotent=True,
)

TOOLS: Final = (ADD, GET, SEARCH, UPDATE, DELETE)
