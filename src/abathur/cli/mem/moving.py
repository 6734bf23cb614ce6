"""`abathur mem export` and `import`: memories as JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.options import filters, memory_shape, wanted
from abathur.domain.errors import AbathurError, InvalidInputError

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import Memory, MemoryRules, NewMemory
    from abathur.ports.stores import Stores

PAGE = 1000
BATCH = 200
OUTCOMES = ("added", "updated", "unchanged", "skipped", "expired")
KEPT = {
    "namespace": str,
    "key": str,
    "value": object,
    "metadata": dict,
    "importance": float | int,
    "created_by": str,
    "task_id": str,
}


@click.command()
@filters
@json_option
def export(as_json: bool, **typed: Any) -> None:
    """Write memories to standard output, a JSON object on each line, the newest first.

    They are JSON with and without --json.
    """
    context.run(_export, typed)


async def _export(typed: Mapping[str, Any]) -> None:
    before_id: int | None = None
    now = context.now()
    async with context.opened(context.queue(), only_reads=True) as db:
        while True:
            where = wanted(now, **typed, before_id=before_id, limit=PAGE)
            page = await db.read(_page, where, now)
            for one in page:
                output.write_json(memory_shape(one), line=True)
            if len(page) < PAGE:
                return
            before_id = page[-1].id


def _page(stores: Stores, where: Any, now: datetime) -> Sequence[Any]:
    return stores.memories.select(where, now)


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--replace", is_flag=True, help="Write new versions of what is there already.")
@json_option
def import_(file: IO[str], replace: bool, as_json: bool) -> None:
    """Add the memories of FILE, or of standard input, as `export` writes them.

    What is there already stays as it is, unless --replace.
    """
    done: Counter[str] = Counter()
    rules, now = context.project().settings.memory.rules, context.now()
    # All are read before the first is written.
    read = list(_memories(file, rules, now))
    done["expired"] = read.count(None)
    try:
        context.run(_write, [one for one in read if one is not None], replace, rules, now, done)
    except (AbathurError, KeyboardInterrupt):
        output.say(f"{_in_words(done)} before this; the same command goes on with the rest")
        raise
    if as_json:
        output.write_json({name: done[name] for name in OUTCOMES})
    else:
        output.say(_in_words(done))
        if done["skipped"]:
            output.say("What was skipped is another one here; --replace takes the new one.")


def _in_words(done: Mapping[str, int]) -> str:
    return ", ".join(f"{done[name]} {name}" for name in OUTCOMES)


async def _write(
    memories: Sequence[NewMemory],
    replaces: bool,
    rules: MemoryRules,
    now: datetime,
    done: Counter[str],
) -> None:
    """Batch by batch; `done` counts those that are written for good.

    `now` is when they were read, as their lifetimes count from there.
    """
    from abathur.bootstrap import actor

    async with context.opened(context.queue()) as db:
        for start in range(0, len(memories), BATCH):
            batch = memories[start : start + BATCH]
            done.update(await db.write(_import, batch, replaces, rules, actor(), now))


def _memories(
    lines: Iterable[str], rules: MemoryRules, now: datetime
) -> Iterator[NewMemory | None]:
    """None for one that has expired meanwhile."""
    from abathur.domain.memories import check_new

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            new = _memory(json.loads(line), now)
            if new is not None:
                check_new(new, rules)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidInputError(
                f"line {number} holds no memory ({type(error).__name__}: {error}); nothing was "
                "added, mend it"
            ) from error
        except InvalidInputError as error:
            raise InvalidInputError(f"line {number}: {error}; nothing was added") from error
        yield new


def _memory(row: dict[str, Any], now: datetime) -> NewMemory | None:
    from datetime import datetime

    from abathur.domain.memories import MemoryType, NewMemory

    fields = {name: row[name] for name in KEPT if row.get(name) is not None}
    for name, value in fields.items():
        if not isinstance(value, KEPT[name]) or (isinstance(value, bool) and name == "importance"):
            raise TypeError(f"{name} is no {getattr(KEPT[name], '__name__', 'number')}")
    kind = MemoryType(row.get("memory_type", MemoryType.SEMANTIC))
    ends = row.get("expires_at")
    lifetime = None if ends is None else datetime.fromisoformat(ends) - now
    if lifetime is not None and lifetime.total_seconds() <= 0:
        return None
    return NewMemory(**{"value": None, **fields}, memory_type=kind, lifetime=lifetime)


def _import(
    stores: Stores,
    batch: Sequence[NewMemory],
    replaces: bool,
    rules: MemoryRules,
    actor: str,
    now: datetime,
) -> Counter[str]:
    from abathur.services import remembering

    done: Counter[str] = Counter()
    # Counting a full namespace for each of its memories would take most of the time.
    room = {
        name: rules.per_namespace - stores.memories.count(name, now)
        for name in {new.namespace for new in batch}
    }
    for new in batch:
        old = stores.memories.get(new.namespace, new.key)
        if old is None or old.is_gone(now):
            has_room = room[new.namespace] > 0
            remembering.add(stores, new, actor=actor, now=now, rules=rules, has_room=has_room)
            room[new.namespace] -= 1
            done["added"] += 1
        elif _content(old) == _content(new):
            done["unchanged"] += 1
        elif replaces:
            change = remembering.MemoryChange(
                value=new.value,
                metadata=new.metadata,
                memory_type=new.memory_type,
                importance=new.importance,
                lifetime=new.lifetime,
            )
            where = (new.namespace, new.key)
            remembering.update(
                stores, *where, change, updated_by=actor, actor=actor, now=now, rules=rules
            )
            done["updated"] += 1
        else:
            done["skipped"] += 1
    return done


def _content(one: Memory | NewMemory) -> tuple[Any, ...]:
    return one.value, one.metadata, one.memory_type, one.importance
