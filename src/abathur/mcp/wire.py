"""Connections over HTTP for the bridge: bytes go out, and answers are read as far as needed.

The standard library's own client reads the headers of an answer like those of a mail, which costs
more than all else that the bridge does. The other end is always our own server.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

MOST_LINE: Final = 65_536
END: Final = (b"\r\n", b"\n")

Place = tuple[str, int]


class CutOffError(ConnectionError):
    """The connection ended before the answer did: whether the request was done isn't known."""


class Answer:
    """The head of an answer; its body is read once, by `read` or `lines`."""

    def __init__(self, status: int, headers: Mapping[bytes, bytes], wire: Wire) -> None:
        self.status = status
        self.headers = headers
        self._wire = wire
        self.is_read = False
        """Whether the connection may be used again."""

    @property
    def kind(self) -> bytes:
        """The type of its content, without parameters."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()

    def read(self) -> bytes:
        """Raises `CutOffError`."""
        return b"".join(self._pieces())

    def lines(self) -> Iterator[bytes]:
        """As they come, without their ends. Raises `CutOffError`."""
        rest = b""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.removesuffix(b"\r")

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            while size := self._chunk_size():
                yield self._wire.take(size)
                self._wire.take_line()
            while self._wire.take_line() not in END:
                pass
        elif self.status not in {204, 304}:
            yield self._wire.take(_number(self.headers.get(b"content-length", b"0"), 10))
        self.is_read = self.headers.get(b"connection", b"").lower() != b"close"

    def _chunk_size(self) -> int:
        return _number(self._wire.take_line().partition(b";")[0], 16)


class Wire:
    """One connection. Making it raises `OSError` when nobody is there."""

    def __init__(self, place: Place, timeout: float | None = None) -> None:
        self.place = place
        self._socket = socket.create_connection(place, timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = self._socket.makefile("rb")

    def ask(self, request: bytes) -> Answer:
        """Raises `CutOffError`."""
        try:
            self._socket.sendall(request)
            status, headers = self._head()
            while status < 200:
                status, headers = self._head()
        except OSError as error:
            raise CutOffError(str(error)) from error
        return Answer(status, headers, self)

    def _head(self) -> tuple[int, Mapping[bytes, bytes]]:
        status = _number(self.take_line()[9:12], 10)
        headers = {}
        while (line := self.take_line()) not in END:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return status, headers

    def take(self, size: int) -> bytes:
        """Raises `CutOffError`."""
        try:
            got = self._incoming.read(size)
        except (OSError, ValueError) as error:
            raise CutOffError(str(error)) from error
        if len(got) < size:
            raise CutOffError("the server ended before it had answered")
        return got

    def take_line(self) -> bytes:
        """Raises `CutOffError`."""
        try:
            line = self._incoming.readline(MOST_LINE)
        except (OSError, ValueError) as error:
            raise CutOffError(str(error)) from error
        if not line.endswith(b"\n"):
            raise CutOffError("the server ended before it had answered")
        return line

    @property
    def is_over(self) -> bool:
        """Whether the other end has closed it while it was idle."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def cut(self) -> None:
        """Wake whoever reads from it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._incoming.close()
        self._socket.close()


def _number(digits: bytes, base: int) -> int:
    """Raises `CutOffError` for what is none."""
    try:
        return int(digits, base)
    except ValueError as error:
        raise CutOffError(f"the server's answer can't be read: {digits[:50]!r}") from error
