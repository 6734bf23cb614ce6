"""`abathur mem export` and `import`: memories as JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.options import filters, memory_shape, wanted
from abathur.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import MemoryRules, NewMemory
    from abathur.ports.stores import Stores

PAGE = 1000
BATCH = 200
KEPT = ("namespace", "key", "value", "metadata", "importance", "created_by", "task_id")


@click.command()
@filters
@json_option
def export(as_json: bool, **typed: Any) -> None:
    """Write memories to standard output, a JSON object on each line, the newest first.

    They are JSON with and without --json.
    """
    before_id: int | None = None
    while True:
        where = wanted(context.now(), **typed, before_id=before_id, limit=PAGE)
        page = context.read(_page, where, context.now())
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
    from abathur.bootstrap import actor

    done: Counter[str] = Counter()
    rules, now = context.project().settings.memory.rules, context.now()
    # All are read before the first is written.
    for batch in _batches(list(_memories(file))):
        done += context.write(_import, batch, replace, rules, actor(), now)
    told = {name: done[name] for name in ("added", "updated", "unchanged", "skipped")}
    if as_json:
        output.write_json(told)
    else:
        output.say(", ".join(f"{number} {name}" for name, number in told.items()))
        if told["skipped"]:
            output.say("What was skipped has another value here; --replace takes the new one.")


def _batches(memories: Sequence[NewMemory]) -> Iterator[Sequence[NewMemory]]:
    for start in range(0, len(memories), BATCH):
        yield memories[start : start + BATCH]


def _memories(lines: Iterable[str]) -> Iterator[NewMemory]:
    from abathur.domain.memories import MemoryType, NewMemory

    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            fields = {name: row[name] for name in KEPT if row.get(name) is not None}
            kind = MemoryType(row.get("memory_type", MemoryType.SEMANTIC))
            for name in ("namespace", "key"):
                if not isinstance(fields[name], str):
                    raise TypeError(f"{name} is no text")
            yield NewMemory(**{"value": None, **fields}, memory_type=kind)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InvalidInputError(
                f"line {number} holds no memory ({type(error).__name__}: {error}); nothing was "
                "added, mend it"
            ) from error


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
    for new in batch:
        old = stores.memories.get(new.namespace, new.key)
        if old is None or old.is_gone(now):
            remembering.add(stores, new, actor=actor, now=now, rules=rules)
            done["added"] += 1
        elif old.value == new.value:
            done["unchanged"] += 1
        elif replaces:
            change = remembering.MemoryChange(
                value=new.value, metadata=new.metadata, importance=new.importance
            )
            where = (new.namespace, new.key)
            remembering.update(
                stores, *where, change, updated_by=actor, actor=actor, now=now, rules=rules
            )
            done["updated"] += 1
        else:
            done["skipped"] += 1
    return done
