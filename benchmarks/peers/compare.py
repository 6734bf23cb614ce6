"""All queues of a store beside each other, taking turns: a busy moment meets them all."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.peers import waking
from benchmarks.peers.player import QUEUES
from benchmarks.peers.players import Player, PlayerFailed
from benchmarks.peers.turns import STEPS
from benchmarks.results import Measured, Row, Size, ratio, rounded
from benchmarks.stores import Databases, Folders, Store, is_wanted, postgresql

OURS: Final = "Abathur"
LANDED: Final = "Abathur, landed"
RAW: Final = "raw limit"
CALLERS: Final = (1, 16, 64)
SQLITE: Final = (OURS, LANDED, RAW, "huey", "persist-queue", "litequeue", "DBOS")
POSTGRESQL: Final = (
    OURS,
    LANDED,
    f"{RAW}, PostgreSQL",
    "procrastinate",
    "pgqueuer",
    "oban",
    "awa",
    "DBOS",
)
Key = tuple[str, int]


@dataclass
class Contender:
    """One queue, what it did, and why it is out if it is."""

    name: str
    player: Player | None = None
    rounds: list[dict[Key, float]] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: str = ""
    gives: str = ""
    reason: str = ""
    """Why it, or a part of it, wasn't measured."""

    def rate(self, key: Key) -> float | None:
        found = [one[key] for one in self.rounds if key in one]
        return median(found) if found else None

    def fail(self, error: Exception) -> None:
        self.reason = str(error)
        if self.player is not None:
            self.player.end()
        self.player = None


def measure(folder: Path, size: Size) -> Iterator[Measured]:
    if is_wanted("sqlite"):
        yield from _compared(Folders(folder / "sqlite"), SQLITE, folder, size)
    if is_wanted("postgresql"):
        with postgresql(folder / "postgresql") as databases:
            yield from _compared(databases, POSTGRESQL, folder, size)


def _compared(store: Store, names: Sequence[str], folder: Path, size: Size) -> Iterator[Measured]:
    with _contenders(names, folder / "players.log") as contenders:
        for number in range(1, size.pick(1, 3) + 1):
            print(f"bench: {store.name}, round {number}", file=sys.stderr)
            for contender in contenders:
                contender.rounds.append({})
            for callers in size.pick(CALLERS[1:2], CALLERS):
                for contender in contenders:
                    _play(contender, store, callers, size)
        slug = store.name.lower()
        yield _rates(f"peers-{slug}", store, contenders)
        yield waking.measure(f"peers-{slug}-wake", store, names, folder / "players.log", size)
        yield _settings(f"peers-{slug}-settings", store, contenders)


@contextmanager
def _contenders(names: Sequence[str], log: Path) -> Iterator[list[Contender]]:
    contenders = [_enter(name, log) for name in names]
    try:
        yield contenders
    finally:
        for contender in contenders:
            if contender.player is not None:
                contender.player.end()


def _enter(name: str, log: Path) -> Contender:
    contender = Contender(name)
    module, kind = QUEUES[name].split(":")
    queue = getattr(import_module(f"benchmarks.peers.{module}"), kind)
    contender.gives = queue.gives
    try:
        found = {package: version(package) for package in queue.packages}
    except PackageNotFoundError as error:
        contender.reason = f"{error.name} isn't installed"
        return contender
    contender.versions = ", ".join(" ".join(pair) for pair in found.items())
    contender.player = Player(name, log)
    return contender


def _play(contender: Contender, store: Store, callers: int, size: Size) -> None:
    if contender.player is None:
        return
    places = [store.fresh(), store.fresh()]
    asked = {
        "do": "turn",
        "places": places,
        "callers": callers,
        "seconds": size.pick(0.05, 0.4),
        "fewest": size.pick(10, 100),
    }
    try:
        told = contender.player.ask(asked)
    except PlayerFailed as error:
        contender.fail(error)
        return
    contender.settings = told["settings"]
    for step, rate in told["rates"].items():
        contender.rounds[-1][step, callers] = rate


# --- tables -------------------------------------------------------------------------------


def _rates(name: str, store: Store, contenders: Sequence[Contender]) -> Measured:
    keys = {key for contender in contenders for one in contender.rounds for key in one}
    ordered = sorted(keys, key=lambda key: (STEPS.index(key[0]), key[1]))
    return Measured(
        name=name,
        title=(
            f"Jobs a second on {store.name}, each call durable before its answer, by so many "
            "callers at once; medians, and ratios within a round."
        ),
        rows=[_row(key, contenders) for key in ordered],
    )


def _row(key: Key, contenders: Sequence[Contender]) -> Row:
    ours, *others = contenders
    raw = next(other for other in others if other.name.startswith(RAW))
    peers = [other for other in others if other.name != LANDED and other is not raw]
    shown = {f"{one.name.partition(', Post')[0]}/s": _shown(one.rate(key)) for one in contenders}
    return {
        "step": key[0],
        "callers": key[1],
        **shown,
        "share of raw": _against(key, ours, [raw]),
        "times the best peer": _against(key, ours, peers),
    }


def _shown(rate: float | None) -> float | None:
    return None if rate is None else rounded(rate)


def _against(key: Key, ours: Contender, others: Sequence[Contender]) -> float | None:
    """The median of the rounds' ratios to whoever was fastest in that round."""
    ratios = []
    for number, mine in enumerate(ours.rounds):
        theirs = [one.rounds[number][key] for one in others if key in one.rounds[number]]
        if key in mine and theirs:
            ratios.append(mine[key] / max(theirs))
    return ratio(median(ratios), 1) if ratios else None


def _settings(name: str, store: Store, contenders: Sequence[Contender]) -> Measured:
    rows = [
        {
            "queue": one.name,
            "version": one.versions or "-",
            "read back": ", ".join(f"{k} {v}" for k, v in one.settings.items()) or "-",
            "what it gives": one.gives,
            "not measured": one.reason or "-",
        }
        for one in contenders
    ]
    about = f", server {store.version}" if isinstance(store, Databases) else ""
    return Measured(name=name, title=f"What was measured on {store.name}{about}.", rows=rows)
