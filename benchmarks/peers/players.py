"""The processes of the queues, each asked in turn; one that fails doesn't stop the others."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 90.0
ROOT: Final = Path(__file__).resolve().parents[2]


class PlayerFailed(Exception):
    """Says what the player said."""


class Player:
    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.player", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            # Lines are small, and `select` has to see what is there.
            bufsize=0,
        )

    def ask(self, asked: Mapping[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
        """Raises `PlayerFailed`, after which this player is of no more use."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        except BrokenPipeError as error:
            raise PlayerFailed("its process ended") from error
        return self.listen(patience)

    def listen(self, patience: float = PATIENCE) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], patience)[0]:
            raise PlayerFailed(f"no answer in {patience:g} s")
        line = stdout.readline()
        if not line:
            raise PlayerFailed(f"its process ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise PlayerFailed(told["error"])
        return told

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()
