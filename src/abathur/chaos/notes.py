"""What a round did, step by step, in a file beside its repository: enough to play it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FILE: Final = "round.jsonl"
STEPS: Final = frozenset({"fill", "strike", "rest"})


class Notes:
    def __init__(self, folder: Path, seed: int) -> None:
        self._file = folder / FILE
        self.write("start", seed=seed)

    def write(self, step: str, **facts: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **facts}) + "\n")


def read(folder: Path) -> tuple[int, Sequence[Mapping[str, Any]]]:
    """The seed of the round in the folder, and its steps. Raises `OSError`, `ValueError`."""
    start, *rest = map(json.loads, (folder / FILE).read_text(encoding="utf-8").splitlines())
    return int(start["seed"]), [note for note in rest if note["step"] in STEPS]
