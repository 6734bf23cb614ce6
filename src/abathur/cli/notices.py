"""Shows the news of the layers below as lines on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from abathur.cli.output import say
from abathur.cli.text import clean
from abathur.ports.notices import notices


@contextmanager
def shown() -> Iterator[None]:
    handler = Lines()
    level = notices.level
    notices.setLevel(logging.INFO)
    notices.addHandler(handler)
    try:
        yield
    finally:
        notices.removeHandler(handler)
        notices.setLevel(level)


class Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"abathur: {clean(' '.join(record.getMessage().split()))}")
