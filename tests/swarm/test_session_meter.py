"""What a run may spend, where its program counts over all runs of its session."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from abathur.domain.continuing import Unfinished
from abathur.domain.runs import EventKind, RunEvent, Usage
from abathur.services.reserving import Share
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


@pytest.mark.parametrize("is_started_anew", [False, True])
async def test_who_has_ended_is_not_stopped_for_what_it_told_last(
    world: Any, is_started_anew: bool
) -> None:
    async def write(*_: Any) -> Share:
        return Share(reserved_usd=1.0, left_usd=0.5, narrowest="the day")

    supervisor = await world.supervisor()
    run = Run(cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace()), cast(Any, None))
    meter = Meter(supervisor._parts, supervisor._state, run)
    meter._parts = cast(Any, SimpleNamespace(db=SimpleNamespace(write=write)))
    meter._share = Share(reserved_usd=0.0, left_usd=0.5, narrowest="the day")
    meter._spent = 1.0
    await meter.settle()
    if is_started_anew:
        meter.begin_behind(None)
    await asyncio.wait_for(meter._keep_up(), 10)
    assert run.stop.is_set() is is_started_anew
