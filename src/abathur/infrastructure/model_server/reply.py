"""A turn in the words of one API: a whole body, or the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from abathur.infrastructure.model_server.asked import Asked
from abathur.infrastructure.model_server.script import Api, Turn

PIECE: Final = 400
"""Characters of text that a stream sends at once."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    data: Mapping[str, Any] | str
    name: str | None = None

    def encoded(self) -> bytes:
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {text}\n\n".encode()


class Dialect(Protocol):
    """What each of the modules `dialect_*` has."""

    def body(self, asked: Asked, turn: Turn, number: str) -> dict[str, Any]: ...

    def events(self, asked: Asked, turn: Turn, number: str) -> Iterator[Event]:
        """`number` makes ids that no other answer of this server has."""
        ...

    def refusal(self, turn: Turn) -> dict[str, Any]:
        """The body of a status that is an error."""
        ...

    def broken(self, error: str, message: str) -> Event:
        """An error in the middle of a stream."""
        ...


def dialect(api: Api) -> Dialect:
    module: Dialect = import_module(f"abathur.infrastructure.model_server.dialect_{api}")
    return module


def pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def as_json(arguments: Mapping[str, Any] | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def error_type(turn: Turn) -> str:
    return turn.error or _TYPES.get(turn.status, "api_error")
