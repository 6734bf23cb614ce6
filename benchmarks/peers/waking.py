"""How soon an idle worker of another process runs a job."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.peers.players import Player, PlayerFailed
from benchmarks.results import Measured, Row, Size, p99, rounded
from benchmarks.stores import Store

PAUSE_SECONDS: Final = (0.05, 0.15)
"""Between two jobs, at random, so that no poll falls into step."""
SETTLE_SECONDS: Final = 0.5
BOX_SECONDS: Final = 5.0
"""For one queue in all: slow ones get fewer rounds."""
PATIENCE: Final = 15.0


@dataclass
class Heard:
    rounds: list[float] = field(default_factory=list)
    """Seconds from the return of the enqueue until the job runs."""
    whole: list[float] = field(default_factory=list)
    """From its call."""
    reason: str = "-"


def measure(name: str, store: Store, names: Sequence[str], log: Path, size: Size) -> Measured:
    rows = []
    for queue in names:
        if not queue.startswith("raw") and not queue.endswith("landed"):
            rows.append(_row(queue, _heard(queue, store, log, size.pick(3, 60))))
    return Measured(
        name=name,
        title=(
            "Milliseconds until an idle worker of another process runs a job: from the return of "
            "the call that enqueues it, and from its beginning."
        ),
        rows=rows,
    )


def _row(name: str, heard: Heard) -> Row:
    def shown(values: Sequence[float]) -> tuple[float | None, float | None]:
        if not values:
            return None, None
        return rounded(max(0.0, median(values)) * 1000), rounded(max(0.0, p99(values)) * 1000)

    p50, late = shown(heard.rounds)
    whole, whole_late = shown(heard.whole)
    return {
        "queue": name,
        "rounds": len(heard.rounds),
        "p50 ms": p50,
        "p99 ms": late,
        "from call, p50 ms": whole,
        "from call, p99 ms": whole_late,
        "not measured": heard.reason,
    }


def _heard(name: str, store: Store, log: Path, rounds: int) -> Heard:
    heard = Heard()
    where = store.fresh()
    giver, taker = Player(name, log), Player(name, log)
    try:
        giver.ask({"do": "open", "where": where})
        taker.ask({"do": "wait", "where": where})
        time.sleep(SETTLE_SECONDS)
        end = time.monotonic() + BOX_SECONDS
        while len(heard.rounds) < rounds and time.monotonic() < end:
            time.sleep(random.uniform(*PAUSE_SECONDS))
            told = giver.ask({"do": "enqueue"})
            at = taker.listen(PATIENCE)["at"]
            heard.rounds.append(at - told["returned"])
            heard.whole.append(at - told["called"])
    except PlayerFailed as error:
        heard.reason = str(error)
    finally:
        giver.end()
        taker.end()
    return heard
