"""`task_enqueue` and `task_enqueue_many`: what a caller says becomes orders for the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from abathur.bootstrap import unknown_agents
from abathur.bootstrap.definitions import as_defined
from abathur.bootstrap.loops import asked_loop
from abathur.bootstrap.targets import resolve_target
from abathur.domain.delegation import Caller
from abathur.domain.errors import InvalidInputError
from abathur.domain.loops.specs import MAX_CANDIDATES
from abathur.domain.tasks import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT_SECONDS,
    NewTask,
    Task,
)
from abathur.domain.times import parse_time
from abathur.mcp.task_shapes import (
    COUNT,
    ID,
    STATUS,
    TIME,
    iso,
    source_of,
    told,
)
from abathur.mcp.tool import (
    TASK_ID,
    Answer,
    Call,
    Json,
    Tool,
    free_object,
    listing,
    number,
    text,
    thing,
    whole,
)
from abathur.ports.stores import Stores
from abathur.services import delegating, reaching
from abathur.services.delegating import Order
from abathur.services.reading import priority_of
from abathur.services.submitting import Submitted

FIRST_AGENT: Final = "requirements-gatherer"
TOO_GENERAL: Final = frozenset(
    {
        "general-purpose",
        "general",
        "python-backend-developer",
        "implementation-specialist",
        "backend-developer",
        "frontend-developer",
        "developer",
    }
)
"""Names that models make up. Refused, unless the project has an agent that is called so."""
MOST_TASKS: Final = 200
"""In one call."""
IGNORED: Final = {
    "task_branch": "the swarm names the branch of each attempt itself",
    "worktree_path": "the swarm makes a worktree for each attempt itself",
}

FIELDS: Final = {
    "description": text("What the agent shall do, with all that it has to know.", least=1),
    "summary": text("One line about it; made from the description when left out.", most=140),
    "agent_type": text(
        "Which agent does it: the name of a definition of this project.",
        most=100,
        default=FIRST_AGENT,
    ),
    "base_priority": whole("10 is the most urgent.", 0, 10, default=DEFAULT_PRIORITY),
    "prerequisites": listing(TASK_ID, "Ids of tasks that have to be completed before it starts."),
    "parent_task_id": {**TASK_ID, "description": "The task that this one is a part of."},
    "deadline": text("When it should be done: ISO 8601.", most=64),
    "estimated_duration_seconds": whole("How long it will take.", 1, 365 * 86_400),
    "session_id": text("The session that it belongs to.", most=200),
    "input_data": free_object("More for the agent, as a JSON object."),
    "feature_branch": text(
        "The branch that its work lands on. It must exist. Left out: that of your own task, or the"
        " project's.",
        most=200,
    ),
    "task_branch": text("Ignored: the swarm chooses it.", most=400),
    "worktree_path": text("Ignored: the swarm chooses it.", most=4000),
    "max_retries": whole(
        "Further attempts after one that failed.", 0, 100, default=DEFAULT_MAX_RETRIES
    ),
    "timeout_seconds": whole("Of one attempt.", 1, 30 * 86_400, default=DEFAULT_TIMEOUT_SECONDS),
    "touches": listing(
        text("A path or a pattern.", most=400),
        "Paths that it will change, like `docs/` or `src/**/*.py`: tasks that touch the same aren't"
        " run at once.",
        most=100,
    ),
    "loop": {
        "type": ["string", "object"],
        "description": (
            "Refine it until something measured is good enough: the name of a configured loop, or"
            ' like {"use": CRITERION, "max_iterations": 5} with a configured criterion, or with'
            ' {"judge": {"agent": NAME, "rubric": TEXT, "threshold": 0.8}}.'
        ),
    },
    "candidates": {
        "type": ["integer", "array"],
        "minimum": 2,
        "maximum": MAX_CANDIDATES,
        "maxItems": MAX_CANDIDATES,
        "items": thing(
            {"runtime": text("Its name.", most=200), "model": text("Its name.", most=200)}
        ),
        "description": (
            "Have it made several times, of which the best one lands: how many, or a list with"
            " the runtime or the model of each."
        ),
    },
}
SOURCE: Final = text(
    "Who asks: `human`, `agent_requirements`, `agent_planner`, `agent_implementation`, or the name"
    " of the agent that you are.",
    most=100,
)
KEY: Final = text(
    "A name of your own for this call: made again with the same key, it creates nothing twice.",
    most=200,
    least=1,
)
ALIASES: Final = {
    "priority": "base_priority",
    "prerequisite_task_ids": "prerequisites",
    "metadata": "input_data",
}
QUEUED: Final = {
    "task_id": ID,
    "status": STATUS,
    "calculated_priority": number("0 to 100.", 0, 100),
    "dependency_depth": COUNT,
    "submitted_at": TIME,
    "created": {"type": "boolean", "description": "False: its idempotency key was known."},
    "warnings": listing(text("What you should know.", most=2000), "Of what was ignored.", 1000),
}


async def enqueue(call: Call) -> Answer:
    warnings = _warnings(call.args)
    order = await _order(call, call.args, call.get("idempotency_key"), call.get("source"))
    (one,) = await call.write(_enqueue, _as_defined(call, [order]), call)
    return told(one, warnings + _strangers(call, [order]))


async def enqueue_many(call: Call) -> Answer:
    key, orders, warnings = call.get("idempotency_key"), [], []
    for place, given in enumerate(call.args["tasks"]):
        name = given.get("name") or f"task-{place + 1}"
        own_key = None if key is None else f"{key}:{name}"
        warnings += [f"{name}: {one}" for one in _warnings(given)]
        orders.append(await _order(call, given, own_key, call.get("source"), name))
    queued = await call.write(_enqueue, _as_defined(call, orders), call)
    found = {"tasks": queued, "created": sum(one["created"] for one in queued)}
    return told(found, warnings + _strangers(call, orders))


def _as_defined(call: Call, orders: Sequence[Order]) -> Sequence[Order]:
    """With what the definitions of their agents say of tasks that don't say it themselves."""
    tasks = as_defined(call.host.project, [order.new for order in orders])
    return [replace(order, new=new) for order, new in zip(orders, tasks, strict=True)]


def _enqueue(stores: Stores, orders: Sequence[Order], call: Call) -> list[Json]:
    host, now = call.host, call.now
    settings = host.project.settings.mcp
    done = delegating.enqueue(
        stores, orders, caller=call.caller, limits=settings, new_id=host.new_id, now=now
    )
    return [_told(stores, name, one, call) for name, one in done]


def _told(stores: Stores, name: str, done: Submitted, call: Call) -> Json:
    task = done.task
    label = {} if name.startswith("#") else {"name": name}
    return {
        **label,
        "task_id": task.id,
        "status": task.status.value,
        "calculated_priority": round(priority_of(stores, task, call.now), 2),
        "dependency_depth": task.dependency_depth,
        "submitted_at": iso(task.submitted_at),
        "created": done.created,
    }


async def _order(
    call: Call, given: Mapping[str, Any], key: str | None, source: str | None, name: str = ""
) -> Order:
    """Raises `InvalidInputError`, `GitError`, `RefusedError`."""
    get = {key: value for key, value in given.items() if value is not None}.get
    if not get("description", "").strip():
        raise InvalidInputError("description: it is empty; say what the agent shall do")
    own = await own_task(call)
    agent_type = str(get("agent_type", FIRST_AGENT)).strip()
    _check_agent_type(call, agent_type)
    input_data = dict(get("input_data", {}))
    if session := get("session_id"):
        input_data.setdefault("session_id", session)
    if own is not None:
        named = input_data.get("session_id")
        await call.read(reaching.check_named_session, own, named)
    deadline = get("deadline")
    new = NewTask(
        prompt=get("description", ""),
        summary=get("summary", ""),
        agent_type=agent_type,
        priority=get("base_priority", DEFAULT_PRIORITY),
        source=source_of(get("source", source), own.agent_type if own else None),
        deadline=None if deadline is None else parse_time(_zoned(deadline), "deadline", call.now),
        estimated_duration_seconds=get("estimated_duration_seconds"),
        max_retries=get("max_retries", DEFAULT_MAX_RETRIES),
        max_execution_timeout_seconds=get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS),
        input_data=input_data,
        feature_branch=await _target(call, own, get("feature_branch")),
        idempotency_key=None if key is None else _own_key(call.caller, key),
        created_by=call.caller.actor,
        touches=tuple(get("touches", ())),
        loop=asked_loop(call.host.project, get("loop"), get("candidates")),
    )
    return Order(
        new=new,
        name=name,
        needs=tuple(dict.fromkeys(get("needs", ()))),
        prerequisites=tuple(dict.fromkeys(get("prerequisites", ()))),
        parent=get("parent_task_id"),
    )


async def own_task(call: Call) -> Task | None:
    """That of the run that calls, which must be going on. Raises `RefusedError`."""
    run = call.caller.run
    return None if run is None else await call.read(delegating.standing, run, call.now)


async def _target(call: Call, own: Task | None, named: str | None) -> str:
    if named is None and own is not None and own.feature_branch is not None:
        return own.feature_branch
    host = call.host
    return await resolve_target(host.project, named, await host.repository())


def _zoned(time: str) -> str:
    """Older clients leave the zone out and mean UTC."""
    has_zone = time.strip().startswith("+") or time.rstrip()[-1:] in {"Z", "z"}
    has_offset = any(sign in time[10:] for sign in "+-")
    return time if has_zone or has_offset or "T" not in time.upper() else f"{time.strip()}Z"


def _own_key(caller: Caller, key: str) -> str:
    """Apart from those of others: a key tells nobody what somebody else has queued."""
    owner = f"run:{caller.run.task_id}" if caller.run else "person"
    return f"mcp:{owner}:{key}"


def _check_agent_type(call: Call, agent_type: str) -> None:
    if agent_type.casefold() not in TOO_GENERAL:
        return
    known = agent_type in call.host.project.settings.agents
    if not known and (agent_type == "general" or _unknown(call, [agent_type])):
        raise InvalidInputError(
            f"agent_type: `{agent_type}` is no agent of this project; name the definition that fits"
            " the work best, or leave it out"
        )


def _unknown(call: Call, agent_types: Sequence[str]) -> list[str]:
    return unknown_agents(call.host.project, agent_types)


def _strangers(call: Call, orders: Sequence[Order]) -> list[str]:
    return [
        f"agent_type: no definition is called `{name}`, so the default runtime does its tasks"
        for name in _unknown(call, [order.new.agent_type for order in orders])
    ]


def _warnings(given: Mapping[str, Any]) -> list[str]:
    return [f"{name} is ignored: {why}" for name, why in IGNORED.items() if given.get(name)]


ENQUEUE: Final = Tool(
    name="task_enqueue",
    title="Add a task",
    description=(
        "Put one task into the queue. It starts when its prerequisites are completed; an agent does"
        " it in a worktree of its own, and its work is merged into the feature branch. An agent's"
        " tasks become parts of its own task. For several tasks that wait for each other use"
        " `task_enqueue_many`."
    ),
    takes={**FIELDS, "source": SOURCE, "idempotency_key": KEY},
    needs=("description",),
    aliases=ALIASES,
    gives=thing(QUEUED, ("task_id", "status", "created")),
    run=enqueue,
)

_MANY: Final = thing(
    {
        "name": text("By which others of this call wait for it.", most=100, least=1),
        "needs": listing(text("A name.", most=100), "Names of tasks of this call before it."),
        **FIELDS,
    },
    ("description",),
)

ENQUEUE_MANY: Final = Tool(
    name="task_enqueue_many",
    title="Add a graph of tasks",
    description=(
        "Put several tasks into the queue at once, all of them or none. Tasks wait for others of"
        " the same call by `needs` (names), and for tasks that are there already by `prerequisites`"
        " (ids). The answer is in an order in which they can run."
    ),
    takes={
        "tasks": listing(_MANY, f"1 to {MOST_TASKS} tasks.", MOST_TASKS) | {"minItems": 1},
        "source": SOURCE,
        "idempotency_key": KEY,
    },
    needs=("tasks",),
    gives=thing(
        {
            "tasks": listing(thing({"name": text("Its name."), **QUEUED}), "One for each.", 1000),
            "created": COUNT,
            "warnings": QUEUED["warnings"],
        },
        ("tasks", "created"),
    ),
    run=enqueue_many,
)

TOOLS: Final = (ENQUEUE, ENQUEUE_MANY)
