"""Agent definitions: Markdown files with front matter, in the manner of Claude Code.

Looked for in `.claude/agents` and `.abathur/agents` of a project and in the folders below them;
for the same name `.abathur/agents` wins. A file that can't be used is told among the problems
and doesn't keep the others from being used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import ConfigError
from abathur.domain.specs import AgentDefinition, definition
from abathur.infrastructure import paths

MAX_BYTES: Final = 1_000_000

_KEY: Final = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*)|\s*)$")


@dataclass(frozen=True, slots=True)
class Definitions:
    by_name: Mapping[str, AgentDefinition]
    problems: tuple[str, ...] = ()
    """Lines like `FILE:LINE: ...` about files that were left out."""


def read_definitions(project: Path) -> Definitions:
    found: dict[str, AgentDefinition] = {}
    problems: list[str] = []
    for folder in paths.agent_folders(project):
        here: dict[str, AgentDefinition] = {}
        for file in definition_files(folder):
            try:
                _add(here, read_definition(file, str(file.relative_to(project))))
            except ConfigError as error:
                problems.append(str(error))
        found |= here
    return Definitions(found, tuple(problems))


def read_definition(file: Path, shown: str) -> AgentDefinition | None:
    """None for a file without front matter, like a README. `shown` names it in errors."""
    text = _text(file, shown)
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise ConfigError(f"{shown}:1: the front matter has no end; close it with a line `---`")
    front = _front_matter(lines[1:end], shown)

    def locate(key: str) -> str:
        at = (n for n, line in enumerate(lines[:end], 1) if line.startswith(f"{key}:"))
        return f"{shown}:{next(at, 1)}"

    return definition(front, "\n".join(lines[end + 1 :]), file, locate, _version(lines))


def _version(lines: list[str]) -> str:
    """The same on every system, however the lines of the file end."""
    return sha256("\n".join(lines).encode()).hexdigest()[:12]


def _add(found: dict[str, AgentDefinition], made: AgentDefinition | None) -> None:
    if made is None:
        return
    if made.name in found:
        raise ConfigError(
            f"{made.source}: agent type `{made.name}` is defined in {found[made.name].source}"
            " already, which is used; rename one of them"
        )
    found[made.name] = made


def definition_files(folder: Path) -> Iterator[Path]:
    """Markdown files in a settled order. A link that leads out of the folder isn't followed."""
    root = folder.resolve()
    # Links to folders aren't walked into, so that there can be no circles.
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            if file.suffix == ".md" and file.is_file() and file.resolve().is_relative_to(root):
                yield file


def _text(file: Path, shown: str) -> str:
    try:
        data = file.read_bytes() if file.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise ConfigError(f"{shown}: can't be read: {error.strerror}; check its rights") from error
    if data is None:
        raise ConfigError(f"{shown}: is over {MAX_BYTES} bytes long; shorten it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: isn't UTF-8 text; save it as UTF-8") from error


def _front_matter(lines: list[str], shown: str) -> dict[str, Any]:
    from abathur.infrastructure.config_values import NotAccepted, section
    from abathur.infrastructure.yaml_text import parse_yaml

    try:
        value = parse_yaml("\n".join(lines), shown, first_line=2)
    except ConfigError:
        # Descriptions with colons and no quotes are common, and other programs take them.
        value = _line_wise(lines)
        if value is None:
            raise
    try:
        return section(value if value is not None else {})
    except NotAccepted as error:
        raise ConfigError(f"{shown}:2: front matter: {error}") from error


def _line_wise(lines: list[str]) -> dict[str, Any] | None:
    """`key: text` taken literally, indented lines as more of it or as a list; None otherwise."""
    front: dict[str, Any] = {}
    key = ""
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if match := _KEY.fullmatch(line):
            key = match[1]
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
