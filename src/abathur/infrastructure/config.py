"""The settings, from files, environment and flags. Later wins:

1. the person's file, `~/.abathur/config.yaml`
2. the project's, `.abathur/config.yaml`
3. this clone's, `.abathur/local.yaml`
4. environment variables `ABATHUR_...`
5. the overrides handed in, as from flags

Sections are merged key by key, lists are replaced, and an empty value (`verify:`) goes back to
the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from abathur.domain.concurrency import Limits
from abathur.domain.errors import ConfigError
from abathur.domain.memory_settings import MemorySettings
from abathur.domain.protection import allowing
from abathur.domain.sandbox import sandbox_for
from abathur.domain.settings import (
    BudgetSettings,
    DiskSettings,
    LandingSettings,
    McpSettings,
    NoticeSettings,
    RetrySettings,
    ReviewSettings,
    Settings,
    SilenceSettings,
    SwarmSettings,
    TraceSettings,
)
from abathur.domain.specs import merged
from abathur.infrastructure import config_older, config_values, paths
from abathur.infrastructure.config_keys import FREE_SECTIONS, KEYS, SECTIONS, Key
from abathur.infrastructure.config_values import NotAccepted

Result = TypeVar("Result")

_BY_NAME: Final[Mapping[str, Key]] = {
    **{key.name: key for key in KEYS},
    **{key.setting: key for key in KEYS},
}
_SECTIONS: Final[Mapping[str, Callable[..., object]]] = {
    "swarm": SwarmSettings,
    "landing": LandingSettings,
    "retry": RetrySettings,
    "review": ReviewSettings,
    "notices": NoticeSettings,
    "limits": Limits,
    "budget": BudgetSettings,
    "silence": SilenceSettings,
    "memory": MemorySettings,
    "disk": DiskSettings,
    "traces": TraceSettings,
    "mcp": McpSettings,
}
_VARIABLES: Final[Mapping[str, str]] = {
    **config_older.VARIABLES,
    **{key.variable: key.name for key in KEYS if key.variable},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    settings: Settings
    notes: tuple[str, ...] = ()
    """About keys of the older version that no longer do anything."""


@dataclass(slots=True)
class _Draft:
    """What the layers read so far add up to, by dotted name of the setting."""

    values: dict[str, Any] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in FREE_SECTIONS}
    )
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One place that settings come from."""

    name: str
    """As the person knows it: a path, a variable, `flags`."""
    line_of: Callable[[tuple[str, ...]], int] | None = None

    def error(self, path: tuple[str, ...], problem: str) -> ConfigError:
        where = f"{self.name}:{self.line_of(path)}" if self.line_of else self.name
        return ConfigError(
            f"{where}: {'.'.join(path)}: {problem}" if path else f"{where}: {problem}"
        )


def load_settings(
    project: Path, env: Mapping[str, str], overrides: Mapping[str, object]
) -> Settings:
    return load_config(project, env, overrides).settings


def load_config(project: Path, env: Mapping[str, str], overrides: Mapping[str, object]) -> Config:
    """Raises `ConfigError` with the file and line, the variable or the flag.

    `overrides` has dotted names or sections; a None in it means that the flag wasn't given.
    """
    draft = _Draft()
    for file in _files(project, env):
        _read_file(draft, file)
    for name, target in _VARIABLES.items():
        if env.get(name, "").strip():
            _set(draft, _Layer(f"environment variable {name}"), (), _BY_NAME[target], env[name])
    _read(draft, _Layer("flags"), _given(overrides))
    return _config(draft)


def uses_sandbox(settings: Settings) -> bool:
    """Whether anything of the project is to be confined. Raises `ConfigError`."""
    found = [settings.sandbox]
    for name, section in settings.agents.items():
        try:
            found.append(sandbox_for(settings.sandbox, section.get("sandbox")))
        except ValueError as error:
            raise ConfigError(f"configuration: agents.{name}.sandbox: {error} expected") from error
    return any(one is not None for one in found)


def default_config_text(allowed: str | None = None) -> str:
    """The file that `abathur init` writes: every key, commented out, with its explanation.

    But for the setting that lets work land on the target `allowed`.
    """
    lines = ["## Settings of this project. Take away a `# ` to set a key, and that of its section."]
    for key in KEYS:
        if "." not in key.name:
            lines += ["", f"## {key.help}", _line(key, allowed)]
    for section, explanation in SECTIONS.items():
        lines += ["", f"## {explanation}", f"# {section}:", *_section_lines(section)]
    lines.append("")
    return "\n".join(lines)


def _line(key: Key, allowed: str | None) -> str:
    if key.name == "targets" and allowed is not None:
        return allowing(allowed)
    return f"# {key.name}: {key.sample}"


def _section_lines(section: str) -> Iterator[str]:
    for key in KEYS:
        if key.name.startswith(f"{section}."):
            yield f"##   {key.help}"
            yield f"#   {key.name.partition('.')[2]}: {key.sample}"
    for name, samples in FREE_SECTIONS.get(section, {}).items():
        yield f"#   {name}:"
        yield from (f"#     {sample}" for sample in samples)


# --- reading a layer ----------------------------------------------------------------------


def _files(project: Path, env: Mapping[str, str]) -> Iterator[Path]:
    user, ours = paths.user_config_file(env), paths.project_config_file(project)
    if user is not None and user != ours:
        yield user
    yield ours
    yield paths.local_config_file(project)


def _read_file(draft: _Draft, file: Path) -> None:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigError(
            f"{file}: can't be read: {error.strerror}; check its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: isn't UTF-8 text; save it as UTF-8") from error
    # Importing YAML takes longer than all the rest, so only when there is a file.
    from abathur.infrastructure import yaml_text

    layer = _Layer(str(file), lambda path: yaml_text.line_of(text, path))
    _read(draft, layer, yaml_text.parse_yaml(text, str(file)))


def _given(overrides: Mapping[str, object]) -> dict[str, object]:
    """Dotted names unfolded into sections, without what wasn't given."""
    tree: dict[str, Any] = {}
    for name, value in overrides.items():
        *folders, last = name.split(".")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        if isinstance(value, Mapping):
            place[last] = merged(place.get(last, {}), _given(value))
        elif value is not None:
            place[last] = value
    return tree


def _read(draft: _Draft, layer: _Layer, content: object) -> None:
    if content is None:
        return
    if not isinstance(content, Mapping):
        raise layer.error((), "keys with values are expected, like `default_runtime: claude`")
    # Older names first: where both stand, the present one wins.
    for name, value in sorted(content.items(), key=lambda item: str(item[0]) != "queue"):
        _read_top(draft, layer, str(name), value)


def _read_top(draft: _Draft, layer: _Layer, name: str, value: object) -> None:
    if name in FREE_SECTIONS:
        _read_free(draft, layer, name, value)
    elif name in SECTIONS or name == "queue":
        _read_section(draft, layer, name, value)
    else:
        _read_key(draft, layer, (name,), value)


def _read_section(draft: _Draft, layer: _Layer, name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise layer.error((name,), "a section with keys of its own is expected")
    older = config_older.NAMES
    for key in sorted(value, key=lambda key: f"{name}.{key}" not in older):
        _read_key(draft, layer, (name, str(key)), value[key])


def _read_key(draft: _Draft, layer: _Layer, path: tuple[str, ...], value: object) -> None:
    dotted = ".".join(path)
    key = _BY_NAME.get(config_older.NAMES.get(dotted, dotted))
    if key is not None:
        _set(draft, layer, path, key, value)
    elif config_older.WITHOUT_EFFECT & {dotted, path[0]}:
        draft.notes.append(f"{layer.name}: `{dotted}` is of an older version and has no effect")
    else:
        raise layer.error(path, _unknown(dotted))


def _read_free(draft: _Draft, layer: _Layer, name: str, value: object) -> None:
    if value is None:
        return
    for key, section in _accepted(layer, (name,), config_values.section, value).items():
        path = (name, key)
        if section is None:
            draft.sections[name].pop(key, None)
            for known in [known for known in draft.sources if known.startswith(f"{name}.{key}.")]:
                del draft.sources[known]
            continue
        fresh = _accepted(layer, path, config_values.section, section)
        present = draft.sections[name].get(key, {})
        draft.sections[name][key] = merged(present, fresh)
        draft.sources.update({f"{name}.{key}.{leaf}": layer.name for leaf in fresh})


def _set(draft: _Draft, layer: _Layer, path: tuple[str, ...], key: Key, value: object) -> None:
    if value is None:
        draft.values.pop(key.setting, None)
        draft.sources.pop(key.setting, None)
        return
    accepted = _accepted(layer, path, key.read, value)
    if key.is_map:
        accepted = {**draft.values.get(key.setting, {}), **accepted}
        accepted = {name: item for name, item in accepted.items() if item is not None}
    draft.values[key.setting] = accepted
    draft.sources[key.setting] = layer.name


def _accepted(
    layer: _Layer, path: tuple[str, ...], read: Callable[[object], Result], value: object
) -> Result:
    try:
        return read(value)
    except NotAccepted as error:
        raise layer.error(path, f"{error}, not {value!r:.60}") from error


def _unknown(dotted: str) -> str:
    import difflib

    known = [key.name for key in KEYS] + [*SECTIONS]
    near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.5)
    return (
        f"this key is unknown; did you mean `{near[0]}`?"
        if near
        else "this key is unknown; remove it"
    )


# --- the result ---------------------------------------------------------------------------


def _config(draft: _Draft) -> Config:
    values = dict(draft.values)
    inner: dict[str, dict[str, Any]] = {name: {} for name in ("", *_SECTIONS)}
    for name, value in values.items():
        folder, _, leaf = name.rpartition(".")
        inner[folder][leaf] = value
    sections = {name: kind(**inner[name]) for name, kind in _SECTIONS.items()}
    top: dict[str, Any] = {**inner[""], **draft.sections, **sections}
    settings = Settings(
        **top,
        sources=draft.sources,
    )
    _check_gates(settings)
    return Config(settings=settings, notes=tuple(draft.notes))


def _check_gates(settings: Settings) -> None:
    """A gate that is named but not there would let everything pass."""
    for name, target in settings.targets.items():
        for gate in target.gates or ():
            if gate not in settings.known_gates:
                place = settings.sources.get("targets", "configuration")
                known = ", ".join(settings.known_gates) or "none"
                raise ConfigError(
                    f"{place}: targets.{name}.gates: there is no gate `{gate}`; known: {known}"
                )
