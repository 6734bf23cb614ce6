"""Taking apart JSON of any shape. Nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def get(value: object, *keys: str) -> Any:
    """What stands at the end of the keys; None when one of them isn't there."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return value if usable else None  # type: ignore[return-value]


def integer(value: object) -> int | None:
    found = number(value)
    return int(found) if found is not None else None


def subject(arguments: object) -> str:
    """What a person wants to know of a tool call: the file, the command, else the first text."""
    if not isinstance(arguments, Mapping):
        return ""
    for key in ("file_path", "filePath", "path", "command", "pattern", "url", "description"):
        if found := text(arguments.get(key)):
            return found
    return next((value for value in arguments.values() if isinstance(value, str)), "")


def call(name: object) -> dict[str, str]:
    """What a use of a tool and its result have in common."""
    return {"call": name} if isinstance(name, str) and name else {}
