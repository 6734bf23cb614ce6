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
import http.client
import json
import os
import signal
import subprocess  # noqa: TID251 - it has the standard library alone
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
SESSION: Final = "Mcp-Session-Id"
NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose subject is repeated in a header -> the parameter that names it."""
TRIES: Final = 20
PATIENCE: Final = 4
"""Tries before another server is looked for."""
PAUSE_SECONDS: Final = 0.25
"""Between two tries to reach a server that is just being started again."""
NOT_REACHED: Final = -32000
TOKEN: Final = "ABATHUR_MCP_TOKEN"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")
"""Where servers of this host are. A file that came with a clone may name others."""


class Bridge:
    def __init__(self, found: tuple[str, str], start: Path, only: str | None) -> None:
        self._start, self._only = start, only
        self._own: subprocess.Popen[str] | None = None
        self._go_to(found)
        self._session: str | None = None
        self._version: str | None = None
        self._initialize: dict[str, Any] | None = None
        self._subscribed: dict[object, dict[str, Any]] = {}
        self._writing = threading.Lock()
        self._beginning = threading.Lock()
        self._moving = threading.Lock()
        self._open: dict[object, http.client.HTTPConnection] = {}
        self._idle: list[http.client.HTTPConnection] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Until stdin ends, or a signal says so."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            for line in sys.stdin.buffer:
                if line.strip():
                    self._take(line)
        finally:
            self._over.set()
            if self._own is not None:
                self._own.terminate()
                self._own.wait()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._say(_error(None, -32700, "this is no JSON"))
            return
        if not isinstance(message, dict):
            self._say(_error(None, -32600, "this is no message of JSON-RPC"))
        elif message.get("method") in {"initialize", "notifications/initialized"}:
            self._pass_on(message)  # what follows needs the session
        else:
            threading.Thread(target=self._pass_on, args=[message], daemon=True).start()

    def _go_to(self, found: tuple[str, str]) -> None:
        url, self._token = found
        parts = urllib.parse.urlsplit(f"{url.rstrip('/')}/{self._only}" if self._only else url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._path = parts.path

    def _go_elsewhere(self, gone: tuple[str, int]) -> bool:
        """To another server, or an own one; False for a run's, whose swarm starts it again."""
        with self._moving:
            if (self._host, self._port) != gone:
                return True
            if os.environ.get(TOKEN) or self._over.is_set():
                return False
            found = find(self._start) or self._started()
            if found is not None:
                self._go_to(found)
            return found is not None

    def _started(self) -> tuple[str, str] | None:
        command = [sys.executable, "-m", "abathur", "mcp", "serve", "--http", "0"]
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

    def _pass_on(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        if method == "notifications/cancelled" and self._session is None:
            self._hang_up(message)
            return
        try:
            self._exchange(message)
        except (OSError, http.client.HTTPException) as error:
            if number is not None and method is not None and not self._over.is_set():
                told = f"the server can't be reached ({error}); try again in a few seconds"
                self._say(_error(number, NOT_REACHED, told))
            return
        if method == "initialize":
            self._initialize = message
        elif method == "notifications/initialized" and self._session:
            threading.Thread(target=self._listen, daemon=True).start()
        elif method == "resources/subscribe":
            self._subscribed[_uri(message)] = message
        elif method == "resources/unsubscribe":
            self._subscribed.pop(_uri(message), None)

    def _hang_up(self, message: dict[str, Any]) -> None:
        """Without sessions the end of the answer's stream is what cancels a request."""
        params = message.get("params")
        wanted = params.get("requestId") if isinstance(params, dict) else None
        connection = self._open.get(_hashable(wanted))
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)

    def _exchange(self, message: dict[str, Any]) -> None:
        number, session = _hashable(message.get("id")), self._session
        connection, response = self._send("POST", message)
        self._open[number] = connection
        try:
            if response.status == 404 and session and self._initialize:
                response.read()
                self._begin_again(session)
                connection, response = self._send("POST", message)
            self._session = response.getheader(SESSION) or self._session
            self._answer(message, response)
            self._idle.append(connection)
        finally:
            self._open.pop(number, None)

    def _begin_again(self, lost: str) -> None:
        """The server was started again and has forgotten the session, and who listens to what."""
        with self._beginning:
            if self._session != lost:
                return
            self._session = None
            assert self._initialize is not None
            _, response = self._send("POST", self._initialize)
            self._session = response.getheader(SESSION)
            response.read()
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            for message in (ready, *self._subscribed.values()):
                _, done = self._send("POST", message)
                done.read()

    def _send(
        self, method: str, message: dict[str, Any] | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        body = None if message is None else json.dumps(message).encode()
        headers = self._headers(message)
        for attempt in range(TRIES):
            connection = self._idle.pop() if self._idle else self._connection()
            was_used, place = connection.sock is not None, (connection.host, connection.port)
            try:
                connection.request(method, self._path, body, headers)
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                is_new = not was_used and not isinstance(error, ConnectionRefusedError)
                if is_new or attempt == TRIES - 1 or self._over.is_set():
                    raise
                # Whatever was started again has the same address, or says where it is.
                if not was_used and not (attempt >= PATIENCE and self._go_elsewhere(place)):
                    self._over.wait(PAUSE_SECONDS)
        raise AssertionError

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, self._port)

    def _headers(self, message: dict[str, Any] | None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        params = (message or {}).get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
        method = (message or {}).get("method")
        if isinstance(version, str):
            headers["Mcp-Protocol-Version"] = version
            headers["Mcp-Method"] = str(method)
            subject = params.get(NAMED.get(str(method), ""))
            if isinstance(subject, str):
                headers["Mcp-Name"] = _header_value(subject)
        elif method != "initialize":
            if self._version:
                headers["Mcp-Protocol-Version"] = self._version
            if self._session:
                headers[SESSION] = self._session
        return headers

    def _answer(self, message: dict[str, Any], response: http.client.HTTPResponse) -> None:
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if kind == "text/event-stream":
            for text in _events(response):
                self._say(text)
            return
        body = response.read()
        if not body or message.get("id") is None:
            return
        if kind != "application/json" or response.status == 401:
            told = f"the server answered {response.status}: {body[:200].decode(errors='replace')}"
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
        with suppress(OSError, http.client.HTTPException):
            while (session := self._session) and not self._over.is_set():
                _, response = self._send("GET", None)
                if response.status == 404:
                    response.read()
                    self._begin_again(session)
                elif response.status != 200:
                    return
                else:
                    with suppress(OSError, http.client.HTTPException):
                        for text in _events(response):
                            self._say(text)
                    self._over.wait(PAUSE_SECONDS)

    def _say(self, text: bytes) -> None:
        if b'"protocolVersion"' in text and self._version is None:
            self._note_version(text)
        with self._writing, suppress(BrokenPipeError):
            sys.stdout.buffer.write(text.strip().replace(b"\n", b" ") + b"\n")
            sys.stdout.buffer.flush()


def _events(response: http.client.HTTPResponse) -> Iterator[bytes]:
    data: list[bytes] = []
    for line in response:
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data.append(text[5:].lstrip())
        elif not text and data:
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


# --- which server -------------------------------------------------------------------------


def find(start: Path) -> tuple[str, str] | None:
    """Address and token of a server of the project for this process; None when none runs."""
    url, token = os.environ.get("ABATHUR_MCP_URL"), os.environ.get(TOKEN)
    if url and token:
        return (url, token) if _answers(url) else None
    for place in (start, *start.parents):
        folder = place / ".abathur" / "mcp"
        if folder.is_dir():
            return _announced(folder, token)
    return None


def _announced(folder: Path, token: str | None) -> tuple[str, str] | None:
    for file in sorted(folder.glob("server-*.json"), key=lambda one: one.stat().st_mtime)[::-1]:
        with suppress(OSError, ValueError, KeyError):
            url = json.loads(file.read_text(encoding="utf-8"))["url"]
            found = token or _own_token(folder)
            is_here = urllib.parse.urlsplit(url).hostname in LOOPBACK
            if found is not None and is_here and _answers(url):
                return url, found
    return None


def _own_token(folder: Path) -> str | None:
    """A person's, as whoever may read the key is the person; never for an agent."""
    if os.environ.get("ABATHUR_TASK_ID") or os.environ.get("ABATHUR_WORKER"):
        return None
    from getpass import getuser

    from abathur.domain.delegation import Caller
    from abathur.domain.tokens import issued

    try:
        name = getuser()
    except (OSError, KeyError):
        name = "unknown"
    return issued((folder / "key").read_bytes(), Caller(name=name))


def _answers(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


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
        own = [sys.executable, "-m", "abathur", "mcp", "serve", *args]
        os.execv(sys.executable, own)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
