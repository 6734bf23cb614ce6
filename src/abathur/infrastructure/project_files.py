"""Making a project's folder. What is there already stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from abathur.infrastructure import paths
from abathur.infrastructure.config import default_config_text

IGNORED: Final = """\
# Only configuration, agent definitions and templates belong to the repository.
/*
!/.gitignore
!/config.yaml
!/agents/
!/templates/
!/template.json
"""


def make_files(root: Path, allowed: str | None = None) -> Sequence[Path]:
    """The files of the project's folder that were missing and are there now. Raises `OSError`.

    A configuration that is made lets work land on the target `allowed`.
    """
    folder = paths.project_folder(root)
    folder.mkdir(exist_ok=True)
    wanted = {
        folder / ".gitignore": IGNORED,
        paths.project_config_file(root): default_config_text(allowed),
    }
    return [file for file, text in wanted.items() if _make(file, text)]


def _make(file: Path, text: str) -> bool:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    return True
