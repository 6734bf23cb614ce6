"""What a run may spend, where its program counts over all runs of its session."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from abathur.domain.continuing import Unfinished
from abathur.domain.runs import EventKind, RunEvent, Usage
from abathur.swarm.meter import Meter
from abathur.swarm.state import Run


@pytest.mark.parametrize(("total", "is_over"), [(1.4, False), (1.6, True)])
async def test_what_earlier_runs_spent_is_not_this_ones(
    world: Any, total: float, is_over: bool
) -> None:
    supervisor = await world.supervisor()
    run = Run(cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace()), cast(Any, None))
    meter = Meter(supervisor._parts, supervisor._state, run)
    meter.budget_usd = 0.5
    meter.begin_behind(Unfinished(cast(Any, None), "s", "/w", "b", Usage(cost_usd=1.0)))
    told = {"cost_usd": total, "is_total": True, "of_session": True}
    meter.take(RunEvent(EventKind.USAGE, "", told))
    assert run.stop.is_set() is is_over
