"""One round: a repository of its own, swarms that are struck on it, and what is found then."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from abathur.chaos import ground as grounds
from abathur.chaos.blows import LOCKS, SIGNALS, Blow, bring_back, over_of
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.invariants import asks, findings, statuses
from abathur.chaos.notes import Notes
from abathur.chaos.orders import Orders
from abathur.chaos.programs import Swarm, forget_restored, git
from abathur.chaos.servers import Place
from abathur.domain.errors import AbathurError

WATCHDOG_SECONDS: Final = 90.0
TASKS: Final = (2, 4)
"""How many are queued before a strike, at least and at most."""
ANSWERS: Final = 5
"""Rounds of answers after which no question is open any more."""
SECONDS_TO_CANCEL: Final = 1.5
"""That a swarm stands still at most while a person cancels; less than its lease."""
TRIES: Final = 3
"""Swarms after each other that must bring a queue to rest; each may be ended by a fault."""


@dataclass(frozen=True, slots=True)
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
    statuses: Mapping[str, int] = field(default_factory=dict)
    """How the tasks stand at the end."""
    findings: Sequence[str] = ()

    @property
    def kills(self) -> int:
        return sum(fall.blow in SIGNALS for fall in self.falls)


class Player:
    """Plays one round. Raises only what means that it can't be played at all."""

    def __init__(self, folder: Path, seed: int, catalogue: Catalogue, place: Place | None) -> None:
        self._chance = random.Random(seed)
        self._work = random.Random(seed)
        self._catalogue = catalogue
        self._notes = Notes(folder, seed)
        self._number = 0
        self.round = Round(seed, folder)
        self.ground = grounds.make(folder / "repository", place)

    def play(self, kills: int, between_rests: int) -> Round:
        """Strike until `kills` have fallen, with rest and all checks after each `between_rests`."""
        since_rest = between_rests
        while self.round.kills < kills and not self.round.findings:
            if since_rest >= between_rests:
                self._fill()
                since_rest = 0
            fell = self.strike(self._catalogue.choose(self._chance))
            since_rest = since_rest + 1 if fell else between_rests
            if since_rest >= between_rests:
                self.rest()
        if since_rest < between_rests and not self.round.findings:
            self.rest()
        if kills > 1 and not self.round.findings and not self.round.statuses.get("completed"):
            self._found("no task was completed, so nothing was proven")
        return self.round

    def replay(self, notes: Sequence[Mapping[str, Any]]) -> Round:
        """The same steps as in the notes of an earlier round, until something is found."""
        for note in notes:
            if self.round.findings:
                break
            if note["step"] == "fill":
                self._fill()
            elif note["step"] == "rest":
                self.rest()
            else:
                self.strike(Choice.from_told(note["choice"]))
        return self.round

    def _fill(self) -> None:
        self._notes.write("fill")
        asyncio.run(grounds.submit_some(self.ground, self._work.randint(*TASKS), self._work))

    def strike(self, choice: Choice) -> bool:
        """One swarm that is struck; whether the blow fell."""
        self._notes.write("strike", choice=choice.told())
        orders = self._orders(choice)
        if orders.is_person:
            self._run()  # or there is nothing to answer yet
        swarm = Swarm(orders.text(), self.round.folder / "swarm.log")
        try:
            code = swarm.wait()
            if code is None:
                self._hold(swarm, choice.blow)
        finally:
            swarm.end()
        self._put_right(orders)
        self._learn(orders)
        if not Path(orders.note).exists():
            self._catalogue.missed(choice)
            self.round.missed += 1
            if code != 0:
                self._found(f"a swarm that wasn't struck ended with code {code}")
            return False
        self.round.falls.append(Fall(choice.blow, choice.point))
        self._catalogue.struck(choice)
        self._check(at_rest=False)
        return True

    def _hold(self, frozen: Swarm, blow: Blow) -> None:
        """Another swarm goes on while one is frozen, or a person cancels; then it wakes up to that.

        One that was frozen within a transaction holds the database, so the other may fail.
        """
        if blow is Blow.CANCEL:
            person = threading.Thread(target=self._cancel)
            person.start()
            person.join(SECONDS_TO_CANCEL)
        else:
            self._run()
        code = frozen.thaw()
        if blow is Blow.CANCEL:
            person.join()
        if code != 0:
            self._found(f"a swarm that had been frozen ended with code {code}")

    def _cancel(self) -> None:
        try:
            asyncio.run(grounds.cancel_what_runs(self.ground))
        except AbathurError as error:
            self._found(f"a person couldn't cancel: {error}")

    def rest(self) -> None:
        """Run to idle, check everything."""
        self._notes.write("rest")
        for _ in range(ANSWERS):
            codes: list[int | None] = []
            while len(codes) < TRIES and 0 not in codes:
                # Who finds no room leaves what is left to the next, which has it.
                codes.append(self._run(is_tight=not codes))
            if 0 not in codes:
                self._found(f"swarms in a row didn't come to rest, but ended with {codes}")
            if not asyncio.run(asks(self.ground)):
                break
            if self._run(is_person=True) != 0:
                self._found("a person's answers weren't taken")
        self.round.rests += 1
        self._check(at_rest=True)

    def _run(self, *, is_person: bool = False, is_tight: bool = False) -> int | None:
        orders = replace(self._orders(None), is_person=is_person, is_tight=is_tight)
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

    def _orders(self, choice: Choice | None) -> Orders:
        self._number += 1
        told: dict[str, Any] = {} if choice is None else choice.told()
        return Orders(
            root=str(self.ground.root),
            place=self.ground.place,
            note=str(self.round.folder / f"struck-{self._number}"),
            record=str(self.round.folder / f"reached-{self._number}"),
            watchdog_seconds=WATCHDOG_SECONDS,
            is_person=choice is not None and choice.is_persons,
            is_tight=choice is not None,
            **told,
        )

    def _put_right(self, orders: Orders) -> None:
        """What a fault would have put right a moment later, had the swarm lived.

        And what is a person's to put right: the lock of their own index.
        """
        note = Path(orders.note)
        if self.ground.place is None:
            bring_back(self.ground.project.file)
        elif orders.blow is Blow.AWAY and note.exists():
            self.ground.place.bring_back(over_of(note))
        (self.ground.root / ".git" / "index.lock").unlink(missing_ok=True)

    def _check(self, *, at_rest: bool) -> None:
        if at_rest:
            self._unlock()
        if not any(lock.exists() for lock in self._locks()):
            forget_restored(self.ground.root)
        for text in asyncio.run(findings(self.ground, at_rest=at_rest)):
            self._found(text)
        if at_rest:
            self.round.statuses = Counter(asyncio.run(statuses(self.ground)))
            # Trees that a landing couldn't bring along were told of; the person brings them.
            git(self.ground.root, "reset", "--quiet", "--hard")

    def _locks(self) -> Iterable[Path]:
        return (self.ground.root / ".git" / name for name in LOCKS)

    def _unlock(self) -> None:
        """A lock that no swarm has come across is a person's to remove."""
        for lock in self._locks():
            lock.unlink(missing_ok=True)

    def _found(self, text: str) -> None:
        self.round.findings = [*self.round.findings, text]
        self._notes.write("found", text=text)
