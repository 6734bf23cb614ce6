"""Resources: a task, its log, a memory, the queue; and prompts for planning and reporting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from abathur.domain.errors import InvalidInputError, NotFoundError
from abathur.domain.tasks import Task
from abathur.mcp import task_shapes as shapes
from abathur.mcp.enqueueing import own_task
from abathur.mcp.memory_tools import get as get_memory
from abathur.mcp.queue_tools import status
from abathur.mcp.tool import Call
from abathur.ports.stores import Stores
from abathur.services import delegating
from abathur.services.reading import priority_of

SCHEME: Final = "abathur://"
QUEUE: Final = f"{SCHEME}queue"
JSON: Final = "application/json"
MOST_EVENTS: Final = 500


@dataclass(frozen=True, slots=True)
class Template:
    uri: str
    name: str
    title: str
    description: str


TEMPLATES: Final = (
    Template(f"{SCHEME}task/{{id}}", "task", "A task", "All about one task, as `task_get` tells."),
    Template(
        f"{SCHEME}task/{{id}}/log",
        "task-log",
        "The log of a task",
        f"What the agent of its newest attempt said and did: the last {MOST_EVENTS} events.",
    ),
    Template(
        f"{SCHEME}memory/{{namespace}}/{{key}}", "memory", "A memory", "As `memory_get` tells it."
    ),
)


async def read(call: Call, uri: str) -> str:
    """The resource as JSON. Raises `NotFoundError`, `InvalidInputError`, `RefusedError`."""
    if uri == QUEUE:
        return _json(await status(call))
    kind, *rest = [unquote(part) for part in uri.removeprefix(SCHEME).split("/")]
    if not uri.startswith(SCHEME) or len(uri) > 1000 or any("\0" in part for part in rest):
        raise NotFoundError(f"there is no resource {uri[:100]}")
    match kind, rest:
        case "task", [task_id]:
            return await _task(call, task_id)
        case "task", [task_id, "log"]:
            return await _log(call, task_id)
        case "memory", [namespace, key]:
            place = Call(
                host=call.host,
                caller=call.caller,
                args={"namespace": namespace, "key": key},
                progress=call.progress,
            )
            return _json(await get_memory(place))
    raise NotFoundError(f"there is no resource {uri[:100]}")


async def _task(call: Call, task_id: str) -> str:
    own = await own_task(call)

    def found(stores: Stores) -> dict[str, Any]:
        task = delegating.stores_task(stores, own, task_id)
        return shapes.task(task, priority_of(stores, task, call.now))

    return _json(await call.read(found))


async def _log(call: Call, task_id: str) -> str:
    own = await own_task(call)

    def found(stores: Stores) -> list[dict[str, Any]]:
        task: Task = delegating.stores_task(stores, own, task_id)
        events = stores.attempts.last_events(task.id, task.attempt_count, MOST_EVENTS)
        return [
            {"number": number, "at": at.isoformat(), "kind": event.kind.value, "text": event.text}
            for number, at, event in events
        ]

    return _json(await call.read(found))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- prompts ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    title: str
    description: str
    takes: Mapping[str, str]
    """Parameter -> what it is; all of them must be given."""
    text: str
    """With `{parameter}` where its value goes."""


PROMPTS: Final[Sequence[Prompt]] = (
    Prompt(
        "plan",
        "Plan work",
        "Split a goal into tasks for the swarm.",
        {"goal": "what is to be reached"},
        "Split this goal into tasks for a swarm of coding agents:\n\n{goal}\n\n"
        "Look at the repository, and with `memory_search` at what is known already. Each task "
        "is done by one agent in a worktree of its own, so it must be understandable by "
        "itself, be small enough for one sitting, and name the paths that it touches. Tasks "
        "that need each other's work name each other in `needs`; everything else should be "
        "able to run side by side. Put all of them into the queue with one call of "
        "`task_enqueue_many` and an `idempotency_key`, then say what you have planned.",
    ),
    Prompt(
        "report",
        "Report on work",
        "Say how far the work on a branch is, and what is in its way.",
        {"feature_branch": "the branch"},
        "Report how far the work on `{feature_branch}` is. Use `feature_branch_summary` and"
        " `feature_branch_blockers`, and `task_why` for what doesn't move. Tell in a few sentences"
        " what is done, what runs, what is in the way, and what a person has to decide.",
    ),
)


def filled(name: str, given: Mapping[str, str]) -> tuple[Prompt, str]:
    """Raises `NotFoundError`, `InvalidInputError`."""
    prompt = next((one for one in PROMPTS if one.name == name), None)
    if prompt is None:
        raise NotFoundError(f"there is no prompt {name[:100]}")
    text = prompt.text
    for parameter in prompt.takes:
        if not given.get(parameter, "").strip():
            raise InvalidInputError(f"prompt {name}: `{parameter}` is missing")
        text = text.replace(f"{{{parameter}}}", given[parameter][:10_000])
    return prompt, text
