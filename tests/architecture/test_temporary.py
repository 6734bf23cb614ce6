"""Where tests put their files."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.temporary import NEEDED, is_fit


@pytest.mark.parametrize(
    ("blocks", "flags", "fits"),
    [(NEEDED // 4096, 0, True), (NEEDED // 4096 - 1, 0, False), (NEEDED, os.ST_NOEXEC, False)],
)
def test_a_place_in_memory_has_room_and_runs_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, flags: int, fits: bool
) -> None:
    found: Any = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_flag=flags)
    monkeypatch.setattr(os, "statvfs", lambda folder: found)
    assert is_fit(tmp_path) is fits
    assert not is_fit(tmp_path / "missing")
