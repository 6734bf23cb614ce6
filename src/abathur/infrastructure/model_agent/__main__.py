"""Reads a plan from stdin and does the run."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Final

from abathur.infrastructure.model_agent.plan import Plan, from_json
from abathur.infrastructure.model_agent.running import run_plan

STOPPED: Final = 143


def main() -> int:
    plan = from_json(json.load(sys.stdin.buffer))
    try:
        return 0 if asyncio.run(_stoppable(plan)) else 1
    except asyncio.CancelledError:
        return STOPPED


async def _stoppable(plan: Plan) -> bool:
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await run_plan(plan)


if __name__ == "__main__":
    sys.exit(main())
