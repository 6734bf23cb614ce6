"""Redacting what comes in pieces: nothing gets through because it was cut in two."""

from __future__ import annotations

from typing import Final

from abathur.domain.redaction import Redactor

LONGEST_LINE: Final = 65_536
"""A longer line is handed on in parts."""
_OVERLAP: Final = 4096
"""The end of a part that stays for the next one: longer than any secret on one line."""
_LONGEST_KEY: Final = 16_384
_KEY_BEGIN: Final = b"PRIVATE KEY"


class RedactedStream:
    """Hands on whole lines. Keeps back the lines in which a secret of several may have begun."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        self._rest += data
        ready = self._ready()
        if not ready:
            return b""
        done, self._rest = self._rest[:ready], self._rest[ready:]
        return self._redactor.data(done)

    def finish(self) -> bytes:
        """What was kept back."""
        done, self._rest = self._rest, b""
        return self._redactor.data(done)

    def _ready(self) -> int:
        end = self._rest.rfind(b"\n") + 1
        if not end:
            return self._part_of_line()
        # Where it is cut must not be in the middle of another one.
        while (safe := self._safe(end)) != end:
            end = safe
        return end

    def _safe(self, end: int) -> int:
        """Not after `end`, and where a line starts."""
        safe = min(self._redactor.begun(self._rest[:end]), _open_key(self._rest, end))
        return end if safe == end else self._rest.rfind(b"\n", 0, safe) + 1

    def _part_of_line(self) -> int:
        if len(self._rest) <= LONGEST_LINE:
            return 0
        limit = len(self._rest) - _OVERLAP
        # Between words, so that no word is cut.
        return (
            max(self._rest.rfind(mark, limit - _OVERLAP, limit) + 1 for mark in (b" ", b","))
            or limit
        )


def _open_key(data: bytes, end: int) -> int:
    """Where a block of a private key begins that hasn't ended, unless that is long ago."""
    start = data.rfind(b"-----BEGIN ", max(0, end - _LONGEST_KEY), end)
    if start < 0 or _KEY_BEGIN not in data[start : start + 60] or b"-----END " in data[start:end]:
        return end
    return start
