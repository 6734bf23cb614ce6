"""Taking requests over HTTP: the listening socket, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS: Final = 2
BACKLOG: Final = 512
IDLE_SECONDS: Final = 300
"""For which a connection is kept without a request: agents think for long between their calls."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """An orderly end; uvicorn's own way raises the signal again, and nothing is tidied up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _keep_what_is_there()
            self._ready()


def _keep_what_is_there() -> None:
    """The libraries' hundred thousand objects stay until the process ends.

    Looking through them for garbage stops all calls for 40 ms, and finds none.
    """
    gc.freeze()


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections there. Raises `OSError` when the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # asyncio does so only for sockets that name their protocol. An answer is two packets, and the
    # second would wait for the client's word on the first, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(app: ASGIApp, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Until a signal. `ready` is told the port once requests are taken.

    Raises `OSError` when the address can't be had.
    """
    with listening(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing asks where a request came from
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=IDLE_SECONDS,
            ws="none",
        )
        server = _Server(config, lambda: ready(listener.getsockname()[1]))
        await server.serve(sockets=[listener])
