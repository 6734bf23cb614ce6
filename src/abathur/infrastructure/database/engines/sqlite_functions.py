"""The functions of ours that SQL may call: the hashes of the audit trail.

Released migrations call them, so their names and results never change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abathur.domain.audit import START, entry_hash

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.sqlite import Connection


def register(connection: Connection) -> None:
    connection.create_scalar_function("audit_hash", audit_hash, 8)
    connection.create_window_function("audit_chain", Chain, 11)


def audit_hash(previous: Any, *fields: Any) -> str:
    return entry_hash(START if previous is None else previous, *fields)


class Chain:
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
