"""A swarm that stands still, or has no room, between the announcement of a merge and its end."""

import asyncio
import random
from pathlib import Path

import pytest

from abathur.chaos import ground
from abathur.chaos.blows import Blow
from abathur.chaos.campaign import WEIGHTS
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.invariants import statuses
from abathur.chaos.rounds import Player

pytestmark = pytest.mark.slow

ANNOUNCED = "db.announce after"
MOVED = "repository.move_branch after"

pytestmark = pytest.mark.slow


@pytest.mark.timeout(120)
def test_a_landing_under_way_ends_once_whoever_cancels_wakes_up_late_or_has_no_room(
    tmp_path: Path,
) -> None:
    """Who is frozen wakes up when its lease is over and another swarm has landed its work."""
    player = Player(tmp_path, 5, Catalogue(WEIGHTS), None)
    work = random.Random(1)
    for blow, point in (
        (Blow.CANCEL, ANNOUNCED),
        (Blow.CANCEL, MOVED),
        (Blow.FREEZE, ANNOUNCED),
        (Blow.TIGHT, "repository.merge before"),
    ):
        asyncio.run(ground.submit_some(player.ground, 0, work, ["commits"]))
        assert player.strike(Choice(blow, point=point)), point
        assert list(player.round.findings) == []
    player.rest()
    assert list(player.round.findings) == []
    assert list(asyncio.run(statuses(player.ground))) == ["completed"] * 4
