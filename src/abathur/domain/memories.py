"""Memories: what agents and people keep for later tasks, in namespaces, version by version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.records import record
from abathur.domain.tasks import JsonObject

SEPARATOR: Final = ":"
MAX_NAMESPACE: Final = 200
MAX_LEVELS: Final = 8
MAX_KEY: Final = 200
PLAIN_NAMES: Final = frozenset({"", "text", "lesson"})
"""Of values that need no name in front of them."""
MAX_TEXT: Final = 32_768
"""Characters of a memory that are searched."""


class MemoryType(StrEnum):
    SEMANTIC = "semantic"
    """A fact, which is true until it is changed."""
    EPISODIC = "episodic"
    """What happened."""
    PROCEDURAL = "procedural"
    """How something is done."""
    WORKING = "working"
    """What is needed for a short time only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRules:
    """The bounds of what is kept."""

    per_namespace: int = 10_000
    """Memories that a namespace holds at most, those below it not counted."""
    value_bytes: int = 65_536
    """Of the JSON of a value; of metadata a quarter of it."""
    promoted_by: int = 3
    """So many distinct tasks must have used a memory before it is promoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    namespace: str
    key: str
    value: Any
    """Any JSON, mostly an object."""
    memory_type: MemoryType = MemoryType.SEMANTIC
    metadata: JsonObject = field(default_factory=dict)
    importance: float = 0.5
    """From 0 to 1."""
    created_by: str | None = None
    """Without it, whoever acts."""
    task_id: str | None = None
    lifetime: timedelta | None = None
    """After which it is gone; without it, what its type says."""


@record
class Memory:
    """A memory as it is now."""

    id: int
    """Of the memory, whatever its version."""
    entry_id: int
    """Of the row that holds this version."""
    namespace: str
    key: str
    value: Any
    memory_type: MemoryType
    version: int
    metadata: JsonObject
    importance: float
    task_id: str | None
    """The task that it was first written for."""
    created_by: str | None
    created_at: datetime
    updated_by: str | None
    updated_at: datetime
    expires_at: datetime | None
    deleted_at: datetime | None
    access_count: int
    last_used_at: datetime | None
    promoted_at: datetime | None

    def is_gone(self, now: datetime) -> bool:
        """Deleted, or expired."""
        return self.deleted_at is not None or (
            self.expires_at is not None and self.expires_at <= now
        )


@record
class MemoryVersion:
    """A memory as it was."""

    entry_id: int
    namespace: str
    key: str
    value: Any
    memory_type: MemoryType
    version: int
    is_deleted: bool
    metadata: JsonObject
    created_by: str | None
    updated_by: str | None
    created_at: datetime
    updated_at: datetime
    task_id: str | None
    """The task that this version was written for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTotal:
    """How many memories of one type a namespace holds."""

    namespace: str
    memory_type: MemoryType
    live: int
    expired: int
    deleted: int
    accesses: int


def check_namespace(namespace: str) -> None:
    """Raises `InvalidInputError` unless it is one or more words joined by `:`."""
    parts = namespace.split(SEPARATOR)
    if (
        len(namespace) > MAX_NAMESPACE
        or len(parts) > MAX_LEVELS
        or not namespace.isprintable()
        or any(not part or part != part.strip() for part in parts)
    ):
        raise InvalidInputError(
            f"`{_shown(namespace)}` isn't a namespace; write words joined by `:`, like "
            f"`project:build`, at most {MAX_LEVELS} of them and {MAX_NAMESPACE} characters"
        )


def check_new(new: NewMemory, rules: MemoryRules) -> None:
    """Raises `InvalidInputError`."""
    check_namespace(new.namespace)
    if not new.key.strip() or len(new.key) > MAX_KEY or not new.key.isprintable():
        raise InvalidInputError(
            f"`{_shown(new.key)}` isn't a key; write 1 to {MAX_KEY} printable characters"
        )
    if new.lifetime is not None and new.lifetime <= timedelta(0):
        raise InvalidInputError("the lifetime of a memory must be longer than nothing")
    check_content(new.value, new.metadata, new.importance, rules)


def check_content(value: Any, metadata: JsonObject, importance: float, rules: MemoryRules) -> None:
    """Raises `InvalidInputError`."""
    if not 0 <= importance <= 1:
        raise InvalidInputError(f"importance {importance} isn't between 0 and 1; change it")
    check_json("the value", value, rules.value_bytes)
    check_json("the metadata", metadata, rules.value_bytes // 4)


def check_json(what: str, value: Any, limit: int) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"{what} can't be written as JSON ({error}); change it") from error
    if (size := len(text.encode("utf-8", "surrogatepass"))) > limit:
        raise InvalidInputError(f"{what} takes {size} bytes, at most {limit} are kept; shorten it")


def _shown(text: str) -> str:
    return ascii(text[:40])[1:-1]


def heading_of(namespace: str, key: str) -> str:
    return f"{namespace.replace(SEPARATOR, ' ')} {key}"


def text_of(value: Any) -> str:
    """All words of a value, line by line; cut at `MAX_TEXT`."""
    text = "\n".join(_lines(value, "")).replace("\0", " ")
    return text[:MAX_TEXT]


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lines(inner, str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _lines(inner, name)
    elif value is not None:
        yield f"{name}: {value}" if name not in PLAIN_NAMES else str(value)
