"""What looks like a secret in the text that a task's work adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from abathur.domain.wording import count, quote

if TYPE_CHECKING:
    from abathur.domain.redaction import Redactor
    from abathur.domain.tasks import JsonObject

MAX_LEAKS: Final = 20
"""More of one task's work aren't told one by one."""
SHOWN_TEXT: Final = 120
SHOWN_PLACES: Final = 3


class Secrets(StrEnum):
    """What becomes of work that holds what looks like a secret."""

    WARN = "warn"
    """It lands, and a person is told."""
    HOLD = "hold"
    """It waits until a person has approved it."""
    OFF = "off"
    """Nobody looks."""


@dataclass(frozen=True, slots=True)
class AddedText:
    """Lines next to each other that a change adds to a file."""

    path: str
    line: int
    """The number of the first one."""
    text: bytes


@dataclass(frozen=True, slots=True)
class Leak:
    path: str
    line: int
    text: str
    """The line, with what looks like a secret taken out."""

    @property
    def plain(self) -> JsonObject:
        return {"path": self.path, "line": self.line, "text": self.text}


def leaks(added: Sequence[AddedText], redactor: Redactor) -> tuple[Leak, ...]:
    """The first places that the redactor would take something out of; at most `MAX_LEAKS`."""
    together = b"\n".join(one.text for one in added)
    if redactor.data(together) is together:
        return ()
    found: list[Leak] = []
    for one in added:
        found += _in_text(one, redactor)
        if len(found) >= MAX_LEAKS:
            break
    return tuple(found[:MAX_LEAKS])


def _in_text(added: AddedText, redactor: Redactor) -> list[Leak]:
    clean = redactor.data(added.text)
    if clean is added.text:
        return []
    lines = added.text.split(b"\n")
    apart = [
        (number, one)
        for number, line in enumerate(lines)
        if (one := redactor.data(line)) is not line
    ]
    # A secret of several lines shows in none of them alone.
    return [_leak(added, number, line) for number, line in apart or [_difference(lines, clean)]]


def _difference(lines: Sequence[bytes], clean: bytes) -> tuple[int, bytes]:
    pairs = enumerate(zip(lines, clean.split(b"\n"), strict=False))
    return next(((number, new) for number, (old, new) in pairs if old != new), (0, b""))


def _leak(added: AddedText, number: int, line: bytes) -> Leak:
    text = quote(line.decode("utf-8", "replace"))
    shown = text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}…"
    return Leak(added.path, added.line + number, shown)


def told(found: Sequence[Leak]) -> str:
    """Where they are, as a part of a sentence."""
    shown = [f"{quote(leak.path)}:{leak.line}" for leak in found[:SHOWN_PLACES]]
    more = len(found) - SHOWN_PLACES
    rest = f" and {count(more, 'more place')}" if more > 0 else ""
    return f"{', '.join(shown)}{rest}"
