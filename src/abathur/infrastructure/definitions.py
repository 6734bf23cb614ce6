"""Agent definitions: Markdown files with front matter, as Claude Code has them, and YAML files.

Looked for in `.claude/agents` and `.abathur/agents` of a project and in the folders below them;
for the same name `.abathur/agents` wins, and of two in one folder the YAML file doesn't. A file
that can't be used is told among the problems and doesn't keep the others from being used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import ConfigError
from abathur.domain.specs import AgentDefinition, Locate, definition
from abathur.infrastructure import paths
from abathur.infrastructure.definition_lines import line_of_key
from abathur.infrastructure.folder_state import state_of
from abathur.infrastructure.front_matter import Divided, divided

MAX_BYTES: Final = 1_000_000

MARKDOWN: Final = ".md"
YAML: Final = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Definitions:
    by_name: Mapping[str, AgentDefinition]
    problems: tuple[str, ...] = ()
    """Lines like `FILE:LINE: ...` about files that were left out."""


def read_definitions(project: Path) -> Definitions:
    """Those of now. What was read before is given again where no file has changed since."""
    state = state_of(paths.agent_folders(project))
    known = _known.get(project)
    if known is not None and state is not None and known[0] == state:
        return known[1]
    read = _read(project)
    if state is not None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[project] = state, read
    return read


_known: Final[dict[Path, tuple[object, Definitions]]] = {}
MOST_KNOWN: Final = 16
"""Projects; a process has to do with one."""


def _read(project: Path) -> Definitions:
    found: dict[str, AgentDefinition] = {}
    problems: list[str] = []
    for folder in paths.agent_folders(project):
        here: dict[str, AgentDefinition] = {}
        for file in definition_files(folder):
            try:
                _add(here, read_definition(file, str(file.relative_to(project)), folder), project)
            except ConfigError as error:
                problems.append(str(error))
        found |= here
    return Definitions(found, tuple(problems))


def read_definition(file: Path, shown: str, folder: Path | None = None) -> AgentDefinition | None:
    """None for a file without front matter, like a README. `shown` names it in errors.

    `folder` is that of all definitions, which a schema's file has to be in. Raises `ConfigError`.
    """
    text = _text(file, shown)
    parts = _whole(text, shown) if file.suffix in YAML else divided(text, shown)
    if parts is None:
        return None
    locate = _locator(text.splitlines()[: parts.end], shown)
    schema, digest = _schema(parts.front, file, folder or file.parent, locate)
    front = {**parts.front, **schema}
    return definition(front, parts.body, file, locate, _version(text, digest))


def _whole(text: str, shown: str) -> Divided | None:
    """A YAML file, as definitions of the older version may be; None for one about other things."""
    from abathur.infrastructure.config_values import NotAccepted, section
    from abathur.infrastructure.yaml_text import parse_yaml

    value = parse_yaml(text, shown)
    if not isinstance(value, Mapping) or "name" not in value:
        return None
    try:
        return Divided(section(value), "", len(text.splitlines()))
    except NotAccepted as error:
        raise ConfigError(f"{shown}:1: {error}") from error


def _locator(lines: list[str], shown: str) -> Locate:
    def locate(key: str) -> str:
        named = (f"{key}:", f'"{key}":', f"'{key}':")
        at = (n for n, line in enumerate(lines, 1) if line.lstrip().startswith(named))
        return f"{shown}:{next(at, 1)}"

    return locate


def _schema(
    front: Mapping[str, Any], file: Path, folder: Path, locate: Locate
) -> tuple[Mapping[str, Any], str]:
    """The schema that a file holds, in the place of the file's name, and its digest."""
    from abathur.infrastructure.schemas import schema_problem

    key = next((name for name in ("result_schema", "output_schema") if front.get(name)), "")
    given = front.get(key) if key else None
    if given is None:
        return {}, ""
    digest = ""
    if isinstance(given, str):
        given, digest = _schema_file(given, file, folder, f"{locate(key)}: {key}")
    if isinstance(given, Mapping) and (problem := schema_problem(given)):
        raise ConfigError(f"{locate(key)}: {key}: {problem}")
    return {key: given}, digest


def _schema_file(name: str, file: Path, folder: Path, where: str) -> tuple[Any, str]:
    import json

    place = (file.parent / name).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise ConfigError(f"{where}: `{name}` leads out of {folder.name}; put the schema inside")
    if not place.is_file():
        raise ConfigError(f"{where}: there is no file `{name}` beside the definition")
    text = _text(place, f"{where}: {name}")
    try:
        return json.loads(text), sha256(text.encode()).hexdigest()
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {name} isn't JSON: {error}") from error


def _version(text: str, schema_digest: str) -> str:
    """The same on every system, however the lines of the file end."""
    whole = "\n".join(text.splitlines())
    return sha256((whole + schema_digest).encode()).hexdigest()[:12]


def _add(found: dict[str, AgentDefinition], made: AgentDefinition | None, project: Path) -> None:
    if made is None or made.source is None:
        return
    if (first := found.get(made.name)) is not None and first.source is not None:
        where = line_of_key(made.source, str(made.source.relative_to(project)))
        raise ConfigError(
            f"{where('name')}: name: agent type `{made.name}` is defined in "
            f"{first.source.relative_to(project)} already, which is used; rename one of them"
        )
    found[made.name] = made


def definition_files(folder: Path) -> Iterator[Path]:
    """In a settled order, Markdown first. A link that leads out of the folder isn't followed."""
    root = folder.resolve()
    later: list[Path] = []
    # Links to folders aren't walked into, so that there can be no circles.
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            if not file.is_file() or not file.resolve().is_relative_to(root):
                continue
            if file.suffix == MARKDOWN:
                yield file
            elif file.suffix in YAML:
                later.append(file)
    yield from later


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
