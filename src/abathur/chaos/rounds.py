"""One round: a repository of its own, swarms that are struck on it, and what is found afterwards."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from abathur.chaos import ground as grounds
from abathur.chaos.blows import LOCKS, SIGNALS, Blow, bring_back
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.ground import Ground
from abathur.chaos.invariants import findings
from abathur.chaos.orders import Orders
from abathur.chaos.programs import Swarm

WATCHDOG_SECONDS: Final = 60.0
TASKS: Final = (2, 4)
"""How many are queued before a strike, at least and at most."""
TRIES: Final = 3
"""Swarms after each other that must bring a queue to rest; each may be ended by a fault."""


@dataclass(slots=True)
class Fall:
    """One blow that fell."""

    blow: Blow
    point: str
    """Empty for a random moment."""


@dataclass(slots=True)
class Round:
    seed: int
    folder: Path
    falls: list[Fall] = field(default_factory=list)
    missed: int = 0
    """Blows whose point wasn't reached."""
    rests: int = 0
    """How often the queue was brought to rest and checked."""
    tasks: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    findings: Sequence[str] = ()


class Player:
    """Plays one round. `Player.play` raises nothing but what means that it can't be played."""

    def __init__(self, folder: Path, seed: int, catalogue: Catalogue, url: str | None) -> None:
        self._chance = random.Random(seed)
        self._catalogue = catalogue
        self._url = url
        self._number = 0
        self.round = Round(seed, folder)

    def play(self, kills: int, between_rests: int) -> Round:
        """Strike `kills` times, with a rest and all checks after each `between_rests` of them."""
        ground = grounds.make(self.round.folder / "repository", self._url)
        since_rest = 0
        while len(self.round.falls) < kills and not self.round.findings:
            if since_rest == 0:
                asyncio.run(
                    grounds.submit_some(ground, self._chance.randint(*TASKS), self._chance)
                )
            fell = self._strike(ground, after_kill=since_rest > 0)
            since_rest += 1
            if not fell or since_rest >= between_rests:
                self._rest(ground)
                since_rest = 0
        if since_rest and not self.round.findings:
            self._rest(ground)
        self.round.tasks = len(ground.tasks)
        return self.round

    def _strike(self, ground: Ground, *, after_kill: bool) -> bool:
        """One swarm that is struck; whether the blow fell."""
        choice = self._catalogue.choose(self._chance, after_kill=after_kill)
        orders = self._orders(ground, choice)
        swarm = Swarm(orders.text(), self.round.folder / "swarm.log")
        try:
            code = swarm.wait()
            if code is None:
                self._take_over(ground, swarm)
        finally:
            swarm.end()
        self._tidy_up(ground)
        if not Path(orders.note).exists():
            self.round.missed += 1
            self._catalogue.missed(choice, after_kill=after_kill)
            if code != 0:
                self._found(f"a swarm that wasn't struck ended with code {code}")
            return False
        self.round.falls.append(Fall(choice.blow, choice.point))
        self._catalogue.struck(choice)
        self._check(ground, at_rest=False)
        return True

    def _take_over(self, ground: Ground, frozen: Swarm) -> None:
        """Another swarm goes on while one is frozen; then the frozen one wakes up to it."""
        self._run(ground)
        code = frozen.thaw()
        if code != 0:
            self._found(f"a swarm that had been frozen ended with code {code}")

    def _rest(self, ground: Ground) -> None:
        """Run to idle, check everything."""
        for _ in range(TRIES):
            code = self._run(ground)
            if code == 0:
                break
        else:
            self._found(f"{TRIES} swarms in a row didn't come to rest; the last one ended with {code}")
        self.round.rests += 1
        self._check(ground, at_rest=True)

    def _run(self, ground: Ground) -> int | None:
        orders = self._orders(ground, None)
        swarm = Swarm(orders.text(), self.round.folder / "swarm.log")
        try:
            code = swarm.wait()
        finally:
            swarm.end()
        self._learn(orders)
        return code

    def _learn(self, orders: Orders) -> None:
        with suppress(FileNotFoundError):
            reached: Mapping[str, int] = json.loads(Path(orders.record).read_text())
            self._catalogue.learn(reached)

    def _orders(self, ground: Ground, choice: Choice | None) -> Orders:
        self._number += 1
        told: dict[str, Any] = {} if choice is None else choice.told()
        return Orders(
            root=str(ground.root),
            database=ground.url,
            note=str(self.round.folder / f"struck-{self._number}"),
            record=str(self.round.folder / f"reached-{self._number}"),
            watchdog_seconds=WATCHDOG_SECONDS,
            **told,
        )

    def _tidy_up(self, ground: Ground) -> None:
        """What a fault would have put right a moment later, had the swarm lived."""
        if not ground.url:
            bring_back(ground.project.file)

    def _check(self, ground: Ground, *, at_rest: bool) -> None:
        for text in asyncio.run(findings(ground, at_rest=at_rest)):
            self._found(text)

    def _found(self, text: str) -> None:
        self.round.findings = [*self.round.findings, text]
