"""The kinds of values that settings have: what is accepted, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from abathur.domain import times
from abathur.domain.gates import NAME, Gate
from abathur.domain.landing import Strategy
from abathur.domain.leaks import Secrets
from abathur.domain.money import Price
from abathur.domain.needs import Need
from abathur.domain.sandbox import SandboxSetting, sandbox
from abathur.domain.settings import CommandSetting, TargetSettings

_UNITS: Final = ("", "KB", "MB", "GB", "TB")
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*(?:(KB|MB|GB|TB)|B)?", re.ASCII)


class NotAccepted(Exception):
    """A value doesn't fit; the text says what is expected."""


def text(value: object) -> str:
    """One line that isn't blank; numbers count as their text."""
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise NotAccepted("a text is expected")
    if not str(value).strip() or "\n" in str(value):
        raise NotAccepted("a text on one line is expected")
    return str(value).strip()


def choice(*known: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in known:
            raise NotAccepted(f"one of {', '.join(known)} is expected")
        return str(value)

    return read


def whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise NotAccepted(f"a whole number from {low} to {high} is expected")
        return number

    return read


def number(low: float, high: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise NotAccepted(f"a number from {low:g} to {high:g} is expected")
        return float(value)

    return read


def duration(low: float = 0.0) -> Callable[[object], float]:
    expected = 'a time like 30, "30s", "5m" or "1h" is expected'

    def read(value: object) -> float:
        seconds = None if isinstance(value, bool) else times.seconds(str(value))
        if seconds is None:
            raise NotAccepted(expected)
        if not low <= seconds <= 366 * 86_400:
            raise NotAccepted(f"{expected}, at least {low:g} seconds and at most a year")
        return seconds

    return read


def size(value: object) -> int:
    """Bytes, as a number or with a unit of 1000s: `500MB`, `1.5 GB`."""
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip().upper())
    if found is None:
        raise NotAccepted('a size like 2000000, "500MB" or "20GB" is expected')
    factor: int = 1000 ** _UNITS.index(found[2] or "")
    return round(float(found[1]) * factor)


def dollars(value: object) -> float:
    return number(0, 1e9)(value)


def dollars_by_name(value: object) -> float | dict[str, float]:
    """One amount, or one for each name."""
    if isinstance(value, Mapping):
        return {str(name): dollars(amount) for name, amount in value.items()}
    return dollars(value)


def prices(value: object) -> dict[str, Price]:
    """`{MODEL: {input, output, cache_read, cache_write}}`, in dollars for a million tokens."""
    if not isinstance(value, Mapping):
        raise NotAccepted("models with prices are expected, like {claude-opus: {input: 4}}")
    return {str(model): _price(row) for model, row in value.items()}


def _price(row: object) -> Price:
    known = ("input", "output", "cache_read", "cache_write")
    if not isinstance(row, Mapping) or not row or not set(map(str, row)) <= set(known):
        raise NotAccepted(f"each model needs prices named {', '.join(known)}")
    return Price(**{str(kind): dollars(amount) for kind, amount in row.items()})


def truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise NotAccepted("true or false is expected")
    return value


def names(value: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(item, str) for item in parts):
        raise NotAccepted("a list of names is expected")
    return tuple(name for part in parts if (name := part.strip()))


def needs(value: object) -> tuple[Need, ...]:
    known = {need.value: need for need in Need}
    given = names(value)
    if not known.keys() >= set(given):
        raise NotAccepted(f"a list of {', '.join(known)} is expected")
    return tuple(known[name] for name in given)


def command(value: object) -> CommandSetting:
    """A text for `sh -c`, a list, or `{command | argv, timeout}`."""
    if isinstance(value, Mapping):
        return _command_section(value)
    if isinstance(value, str) and value.strip():
        return CommandSetting(argv=("sh", "-c", value))
    if isinstance(value, list) and value and all(_is_word(item) for item in value):
        return CommandSetting(argv=tuple(str(item) for item in value))
    raise NotAccepted(
        'a command is expected: a text for the shell, or a list like ["make", "test"]'
    )


def confinement(value: object) -> SandboxSetting | None:
    try:
        return sandbox(value)
    except ValueError as error:
        raise NotAccepted(str(error)) from error


def _command_section(value: Mapping[Any, Any]) -> CommandSetting:
    unknown = [str(key) for key in value if key not in {"command", "argv", "timeout"}]
    given = [value[key] for key in ("command", "argv") if value.get(key) is not None]
    if unknown or len(given) != 1:
        raise NotAccepted("either `command` or `argv` is expected, and nothing else but `timeout`")
    if isinstance(given[0], Mapping):
        raise NotAccepted("the command must be a text for the shell or a list")
    made = command(given[0])
    limit = value.get("timeout")
    if limit is None:
        return made
    try:
        return CommandSetting(argv=made.argv, timeout_seconds=round(duration(1)(limit)))
    except NotAccepted as error:
        raise NotAccepted(f"timeout: {error}") from error


def _is_word(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def strategy(value: object) -> Strategy:
    known = [one.value for one in Strategy]
    if value not in known:
        raise NotAccepted(f"one of {', '.join(known)} is expected")
    return Strategy(str(value))


def _entries(value: object) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise NotAccepted("a section of names is expected")
    for key, item in value.items():
        yield text(key), item


def gates(value: object) -> dict[str, Gate | None]:
    """By name; None for one that isn't wanted any more."""
    found: dict[str, Gate | None] = {}
    for name, item in _entries(value):
        if not NAME.fullmatch(name):
            raise NotAccepted(f"`{name}`: a name of letters, digits, `-`, `_` and `.` is expected")
        try:
            found[name] = None if item is None else _gate(name, item)
        except NotAccepted as error:
            raise NotAccepted(f"{name}: {error}") from error
    return found


def _gate(name: str, value: object) -> Gate:
    section = {"command": value} if not isinstance(value, Mapping) else dict(value)
    retries = section.pop("retries", None)
    made = command(section)
    return Gate(
        name=name,
        argv=made.argv,
        timeout_seconds=made.timeout_seconds,
        retries=None if retries is None else whole(0, 10)(retries),
    )


def targets(value: object) -> dict[str, TargetSettings | None]:
    """By branch or pattern; None for one about which nothing is to be said any more."""
    found: dict[str, TargetSettings | None] = {}
    for name, item in _entries(value):
        try:
            found[name] = None if item is None else _target(item)
        except NotAccepted as error:
            raise NotAccepted(f"{name}: {error}") from error
    return found


def _target(value: object) -> TargetSettings:
    kinds: dict[str, Callable[[object], Any]] = {
        "allow": truth,
        "strategy": strategy,
        "gates": names,
    }
    if not isinstance(value, Mapping) or not value.keys() <= kinds.keys():
        raise NotAccepted(f"a section of {', '.join(kinds)} is expected")
    return TargetSettings(**{key: kinds[key](item) for key, item in value.items()})


def models(value: object) -> dict[str, dict[str, str] | None]:
    """Alias -> runtime -> name; None for an alias that isn't wanted any more."""
    found: dict[str, dict[str, str] | None] = {}
    for alias, item in _entries(value):
        row = {"*": item} if isinstance(item, str) else item
        if row is None:
            found[alias] = None
        elif not isinstance(row, Mapping) or not all(isinstance(v, str) for v in row.values()):
            raise NotAccepted(f"{alias}: a model, or a model for each runtime, is expected")
        else:
            found[alias] = {str(runtime): name.strip() for runtime, name in row.items()}
    return found


def secrets(value: object) -> Secrets:
    known = [one.value for one in Secrets]
    word = "off" if value is False else value  # YAML takes `off` for a truth value
    if word not in known:
        raise NotAccepted(f"one of {', '.join(known)} is expected")
    return Secrets(str(word))


def log_level(value: object) -> str:
    level = str(value).upper()
    known = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    if level not in known:
        raise NotAccepted(f"one of {', '.join(known)} is expected")
    return level


def log_format(value: object) -> str:
    if value not in ("text", "json"):
        raise NotAccepted("`text` or `json` is expected")
    return str(value)


def overlap(value: object) -> str:
    if value not in ("wait", "run"):
        raise NotAccepted("`wait` or `run` is expected")
    return str(value)


def counts(value: object) -> dict[str, int]:
    """Whole numbers by name."""
    if not isinstance(value, Mapping):
        raise NotAccepted("names with a whole number each are expected, like {reviewer: 2}")
    read = whole(1, 1000)
    return {str(name): read(item) for name, item in value.items() if item is not None}


def section(value: object) -> dict[str, Any]:
    """A mapping of values that JSON can hold; dates become text."""
    if not isinstance(value, Mapping):
        raise NotAccepted("a section with keys of its own is expected")
    return {str(key): _plain(item) for key, item in value.items()}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise NotAccepted(f"only texts, numbers, lists and sections are possible, not {value!r:.40}")
