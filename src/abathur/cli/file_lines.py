"""Changed files, a line each, alike wherever they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur.cli.text import clean, pad

if TYPE_CHECKING:
    from abathur.ports.repository import ChangedFile


def file_line(file: ChangedFile) -> str:
    change = "binary" if file.added is None else f"+{file.added} -{file.removed}"
    return f"{pad(change, 10, right=True)}  {clean(file.path)}"
