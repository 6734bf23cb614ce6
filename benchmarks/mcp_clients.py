"""Fifty clients of one server at once, over HTTP and over bridges: how long a call takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from abathur.bootstrap import load_project
from abathur.bootstrap.serving import key_of, person
from abathur.domain.tokens import issued
from benchmarks.places import make_project
from benchmarks.results import Measured, Row, Size, rounded

CLIENTS: Final = 50
WANTED_P99_MS: Final = 100
START_SECONDS: Final = 120
MOST_AT_ONCE: Final = 65_536
VERSION: Final = "2026-07-28"
META: Final = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALLS: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("task_enqueue", {"description": "Do it", "agent_type": "worker"}),
    ("task_list", {"limit": 10}),
    ("task_queue_status", {}),
    ("memory_search", {"namespace_prefix": "project", "query": "compiler flags"}),
)

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def measure(folder: Path, size: Size) -> Measured:
    root = make_project(folder / "project", {"default_runtime": "fake"})
    calls = size.pick(4, 20)
    rows: list[Row] = []
    with served(root) as url:
        token = issued(key_of(load_project(root)), person())
        for way, opener in (
            ("HTTP", lambda: over_http(url, token)),
            ("stdio, by the bridge", lambda: over_bridge(root, url, token)),
        ):
            for pause, load in ((1.0, "a call each second"), (0.0, "without a pause")):
                rows.append({"clients": way, "each": load, **_measured(opener, calls, pause)})
    title = (
        f"{CLIENTS} clients at once of one server and one database in a file: milliseconds from a"
        " call to its answer, of adding a task, listing, counting and searching in turn."
    )
    return Measured(name="mcp", title=title, rows=rows)


@contextmanager
def served(root: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "abathur", "mcp", "serve", "--http", "0"]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def over_http(url: str, token: str) -> Iterator[Ask]:
    """A client that costs next to nothing: the clients share the cores with the server."""
    parts = urllib.parse.urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    always = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        f"Mcp-Protocol-Version: {VERSION}\r\n"
    )

    def ask(message: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(message).encode()
        own = f"Mcp-Method: {message['method']}\r\nMcp-Name: {message['params']['name']}\r\n"
        head = f"{always}{own}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        found: dict[str, Any] = json.loads(_body(connection))
        return found

    try:
        yield ask
    finally:
        connection.close()


def _body(connection: socket.socket) -> bytes:
    """Of an answer that says how long it is, as our server's are."""
    got = connection.recv(MOST_AT_ONCE)
    while b"\r\n\r\n" not in got:
        got += _more(connection)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return body


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(MOST_AT_ONCE)
    if not got:
        raise RuntimeError("the server hung up")
    return got


@contextmanager
def over_bridge(root: Path, url: str, token: str) -> Iterator[Ask]:
    env = {**os.environ, "ABATHUR_MCP_URL": url, "ABATHUR_MCP_TOKEN": token}
    with subprocess.Popen(
        [sys.executable, "-m", "abathur.mcp.bridge"],
        cwd=root,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        writer, reader = process.stdin, process.stdout

        def ask(message: dict[str, Any]) -> dict[str, Any]:
            writer.write(json.dumps(message).encode() + b"\n")
            writer.flush()
            found: dict[str, Any] = json.loads(reader.readline())
            return found

        yield ask
        writer.close()


def _measured(opener: Callable[[], Any], calls: int, pause: float) -> Row:
    took: list[float] = []
    first: list[float] = []
    errors: list[object] = []
    barrier = threading.Barrier(CLIENTS + 1, timeout=START_SECONDS)

    def work(number: int) -> None:
        began = time.perf_counter()
        with opener() as ask:
            _check(ask(_message(number, 1)), errors)
            first.append(time.perf_counter() - began)
            barrier.wait()
            time.sleep(pause * number / CLIENTS)  # clients don't call in step
            for count in range(calls):
                at = time.perf_counter()
                answer = ask(_message(number, count))
                spent = time.perf_counter() - at
                took.append(spent)
                _check(answer, errors)
                time.sleep(max(0.0, pause - spent))

    threads = [threading.Thread(target=work, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if errors:
        raise RuntimeError(f"{len(errors)} calls failed, the first with {errors[0]}")
    return {
        "calls per s": rounded(len(took) / seconds),
        "p50": _share(took, 0.5),
        "p99": _share(took, 0.99),
        "wanted p99": WANTED_P99_MS,
        "most": rounded(max(took) * 1000),
    }


def _check(answer: dict[str, Any], errors: list[object]) -> None:
    if answer.get("result", {}).get("isError", True):
        errors.append(answer)


def _share(values: Sequence[float], share: float) -> float | int | None:
    found = sorted(values)[min(len(values) - 1, int(len(values) * share))]
    return rounded(found * 1000)


def _message(number: int, count: int) -> dict[str, Any]:
    name, args = CALLS[(number + count) % len(CALLS)]
    params = {"name": name, "arguments": args, "_meta": META}
    return {"jsonrpc": "2.0", "id": count + 1, "method": "tools/call", "params": params}
