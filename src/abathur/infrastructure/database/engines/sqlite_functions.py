"""The functions of ours that SQL may call: the hashes of the audit trail.

Released migrations call them, so their names and results never change.
"""

from __future__ import annotations

from typing import Any

from abathur.domain.audit import START, entry_hash


def audit_hash(*fields: Any) -> str:
    previous, *others = fields
    return entry_hash(START if previous is None else previous, *others)


class AuditChain:
    """Hashes rows one after the other; a window function, so each row gets the hash so far."""

    def __init__(self) -> None:
        self._previous = START
        self._sequence = 0

    def step(self, *fields: Any) -> None:
        self._sequence += 1
        self._previous = entry_hash(self._previous, self._sequence, *fields)

    def value(self) -> str:
        return self._previous

    def final(self) -> str:
        return self._previous

    def inverse(self, *_: Any) -> None:
        raise NotImplementedError("a chain has no way back")
