"""What to do about a run that says nothing: look for other signs of work, wait, end it last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from abathur.domain import times
from abathur.domain.errors import ConfigError
from abathur.domain.settings import SilenceSettings
from abathur.domain.wording import span

BUSY_SHARE: Final = 0.005
"""Of one core: a program that only waits for an answer uses less."""
LEAST_CPU_SECONDS: Final = 0.1
LEAST_IO_BYTES: Final = 4096
"""Timers and wake-ups of a waiting program move some bytes too."""


class Sign(StrEnum):
    """Evidence that a silent run works, in the words that a person is told."""

    CPU = "CPU active"
    IO = "I/O active"
    FILES = "files changed"
    DECLARED = "declared busy"
    CALL = "a tool call is open"
    ANSWER = "the probe says that it is busy"


ASSERTED: Final = frozenset({Sign.DECLARED, Sign.CALL})
"""Said rather than seen: believed for `silence.longest` only."""


class Step(StrEnum):
    EXTEND = "extend"
    """It works: look again later."""
    WARN = "warn"
    """Nothing moves: it is given the time once more, and told so."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, with those of its children that have ended."""

    cpu_seconds: float
    io_bytes: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What a silent run looks like at one moment."""

    processes: Mapping[int, Usage]
    """The living ones, by pid."""
    newest_change: float
    """Of a file in the worktree, by the file system's clock."""
    declared: bool = False
    open_call: bool = False


def signs(before: Sight, now: Sight, seconds: float) -> frozenset[Sign]:
    """What moved between two looks, `seconds` apart, and what the agent says of itself."""
    cpu = io = 0.0
    for pid, usage in now.processes.items():
        earlier = before.processes.get(pid, Usage(0.0, 0))
        cpu += max(0.0, usage.cpu_seconds - earlier.cpu_seconds)
        io += max(0, usage.io_bytes - earlier.io_bytes)
    found = {
        Sign.CPU: cpu >= max(LEAST_CPU_SECONDS, BUSY_SHARE * seconds),
        Sign.IO: io >= LEAST_IO_BYTES,
        Sign.FILES: now.newest_change > before.newest_change,
        Sign.DECLARED: now.declared,
        Sign.CALL: now.open_call,
    }
    return frozenset(sign for sign, is_there in found.items() if is_there)


@dataclass(frozen=True, slots=True)
class Ladder:
    """How far a silent run has come. `climbed` is the next rung."""

    settings: SilenceSettings
    quiet_looks: int = 0
    """In a row, without any sign."""

    def climbed(self, found: frozenset[Sign], silent_seconds: float) -> tuple[Ladder, Step]:
        is_believed = silent_seconds < self.settings.longest_seconds
        if found - ASSERTED or (found and is_believed):
            return replace(self, quiet_looks=0), Step.EXTEND
        looks = self.quiet_looks + 1
        step = Step.WARN if looks <= self.settings.extensions else Step.END
        return replace(self, quiet_looks=looks), step


def told(silent_seconds: float, found: frozenset[Sign], processes: int, step: Step) -> str:
    """`no output for 12 min; CPU active`."""
    said = f"no output for {span(timedelta(seconds=silent_seconds))}"
    if not processes:
        said += "; no process of it lives"
    elif found:
        said += f"; {', '.join(sorted(found))}"
        said += "" if step is Step.EXTEND else ", but nothing moves"
    else:
        said += "; nothing moves"
    if step is Step.WARN:
        return f"{said}; it is given the same time once more"
    return said if step is Step.EXTEND else f"{said}; it is ended"


def settings_of(default: SilenceSettings, agent_type: str, own: object) -> SilenceSettings:
    """Those of an agent type: its own `silence` section over the default.

    Raises `ConfigError`.
    """
    if own is None:
        return default
    where = f"configuration, agents.{agent_type}: silence"
    if not isinstance(own, Mapping):
        raise ConfigError(f"{where}: a section with `after`, `extensions`, `longest` is expected")
    made: dict[str, Any] = {}
    for key, value in own.items():
        if key in {"after", "longest"}:
            seconds = None if isinstance(value, bool) else times.seconds(str(value))
            if seconds is None:
                raise ConfigError(f'{where}: {key}: a time like "30s" or "5m" is expected')
            made[f"{key}_seconds"] = seconds
        elif key == "extensions" and type(value) is int and 0 <= value <= 100:
            made[key] = value
        else:
            raise ConfigError(f"{where}: {key}: isn't known here, or not with this value")
    return replace(default, **made)
