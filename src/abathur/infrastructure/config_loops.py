"""The sections `criteria` and `loops` of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.gates import NAME
from abathur.domain.loops.criteria import Named, criterion
from abathur.domain.loops.specs import loop_spec
from abathur.infrastructure.config_values import NotAccepted

ANYTHING: Final = {"stable": "tree"}
"""Stands for a criterion that another file may define."""


class _Any(dict[str, Any]):
    """Has every name, so that a section can be checked before all files are read."""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str)

    def __missing__(self, key: str) -> Any:
        return ANYTHING


def criteria(value: object) -> dict[str, Any]:
    """By name; None for one that isn't wanted any more."""
    return _named(value, criterion)


def loops(value: object) -> dict[str, Any]:
    """By name; None for one that isn't wanted any more."""
    return _named(value, lambda item, name, known: loop_spec(item, known, name))


def _named(value: object, check: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise NotAccepted("a section of names is expected")
    known: Named = _Any()
    for name, item in value.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise NotAccepted(f"`{name}`: a name of letters, digits, `-`, `_` and `.` is expected")
        if item is not None:
            try:
                check(item, name, known)
            except InvalidInputError as error:
                raise NotAccepted(str(error)) from error
    return dict(value)
