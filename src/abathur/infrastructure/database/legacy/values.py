"""Makes a value fit its column, and notes on the row where that loses something."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from abathur.infrastructure.database.codecs import json_text as written_json
from abathur.infrastructure.database.legacy.taking import Taking

INT64: Final = 2**63 - 1
FINER: Final = re.compile(r"\.\d{6}\d*[1-9]")
"""A fraction of a second that microseconds can't hold."""
SECONDS: Final = (1e8, 1e10)
MILLISECONDS: Final = (1e11, 1e13)
"""What numbers are taken as times since 1970: from 1973 until 2286."""
REPLACEMENT: Final = "\ufffd"


def text(taking: Taking, *names: str) -> str | None:
    name, value = taking.first(*names)
    if isinstance(value, str):
        if "\0" in value:
            taking.changed(name)
        return value.replace("\0", REPLACEMENT)
    if value is not None:
        taking.changed(name)
    return None if value is None or isinstance(value, bytes) else str(value)


def whole(taking: Taking, *names: str, low: int = -INT64, high: int = INT64) -> int | None:
    name, value = taking.first(*names)
    if type(value) is int and low <= value <= high:
        return value
    if value is None:
        return None
    taking.changed(name)
    number = _number(value)
    return None if number is None else int(max(low, min(high, number)))


def real(taking: Taking, *names: str) -> float | None:
    name, value = taking.first(*names)
    if value is None or isinstance(value, int | float):
        return value
    taking.changed(name)
    return _number(value)


def blob(taking: Taking, *names: str) -> bytes | None:
    name, value = taking.first(*names)
    if value is None or isinstance(value, bytes):
        return value
    taking.changed(name)
    return None


def time(taking: Taking, *names: str) -> datetime | None:
    """A time without a zone is UTC, which is how older versions meant it."""
    name, value = taking.first(*names)
    if value is None:
        return None
    found = _time(value)
    if found is None or not isinstance(value, str) or FINER.search(value):
        taking.changed(name)
    return found


def json_object(taking: Taking, *names: str) -> Mapping[str, Any] | None:
    """What isn't a JSON object becomes one with the value, or the text, under one key."""
    name, value = taking.first(*names)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            found = parsed(value)
        except ValueError:
            taking.changed(name)
            return {"text": value.replace("\0", REPLACEMENT)}
        if isinstance(found, dict):
            return found
        taking.changed(name)
        return None if found is None else {"value": found}
    taking.changed(name)
    return None if isinstance(value, bytes) else {"value": value}


def json_text(taking: Taking, *names: str) -> str | None:
    """JSON text as it stands; what isn't any becomes a JSON string."""
    name, value = taking.first(*names)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            parsed(value)
        except ValueError:
            taking.changed(name)
            return written_json(value.replace("\0", REPLACEMENT))
        return value
    taking.changed(name)
    return None if isinstance(value, bytes) else str(_number(value))


def parsed(value: str) -> Any:
    """The JSON value, if it can be written again. Raises `ValueError`."""
    try:
        found = json.loads(value, parse_constant=_refuse)
        written_json(found).encode()
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} isn't JSON")


def _number(value: object) -> float | None:
    if isinstance(value, bytes):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if abs(number) <= INT64 else None


def _time(value: object) -> datetime | None:
    try:
        if isinstance(value, int | float):
            return _since_1970(value)
        if isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
            if found.tzinfo is None:
                return found.replace(tzinfo=UTC)
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return None


def _since_1970(value: float) -> datetime | None:
    if MILLISECONDS[0] <= value < MILLISECONDS[1]:
        value = value / 1000
    elif not SECONDS[0] <= value < SECONDS[1]:
        return None
    return datetime.fromtimestamp(value, UTC)
