"""The real thing, in the size for every day: a hundred kills, and nothing is lost by them."""

from pathlib import Path

import pytest

from abathur.chaos.campaign import Campaign, Profile
from abathur.chaos.rounds import Round

pytestmark = pytest.mark.slow

KILLS = 52
"""By each of the two tests, which run beside each other."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    told: list[Round] = []
    campaign = Campaign(tmp_path, seed, Profile(KILLS, between_rests=3))
    outcome = campaign.run(1, told.append)
    assert [(one.folder, one.findings) for one in outcome.failed] == []
    assert outcome.kills >= KILLS
    assert len(told) == len(outcome.rounds)
    # Not vacuous: blows fell all over, and work was done between them.
    assert len(outcome.strikes) >= 25
    assert outcome.at_random >= 5
    assert outcome.statuses["completed"] >= 30
    assert list(tmp_path.iterdir()) == []
