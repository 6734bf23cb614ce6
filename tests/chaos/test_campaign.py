"""The real thing, in the size for every day: a hundred kills, and nothing is lost by them."""

from pathlib import Path

import pytest

from abathur.chaos.campaign import Campaign, Profile
from abathur.chaos.rounds import Round

pytestmark = pytest.mark.slow

KILLS = 100
ROUNDS_AT_ONCE = 3
"""Swarms wait most of the time: for leases that run out, and for each other."""


@pytest.mark.timeout(900)
def test_nothing_is_lost(tmp_path: Path) -> None:
    told: list[Round] = []
    campaign = Campaign(tmp_path, 11, Profile(KILLS, between_rests=4))
    outcome = campaign.run(ROUNDS_AT_ONCE, told.append)
    assert [(one.folder, one.findings) for one in outcome.failed] == []
    assert outcome.kills >= KILLS
    assert len(told) == len(outcome.rounds)
    # Not vacuous: blows fell all over, and work was done between them.
    assert len(outcome.strikes) >= 50
    assert outcome.at_random >= 10
    assert outcome.statuses["completed"] >= 50
    assert list(tmp_path.iterdir()) == []
