"""Records of many fields, made and changed without a call for each field.

The constructor of a frozen dataclass sets its fields one by one through `object.__setattr__`,
which costs more than all else that is done with a row of the database. A record keeps its fields
in its `__dict__` (no slots), and what is here handles that as a whole.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(kind: type[T]) -> type[T]:
    """A frozen dataclass of keyword arguments, without `__post_init__` and default factories."""
    made_kind = dataclass(frozen=True, kw_only=True)(kind)
    names = frozenset(field.name for field in fields(made_kind))  # type: ignore[arg-type]
    defaults = {
        field.name: field.default
        for field in fields(made_kind)  # type: ignore[arg-type]
        if field.default is not MISSING
    }

    def __init__(self: T, **values: Any) -> None:  # noqa: N807
        if values.keys() != names:
            values = {**defaults, **values}
            if values.keys() != names:
                wrong = ", ".join(sorted(values.keys() ^ names))
                raise TypeError(f"{kind.__name__}: missing or unknown: {wrong}")
        object.__setattr__(self, "__dict__", values)

    setattr(made_kind, "__init__", __init__)  # noqa: B010
    return made_kind


def made(kind: type[T], values: dict[str, Any]) -> T:
    """A record with these values, one for each field. The dict becomes the record's own."""
    new = object.__new__(kind)
    object.__setattr__(new, "__dict__", values)
    return new


def changed(old: T, /, **changes: Any) -> T:
    """As `dataclasses.replace`. Raises `TypeError` for a name that is no field."""
    values = vars(old)
    if not changes.keys() <= values.keys():
        unknown = ", ".join(sorted(changes.keys() - values.keys()))
        raise TypeError(f"{type(old).__name__} has no field {unknown}")
    return made(type(old), {**values, **changes})


def differing(old: T, new: T) -> tuple[str, ...]:
    """Names of the fields whose values aren't equal."""
    before = vars(old)
    return tuple(
        [
            name
            for name, value in vars(new).items()
            if value is not before[name] and value != before[name]
        ]
    )
