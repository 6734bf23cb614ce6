"""The grounds of chaos are complete: what has a name is reached on one of them."""

import asyncio
import random
from pathlib import Path

import pytest

from abathur.chaos import ground
from abathur.chaos.blows import Blow
from abathur.chaos.campaign import WEIGHTS
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.points import Point, known
from abathur.chaos.rounds import Player

RESCUES = ("repository.move_branch before", "db.conclude before", "db.report before")
"""Where a kill leaves something half done, each in another way."""
PERSONS = ("db.reject within", "repository.restore_worktree before")

NEEDS_MORE = {
    "db.catch_up": "a server with pgvector, to which vectors were copied",
    "db.reserve_more": "a loop whose iterations a model judges, under a budget",
}
"""What no ground reaches, and what it would take."""

CHANCES = 4

pytestmark = pytest.mark.slow


def left_of(catalogue: Catalogue) -> set[str]:
    return {point.name for point in catalogue.never_reached()}


@pytest.mark.timeout(300)
def test_every_point_that_has_a_name_is_reached(tmp_path: Path) -> None:
    catalogue = Catalogue(WEIGHTS)
    player = Player(tmp_path, 3, catalogue, None)
    work = random.Random(1)
    asyncio.run(ground.submit_some(player.ground, 0, work, sorted(ground.KINDS)))
    player.rest()
    for point in RESCUES:
        asyncio.run(ground.submit_some(player.ground, 0, work, ["commits", "plain"]))
        assert player.strike(Choice(Blow.KILL, point=point))
        player.rest()
        # What that has left is cleared away by the next swarm, which has to live to tell.
        asyncio.run(ground.submit_some(player.ground, 0, work, ["plain"]))
        player.rest()
    for point in PERSONS:
        asyncio.run(ground.submit_some(player.ground, 0, work, ["leaky"]))
        assert player.strike(Choice(Blow.KILL, point=point))
        player.rest()
    # Who meets whom is the machine's choice: some points need a second chance.
    for _ in range(CHANCES):
        if left_of(catalogue) <= NEEDS_MORE.keys():
            break
        asyncio.run(ground.submit_some(player.ground, 0, work, sorted(ground.KINDS)))
        player.rest()
    assert list(player.round.findings) == []
    left = left_of(catalogue)
    assert left - NEEDS_MORE.keys() == set()
    assert NEEDS_MORE.keys() - left == set()  # reached by now: take it out of the list


def test_a_point_that_nothing_reaches_is_told() -> None:
    catalogue = Catalogue(WEIGHTS)
    catalogue.learn({str(point): 1 for point in known()})
    assert catalogue.never_reached() == []
    fresh = Catalogue(WEIGHTS)
    fresh.learn({str(point): 1 for point in known() if point.name != "db.reject"})
    assert {point.name for point in fresh.never_reached()} == {"db.reject"}
    assert Point.parse("db.reject within") in fresh.never_reached()
