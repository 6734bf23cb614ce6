"""A socket between a client and a PostgreSQL server that cuts the line at a commit."""

from __future__ import annotations

import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

SIZE = 65536


class Cutter:
    def __init__(self, server: Path) -> None:
        self._server = server
        self.folder = Path(tempfile.mkdtemp(prefix="cut-"))
        self._entrance = socket.socket(socket.AF_UNIX)
        self._entrance.bind(str(self.folder / ".s.PGSQL.5432"))
        self._entrance.listen()
        self._is_armed = False
        self._is_forwarded = False
        self._is_mute = False
        self.cuts = 0
        self._acceptor = Thread(target=self._accept, daemon=True)

    def cut_at_commit(self, is_forwarded: bool) -> None:
        """Once, after the server has done the commit, or before it hears of it."""
        self._is_armed, self._is_forwarded = True, is_forwarded

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entrance.shutdown(socket.SHUT_RDWR)
        self._entrance.close()
        self._acceptor.join()
        shutil.rmtree(self.folder)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._entrance.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            back = Thread(target=self._back, args=(server, client), daemon=True)
            back.start()
            self._there(client, server)
            back.join()

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(SIZE):
                if self._is_armed and b"COMMIT" in data:
                    self._is_armed = False
                    self.cuts += 1
                    if self._is_forwarded:
                        # What the server answers reaches nobody; it hangs up when it is done.
                        self._is_mute = True
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                        return
                    break
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(SIZE):
                if not self._is_mute:
                    client.sendall(data)
        self._is_mute = False
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
