"""Fifty clients of one server at once, over HTTP and over bridges: how long a call takes."""

from __future__ import annotations

import http.client
import json
import os
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
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def ask(message: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Mcp-Protocol-Version": VERSION,
            "Mcp-Method": message["method"],
            "Mcp-Name": message["params"]["name"],
        }
        connection.request("POST", parts.path, json.dumps(message), headers)
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found

    try:
        yield ask
    finally:
        connection.close()


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
