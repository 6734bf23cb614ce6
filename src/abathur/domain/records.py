"""Records of many fields, made and changed without a call for each field.

The constructor of a frozen dataclass sets its fields one by one through `object.__setattr__`,
which costs more than all else that is done with a row of the database. A record keeps its fields
in its `__dict__` (no slots), and what is here handles that as a whole. Its methods are the same for
all records: to compile some for each class takes longer than most commands have.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
from typing import Any, Final, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(kind: type[T]) -> type[T]:
    """A frozen dataclass of keyword arguments, without `__post_init__`."""
    made_kind = dataclass(init=False, repr=False, eq=False, kw_only=True)(kind)
    names = frozenset(field.name for field in fields(made_kind))  # type: ignore[arg-type]
    defaults = {
        field.name: field.default
        for field in fields(made_kind)  # type: ignore[arg-type]
        if field.default is not MISSING
    }
    factories = {
        field.name: field.default_factory
        for field in fields(made_kind)  # type: ignore[arg-type]
        if field.default_factory is not MISSING
    }

    def __init__(self: T, **values: Any) -> None:  # noqa: N807
        if values.keys() != names:
            fresh = {name: make() for name, make in factories.items() if name not in values}
            values = {**defaults, **fresh, **values}
            if values.keys() != names:
                wrong = ", ".join(sorted(values.keys() ^ names))
                raise TypeError(f"{kind.__name__}: missing or unknown: {wrong}")
        object.__setattr__(self, "__dict__", values)

    for name, method in {"__init__": __init__, **_METHODS}.items():
        setattr(made_kind, name, method)
    return made_kind


def _equal(one: object, other: object) -> bool:
    return vars(one) == vars(other) if other.__class__ is one.__class__ else NotImplemented


def _hashed(one: Any) -> int:
    return hash(tuple(vars(one)[field.name] for field in fields(one)))


def _shown(one: Any) -> str:
    shown = ", ".join(f"{field.name}={vars(one)[field.name]!r}" for field in fields(one))
    return f"{type(one).__qualname__}({shown})"


def _refuse_to_set(_: object, name: str, __: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS: Final = {
    "__eq__": _equal,
    "__hash__": _hashed,
    "__repr__": _shown,
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
}


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
