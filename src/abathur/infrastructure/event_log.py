"""The swarm's log file, for whoever asks in the morning what happened at night."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from time import gmtime
from typing import Final

MAX_BYTES: Final = 5_000_000
KEPT: Final = 3


@contextmanager
def open_event_log(file: Path, level: str) -> Iterator[Callable[[int, str], None]]:
    """Takes (level as in `logging`, line). Times are UTC; a full file is rotated, 3 are kept.

    A disk that is full costs log lines, not the swarm.
    """
    # Neither folder nor file before there is a line: a swarm that is refused leaves nothing.
    handler = RotatingFileHandler(
        file, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", delay=True
    )
    formatter = logging.Formatter("%(asctime)sZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = gmtime
    handler.setFormatter(formatter)
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    logger = logging.Logger("abathur.swarm", level)
    logger.addHandler(handler)

    def write(at: int, line: str) -> None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
        logger.log(at, "%s", line)

    try:
        yield write
    finally:
        handler.close()
