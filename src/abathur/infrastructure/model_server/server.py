"""The scripted model over HTTP, on the loopback address only."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from abathur.infrastructure.model_server.asked import api_of, read_request, told_by_path
from abathur.infrastructure.model_server.player import Player, Recorded
from abathur.infrastructure.model_server.reply import Dialect, Event, dialect
from abathur.infrastructure.model_server.script import FOREVER, Api, Script, Turn

LOOPBACK: Final = "127.0.0.1"
MAX_REQUEST: Final = 256 * 1024 * 1024
_PROOFS: Final = frozenset({"authorization", "x-api-key", "api-key", "cookie"})


class ModelServer:
    """Listens from its making on, and answers between `start` and `stop`.

    `told` is called with each request that is for a model, on a thread of its own.
    Raises `OSError` when the port is taken.
    """

    def __init__(
        self, script: Script, port: int = 0, told: Callable[[Recorded], None] | None = None
    ) -> None:
        self._player = Player(script)
        self._server = _Server((LOOPBACK, port), _Handler)
        self._server.script = script
        self._server.player = self._player
        self._server.told = told or (lambda _request: None)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True

    @property
    def url(self) -> str:
        """Without a path: clients of OpenAI's need `/v1` behind it."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    @property
    def requests(self) -> tuple[Recorded, ...]:
        """What models were asked for until now, in order."""
        return self._player.recorded

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends also what waits. A second time is no error."""
        self._server.stopping.set()
        self._player.stop()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    script: Script
    player: Player
    told: Callable[[Recorded], None]

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.stopping = threading.Event()
        self._prefix = secrets.token_hex(3)
        self._numbers = count(1)

    def number(self) -> str:
        """Unlike those of other servers too: a resumed session holds ids of both."""
        return f"{self._prefix}{next(self._numbers):04}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.partition("?")[0].rstrip("/").endswith("/models"):
            models = [{"id": name, "object": "model"} for name in self.server.script.models]
            self._json(200, {"object": "list", "data": models, "models": []})
        else:
            self._not_found()

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path.partition("?")[0].endswith("/count_tokens"):
            self._json(200, {"input_tokens": max(1, len(json.dumps(body)) // 4)})
        elif self.path.partition("?")[0].endswith(":countTokens"):
            self._json(200, {"totalTokens": max(1, len(json.dumps(body)) // 4)})
        elif api := api_of(self.path):
            self._answer(api, body)
        else:
            self._not_found()

    def _answer(self, api: Api, body: Mapping[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = told_by_path(self.path) if api is Api.GEMINI else {}
        asked = read_request(api, {**body, **told}, headers)
        shown = {name: "***" if name in _PROOFS else value for name, value in headers.items()}
        request = self.server.player.play(asked, self.path, shown)
        self.server.told(request)
        turn, words = request.answer, dialect(api)
        has_met = turn.after is None or self.server.player.wait_for(turn.after)
        if not has_met or not self._waited(turn.wait) or turn.cut == 0:
            self._hang_up()
        elif turn.raw is not None:
            self._send(turn.status, turn.raw.encode(), turn.content_type, turn.headers)
        elif turn.status >= 400:
            self._json(turn.status, words.refusal(turn), turn.headers)
        elif asked.stream:
            self._stream(
                turn, _spoilt(words.events(asked, turn, self.server.number()), turn, words)
            )
        else:
            self._whole(turn, words, words.body(asked, turn, self.server.number()))

    def _whole(self, turn: Turn, words: Dialect, body: Mapping[str, Any]) -> None:
        if turn.fail:
            refused = Turn(status=500, error=turn.fail.error, message=turn.fail.message)
            self._json(500, words.refusal(refused))
        else:
            self._json(200, body, turn.headers, cut=turn.cut is not None)

    def _stream(self, turn: Turn, events: Iterator[Event]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in turn.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for number, event in enumerate(events, 1):
            data = event.encoded()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if number == turn.cut or not self._waited(turn.pace):
                self._hang_up()
                return
        self.wfile.write(b"0\r\n\r\n")

    def _waited(self, seconds: float) -> bool:
        """False when the server was stopped meanwhile."""
        if not seconds:
            return True
        timeout = None if seconds == FOREVER else seconds
        return not self.server.stopping.wait(timeout)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)

    def _body(self) -> dict[str, Any] | None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MAX_REQUEST:
            self.close_connection = True
            self._json(411, {"error": {"message": "a request with its length is needed"}})
            return None
        try:
            body = json.loads(self.rfile.read(int(size)) or b"{}")
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            return body
        self._json(400, {"error": {"message": "the request isn't a JSON object"}})
        return None

    def _not_found(self) -> None:
        kind = {"type": "not_found_error", "message": f"{self.path} isn't served here"}
        self._json(404, {"type": "error", "error": kind})

    def _json(
        self,
        status: int,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers or {}, cut=cut)

    def _send(
        self, status: int, data: bytes, kind: str, headers: Mapping[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._hang_up()

    def log_message(self, format: str, *args: object) -> None:
        """`told` says what there is to say."""


def _spoilt(events: Iterator[Event], turn: Turn, words: Dialect) -> Iterator[Event]:
    for number, event in enumerate(events):
        if turn.fail and number == turn.fail.after:
            yield words.broken(turn.fail.error, turn.fail.message)
            return
        yield event
