"""What a swarm that is to be struck is told, as one argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from abathur.chaos.blows import Blow
from abathur.chaos.servers import Place, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    root: str
    place: Place | None = None
    """Of the database on a server; without one, it is the project's own file."""
    blow: Blow | None = None
    point: str | None = None
    call: int = 1
    """At which of its calls."""
    event: int = 0
    """For a random moment: after so many events of the swarm, and so many seconds more."""
    delay: float = 0.0
    note: str
    """File that is made when the blow falls."""
    record: str
    """File that gets the points that were reached until the blow, or until the swarm's end."""
    watchdog_seconds: float
    is_tight: bool = False
    """The disk is full for a while; see `tight_disk`."""
    is_person: bool = False
    """Answer and restore what there is, as a person does by commands, instead of a swarm's work."""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        found = json.loads(text)
        found["blow"] = Blow(found["blow"]) if found["blow"] else None
        if place := found["place"]:
            found["place"] = Place(Server(**place["server"]), place["name"])
        return cls(**found)
