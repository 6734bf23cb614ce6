"""Which points there are, how often each was struck, and what is to be struck next."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from abathur.chaos.blows import Blow
from abathur.chaos.points import OF_PERSONS, Point, known

RANDOM_SHARE: Final = 0.25
"""Of the blows: at a random moment instead of at a point."""
LATEST_EVENT: Final = 25
LATEST_SECONDS: Final = 0.15
MOST_CALLS: Final = 4
MISSES: Final = 4
"""After so many in a row a point is left alone for the rest."""


@dataclass(frozen=True, slots=True)
class Choice:
    blow: Blow
    point: str = ""
    call: int = 1
    event: int = 0
    delay: float = 0.0

    @property
    def is_persons(self) -> bool:
        return bool(self.point) and Point.parse(self.point).name in OF_PERSONS

    def told(self) -> dict[str, Any]:
        return {
            "blow": self.blow,
            "point": self.point or None,
            "call": self.call,
            "event": self.event,
            "delay": self.delay,
        }

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Choice:
        return cls(**{**told, "blow": Blow(told["blow"]), "point": told["point"] or ""})


class Catalogue:
    """Shared by the rounds that are played at the same time."""

    def __init__(self, blows: Mapping[Blow, int]) -> None:
        """`blows` says how often each kind is wanted among so many."""
        self._blows = blows
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        """Point -> the most calls of it that one swarm made."""
        self._misses: Counter[str] = Counter()
        self.strikes: Counter[str] = Counter()
        """Point -> blows that fell at it."""

    def learn(self, reached: Mapping[str, int]) -> None:
        with self._lock:
            for point, count in reached.items():
                self._seen[point] = max(self._seen[point], count)

    def choose(self, chance: random.Random) -> Choice:
        """The point that was struck least, among those that can be reached, or a random moment."""
        kinds = list(self._blows)
        blow = chance.choices(kinds, [self._blows[kind] for kind in kinds])[0]
        with self._lock:
            candidates = [name for name in self._seen if self._misses[name] < MISSES]
            if not candidates or chance.random() < RANDOM_SHARE:
                event = chance.randint(1, LATEST_EVENT)
                return Choice(blow, event=event, delay=chance.uniform(0, LATEST_SECONDS))
            least = min(map(self._weight, candidates))
            name = chance.choice(sorted(n for n in candidates if self._weight(n) == least))
            self.strikes[name] += 1
            most = 1 if self._misses[name] else min(MOST_CALLS, self._seen[name])
        return Choice(blow, point=name, call=chance.randint(1, most))

    def _weight(self, name: str) -> int:
        return self.strikes[name] + self._misses[name]

    def missed(self, choice: Choice) -> None:
        if choice.point:
            with self._lock:
                self.strikes[choice.point] -= 1
                self._misses[choice.point] += 1

    def struck(self, choice: Choice) -> None:
        if choice.point:
            with self._lock:
                self._misses[choice.point] = 0

    def reached(self) -> int:
        with self._lock:
            return len(self._seen)

    def never_reached(self) -> Sequence[Point]:
        """Points that the code names, and that no swarm came to."""
        with self._lock:
            reached = {Point.parse(text) for text in self._seen}
            reached |= {Point.parse(text) for text in self.strikes if self.strikes[text] > 0}
        return sorted(known() - reached)
