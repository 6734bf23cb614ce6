"""Many rounds, some at the same time, and what they found together."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from abathur.chaos import notes, servers
from abathur.chaos.blows import SIGNALS, Blow
from abathur.chaos.catalogue import Catalogue
from abathur.chaos.points import known
from abathur.chaos.rounds import Player, Round

Told = Callable[[Round], None]

KILLS_A_ROUND: Final = 10
WEIGHTS: Final[Mapping[Blow, int]] = {
    Blow.KILL: 62,
    Blow.CUT: 10,
    Blow.FREEZE: 2,
    Blow.CANCEL: 2,
    Blow.TERM: 6,
    Blow.TERM_TWICE: 3,
    Blow.LOCKS: 2,
    Blow.FULL: 5,
    Blow.TIGHT: 2,
    Blow.AWAY: 3,
    Blow.FORWARD: 2,
    Blow.BACK: 1,
}
"""How often each kind of blow is dealt among a hundred. What takes its time is dealt seldom."""


@dataclass(frozen=True, slots=True)
class Profile:
    kills: int
    between_rests: int
    """Blows that fall before a swarm is let run to idle; after each, what can be checked is."""


PROFILES: Final[Mapping[str, Profile]] = {"quick": Profile(100, 3), "nightly": Profile(1000, 1)}


@dataclass(slots=True)
class Outcome:
    seed: int
    rounds: list[Round] = field(default_factory=list)
    reached: int = 0
    """Points that any swarm came to."""
    never_reached: Sequence[str] = ()
    seconds: float = 0.0

    @property
    def blows(self) -> Mapping[Blow, int]:
        return Counter(fall.blow for one in self.rounds for fall in one.falls)

    @property
    def strikes(self) -> Mapping[str, int]:
        """Point -> how many blows fell there."""
        return Counter(fall.point for one in self.rounds for fall in one.falls if fall.point)

    def end(self, catalogue: Catalogue, began: float) -> None:
        """Add what is known only afterwards; `began` by the steady clock."""
        self.seconds = time.monotonic() - began
        self.reached = catalogue.reached()
        self.never_reached = [str(point) for point in catalogue.never_reached()]

    @property
    def kills(self) -> int:
        return sum(count for blow, count in self.blows.items() if blow in SIGNALS)

    @property
    def faults(self) -> int:
        return self.blows_in_all - self.kills

    @property
    def blows_in_all(self) -> int:
        return sum(self.blows.values())

    @property
    def at_random(self) -> int:
        return sum(not fall.point for one in self.rounds for fall in one.falls)

    @property
    def rests(self) -> int:
        return sum(one.rests for one in self.rounds)

    @property
    def statuses(self) -> Mapping[str, int]:
        return sum((Counter(one.statuses) for one in self.rounds), Counter[str]())

    @property
    def failed(self) -> Sequence[Round]:
        return [one for one in self.rounds if one.findings]


class Campaign:
    """Plays rounds until enough kills have been dealt."""

    def __init__(
        self, folder: Path, seed: int, profile: Profile, server: servers.Server | None = None
    ) -> None:
        self._folder, self._seed, self._profile, self._server = folder, seed, profile, server
        self._catalogue = Catalogue(WEIGHTS)
        self._lock = threading.Lock()
        self._left = profile.kills
        self._numbers: Iterator[int] = itertools.count()
        self._stopped = threading.Event()
        self.outcome = Outcome(seed)

    def run(self, parallel: int, told: Told) -> Outcome:
        """`told` gets each round as it ends, on any thread. A failed round's folder is kept.

        Ctrl-C lets the rounds under way end, and what was done until then is the outcome.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(parallel) as pool:
            playing = [pool.submit(self._play_all, told) for _ in range(parallel)]
            with suppress(KeyboardInterrupt):
                wait(playing, return_when=FIRST_EXCEPTION)
            self._stopped.set()
            for one in playing:
                one.result()
        self.outcome.end(self._catalogue, began)
        return self.outcome

    def _play_all(self, told: Told) -> None:
        while (share := self._next_share()) and not self._stopped.is_set():
            number, kills = share
            done = self._play(number, kills)
            with self._lock:
                self.outcome.rounds.append(done)
            told(done)

    def _next_share(self) -> tuple[int, int] | None:
        with self._lock:
            kills = min(KILLS_A_ROUND, self._left)
            self._left -= kills
            return (next(self._numbers), kills) if kills > 0 else None

    def _play(self, number: int, kills: int) -> Round:
        seed = self._seed * 10_000 + number
        folder = self._folder / f"round-{seed}"
        folder.mkdir(parents=True)
        with servers.made(self._server) as place:
            player = Player(folder, seed, self._catalogue, place)
            done = player.play(kills, self._profile.between_rests)
            if place is not None and done.findings:
                servers.keep(place, folder)
        if not done.findings:
            shutil.rmtree(folder, ignore_errors=True)
        return done


def repeat(recorded: Path, folder: Path, server: servers.Server | None = None) -> Outcome:
    """Play a round once more that left its notes in the folder `recorded`: the same tasks, blows.

    Processes run as the machine lets them, so a blow may find another state than it did before.
    Raises `DatabaseError`, `OSError`, `ValueError`.
    """
    began, catalogue = time.monotonic(), Catalogue(WEIGHTS)
    seed, steps = notes.read(recorded)
    with servers.made(server) as place:
        done = Player(folder, seed, catalogue, place).replay(steps)
        if place is not None and done.findings:
            servers.keep(place, folder)
    outcome = Outcome(seed, [done])
    outcome.end(catalogue, began)
    return outcome


def points_in_all() -> int:
    return len(known())
