"""The grounds of chaos are complete: what has a name is reached on one of them."""

import asyncio
import random
from pathlib import Path

import pytest

from abathur.chaos import ground, servers
from abathur.chaos.blows import Blow
from abathur.chaos.campaign import WEIGHTS
from abathur.chaos.catalogue import Catalogue, Choice
from abathur.chaos.points import Point, known
from abathur.chaos.rounds import Player
from tests import postgres

RESCUES = ("repository.move_branch before", "db.conclude before", "db.report before")
"""Where a kill leaves something half done, each in another way."""
PERSONS = ("db.reject within", "repository.restore_worktree before")

OF_SERVERS = {"db.catch_up"}
"""What is reached on a ground whose queue is on a server with pgvector, and not on a file."""

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
        if left_of(catalogue) <= OF_SERVERS:
            break
        asyncio.run(ground.submit_some(player.ground, 0, work, sorted(ground.KINDS)))
        player.rest()
    assert list(player.round.findings) == []
    left = left_of(catalogue)
    assert left - OF_SERVERS == set()
    assert OF_SERVERS - left == set()  # reached by now: take it out of the list


@pytest.mark.skipif(not postgres.IS_OURS, reason="another server may be without pgvector")
def test_what_a_file_has_no_need_of_is_reached_and_struck_on_a_server(
    tmp_path: Path, postgres_server: str
) -> None:
    catalogue = Catalogue(WEIGHTS)
    with servers.made(servers.Server(postgres_server)) as place:
        player = Player(tmp_path, 3, catalogue, place)
        asyncio.run(ground.submit_some(player.ground, 0, random.Random(1), ["plain"]))
        assert player.strike(Choice(Blow.KILL, point="db.catch_up within"))
        assert player.strike(Choice(Blow.AWAY, point="db.announce within"))
        player.rest()
    assert list(player.round.findings) == []
    assert not left_of(catalogue) & OF_SERVERS


def test_a_point_that_nothing_reaches_is_told() -> None:
    catalogue = Catalogue(WEIGHTS)
    catalogue.learn({str(point): 1 for point in known()})
    assert catalogue.never_reached() == []
    fresh = Catalogue(WEIGHTS)
    fresh.learn({str(point): 1 for point in known() if point.name != "db.reject"})
    assert {point.name for point in fresh.never_reached()} == {"db.reject"}
    assert Point.parse("db.reject within") in fresh.never_reached()
