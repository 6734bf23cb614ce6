"""What the bridge does about a server that ends in the middle of a call."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from abathur.mcp.catalogue import tools_of
from abathur.mcp.repeating import REPEATABLE

OK = "HTTP/1.1 200 OK\r\n"
Step = Callable[[socket.socket, int], bool]
"""Answers a request with this id; says whether the connection stays."""


def answers(sock: socket.socket, number: int) -> bool:
    told = json.dumps({"jsonrpc": "2.0", "id": number, "result": {"done": True}}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(told)}\r\n\r\n"
    )
    sock.sendall(head.encode() + told)
    return True


def ends(sock: socket.socket, number: int) -> bool:
    return False


def answers_and_ends(sock: socket.socket, number: int) -> bool:
    return answers(sock, number) and False


def begins_a_stream(sock: socket.socket, number: int) -> bool:
    event = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\r\n\r\n'
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    sock.sendall(head + f"{len(event):x}\r\n".encode() + event + b"\r\n")
    return False


class Server:
    """Does with one request after another what the steps say, each once."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self.asked: list[Any] = []
        self.closed: queue.SimpleQueue[None] = queue.SimpleQueue()
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/mcp"

    def _take(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._until_closed, args=[sock], daemon=True).start()

    def _until_closed(self, sock: socket.socket) -> None:
        with sock:
            self._serve(sock)
        self.closed.put(None)

    def _serve(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as incoming:
            while head := incoming.readline():
                length = 0
                while (line := incoming.readline()) not in {b"\r\n", b""}:
                    if line.lower().startswith(b"content-length:"):
                        length = int(line[15:])
                body = incoming.read(length)
                if head.startswith(b"GET /health"):
                    answers(sock, 0)
                    continue
                message = json.loads(body)
                self.asked.append(message["params"].get("name"))
                if not self.steps.get()(sock, message["id"]):
                    return


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.listener.close()


class Client:
    def __init__(self, server: Server, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.server = server
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self.calls = 0

    def hears(self) -> Any:
        return json.loads(self.stdout.readline())

    def call(self, name: str, *steps: Step, **args: Any) -> Any:
        """The first that is heard about a call for which the server has these steps."""
        for step in steps:
            self.server.steps.put(step)
        self.calls += 1
        params = {"name": name, "arguments": args}
        message = {"jsonrpc": "2.0", "id": self.calls, "method": "tools/call", "params": params}
        self.stdin.write(json.dumps(message).encode() + b"\n")
        self.stdin.flush()
        return self.hears()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ABATHUR_MCP_URL": server.url,
        "ABATHUR_MCP_TOKEN": "x",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "abathur.mcp.bridge"],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        client = Client(server, process)
        yield client
        client.stdin.close()
        assert process.wait(20) == 0


def test_a_call_that_may_have_written_is_sent_once_and_its_client_told_to_look(
    client: Client,
) -> None:
    assert client.call("task_list", answers)["result"] == {"done": True}
    told = client.call("task_enqueue", ends)
    assert "isn't known whether the call was done" in told["error"]["message"]
    assert client.call("task_list", answers)["id"] == 3
    assert client.server.asked == ["task_list", "task_enqueue", "task_list"]


def test_a_call_that_only_reads_or_has_a_key_is_sent_again(client: Client) -> None:
    assert client.call("task_list", ends, answers)["result"] == {"done": True}
    told = client.call("task_enqueue", ends, answers, idempotency_key="k")
    assert told["result"] == {"done": True}
    assert client.server.asked == ["task_list"] * 2 + ["task_enqueue"] * 2


def test_who_waits_is_answered_by_the_server_that_comes_after(client: Client) -> None:
    first = client.call("task_wait", begins_a_stream, begins_a_stream, answers)
    assert first["method"] == client.hears()["method"] == "notifications/progress"
    assert client.hears()["result"] == {"done": True}


def test_a_connection_that_was_closed_while_idle_costs_no_call(client: Client) -> None:
    client.server.closed.get()  # that of the question whether it is there
    for _ in range(3):
        assert "result" in client.call("task_enqueue", answers_and_ends)
        client.server.closed.get()
    assert client.server.asked == ["task_enqueue"] * 3


def test_what_is_asked_right_before_stdin_ends_is_answered(client: Client) -> None:
    client.server.steps.put(answers)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "task_list"}}
    client.stdin.write(json.dumps(message).encode() + b"\n")
    client.stdin.close()
    assert client.hears()["result"] == {"done": True}


def test_the_bridge_knows_which_tools_may_be_called_twice() -> None:
    tools = tools_of(None).values()
    assert {tool.name for tool in tools if tool.only_reads or tool.is_idempotent} == REPEATABLE
