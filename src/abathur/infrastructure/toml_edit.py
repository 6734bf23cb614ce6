"""Values of one table in a TOML file set, every other line left as it stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement: its lines, and what it says; nothing for blank lines and comments."""

    lines: Sequence[str]
    says: Mapping[str, Any]

    @property
    def is_head(self) -> bool:
        return self.lines[0].lstrip().startswith("[")


def with_values(text: str, path: Sequence[str], values: Mapping[str, Value]) -> str:
    """`values` in the table at `path`, which is added at the end if it isn't there.

    `text` must be TOML. Where the table is written within another value the result isn't, or says
    something else: who calls must look.
    """
    parts = list(_parts(text))
    at = next((n for n, part in enumerate(parts) if part.is_head and _is_of(part, path)), None)
    told = {key: f"{key} = {_told(value)}" for key, value in values.items()}
    if at is None:
        table = [f"[{'.'.join(path)}]", *told.values()]
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{_joined(table)}"
    end = next((n for n in range(at + 1, len(parts)) if parts[n].is_head), len(parts))
    lines: list[str] = []
    for part in parts[at + 1 : end]:
        key = next(iter(part.says), None)
        if key in told:
            line = told.pop(key)
            lines += part.lines if part.says[key] == values[key] else [line]
        else:
            lines += part.lines
    before = [line for part in parts[: at + 1] for line in part.lines]
    after = [line for part in parts[end:] for line in part.lines]
    return _joined([*before, *told.values(), *lines, *after])


def _parts(text: str) -> Iterator[_Part]:
    waiting: list[str] = []
    for line in text.removesuffix("\n").split("\n"):
        waiting.append(line)
        try:
            says = tomllib.loads("\n".join(waiting))
        except tomllib.TOMLDecodeError:
            continue  # a value that goes on
        yield _Part(waiting, says)
        waiting = []
    if waiting:
        yield _Part(waiting, {})


def _is_of(part: _Part, path: Sequence[str]) -> bool:
    said: Any = part.says
    for key in path:
        if not isinstance(said, dict) or list(said) != [key]:
            return False
        said = said[key]
    return bool(said == {})


def _told(value: Value) -> str:
    """A JSON text, or list of texts, is one of TOML too."""
    return json.dumps(value, ensure_ascii=False)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
