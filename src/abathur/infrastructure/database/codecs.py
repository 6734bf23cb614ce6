"""How Python values are stored in columns, and how stored ones are read again.

Times are UTC text of one width, so that the order of the text is the order of time. JSON is
compact text. Reading also takes what older files hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from types import NoneType
from typing import Any, Final

import orjson

from abathur.domain.errors import DatabaseCorruptError

PLAIN: Final = frozenset({NoneType, int, float, str, bytes, bool})
"""Types that a driver binds as they are."""
JSON_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


def to_columns(values: Mapping[str, object], names: Iterable[str]) -> list[Any]:
    """Bindings for a statement, in the order of `names`."""
    return [
        value if (kind := type(value := values[name])) in PLAIN else ENCODERS[kind](value)
        for name in names
    ]


def to_column(value: object) -> int | float | str | bytes | None:
    return to_columns({"": value}, ("",))[0]  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def time_text(moment: datetime) -> str:
    """A use case writes the same moment several times, hence the cache."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"the time {moment} has no zone")
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def json_bytes(value: object) -> bytes:
    """Raises `orjson.JSONEncodeError`."""
    return orjson.dumps(value, _plain, JSON_OPTIONS)


def json_text(value: object) -> str:
    try:
        return json_bytes(value).decode()
    except orjson.JSONEncodeError:
        # It takes neither numbers of more than 64 bits nor half characters, nor deep nesting.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


class Encoders(dict[type, Callable[[Any], Any]]):
    """By the exact type, as looking for a base class takes longer than encoding does."""

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if issubclass(kind, Enum):
            encode: Callable[[Any], Any] = attrgetter("_value_")
        elif issubclass(kind, datetime):
            encode = time_text
        elif issubclass(kind, int | float | str | bytes):
            encode = next(base for base in (int, float, str, bytes) if issubclass(kind, base))
        elif issubclass(kind, Mapping | Sequence):
            encode = json_text
        else:
            raise TypeError(f"a column can't hold a {kind.__name__}")
        self[kind] = encode
        return encode


ENCODERS: Final = Encoders()


def time_of(value: object) -> datetime | None:
    """A stored time; one without a zone is taken as UTC."""
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise DatabaseCorruptError(
            f"the database holds `{value}` where a time should be; run `abathur db check`"
        ) from error
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moment(value: object) -> datetime:
    """A time that must be there."""
    found = time_of(value)
    if found is None:
        raise ValueError("a time is missing in a row that can't be without it")
    return found


def json_of(value: object) -> Any:
    """Not by orjson, which makes floats of whole numbers of more than 64 bits."""
    if value is None or value == "":
        return None
    if value == "{}":
        return {}
    try:
        return json.loads(value if isinstance(value, bytes) else str(value))
    except ValueError as error:
        raise DatabaseCorruptError(
            f"the database holds `{value!s:.60}` where JSON should be; run `abathur db check`"
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"JSON can't hold a {type(value).__name__}")
