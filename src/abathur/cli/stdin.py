"""Text that a command reads from stdin, where `-` stands in its place."""

from __future__ import annotations

import sys

from abathur.domain.errors import InvalidInputError


def stdin_text(what: str = "stdin") -> str:
    """Raises `InvalidInputError` for what is no UTF-8; `what` begins the message."""
    data: bytes = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{what}: stdin isn't UTF-8 text (byte {error.start}); convert it first"
        ) from error
