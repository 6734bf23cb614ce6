"""Whether the files of a configuration have changed, by a look at each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from abathur.infrastructure import paths
from abathur.infrastructure.definitions import definition_files
from abathur.infrastructure.trust import TrustedRepositories

Stamp = tuple[tuple[str, int, int, int], ...]


def stamp(root: Path, env: Mapping[str, str]) -> Stamp:
    """Another one after any change of settings, definitions, templates, or the person's word."""
    return tuple(_look(file) for file in _files(root, env))


def _files(root: Path, env: Mapping[str, str]) -> Iterator[Path]:
    for file in (
        paths.user_config_file(env),
        paths.project_config_file(root),
        paths.local_config_file(root),
        TrustedRepositories(env).file(root),
        root / ".claude" / "settings.json",
        root / ".claude" / "settings.local.json",
    ):
        if file is not None:
            yield file
    yield from sorted(paths.templates_folder(root).glob("*.j2"))
    for folder in paths.agent_folders(root):
        if folder.is_dir():
            yield from definition_files(folder)


def _look(file: Path) -> tuple[str, int, int, int]:
    """Not by the time of its content, which anybody can set back."""
    try:
        found = file.stat()
    except OSError:
        return str(file), 0, 0, 0
    return str(file), found.st_ctime_ns, found.st_size, found.st_ino
