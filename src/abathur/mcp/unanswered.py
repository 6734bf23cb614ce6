"""The end of stdin, held back until what was asked before it has its answer.

The SDK cancels all calls as soon as a client's input ends, and a call whose write is under way is
done all the same. A client that asks, closes its end and reads would never hear of it.
"""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Final

import anyio
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

LAST_SECONDS: Final = 1.0
"""Clients give a server two seconds to end."""
CANCELLED: Final = "notifications/cancelled"
LISTEN: Final = "subscriptions/listen"


class Unanswered:
    """Requests of one client that have no answer yet, without those that wait for something."""

    def __init__(self, waiting: Collection[str], seconds: float = LAST_SECONDS) -> None:
        """`waiting`: names of tools."""
        self._waiting, self._seconds = waiting, seconds
        self._open: set[int | str] = set()
        self._changed = anyio.Event()

    def asked(self, item: SessionMessage | Exception) -> None:
        message = None if isinstance(item, Exception) else item.message
        if isinstance(message, JSONRPCRequest) and not self._waits(message):
            self._open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == CANCELLED:
            self._close((message.params or {}).get("requestId"))

    def _waits(self, request: JSONRPCRequest) -> bool:
        return request.method == LISTEN or (request.params or {}).get("name") in self._waiting

    def said(self, item: SessionMessage) -> None:
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._close(item.message.id)

    def _close(self, number: object) -> None:
        if isinstance(number, int | str):
            self._open.discard(number)
        self._changed.set()

    async def rest(self) -> None:
        """Until all is answered, or the time is over."""
        with anyio.move_on_after(self._seconds):
            while self._open:
                self._changed = anyio.Event()
                await self._changed.wait()


class Incoming:
    """Meets `ReadStream`: what the client says."""

    def __init__(
        self, stream: ReadStream[SessionMessage | Exception], unanswered: Unanswered
    ) -> None:
        self._stream, self._unanswered = stream, unanswered

    async def receive(self) -> SessionMessage | Exception:
        try:
            item = await self._stream.receive()
        except anyio.EndOfStream:
            await self._unanswered.rest()
            raise
        self._unanswered.asked(item)
        return item

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Incoming:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Incoming:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


class Outgoing:
    """Meets `WriteStream`: what the server says."""

    def __init__(self, stream: WriteStream[SessionMessage], unanswered: Unanswered) -> None:
        self._stream, self._unanswered = stream, unanswered

    async def send(self, item: SessionMessage, /) -> None:
        await self._stream.send(item)
        self._unanswered.said(item)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Outgoing:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()
