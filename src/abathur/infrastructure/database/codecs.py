"""How Python values are stored in columns, and how stored ones are read again.

Times are UTC text of one width, so that the order of the text is the order of time. JSON is
compact text. Reading also takes what older files hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import NoneType
from typing import Any, Final

from abathur.domain.errors import DatabaseCorruptError

PLAIN: Final = frozenset({NoneType, int, float, str, bytes, bool})
"""Types that a driver binds as they are."""


def to_columns(values: Mapping[str, object]) -> dict[str, Any]:
    """Bindings for a statement: a new dict."""
    return {
        name: value if type(value) in PLAIN else to_column(value) for name, value in values.items()
    }


def to_column(value: object) -> int | float | str | bytes | None:
    match value:
        case Enum():
            return to_column(value.value)
        case None | int() | float() | str() | bytes():
            return value
        case datetime():
            return time_text(value)
        case Mapping() | Sequence():
            return json_text(value)
    raise TypeError(f"a column can't hold a {type(value).__name__}")


def time_text(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"the time {moment} has no zone")
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def json_text(value: object) -> str:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
    )


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
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def json_of(value: object) -> Any:
    if value is None or value == "":
        return None
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
    raise TypeError(f"JSON can't hold a {type(value).__name__}")
