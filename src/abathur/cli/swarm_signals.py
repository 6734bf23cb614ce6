"""What signals mean to a swarm in a terminal, and to one without."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from abathur import bootstrap

if TYPE_CHECKING:
    from abathur.cli.live_view import View
    from abathur.swarm.supervisor import Supervisor


@contextmanager
def signals(supervisor: Supervisor, view: View, grace_seconds: float) -> Iterator[None]:
    """The first signal begins an orderly stop; each further one, and its own one, stop at once.

    A hang-up has the configuration read again, unless it is the terminal that has gone.
    """
    loop = asyncio.get_running_loop()
    seen = 0
    needs_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def stop(number: int) -> None:
        nonlocal seen
        seen += 1
        at_once = seen > 1 or number == bootstrap.AT_ONCE
        supervisor.stop(now=at_once)
        rest = f"running agents get {grace_seconds:g} s; again to stop at once"
        view.say("stopping at once" if at_once else f"stopping: {rest}")

    def hang_up(number: int) -> None:
        if needs_terminal and not _has_terminal():
            stop(number)
        else:
            supervisor.reload()

    stopping = (signal.SIGINT, signal.SIGTERM, bootstrap.AT_ONCE)
    for number in stopping:
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(bootstrap.RELOAD, hang_up, bootstrap.RELOAD)
    try:
        yield
    finally:
        for number in (*stopping, bootstrap.RELOAD):
            loop.remove_signal_handler(number)


def _has_terminal() -> bool:
    """Whether there is one that controls this process; it is gone once it was closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
