"""The documented JSON fields of `abathur chaos`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

FINDINGS: Final[Fields] = {
    "seed": ("integer", "of the round"),
    "folder": ("string", "what is left of it, and what `--repeat` takes"),
    "texts": ("string[]", "what wasn't as promised"),
}
CHAOS: Final[Fields] = {
    "ok": ("boolean", "nothing was found"),
    "seed": ("integer", "`--seed`"),
    "kills": ("integer", "signals that ended, froze or stopped a swarm"),
    "faults": (
        "integer",
        "full disks, databases that were away, jumps of the clock, cancellings",
    ),
    "at_random": ("integer", "how many of both fell at a random moment, not at a point"),
    "blows": ("object", "kind of kill or fault -> how often it fell"),
    "rounds": ("integer", "repositories that were played with"),
    "rests": ("integer", "how often a queue was run to idle and checked"),
    "tasks": ("object", "status -> how many tasks ended so"),
    "points_reached": ("integer", "points that a swarm came to, each moment by itself"),
    "points": ("object", "point and moment -> how many blows fell there"),
    "never_reached": ("string[]", "points that the code names and no swarm came to"),
    "findings": ("Finding[]", "one for each round that found something"),
    "seconds": ("number", "from start to end"),
}
SHAPES: Final[Mapping[str, Fields]] = {"Chaos": CHAOS, "Finding": FINDINGS}
