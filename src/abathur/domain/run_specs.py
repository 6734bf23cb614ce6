"""From an agent type to what a runtime is told of a run: one place for all that ask a runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.domain.runs import RunSpec
from abathur.domain.tasks import JsonObject


def run_spec(spec: AgentSpec, root: Path, **facts: Any) -> RunSpec:
    """`facts` are the fields that belong to the one run. Raises `ConfigError`.

    `root` is the folder from which `add_dirs` count.
    """
    settings = spec.settings
    schema = settings.get("result_schema")
    where = f"agent type `{spec.agent_type}`"
    return RunSpec(
        agent_type=spec.agent_type,
        system_prompt=spec.system_prompt,
        model=spec.model,
        effort=_text(settings, "effort", where),
        tools=spec.tools,
        denied_tools=_texts(settings, "denied_tools", where),
        max_turns=_whole(settings, "max_turns", where),
        add_dirs=tuple(
            root / Path(name).expanduser() for name in _texts(settings, "add_dirs", where)
        ),
        output_schema=schema if isinstance(schema, Mapping) else None,
        settings=settings,
        **facts,
    )


def _text(settings: JsonObject, key: str, where: str) -> str | None:
    value = settings.get(key)
    if value is None or (isinstance(value, str) and value.strip()):
        return value.strip() if value else None
    raise ConfigError(f"{where}: {key}: a word is expected, not {value!r:.60}")


def _texts(settings: JsonObject, key: str, where: str) -> tuple[str, ...]:
    """A list, or one text with commas."""
    value = settings.get(key)
    if value is None:
        return ()
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{where}: {key}: a list of texts is expected, not {value!r:.60}")
    return tuple(dict.fromkeys(name for item in items if (name := item.strip())))


def _whole(settings: JsonObject, key: str, where: str) -> int | None:
    value = settings.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{where}: {key}: a whole number above zero is expected, not {value!r}")
    return value
