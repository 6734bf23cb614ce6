"""Which database the configuration names, found without reading all of it where it names none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from abathur.domain.settings import Settings
from abathur.infrastructure import paths

VARIABLE: Final = "ABATHUR_DB"
_KEY: Final = re.compile(rb"""(?:^|[{,])[\s{"']*database\b""", re.MULTILINE)
"""At the beginning of a line, or anywhere in a mapping on one line."""


def configured_database(root: Path, env: Mapping[str, str]) -> Settings | str | None:
    """A path or URL of the environment, else the settings when one of the files may name one.

    None when the project's own file is meant. Raises `ConfigError`.
    """
    named = env.get(VARIABLE, "").strip()
    if named:
        return named
    files = (
        paths.user_config_file(env),
        paths.project_config_file(root),
        paths.local_config_file(root),
    )
    if not any(file is not None and _mentions(file) for file in files):
        return None
    # Reading YAML takes longer than most commands.
    from abathur.infrastructure.config import load_settings

    return load_settings(root, env, {})


def _mentions(file: Path) -> bool:
    with suppress(OSError):
        return _KEY.search(file.read_bytes()) is not None
    return False
