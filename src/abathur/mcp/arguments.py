"""Arguments of a call, checked before anything is done with them: size, shape, names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.mcp.tool import MOST_BYTES, Json, Tool

MOST_DEPTH: Final = 32


def checked(tool: Tool, given: Mapping[str, Any] | None) -> tuple[Json, list[str]]:
    """The arguments by the names that the tool knows, and the names that it doesn't know.

    Raises `InvalidInputError`.
    """
    args = dict(given or {})
    _check_size(tool, args)
    for alias, name in tool.aliases.items():
        if alias in args:
            value = args.pop(alias)
            if args.get(name) is None:
                args[name] = value
    unknown = sorted(args.keys() - tool.takes.keys())
    known = {
        name: value for name, value in args.items() if name in tool.takes and value is not None
    }
    for name in tool.needs:
        if name not in known:
            raise InvalidInputError(
                f"{tool.name}: `{name}` is missing; needed are {', '.join(tool.needs)}"
            )
    _check_shape(tool, known)
    return {name: _plain(value) for name, value in known.items()}, unknown


def _plain(value: Any) -> Any:
    """`5.0` is a whole number to JSON Schema, and to us."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value


def _check_size(tool: Tool, args: Json) -> None:
    level: list[Any] = [args]
    for _ in range(MOST_DEPTH):
        level = [item for value in level for item in _inside(value)]
        if not level:
            break
    else:
        raise InvalidInputError(
            f"{tool.name}: the arguments are nested more than {MOST_DEPTH} deep; make them flatter"
        )
    try:
        size = len(json.dumps(args, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{tool.name}: the arguments hold half a character, which is no text; leave it out"
        ) from error
    except ValueError as error:
        raise InvalidInputError(f"{tool.name}: a number is infinite or none at all") from error
    if size > MOST_BYTES:
        raise InvalidInputError(
            f"{tool.name}: the arguments have {size} bytes, at most {MOST_BYTES} are possible; put"
            " long texts into files of the repository and name those"
        )


def _inside(value: Any) -> list[Any]:
    """The values within one, each text without a NUL: no database takes that."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str) and "\0" in value:
        raise InvalidInputError("the arguments hold a NUL character; take it out")
    return []


def _check_shape(tool: Tool, args: Json) -> None:
    from fastjsonschema import JsonSchemaValueException

    try:
        tool.check_shape(args)
    except JsonSchemaValueException as error:
        message = " ".join(str(error.message).split())
        where, _, rest = message.partition(" ")
        name = where.removeprefix("data").removeprefix(".") or "the arguments"
        raise InvalidInputError(f"{tool.name}: {name}: it {rest[:300]}") from error
