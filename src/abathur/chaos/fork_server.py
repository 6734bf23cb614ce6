"""Forks victims from a process that has everything imported, `python -m` this module, `FD`.

To start a swarm takes half a second of processor time, most of it for imports, and a campaign
starts thousands. On the descriptor come orders: four bytes of length with three descriptors (the
victim's stdout and stderr, and a line for it alone), then a text of that length, the victim's
orders. On the line we tell `pid N`, `stopped`, and `exit CODE` (minus the signal for one that was
killed); `thaw` on it lets a stopped victim go on, and its end kills the victim.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn, TypeAlias

from abathur.chaos import victim

PRELOADED: Final = (
    "abathur.bootstrap.reloading",
    "abathur.bootstrap.remembering",
    "abathur.infrastructure.agent_servers",
    "abathur.infrastructure.config",
    "abathur.infrastructure.database.database",
    "abathur.infrastructure.database.engines.sqlite_engine",
    "abathur.infrastructure.database.engines.sqlite_swap",
    "abathur.infrastructure.definitions",
    "abathur.infrastructure.disk",
    "abathur.infrastructure.evidence",
    "abathur.infrastructure.functions",
    "abathur.infrastructure.git.repository",
    "abathur.infrastructure.hosts",
    "abathur.infrastructure.processes",
    "abathur.infrastructure.project_templates.sources",
    "abathur.infrastructure.prompts.sandbox",
    "abathur.infrastructure.prompts.writer",
    "abathur.infrastructure.runtimes.fake",
    "abathur.infrastructure.schemas",
    "abathur.infrastructure.server_files",
    "abathur.infrastructure.spool",
    "abathur.infrastructure.timetable",
    "abathur.infrastructure.trust",
    "abathur.infrastructure.warden",
    "abathur.infrastructure.watched_files",
    "abathur.infrastructure.yaml_text",
    "abathur.swarm.supervisor",
    "concurrent.futures.thread",
    "uuid_utils",
    "yaml",
)
"""What a swarm imports only when it is built."""
STORES: Final = "abathur.infrastructure.database.stores"
LENGTH, DESCRIPTORS = 4, 3
Main: TypeAlias = Callable[[str], int]


def preload() -> None:
    stores = pkgutil.iter_modules(importlib.import_module(STORES).__path__, f"{STORES}.")
    for name in (*PRELOADED, *(store.name for store in stores)):
        importlib.import_module(name)
    # What is there by now stays for good. Looked through for garbage, it would be copied for each
    # victim, page by page.
    gc.collect()
    gc.freeze()


def serve(orders: socket.socket, main: Main) -> None:
    """Fork until the harness has gone. `main` gets the orders, and says the exit code."""
    signal.signal(signal.SIGCHLD, _bury)
    while True:
        head, descriptors, _, _ = socket.recv_fds(orders, LENGTH, DESCRIPTORS)
        if len(head) < LENGTH:
            return
        size = int.from_bytes(head, "big")
        text = orders.recv(size, socket.MSG_WAITALL).decode()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            *outputs, line = descriptors
            _mind(partial(main, text), outputs, socket.socket(fileno=line))
        for descriptor in descriptors:
            os.close(descriptor)


def _bury(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _mind(be_victim: Callable[[], int], outputs: list[int], line: socket.socket) -> NoReturn:
    """The parent of one victim."""
    try:
        victim = os.fork()
        if victim == 0:
            line.close()
            _be_victim(be_victim, outputs)
        for output in outputs:
            os.close(output)
        handle = os.pidfd_open(victim)
        line.sendall(f"pid {victim}\n".encode())
        _watch(victim, handle, line)
    finally:
        os._exit(0)


def _watch(victim: int, handle: int, line: socket.socket) -> None:
    stopped, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    for descriptor in (stopped, line.fileno()):
        poll.register(descriptor, select.POLLIN)
    while True:
        with suppress(ChildProcessError):
            pid, status = os.waitpid(victim, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                line.sendall(b"stopped\n")
            elif pid:
                line.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
                return
        for descriptor, _ in poll.poll():
            if descriptor == stopped:
                os.read(stopped, 100)
            elif line.recv(100):
                os.kill(victim, signal.SIGCONT)
            else:  # nobody waits for it any more
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                os.waitpid(victim, 0)
                return


def _be_victim(main: Callable[[], int], outputs: list[int]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
        code = main()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])), victim.main)
