"""Options and shapes that several memory commands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from abathur.cli import shape_fields_memory as fields
from abathur.cli.shapes import pick
from abathur.domain.memories import MemoryType

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import Memory, MemoryVersion
    from abathur.ports.memory import MemoryFilter
    from abathur.services.searching import Why

F = TypeVar("F", bound=Callable[..., Any])

TYPES = [kind.value for kind in MemoryType]

namespace_argument = click.argument("namespace")
key_argument = click.argument("key")
type_option = click.option(
    "--type", "memory_type", type=click.Choice(TYPES), help="Only memories of this type."
)


def filters(command: F) -> F:
    """The options that say which memories are meant."""
    for option in (
        click.option("--until", metavar="TIME", help="Changed before this time."),
        click.option("--since", metavar="TIME", help="Changed at this time or later, like 7d."),
        click.option("--author", help="Written by, like `cli:alice` or `agent:tester`."),
        type_option,
        click.option("-n", "--namespace", help="Only in this namespace and below it."),
    ):
        command = option(command)
    return command


def wanted(
    now: datetime,
    *,
    namespace: str | None = None,
    memory_type: str | None = None,
    author: str | None = None,
    since: str | None = None,
    until: str | None = None,
    **more: Any,
) -> MemoryFilter:
    """Raises `InvalidInputError`."""
    from abathur.domain.times import parse_past
    from abathur.ports.memory import MemoryFilter

    return MemoryFilter(
        namespace=namespace,
        types=None if memory_type is None else [MemoryType(memory_type)],
        author=author,
        since=None if since is None else parse_past(since, "since", now),
        until=None if until is None else parse_past(until, "until", now),
        **more,
    )


def memory_shape(memory: Memory) -> dict[str, Any]:
    return pick(fields.MEMORY, memory, value=memory.value, memory_type=memory.memory_type.value)


def version_shape(version: MemoryVersion) -> dict[str, Any]:
    return pick(
        fields.MEMORY_VERSION,
        version,
        value=version.value,
        memory_type=version.memory_type.value,
    )


def why_shape(why: Why) -> dict[str, Any]:
    return pick(fields.WHY, why, words=list(why.words))


def why_text(why: Why) -> str:
    """In a few words."""
    parts = [f"words {', '.join(why.words)}"] if why.words else []
    if why.similarity is not None:
        parts.append(f"meaning {why.similarity:.2f}")
    return "; ".join(parts) or "a word of the same stem"


def value_lines(value: Any) -> Sequence[str]:
    """A value as people read it: its text, or JSON."""
    import json

    from abathur.cli.text import clean_block

    if isinstance(value, dict) and list(value) == ["text"] and isinstance(value["text"], str):
        value = value["text"]
    if not isinstance(value, str):
        value = json.dumps(value, indent=2, ensure_ascii=False)
    return clean_block(value)


def value_line(value: Any) -> str:
    return " ".join(" ".join(value_lines(value)).split())
