from datetime import UTC

from abathur.infrastructure.clock import SystemClock
from abathur.ports.clock import Clock


async def test_the_system_clock_tells_utc_and_goes_on() -> None:
    clock: Clock = SystemClock()
    began, present = clock.monotonic(), clock.now()
    await clock.sleep(0)
    assert present.tzinfo is UTC
    assert clock.now() >= present
    assert clock.monotonic() >= began
