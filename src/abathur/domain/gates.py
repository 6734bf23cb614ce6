"""Gates: the project's own commands that judge a merged tree before it lands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from abathur.domain.records import record

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""Of a gate: it becomes a part of file names."""
VERIFY: Final = "verify"
"""The gate that the setting `verify` makes."""


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    FLAKY = "flaky"
    """It failed on the same tree right before, and passed when it was run again."""
    TIMED_OUT = "timed_out"

    @property
    def is_pass(self) -> bool:
        return self in {Verdict.PASSED, Verdict.FLAKY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    name: str
    argv: tuple[str, ...]
    timeout_seconds: int = 1800
    retries: int | None = None
    """How often it is run again after a failure; None leaves that to `landing.retry_flaky`."""

    @property
    def digest(self) -> str:
        """Stands for the command: a verdict is no verdict of another command."""
        return sha256("\0".join(self.argv).encode(errors="surrogateescape")).hexdigest()


@record
class GateRun:
    """One run of a gate, as one of the landings that it judged is told of it."""

    landing_id: str
    gate: str
    command: str
    """The gate's `digest`."""
    tree: str
    """The hash of the tree that was judged."""
    batch_size: int
    """How many landings the tree held."""
    started_at: datetime
    ended_at: datetime
    exit_code: int | None
    """None when it timed out."""
    verdict: Verdict
    log_path: str | None
