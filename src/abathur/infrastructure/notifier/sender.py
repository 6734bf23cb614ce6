"""Sends notices from a thread of its own, so that nobody waits for a network.

What can't be sent is tried again for a while, then given up with a word about it. Notices live in
memory: they are a call, not the record; that is in the queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from abathur.domain.needs import Notice
from abathur.infrastructure.notifier.channels import Channel, NotSentError

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between tries."""
MOST_WAITING: Final = 100
SECONDS_TO_FINISH: Final = 5.0


class Sender:
    """One channel's thread. `complain` is called from it, a line at a time."""

    def __init__(
        self,
        channel: Channel,
        complain: Callable[[str], None],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._channel, self._complain, self._pauses = channel, complain, pauses
        self._waiting: queue.Queue[Notice | None] = queue.Queue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=channel.name, daemon=True)
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Returns at once. Of a flood the rest is dropped."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(notice)

    def begin_close(self) -> None:
        """Send what waits, without pauses between tries."""
        self._closing.set()
        self._waiting.put(None)

    def wait_closed(self, timeout: float = SECONDS_TO_FINISH) -> None:
        """Until all is sent, and no longer than this."""
        self._thread.join(timeout)

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            self._send(notice)

    def _send(self, notice: Notice) -> None:
        why = ""
        for pause in (*self._pauses, None):
            try:
                self._channel.send(notice)
            except NotSentError as error:
                why = str(error)
                if pause is None or not error.passing:
                    break
            except Exception as error:  # a bug must not end the thread
                why = type(error).__name__
                break
            else:
                return
            self._closing.wait(pause)
        self._complain(f"a notice couldn't be sent by {self._channel.name}: {why}")
