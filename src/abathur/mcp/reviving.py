"""Stands between an agent program and a server over stdio, and starts that again when it ends.

    python -m abathur.mcp.reviving PROGRAM ARGUMENT...

Agent programs do without a server for the rest of a run once it has ended. Here the new one is
greeted as the client has greeted the first, and who waited for an answer is told that there won't
be one. A server that has nothing to do and doesn't answer a ping is ended, and started again too.
It has the standard library alone, since each run has one for each server.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess  # noqa: TID251 - it has the standard library alone
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, Final

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
MOST_DEATHS: Final = 5
"""Without a word in between: then it is no use."""
CHECK_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 2.0
ENDED: Final = -32000
GREETING: Final = "abathur-greeting"
PING: Final = "abathur-ping"


class Reviver:
    def __init__(
        self,
        command: Sequence[str],
        incoming: IO[bytes],
        outgoing: IO[bytes],
        *,
        check_seconds: float = CHECK_SECONDS,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._command = command
        self._incoming, self._outgoing = incoming, outgoing
        self._check_seconds, self._first_pause = check_seconds, first_pause
        self._lock = threading.RLock()
        self._server: subprocess.Popen[bytes] | None = None
        self._is_up = False
        self._is_given_up = False
        self._has_spoken = False
        """Since the last check, or since it was started."""
        self._is_pinged = False
        self._initialize: dict[str, Any] | None = None
        self._is_greeted = False
        self._open: set[object] = set()
        """Ids of requests that the server hasn't answered."""
        self._waiting: list[bytes] = []
        """Lines for a server that is being started again."""
        self._outbox: queue.SimpleQueue[tuple[IO[bytes], bytes | None] | None] = queue.SimpleQueue()
        """A server that doesn't read must not keep us from reading what it says."""
        self._over = threading.Event()

    def run(self) -> int:
        """Until the input ends; the code to exit with."""
        serving = threading.Thread(target=self._serve, daemon=True)
        serving.start()
        delivering = threading.Thread(target=self._deliver, daemon=True)
        delivering.start()
        for work in (self._check, self._read):
            threading.Thread(target=work, daemon=True).start()
        try:
            self._over.wait()
        finally:
            self._over.set()
            code = self._end()
        serving.join(GRACE_SECONDS)  # it passes on the last answers
        self._outbox.put(None)
        delivering.join(GRACE_SECONDS)
        return 1 if self._is_given_up else code

    def _read(self) -> None:
        for line in self._incoming:
            self._take(line)
        self._over.set()

    def _end(self) -> int:
        with self._lock:
            server = self._server
        if server is None:
            return 1
        self._close()
        for stop in (server.terminate, server.kill):
            with suppress(subprocess.TimeoutExpired):
                return 0 if server.wait(GRACE_SECONDS) == 0 else 1
            stop()
        server.wait()
        return 1

    # --- from the client ------------------------------------------------------------------

    def _take(self, line: bytes) -> None:
        message = _parsed(line)
        with self._lock:
            method, number = message.get("method"), _id(message)
            if method == "initialize":
                self._initialize = message
            if method is not None and number is not None:
                self._open.add(number)
            if self._is_up:
                self._write(line)
            else:
                self._waiting.append(line)

    def _write(self, line: bytes) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        self._outbox.put((self._server.stdin, line))

    def _close(self) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        self._outbox.put((self._server.stdin, None))

    def _deliver(self) -> None:
        """To servers that may just have ended, which their output will tell."""
        while (told := self._outbox.get()) is not None:
            stream, line = told
            with suppress(OSError, ValueError):
                if line is None:
                    stream.close()
                else:
                    stream.write(line)
                    stream.flush()

    # --- from the server ------------------------------------------------------------------

    def _serve(self) -> None:
        pause, deaths = self._first_pause, 0
        while not self._over.is_set():
            if not self._start():
                break
            assert self._server is not None
            assert self._server.stdout is not None
            has_spoken = False
            for line in self._server.stdout:
                has_spoken = True
                self._hear(line)
            self._server.stdout.close()
            self._server.wait()
            self._has_ended()
            pause, deaths = (self._first_pause, 0) if has_spoken else (pause, deaths + 1)
            self._is_given_up = deaths == MOST_DEATHS
            if self._is_given_up:
                break
            self._over.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
        self._over.set()

    def _start(self) -> bool:
        with self._lock:
            is_first = self._server is None
            try:
                self._server = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            except OSError as error:
                sys.stderr.write(f"abathur: {self._command[0]} can't be started: {error}\n")
                return False
            self._has_spoken, self._is_pinged = True, False
            if is_first or not self._is_greeted or self._initialize is None:
                self._go_on()
            else:
                self._write(_line({**self._initialize, "id": GREETING}))
            return True

    def _go_on(self) -> None:
        self._is_up = True
        for line in self._waiting:
            self._write(line)
        self._waiting.clear()

    def _hear(self, line: bytes) -> None:
        message = _parsed(line)
        with self._lock:
            self._has_spoken, self._is_pinged = True, False
            if "method" in message:
                self._say(line)
            elif message.get("id") == GREETING:
                self._write(_line({"jsonrpc": "2.0", "method": "notifications/initialized"}))
                self._go_on()
            elif message.get("id") != PING:
                number = _id(message)
                self._open.discard(number)
                first = self._initialize
                self._is_greeted |= first is not None and number == _id(first)
                self._say(line)

    def _has_ended(self) -> None:
        with self._lock:
            self._is_up = False
            self._close()
            asked = self._open
            if not self._is_greeted and self._initialize is not None:
                # Nothing has been done yet: the next one is greeted as if it were the first.
                asked = asked - {_id(self._initialize)}
                if len(asked) != len(self._open):
                    self._waiting.insert(0, _line(self._initialize))
            waited = {_id(_parsed(line)) for line in self._waiting}
            for number in asked - waited:
                self._open.discard(number)
                told = (
                    "the server ended before it had answered, and is started again; look whether"
                    " it was done before you call again"
                )
                error = {"code": ENDED, "message": told}
                self._say(_line({"jsonrpc": "2.0", "id": number, "error": error}))

    def _check(self) -> None:
        while not self._over.wait(self._check_seconds):
            with self._lock:
                if not self._is_up or not self._is_greeted or self._open or self._server is None:
                    continue
                if self._is_pinged:
                    self._server.kill()
                elif not self._has_spoken:
                    self._is_pinged = True
                    self._write(_line({"jsonrpc": "2.0", "id": PING, "method": "ping"}))
                self._has_spoken = False

    def _say(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._outgoing.write(line)
            self._outgoing.flush()


def _parsed(line: bytes) -> dict[str, Any]:
    """Empty for what is no message."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _id(message: dict[str, Any]) -> object:
    number = message.get("id")
    return number if isinstance(number, int | str) else None


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def main(command: Sequence[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    with suppress(SystemExit):
        return Reviver(command, sys.stdin.buffer, sys.stdout.buffer).run()
    return 1


if __name__ == "__main__":
    # A thread may be reading stdin for ever; the interpreter would abort when it closes that.
    os._exit(main(sys.argv[1:]))
