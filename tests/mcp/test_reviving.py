"""A server over stdio that ends, or hangs, under an agent program."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from abathur.mcp.reviving import MOST_DEATHS, Reviver

SERVER = """
import json, os, sys
greeted = []
if "deaf" in sys.argv:
    print(json.dumps({"jsonrpc": "2.0", "method": "notifications/started"}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    method = message["method"]
    if method == "die":
        os._exit(3)
    if method in ("initialize", "notifications/initialized"):
        greeted.append(method)
    if "id" in message and not (method == "ping" and "deaf" in sys.argv):
        result = {"greeted": greeted, "pid": os.getpid()}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


class Client:
    def __init__(self, file: Path, check_seconds: float, *args: str) -> None:
        taken, given = os.pipe()
        heard, said = os.pipe()
        self._given, self._heard = os.fdopen(given, "wb", 0), os.fdopen(heard, "rb")
        command = [sys.executable, str(file), *args]
        self._streams = (os.fdopen(taken, "rb"), os.fdopen(said, "wb"))
        self.reviver = Reviver(
            command, *self._streams, check_seconds=check_seconds, first_pause=0.01
        )
        self.code: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=lambda: self.code.put(self.reviver.run())).start()

    def says(self, method: str, number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": {}}
        told = message if number is None else {**message, "id": number}
        self._given.write(json.dumps(told).encode() + b"\n")

    def hears(self) -> Any:
        return json.loads(self._heard.readline())

    def asks(self, method: str, number: int) -> Any:
        self.says(method, number)
        return self.hears()

    def begins(self) -> int:
        """The process of the server."""
        assert self.asks("initialize", 0)["id"] == 0
        self.says("notifications/initialized")
        return int(self.asks("tools/list", 1)["result"]["pid"])

    def close(self) -> None:
        self._given.close()
        self.code.get(timeout=30)
        for stream in (*self._streams, self._heard):
            stream.close()


@pytest.fixture
def server(tmp_path: Path) -> Path:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    return file


@pytest.fixture
def client(server: Path) -> Iterator[Client]:
    client = Client(server, 600)
    yield client
    client.close()


def test_a_server_that_has_ended_is_started_again_and_greeted_as_before(client: Client) -> None:
    first = client.begins()
    told = client.asks("die", 2)
    assert told["id"] == 2
    assert "is started again" in told["error"]["message"]
    now = client.asks("tools/list", 3)
    assert now["id"] == 3
    assert now["result"]["greeted"] == ["initialize", "notifications/initialized"]
    assert now["result"]["pid"] != first


def test_a_server_that_ends_before_it_has_greeted_is_greeted_by_the_next(
    tmp_path: Path, server: Path
) -> None:
    flag = tmp_path / "died"
    server.write_text(
        f"import os\nif not os.path.exists({str(flag)!r}):\n"
        f"    open({str(flag)!r}, 'x').close(); os._exit(1)\n" + SERVER
    )
    client = Client(server, 600)
    try:
        client.begins()
    finally:
        client.close()


def test_a_server_that_does_not_answer_a_ping_is_started_again(server: Path) -> None:
    client = Client(server, 0.05, "deaf")
    try:
        assert client.hears()["method"] == "notifications/started"
        first = client.begins()
        assert client.hears()["method"] == "notifications/started"
        assert client.asks("tools/list", 2)["result"]["pid"] != first
    finally:
        client.close()


def test_a_server_that_cannot_be_started_is_said_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "abathur.mcp.reviving", "/no/such/program"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "/no/such/program can't be started" in done.stderr


def test_a_server_that_only_ever_ends_is_given_up(tmp_path: Path) -> None:
    count = tmp_path / "count"
    file = tmp_path / "server.py"
    file.write_text(f"open({str(count)!r}, 'a').write('x')\n")
    client = Client(file, 600)
    assert client.code.get(timeout=60) == 1
    client.code.put(1)
    client.close()
    assert count.read_text() == "x" * MOST_DEATHS
