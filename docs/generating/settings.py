"""The keys of the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from abathur.domain.configuration import FIXED
from abathur.domain.settings import CommandSetting, Settings
from abathur.infrastructure import config_older
from abathur.infrastructure.config import default_config_text
from abathur.infrastructure.config_keys import KEYS, Key
from generating.text import code, table


def configuration() -> str:
    rows = [
        [
            code(key.name),
            _default(key),
            code(key.sample),
            code(key.variable) if key.variable else "",
            key.help,
        ]
        for key in KEYS
    ]
    older = [
        *([code(old), code(new)] for old, new in config_older.NAMES.items()),
        *([code(old), code(new)] for old, new in config_older.VARIABLES.items()),
    ]
    return "\n\n".join(
        [
            "# Configuration",
            "YAML, read from these places; later ones win:",
            "\n".join(
                [
                    "1. `~/.abathur/config.yaml`: yours, for all projects",
                    "2. `.abathur/config.yaml`: the project's, to be committed",
                    "3. `.abathur/local.yaml`: this clone's, ignored by git",
                    "4. environment variables",
                    "5. options, like `--max-agents` of `abathur swarm start`",
                ]
            ),
            "Sections are merged key by key, lists are replaced, and an empty value (`verify:`)"
            " goes back to the default. An unknown key is refused with its file and line. A running"
            " swarm takes over what changes, but for"
            f" {', '.join(map(code, FIXED[:-1]))} and {code(FIXED[-1])}: see [watch a"
            " swarm](../how-to/watch-a-swarm.md#change-its-settings).",
            "Times are a number of seconds, or like `30s`, `5m`, `1h`, `2d`. A command is a text"
            " for `sh -c`, a list of arguments, or `{command: ..., timeout: 30m}`; without a"
            f" timeout it may take {CommandSetting(argv=()).timeout_seconds // 60} minutes.",
            table(["Key", "Default", "Example", "Variable", "What it does"], rows),
            "`runtimes.NAME` and `agents.TYPE` are sections for the [runtimes](runtimes.md). What"
            " an agent type says for itself wins over its definition in `.abathur/agents/` or"
            " `.claude/agents/`, and that over `runtimes.NAME`.",
            "## The file that `abathur init` writes",
            f"```yaml\n{default_config_text().strip()}\n```",
            "## Names of older versions",
            "These are still read:",
            table(["Older name", "Now"], older),
            "These have no effect, and are no error: "
            + ", ".join(map(code, sorted(config_older.WITHOUT_EFFECT)))
            + ".",
        ]
    )


def _default(key: Key) -> str:
    value: Any = Settings()
    for name in key.setting.split("."):
        value = getattr(value, name)
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, Mapping | tuple):
        return code(json.dumps(value))
    if key.setting.endswith("_seconds"):
        return code(_span(value))
    return code(f"{value:.12g}" if isinstance(value, int | float) else str(value))


def _span(seconds: float) -> str:
    """As it can be written: `90d`, `5m`, `0.5s`."""
    units = {"d": 86_400, "h": 3_600, "m": 60}
    found = next((u for u, size in units.items() if seconds and seconds % size == 0), "s")
    return f"{seconds / units.get(found, 1):.12g}{found}"
