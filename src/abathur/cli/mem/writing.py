"""`abathur mem add`, `restore` and `forget`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.options import TYPES, key_argument, memory_shape, namespace_argument
from abathur.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import Memory, MemoryRules, NewMemory
    from abathur.ports.stores import Stores
    from abathur.services.remembering import MemoryChange


@click.command()
@namespace_argument
@key_argument
@click.argument("text", required=False)
@click.option("--value", metavar="JSON", help="Any JSON instead of a text.")
@click.option(
    "--type",
    "memory_type",
    type=click.Choice(TYPES),
    show_default="semantic",
    help="A fact, an event, a way of doing something, or a note for a short time.",
)
@click.option("--importance", type=click.FloatRange(0, 1), show_default="0.5", help="0 to 1.")
@click.option("--metadata", metavar="JSON", help="An object that says more about it.")
@click.option("--task", "task_id", metavar="ID", help="The task that it is written for.")
@click.option("--keep", metavar="DURATION", help="Let it expire after, like 2d.")
@click.option(
    "--replace",
    is_flag=True,
    help="Write a new version when it is there already; what isn't given stays as it is.",
)
@click.option(
    "--if-version",
    type=click.IntRange(min=1),
    help="With --replace: only if that is the version which is there.",
)
@json_option
def add(as_json: bool, **typed: Any) -> None:
    """Keep TEXT under KEY in NAMESPACE for later tasks; `-` reads it from standard input."""
    from abathur.bootstrap import actor

    new = _new(typed)
    now, rules = context.now(), context.project().settings.memory.rules
    if typed["if_version"] and not typed["replace"]:
        raise InvalidInputError("--if-version goes with --replace; add that, or leave it out")
    change = _change(new, typed) if typed["replace"] else None
    memory = context.write(_add, new, change, typed["task_id"], rules, actor(), now)
    _tell(memory, as_json, f"kept {memory.namespace} {memory.key}, version {memory.version}")


def _new(typed: dict[str, Any]) -> NewMemory:
    from datetime import timedelta

    from abathur.domain.memories import MemoryType, NewMemory
    from abathur.domain.times import parse_duration

    if (typed["text"] is None) == (typed["value"] is None):
        raise InvalidInputError("give either a TEXT or --value with JSON")
    if typed["value"] is not None:
        value = _json(typed["value"], "--value")
    else:
        value = {"text": sys.stdin.read() if typed["text"] == "-" else typed["text"]}
    metadata = _json(typed["metadata"] or "{}", "--metadata")
    if not isinstance(metadata, dict):
        raise InvalidInputError("--metadata must be a JSON object, like {}")
    keep, importance = typed["keep"], typed["importance"]
    return NewMemory(
        namespace=typed["namespace"],
        key=typed["key"],
        value=value,
        memory_type=MemoryType(typed["memory_type"] or "semantic"),
        metadata=metadata,
        importance=0.5 if importance is None else importance,
        lifetime=None if keep is None else timedelta(seconds=parse_duration(keep, "keep")),
    )


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{option} isn't JSON ({error}); mind the quotes") from error


def _change(new: NewMemory, typed: dict[str, Any]) -> MemoryChange:
    """What isn't typed stays as it is."""
    from abathur.services.remembering import MemoryChange

    return MemoryChange(
        value=new.value,
        metadata=None if typed["metadata"] is None else new.metadata,
        memory_type=None if typed["memory_type"] is None else new.memory_type,
        importance=typed["importance"],
        expected_version=typed["if_version"],
        lifetime=new.lifetime,
    )


def _add(
    stores: Stores,
    new: NewMemory,
    change: MemoryChange | None,
    task: str | None,
    rules: MemoryRules,
    actor: str,
    now: datetime,
) -> Memory:
    from dataclasses import replace

    from abathur.services import remembering
    from abathur.services.reading import resolve_id

    task_id = None if task is None else resolve_id(stores, task)
    old = stores.memories.get(new.namespace, new.key)
    if change is None or old is None or old.is_gone(now):
        made = replace(new, task_id=task_id)
        return remembering.add(stores, made, actor=actor, now=now, rules=rules)
    where, change = (new.namespace, new.key), replace(change, task_id=task_id)
    return remembering.update(
        stores, *where, change, updated_by=actor, actor=actor, now=now, rules=rules
    )


@click.command()
@namespace_argument
@key_argument
@click.option("--version", type=click.IntRange(min=1), help="Go back to this version.")
@json_option
def restore(namespace: str, key: str, version: int | None, as_json: bool) -> None:
    """Bring back a deleted or expired memory, or an earlier version as a new one."""
    from abathur.bootstrap import actor
    from abathur.services import remembering

    rules, now = context.project().settings.memory.rules, context.now()
    memory = context.write(
        remembering.restore, namespace, key, version=version, actor=actor(), now=now, rules=rules
    )
    _tell(memory, as_json, f"restored {namespace} {key}, version {memory.version}")


@click.command("forget")
@namespace_argument
@key_argument
@click.option(
    "--if-version", type=click.IntRange(min=1), help="Only if that is the version which is there."
)
@json_option
def delete(namespace: str, key: str, if_version: int | None, as_json: bool) -> None:
    """Delete a memory. Its versions stay readable, and `restore` brings it back."""
    from abathur.bootstrap import actor
    from abathur.domain.errors import NotFoundError
    from abathur.services import remembering

    is_gone = context.write(
        remembering.delete,
        namespace,
        key,
        actor=actor(),
        now=context.now(),
        expected_version=if_version,
    )
    if as_json:
        output.write_json({"deleted": is_gone})
    elif not is_gone:
        raise NotFoundError(
            f"there is no memory {namespace} {key}; `abathur mem list` shows what there is"
        )
    else:
        output.say(f"forgot {namespace} {key}; `abathur mem restore` brings it back")


def _tell(memory: Memory, as_json: bool, text: str) -> None:
    if as_json:
        output.write_json(memory_shape(memory))
    else:
        output.say(text)
