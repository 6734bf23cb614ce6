"""JSON schemas of results, compiled when they are needed.

A schema comes from a repository: nothing is fetched for it, whatever it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from abathur.domain.errors import ConfigError
from abathur.domain.loops.matching import MAX_SECONDS
from abathur.domain.results import SchemaCheck
from abathur.domain.tasks import JsonObject

MAX_DEPTH: Final = 40


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why it can't be used, in one line."""
    try:
        compiled(schema)
    except ConfigError as error:
        return str(error)
    return None


def compiled(schema: Mapping[str, Any]) -> SchemaCheck:
    """Raises `ConfigError` when the schema can't be used."""
    if outside := _reference_outside(schema, 0):
        raise ConfigError(f"`$ref: {outside}` leads out of the schema; write it under `$defs`")
    import fastjsonschema

    # A schema may name a draft that is newer than the library; what it can't do, it says below.
    plain = {key: value for key, value in schema.items() if key not in {"$schema", "$id"}}
    try:
        validate = fastjsonschema.compile(plain, use_default=False)
    except fastjsonschema.JsonSchemaDefinitionException as error:
        raise ConfigError(f"it is no usable JSON schema: {_one_line(error)}") from error
    except Exception as error:  # generated code: what a strange schema makes of it isn't specified
        raise ConfigError(
            f"it is no usable JSON schema ({type(error).__name__}: {_one_line(error)})"
        ) from error

    patterns = validate.__globals__["REGEX_PATTERNS"]
    for name, pattern in patterns.items():
        patterns[name] = _Bounded(pattern.pattern)

    def check(content: JsonObject) -> str | None:
        try:
            validate(dict(content))
        except TimeoutError:
            return f"a pattern of its schema takes more than {MAX_SECONDS:g} s to look for"
        except fastjsonschema.JsonSchemaValueException as error:
            return _told(error)
        except RecursionError:
            return "it is nested too deeply"
        return None

    return check


class _Bounded:
    """A pattern of a schema, which may take for ever on an answer that doesn't fit."""

    def __init__(self, pattern: str) -> None:
        """Raises `ConfigError`."""
        import regex

        try:
            self._pattern = regex.compile(pattern, cache_pattern=False)
        except regex.error as error:
            raise ConfigError(f"it is no usable JSON schema: {_one_line(error)}") from error

    def search(self, text: str) -> object:
        """Raises `TimeoutError`, as `match` does."""
        return self._pattern.search(text, timeout=MAX_SECONDS)

    def match(self, text: str) -> object:
        return self._pattern.match(text, timeout=MAX_SECONDS)


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error.path[1:]) or "result"
    what = str(error.message).removeprefix(str(error.name)).strip()
    return f"{where}: it {' '.join(what.split())}"[:300]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _reference_outside(value: Any, depth: int) -> str | None:
    """The first reference to another document; or that it is nested too deeply to know."""
    if depth > MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            return reference
        inner = list(value.values())
    else:
        inner = value if isinstance(value, list) else []
    found = (_reference_outside(item, depth + 1) for item in inner)
    return next((one for one in found if one), None)
