"""Values of the domain as plain JSON and back, by the types of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def plain(value: Any) -> Any:
    """What JSON and a database can hold. Fields of dataclasses keep their names.

    Half characters (lone surrogates), which an agent's escapes can make, are replaced.
    """
    if isinstance(value, str) and not isinstance(value, Enum):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def typed(kind: Any, value: Any) -> Any:
    """The value of type `kind` that `plain` was given. A field that is missing gets its default.

    Raises `KeyError`, `TypeError` or `ValueError` when it isn't one.
    """
    origin, args = _parts(kind)
    if origin in {Union, UnionType}:
        if value is None:
            return None
        return typed(next(one for one in args if one is not NoneType), value)
    if origin is tuple:
        return _typed_tuple(args, value)
    if origin is Mapping:
        return {key: typed(args[1], item) for key, item in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: typed(hints[name], value[name]) for name in hints if name in value})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return datetime.fromisoformat(value) if kind is datetime else value


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    """By the names of the fields. Evaluating the annotations costs more than all else here."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _typed_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(typed(kinds[0], item) for item in value)
    return tuple(typed(kind, item) for kind, item in zip(kinds, value, strict=True))
