"""The same on a queue in PostgreSQL."""

from pathlib import Path

import pytest

from abathur.chaos.campaign import Campaign, Profile
from abathur.chaos.rounds import Round
from abathur.chaos.servers import Server

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_nothing_is_lost_on_a_server(tmp_path: Path, postgres_server: str) -> None:
    told: list[Round] = []
    campaign = Campaign(tmp_path, 21, Profile(4, between_rests=2), Server(postgres_server))
    outcome = campaign.run(1, told.append)
    assert [one.findings for one in outcome.failed] == []
    assert outcome.kills >= 4
