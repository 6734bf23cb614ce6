"""Records of worktrees whose writer died in between: made whole where it is known what was meant.

A git that is killed, or a power cut, can leave the `commondir` of a record empty. Then every git
that looks through the worktrees of the repository fails, also for those of others. What belongs in
there is the same for all records, for they all lie in the folder that it names: a git that is still
about to write it writes the very same.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_EMPTY: Final = re.compile(rb"failed to read (.*/worktrees/[^/]+/commondir): Success")
"""The error of a file in which there is nothing: any other one has another reason behind it."""
_COMMON: Final = b"../..\n"


def mend(stderr: bytes, folder: Path) -> bool:
    """Fill in what git, run in the folder, complained of; whether it was worth another try."""
    found = _EMPTY.search(stderr)
    if found is None:
        return False
    try:
        descriptor = os.open(folder / os.fsdecode(found[1]), os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not os.fstat(descriptor).st_size:
            os.pwrite(descriptor, _COMMON, 0)
        return True
    finally:
        os.close(descriptor)
