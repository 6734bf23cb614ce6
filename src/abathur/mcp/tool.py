"""What a tool is: its name, what it takes and gives as JSON Schema, and the function behind it.

Knows nothing of the protocol's library, so that the reference can be made without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from abathur.domain.delegation import Caller

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.repository import Repository
    from abathur.ports.stores import Stores, UnitOfWork
    from abathur.ports.vectors import Embedder
    from abathur.ports.wakeups import Wakeups

P = ParamSpec("P")
T = TypeVar("T")

Json = dict[str, Any]
Schema = Mapping[str, Any]
Answer = Json | list[Any]
"""What a tool gives; a list is put under `result` where the protocol wants an object."""
Progress = Callable[[float, float | None, str], Awaitable[None]]

MOST_TEXT: Final = 10_000
"""Characters of a text for which nothing else is said."""
MOST_BYTES: Final = 1_000_000
"""Of all arguments of one call, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What all calls of one server share."""

    project: Project
    db: UnitOfWork
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    open_wakeups: Callable[[], AbstractAsyncContextManager[Wakeups]]
    repository: Callable[[], Awaitable[Repository]]
    embedder: Callable[[], Embedder | None]
    """Raises `EmbeddingError`, `UntrustedError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool. `args` fit the tool's schema; aliases are resolved."""

    host: Host
    caller: Caller
    args: Mapping[str, Any]
    progress: Progress

    @property
    def now(self) -> datetime:
        return self.host.now()

    def get(self, name: str, default: Any = None) -> Any:
        """An argument; null counts as left out."""
        value = self.args.get(name)
        return default if value is None else value

    async def write(
        self, use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.host.db.write(use_case, *args, **kwargs)

    async def read(
        self, query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.host.db.read(query, *args, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Tool:
    name: str
    title: str
    description: str
    takes: Mapping[str, Schema]
    needs: tuple[str, ...] = ()
    """Names of the parameters that must be given."""
    gives: Schema
    run: Callable[[Call], Awaitable[Answer]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names under which clients give a parameter -> its name."""
    only_reads: bool = False
    destroys: bool = False
    """Whether it may undo what is there."""
    is_idempotent: bool = False
    """Whether the same call again changes nothing more."""
    waits: bool = False
    """Whether it tells progress until it answers, and can be given up before."""
    for_runs: bool | None = None
    """True: only an agent at work may call it; False: only a person's program; None: both."""

    @cached_property
    def input_schema(self) -> Json:
        schema: Json = {"type": "object", "properties": dict(self.takes)}
        for alias, name in self.aliases.items():
            told = f"Another name of `{name}`."
            schema["properties"][alias] = {**self.takes[name], "description": told}
        if self.needs and not set(self.aliases.values()) & set(self.needs):
            schema["required"] = list(self.needs)
        return schema

    @cached_property
    def output_schema(self) -> Json:
        """With an object at its root, as every version of the protocol takes it."""
        if self.gives.get("type") != "array":
            return dict(self.gives)
        return thing({"result": self.gives, "next_cursor": text("Where the next page begins.")})

    @cached_property
    def check_shape(self) -> Callable[[Json], object]:
        """Raises `fastjsonschema.JsonSchemaValueException` for arguments that don't fit."""
        import fastjsonschema

        schema = {"type": "object", "properties": dict(self.takes)}
        check: Callable[[Json], object] = fastjsonschema.compile(
            schema, use_default=False, detailed_exceptions=True
        )
        return check


# --- pieces of schemas --------------------------------------------------------------------


def text(description: str, *, most: int = MOST_TEXT, least: int = 0, **more: Any) -> Json:
    length = {"minLength": least} if least else {}
    return {"type": "string", "maxLength": most, **length, "description": description, **more}


def one_of(description: str, choices: Sequence[str], **more: Any) -> Json:
    return {"type": "string", "enum": list(choices), "description": description, **more}


def whole(description: str, low: int, high: int, **more: Any) -> Json:
    limits = {"minimum": low, "maximum": high}
    return {"type": "integer", **limits, "description": description, **more}


def number(description: str, low: float, high: float) -> Json:
    return {"type": "number", "minimum": low, "maximum": high, "description": description}


def truth(description: str, **more: Any) -> Json:
    return {"type": "boolean", "description": description, **more}


def listing(items: Schema, description: str, most: int = 500) -> Json:
    return {"type": "array", "items": dict(items), "maxItems": most, "description": description}


def anything(description: str) -> Json:
    return {"description": description}


def free_object(description: str) -> Json:
    return {"type": "object", "description": description}


def thing(fields: Mapping[str, Schema], needs: Sequence[str] = (), **more: Any) -> Json:
    """An object with these fields, which may have more of them."""
    required = {"required": list(needs)} if needs else {}
    return {"type": "object", "properties": dict(fields), **required, **more}


def maybe(schema: Schema) -> Json:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


TASK_ID: Final = text("The id of a task, or a unique beginning of it.", most=64, least=1)
CURSOR: Final = text("`next_cursor` of the page before.", most=500)
