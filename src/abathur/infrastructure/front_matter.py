"""Markdown with front matter: YAML between two lines `---`, or what others take for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from abathur.domain.definition_keys import NAMES
from abathur.domain.errors import ConfigError

_KEY: Final = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*)|\s*)$")


@dataclass(frozen=True, slots=True)
class Divided:
    front: Mapping[str, Any]
    body: str
    end: int
    """How many lines the front matter ends after."""


def divided(text: str, shown: str) -> Divided | None:
    """None for a text without front matter. Raises `ConfigError` as `SHOWN:LINE: ...`."""
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise ConfigError(f"{shown}:1: the front matter has no end; close it with a line `---`")
    return Divided(_front_matter(lines[1:end], shown), "\n".join(lines[end + 1 :]), end)


def _front_matter(lines: list[str], shown: str) -> dict[str, Any]:
    from abathur.infrastructure.config_values import NotAccepted, section
    from abathur.infrastructure.yaml_text import parse_yaml

    try:
        value = parse_yaml("\n".join(lines), shown, first_line=2)
    except ConfigError:
        # Descriptions with colons and no quotes are common, and other programs take them.
        value = _line_wise(lines, shown)
        if value is None:
            raise
    try:
        return section(value if value is not None else {})
    except NotAccepted as error:
        raise ConfigError(f"{shown}:2: front matter: {error}") from error


def _line_wise(lines: list[str], shown: str) -> dict[str, Any] | None:
    """`key: text` taken literally, indented lines as more of it or as a list; None otherwise.

    Raises `ConfigError` for a key of ours that stands twice. Others may be words of a description.
    """
    front: dict[str, Any] = {}
    key = ""
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.startswith("#"):
            continue
        if match := _KEY.fullmatch(line):
            key = match[1]
            if key in front and key in NAMES:
                raise ConfigError(f"{shown}:{number}: `{key}` stands here twice; leave out one")
            front[key] = _unquoted(match[2] or "")
        elif key and (line[0] in " \t" or line.startswith("- ")):
            front[key] = _continued(front[key], line.strip())
        else:
            return None
    return front


def _unquoted(text: str) -> str:
    plain = text.strip()
    if len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'":
        return plain[1:-1]
    return "" if plain in {"|", ">", "|-", ">-"} else plain


def _continued(present: str | list[str], line: str) -> str | list[str]:
    if isinstance(present, list):
        return [*present, _unquoted(line.removeprefix("- "))]
    if not present and line.startswith("- "):
        return [_unquoted(line.removeprefix("- "))]
    return f"{present} {line}".strip()
