"""From a client that only speaks stdio to a server that runs already and speaks HTTP.

A server of one's own takes over a second to start; this takes a few hundredths, since it imports
the standard library alone. It passes messages on as they are. Where no server runs, it becomes one;
when the one that it has found is gone later, it looks for another, and else starts one.

    python -m abathur.mcp.bridge [--only tasks|memory]

`ABATHUR_MCP_URL` and `ABATHUR_MCP_TOKEN` say where and as whom; a person's project is found from
the current folder.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess  # noqa: TID251 - it has the standard library alone
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from abathur.mcp.finding import TOKEN, find
from abathur.mcp.repeating import can_be_repeated
from abathur.mcp.wire import Answer, CutOffError, Place, Wire

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
VERSION: Final = "Mcp-Protocol-Version"
SESSION: Final = b"mcp-session-id"
ALWAYS: Final = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
INITIALIZE: Final = {"method": "initialize"}
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose subject is repeated in a header -> the parameter that names it."""
TRIES: Final = 20
PATIENCE: Final = 4
"""Tries before another server is looked for."""
PAUSE_SECONDS: Final = 0.25
"""Between two tries to reach a server that is just being started again."""
STDOUT: Final = 1
LAST_SECONDS: Final = 1.0
"""For the answers to what was asked before stdin ended."""
NOT_REACHED: Final = -32000


class Bridge:
    def __init__(self, found: tuple[str, str], start: Path, only: str | None) -> None:
        self._start, self._only = start, only
        self._own: subprocess.Popen[str] | None = None
        self._go_to(found)
        self._session: str | None = None
        self._version: str | None = None
        self._initialize: bytes | None = None
        self._subscribed: dict[object, bytes] = {}
        self._writing = threading.Lock()
        self._beginning = threading.Lock()
        self._moving = threading.Lock()
        self._open: dict[object, Wire] = {}
        self._given_up: set[object] = set()
        self._idle: list[Wire] = []
        self._hands = _Hands()
        self._over = threading.Event()

    def run(self) -> None:
        """Until stdin ends, or a signal says so."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            for line in sys.stdin.buffer:
                if line.strip():
                    self._take(line.strip())
            self._hands.rest(LAST_SECONDS)
        finally:
            self._over.set()
            if self._own is not None:
                self._own.terminate()
                self._own.wait()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._say(_error(None, -32700, "this is no JSON"))
            return
        if not isinstance(message, dict):
            self._say(_error(None, -32600, "this is no message of JSON-RPC"))
        elif message.get("method") in {"initialize", "notifications/initialized"}:
            self._pass_on(message, line)  # what follows needs the session
        else:
            self._hands.give(lambda: self._pass_on(message, line))

    def _go_to(self, found: tuple[str, str]) -> None:
        url, self._token = found
        parts = urllib.parse.urlsplit(f"{url.rstrip('/')}/{self._only}" if self._only else url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._target = f"{parts.path} HTTP/1.1\r\nHost: {parts.netloc}"

    def _go_elsewhere(self, gone: Place) -> bool:
        """To another server, or an own one; False for a run's, whose swarm starts it again."""
        with self._moving:
            if self._place != gone:
                return True
            if os.environ.get(TOKEN) or self._over.is_set():
                return False
            found = find(self._start) or self._started()
            if found is not None:
                self._go_to(found)
            return found is not None

    def _started(self) -> tuple[str, str] | None:
        command = [sys.executable, "-P", "-m", "abathur", "mcp", "serve", "--http", "0"]
        self._own = subprocess.Popen(
            command,
            cwd=self._start,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._own.stdout is not None
        self._own.stdout.readline()  # once it takes requests, it has said where it is
        return find(self._start)

    def _pass_on(self, message: dict[str, Any], line: bytes) -> None:
        method, number = message.get("method"), message.get("id")
        if method == "notifications/cancelled" and self._session is None:
            self._hang_up(message)
            return
        try:
            self._exchange(message, line)
        except OSError as error:
            if number is not None and method is not None and not self._over.is_set():
                self._say(_error(number, NOT_REACHED, _told(error, message)))
            return
        if method == "initialize":
            self._initialize = line
        elif method == "notifications/initialized" and self._session:
            threading.Thread(target=self._listen, daemon=True).start()
        elif method == "resources/subscribe":
            self._subscribed[_uri(message)] = line
        elif method == "resources/unsubscribe":
            self._subscribed.pop(_uri(message), None)

    def _hang_up(self, message: dict[str, Any]) -> None:
        """Without sessions the end of the answer's stream is what cancels a request."""
        params = message.get("params")
        wanted = _hashable(params.get("requestId") if isinstance(params, dict) else None)
        wire = self._open.get(wanted)
        if wire is not None:
            self._given_up.add(wanted)
            wire.cut()

    def _exchange(self, message: dict[str, Any], line: bytes) -> None:
        """Raises `OSError`, among them `CutOffError`."""
        number, may_repeat = _hashable(message.get("id")), can_be_repeated(message)
        try:
            for attempt in range(TRIES):
                try:
                    self._once(message, line, number)
                    return
                except CutOffError:
                    if number in self._given_up:
                        return
                    if not may_repeat or attempt == TRIES - 1 or self._over.is_set():
                        raise
                self._over.wait(PAUSE_SECONDS)
        finally:
            self._given_up.discard(number)

    def _once(self, message: dict[str, Any], line: bytes, number: object) -> None:
        session = self._session
        head = self._head("POST", message)
        with self._asking(number, head, line) as answer:
            if answer.status != 404 or not session or self._initialize is None:
                self._session = _text(answer.headers.get(SESSION)) or self._session
                self._answer(message, answer)
                return
            answer.read()
        self._begin_again(session)
        with self._asking(number, self._head("POST", message), line) as answer:
            self._answer(message, answer)

    def _begin_again(self, lost: str) -> None:
        """The server was started again and has forgotten the session, and who listens to what."""
        with self._beginning:
            if self._session != lost:
                return
            self._session = None
            assert self._initialize is not None
            with self._asking(None, self._head("POST", INITIALIZE), self._initialize) as first:
                self._session = _text(first.headers.get(SESSION))
                first.read()
            ready = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            for line in (ready, *self._subscribed.values()):
                with self._asking(None, self._head("POST", {}), line) as done:
                    done.read()

    @contextmanager
    def _asking(self, number: object, head: str, body: bytes) -> Iterator[Answer]:
        """A request on its way, known under its number. Raises `OSError`."""
        wire, answer = self._connected(), None
        try:
            if number is not None:
                self._open[number] = wire
            whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            answer = wire.ask(whole)
            yield answer
        finally:
            self._open.pop(number, None)
            if answer is not None and answer.is_read:
                self._idle.append(wire)
            else:
                wire.close()

    def _connected(self) -> Wire:
        """To the server, or to the one that takes its place. Raises `OSError`."""
        while self._idle:
            wire = self._idle.pop()
            if wire.place == self._place and not wire.is_over:
                return wire
            wire.close()
        for attempt in range(TRIES):
            place = self._place
            try:
                return Wire(place)
            except OSError:
                if attempt == TRIES - 1 or self._over.is_set():
                    raise
            # Whatever was started again has the same address, or says where it is.
            if not (attempt >= PATIENCE and self._go_elsewhere(place)):
                self._over.wait(PAUSE_SECONDS)
        raise AssertionError

    def _head(self, verb: str, message: dict[str, Any]) -> str:
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
        method = message.get("method")
        told = ""
        if isinstance(version, str):
            told = f"{VERSION}: {_header_value(version)}\r\n"
            told += f"Mcp-Method: {_header_value(str(method))}\r\n"
            subject = params.get(NAMED.get(str(method), ""))
            if isinstance(subject, str):
                told += f"Mcp-Name: {_header_value(subject)}\r\n"
        elif method != "initialize":
            if self._version:
                told = f"{VERSION}: {_header_value(self._version)}\r\n"
            if self._session:
                told += f"Mcp-Session-Id: {_header_value(self._session)}\r\n"
        return f"{verb} {self._target}\r\nAuthorization: Bearer {self._token}\r\n{ALWAYS}{told}"

    def _answer(self, message: dict[str, Any], answer: Answer) -> None:
        if answer.kind == b"text/event-stream":
            is_answered = False
            for text in _events(answer):
                is_answered = is_answered or _is_response(text)
                self._say(text)
            if not is_answered:
                raise CutOffError("the server ended before it had answered")
            return
        body = answer.read()
        if not body or message.get("id") is None:
            return
        if answer.kind != b"application/json" or answer.status == 401:
            told = f"the server answered {answer.status}: {body[:200].decode(errors='replace')}"
            self._say(_error(message.get("id"), NOT_REACHED, told))
            return
        if message.get("method") == "initialize":
            self._note_version(body)
        self._say(body)

    def _note_version(self, body: bytes) -> None:
        with suppress(ValueError, KeyError, TypeError):
            self._version = json.loads(body)["result"]["protocolVersion"]

    def _listen(self) -> None:
        """What the server says unasked, also after it was started again."""
        with suppress(OSError):
            while (session := self._session) and not self._over.is_set():
                with (
                    suppress(CutOffError),
                    self._asking(None, self._head("GET", {}), b"") as answer,
                ):
                    if answer.status == 200:
                        for text in _events(answer):
                            self._say(text)
                    elif answer.status != 404:
                        return
                    else:
                        answer.read()
                        self._begin_again(session)
                        continue
                self._over.wait(PAUSE_SECONDS)

    def _say(self, text: bytes) -> None:
        if self._version is None and b'"protocolVersion"' in text:
            self._note_version(text)
        # Not by `sys.stdout`: the interpreter aborts if a thread is writing there when it ends.
        rest = memoryview(text.strip().replace(b"\n", b" ") + b"\n")
        with self._writing, suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(STDOUT, rest) :]


class _Hands:
    """Threads, one for each message that is under way; they are used again."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0
        self._busy = 0

    def give(self, job: Callable[[], None]) -> None:
        with self._changed:
            self._busy += 1
            if self._busy > self._threads:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        self._waiting.put(job)

    def rest(self, seconds: float) -> None:
        """Until all is done that was given, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, seconds)

    def _work(self) -> None:
        while True:
            self._waiting.get()()
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()


def _told(error: OSError, message: dict[str, Any]) -> str:
    if isinstance(error, CutOffError) and not can_be_repeated(message):
        return (
            "the server ended before it had answered, so it isn't known whether the call was done;"
            " look before you call again"
        )
    return f"the server can't be reached ({error}); try again in a few seconds"


def _is_response(text: bytes) -> bool:
    try:
        message = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and "method" not in message


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _events(answer: Answer) -> Iterator[bytes]:
    data: list[bytes] = []
    for line in answer.lines():
        if line.startswith(b"data:"):
            data.append(line[5:].lstrip())
        elif not line and data:
            whole = b"\n".join(data)
            data = []
            if whole:
                yield whole


def _error(number: object, code: int, message: str) -> bytes:
    told = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
    return json.dumps(told).encode()


def _uri(message: dict[str, Any]) -> object:
    params = message.get("params")
    return _hashable(params.get("uri")) if isinstance(params, dict) else None


def _hashable(number: object) -> object:
    return number if isinstance(number, int | str) else None


def _header_value(text: str) -> str:
    """As it is where a header can hold it, else in base64 with the protocol's marks."""
    is_plain = text.isascii() and text.isprintable() and text == text.strip()
    if is_plain and not text.startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def serve(start: Path, only: str | None) -> bool:
    """Pass messages on until stdin ends; False where no server runs."""
    found = find(start)
    if found is None:
        return False
    Bridge(found, start, only).run()
    return True


def main(args: list[str]) -> int:
    """Raises nothing that a client could have caused."""
    only = args[args.index("--only") + 1] if "--only" in args else None
    if not serve(Path.cwd(), only):
        own = [sys.executable, "-P", "-m", "abathur", "mcp", "serve", *args]
        os.execv(sys.executable, own)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
