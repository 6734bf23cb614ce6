"""Scripts of ours as processes that are forked, not started: most of a start are imports.

As a program, with the descriptor of its orders, it is the one that forks.
"""

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Self

from abathur.chaos import fork_server
from abathur.chaos.programs import ForkServer


@cache
def _server() -> ForkServer:
    return ForkServer(__file__)


class Forked:
    """As much of a `subprocess.Popen[str]` in a session of its own as the tests need."""

    def __init__(self, script: Path, *args: str, stderr: int) -> None:
        self.returncode: int | None = None
        self._line, theirs = socket.socketpair()
        reading, writing = os.pipe()
        orders = {
            "script": str(script),
            "args": args,
            "env": dict(os.environ),
            "cwd": str(Path.cwd()),
        }
        with theirs:
            _server().fork(json.dumps(orders), (writing, stderr), theirs.fileno())
        os.close(writing)
        self.stdout = os.fdopen(reading)
        self._reader = ThreadPoolExecutor(1)
        self._reading: Future[str] | None = None
        self._heard = self._line.makefile("r")
        self.pid = int(self._heard.readline().removeprefix("pid "))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        self._reader.shutdown()
        self.stdout.close()
        self._heard.close()
        self._line.close()

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._line], [], [], left)[0]:
                raise subprocess.TimeoutExpired("forked", timeout or 0.0)
            word, _, code = self._heard.readline().partition(" ")
            if word.strip() != "stopped":
                self.returncode = int(code)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        if self._reading is None:
            self._reading = self._reader.submit(self.stdout.read)
        try:
            output = self._reading.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0) from None
        self.wait()
        return output, None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(text: str) -> int:
    orders = json.loads(text)
    os.environ.clear()
    os.environ.update(orders["env"])
    os.chdir(orders["cwd"])
    sys.argv = [orders["script"], *orders["args"]]
    runpy.run_path(orders["script"], run_name="__main__")
    return 0


if __name__ == "__main__":
    fork_server.preload()
    fork_server.serve(socket.socket(fileno=int(sys.argv[1])), _run)
