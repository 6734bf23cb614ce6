"""Which sessions of clients are open, so that a call in one needn't ask the SDK, which keeps them.

The SDK ends a session in which nothing has reached it for a while. So every so often a call is left
to it, which keeps the session open, or tells that it is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Message, Send

from abathur.domain.delegation import Caller


@dataclass(frozen=True, slots=True)
class _Seen:
    caller: Caller
    at: float


class OpenSessions:
    """Of one server. `idle_seconds`: after which the SDK ends one."""

    def __init__(self, idle_seconds: float, now: Callable[[], float]) -> None:
        self._idle_seconds = idle_seconds
        self._now = now
        self._seen: dict[bytes, _Seen] = {}

    def has(self, session: bytes, caller: Caller) -> bool:
        """Whether it is open for certain, and this caller's."""
        seen = self._seen.get(session)
        if seen is None or seen.caller != caller:
            return False
        return self._now() - seen.at < self._idle_seconds / 2

    def watching(self, send: Send, named: bytes | None, caller: Caller, *, ends: bool) -> Send:
        """`send` for a request that the SDK answers, to learn from what it says.

        `named` is the session that the request is of; None when it may begin one. `ends` when it
        asks for the session's end.
        """

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._learn(message, named, caller, ends=ends)
            await send(message)

        return sending

    def _learn(self, start: Message, named: bytes | None, caller: Caller, *, ends: bool) -> None:
        if start["status"] == 404 or ends:
            self._forget(named, caller)
        elif start["status"] < 300:
            session = named or dict(start["headers"]).get(b"mcp-session-id")
            if session is not None:
                self._note(session, caller)

    def _note(self, session: bytes, caller: Caller) -> None:
        now = self._now()
        if session not in self._seen:
            self._seen = {
                one: seen for one, seen in self._seen.items() if now - seen.at < self._idle_seconds
            }
        self._seen[session] = _Seen(caller, now)

    def _forget(self, named: bytes | None, caller: Caller) -> None:
        seen = self._seen.get(named) if named else None
        if named and seen is not None and seen.caller == caller:
            del self._seen[named]
