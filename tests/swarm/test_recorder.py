"""When what agents say is written down."""

import pytest

from abathur.swarm.recorder import FLUSH_SECONDS, until_flush


@pytest.mark.parametrize("begun", [0.0, 0.01, 0.25, 0.499])
def test_runs_that_began_at_different_times_write_at_the_same_moments(begun: float) -> None:
    base = 1000 * FLUSH_SECONDS
    moment = base + begun + until_flush(base + begun)
    assert moment == pytest.approx(base + FLUSH_SECONDS)
    assert 0 < until_flush(moment) <= FLUSH_SECONDS
