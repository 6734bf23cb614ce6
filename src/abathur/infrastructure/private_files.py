"""Files that a program is to find and nobody else is to read, like those that hold tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from abathur.domain.errors import ProcessError


def write(files: Mapping[Path, str]) -> None:
    """Each with mode 0600 from its first byte, in folders of mode 0700. Raises `ProcessError`.

    One that is there is replaced, and a link in its place isn't followed.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ProcessError(
                f"can't write {path} for the agent: {error.strerror}; check the folder's rights"
            ) from error
