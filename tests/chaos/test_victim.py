"""What a struck swarm leaves for the harness can be read, whatever the blow was."""

import asyncio
import random
from pathlib import Path

import pytest

from abathur.chaos import ground
from abathur.chaos.blows import Blow
from abathur.chaos.campaign import WEIGHTS
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.rounds import Player

pytestmark = pytest.mark.slow


@pytest.mark.timeout(120)
def test_what_was_reached_is_known_of_one_that_found_no_room_for_it_at_its_end(
    tmp_path: Path,
) -> None:
    catalogue = Catalogue(WEIGHTS)
    player = Player(tmp_path, 7, catalogue, None)
    asyncio.run(ground.submit_some(player.ground, 0, random.Random(1), ["plain"]))
    # The last thing that a swarm does; no file can grow from there on.
    assert player.strike(Choice(Blow.FULL, point="guard.close after"))
    assert catalogue.reached() > 50
    player.rest()
    assert list(player.round.findings) == []
