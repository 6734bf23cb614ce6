"""Statements with what takes their values out of what a store hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, TypeAlias

from abathur.infrastructure.database.codecs import ENCODERS
from abathur.infrastructure.database.queries import parameters

Pick: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Bound(dict[str, Pick]):
    """By the text of the statement: its values, in the order in which it takes them.

    They are as they come. What SQLite doesn't know, the driver has made by `stored`, so that no
    loop has to look at every value of every row.
    """

    def __missing__(self, sql: str) -> Pick:
        names = parameters(sql)
        if len(names) > 1:
            pick: Pick = itemgetter(*names)
        elif names:
            pick = _single(names[0])
        else:
            pick = _nothing
        self[sql] = pick
        return pick


def stored(_cursor: object, _number: int, value: object) -> Any:
    """How a value that isn't a number, a text, bytes or None is stored. Raises `TypeError`."""
    return ENCODERS[type(value)](value)


def _single(name: str) -> Pick:
    return lambda values: (values[name],)


def _nothing(_values: Mapping[str, Any]) -> tuple[Any, ...]:
    return ()
