"""What an agent definition says, checked, and how it and the configuration make an agent type.

Reading the file itself, and its front matter, is somebody else's: this is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from abathur.domain.agents import AgentSpec
from abathur.domain.definition_keys import KeyProblem, read_keys, word
from abathur.domain.errors import ConfigError
from abathur.domain.model_names import resolved
from abathur.domain.settings import Settings
from abathur.domain.tasks import JsonObject

Locate = Callable[[str], str]
"""From a key of the front matter to `FILE:LINE`."""

# For other programs' eyes, or of the older version; a runtime has no use for them.
_DROPPED: Final = frozenset({"color", "specialization", "resource_limits"})
_OWN: Final = frozenset(
    {"name", "description", "model", "tools", "runtime", "settings", "system_prompt"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition:
    name: str
    description: str = ""
    model: str | None = None
    tools: tuple[str, ...] = ()
    system_prompt: str = ""
    runtime: str | None = None
    extras: JsonObject = field(default_factory=dict)
    """Every other key of the front matter, with what stands under `settings` over it."""
    source: Path | None = None
    version: str | None = None
    """The first 12 hexadecimal digits of the SHA-256 of the file's text."""


def definition(
    front: Mapping[str, Any],
    body: str,
    source: Path,
    locate: Locate,
    version: str | None = None,
) -> AgentDefinition:
    """Raises `ConfigError` as `FILE:LINE: KEY: ...`."""
    name = _text(front, "name", locate) or source.stem
    check_name(name, locate("name"))
    settings = front.get("settings") or {}
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{locate('settings')}: settings: a section of keys is expected")
    others = {key: value for key, value in front.items() if key not in _OWN | _DROPPED}
    extras = {**_read_keys(others, locate), **_read_keys(settings, locate)}
    described = _text(front, "description", locate) or _text(front, "specialization", locate)
    return AgentDefinition(
        name=name,
        description=" ".join((described or "").split()),
        model=_model(front, locate),
        tools=_names(front, "tools", locate),
        system_prompt=_text(front, "system_prompt", locate) or body.strip(),
        runtime=_text(front, "runtime", locate),
        extras=extras,
        source=source,
        version=version,
    )


def _read_keys(given: JsonObject, locate: Locate) -> dict[str, Any]:
    try:
        return read_keys(given)
    except KeyProblem as error:
        raise ConfigError(f"{locate(error.key)}: {error.key}: {error}") from error


def check_name(name: str, where: str) -> None:
    """Raise `ConfigError` unless a task could name this agent type."""
    plain = name.replace("-", "").replace("_", "")
    if not name.isascii() or not plain.isalnum() or not name[0].isalnum():
        raise ConfigError(
            f"{where}: name: `{name}` can't be an agent type; use letters, digits, `-` and `_`"
        )


def resolve_agent(
    settings: Settings, definitions: Mapping[str, AgentDefinition], agent_type: str
) -> AgentSpec:
    """The agent type as it will run; one that nobody speaks of gets the default runtime.

    Nearest wins: `agents.TYPE` of the configuration, the definition, `runtimes.NAME`. Settings
    are merged in that order too, sections among them key by key.
    """
    own = settings.agents.get(agent_type, {})
    given = definitions.get(agent_type) or AgentDefinition(name=agent_type)
    locate: Locate = lambda key: f"configuration, agents.{agent_type}"  # noqa: E731
    runtime = _text(own, "runtime", locate) or given.runtime or settings.default_runtime
    section = settings.runtimes.get(runtime, {})
    inner = own.get("settings") or {}
    model = _model(own, locate) or given.model or _model(section, locate)
    return AgentSpec(
        agent_type=agent_type,
        runtime=runtime,
        description=_text(own, "description", locate) or given.description,
        model=resolved(model, runtime, settings.models),
        tools=_names(own, "tools", locate) or given.tools,
        system_prompt=_text(own, "system_prompt", locate) or given.system_prompt,
        settings=merged(
            section,
            given.extras,
            _read_keys(_without_own(own), locate),
            _read_keys(_without_own(inner), locate),
        ),
        source=given.source,
        definition_version=given.version,
    )


def merged(*layers: JsonObject) -> dict[str, Any]:
    """The mappings as one, later over earlier: sections key by key, everything else replaced."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            present = result.get(key)
            if isinstance(present, Mapping) and isinstance(value, Mapping):
                result[key] = merged(present, value)
            else:
                result[key] = value
    return result


def _without_own(section: JsonObject) -> dict[str, Any]:
    """`sandbox` of the configuration may open folders: it is read where the sandbox is made."""
    return {key: value for key, value in section.items() if key not in _OWN | {"sandbox"}}


def _text(front: Mapping[str, Any], key: str, locate: Locate) -> str | None:
    value = front.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{locate(key)}: {key}: a text is expected, not {value!r:.60}")
    return str(value).strip() or None


def _model(front: Mapping[str, Any], locate: Locate) -> str | None:
    model = _text(front, "model", locate)
    try:
        return model and word(model)
    except ValueError as error:
        raise ConfigError(f"{locate('model')}: model: {error}") from error


def _names(front: Mapping[str, Any], key: str, locate: Locate) -> tuple[str, ...]:
    """A list, or one text with commas. `Bash(git log, git diff)` is one name."""
    value = front.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return _split(value)
    if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise ConfigError(
            f"{locate(key)}: {key}: a list of names is expected, like `Read, Edit`,"
            f" not {value!r:.60}"
        )
    return tuple(dict.fromkeys(name for item in value if (name := item.strip())))


def _split(text: str) -> tuple[str, ...]:
    parts, depth = [""], 0
    for char in text.strip().removeprefix("[").removesuffix("]"):
        depth += (char == "(") - (char == ")")
        if char == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += char
    return tuple(dict.fromkeys(name for part in parts if (name := part.strip(" \t\n\"'"))))
