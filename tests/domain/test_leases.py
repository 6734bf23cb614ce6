"""A lease has one holder at a time, and only that one can write."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from abathur.domain.errors import StaleFenceError
from abathur.domain.leases import Lease, check_fence

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
LENGTH = timedelta(seconds=60)
A_MOMENT = timedelta(microseconds=1)


def test_a_lease_is_over_at_the_very_instant_that_it_names() -> None:
    lease = Lease("w-1", 1, NOON)
    assert not lease.is_expired(NOON - A_MOMENT)
    assert lease.is_expired(NOON)


def test_renewing_reaches_further_and_keeps_holder_and_fence() -> None:
    assert Lease("w-1", 3, NOON).renewed(NOON, LENGTH) == Lease("w-1", 3, NOON + LENGTH)


def test_renewing_after_the_clock_went_back_shortens_nothing() -> None:
    lease = Lease("w-1", 3, NOON)
    assert lease.renewed(NOON - timedelta(hours=1), LENGTH) == lease


def test_the_holder_is_let_through() -> None:
    check_fence("task t-1", 4, 4)


@pytest.mark.parametrize("given", [3, 5])
def test_any_other_fence_is_refused(given: int) -> None:
    with pytest.raises(StaleFenceError, match="task t-1 is no longer held by this writer"):
        check_fence("task t-1", 4, given)


class TwoWorkers(RuleBasedStateMachine):
    """One row, two workers, a clock that also jumps back, and writers that remember old leases.

    The row is held by the lease in `current`; every change of holder or status raises its fence.
    """

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.fence = 0
        self.current: Lease | None = None
        self.given: list[Lease] = []

    @rule(seconds=st.integers(-30, 90))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=leases, worker=st.sampled_from(["w-1", "w-2"]))
    def claim(self, worker: str) -> Lease:
        if self.current is not None and not self.current.is_expired(self.now):
            return self.current
        self.fence += 1
        self.current = Lease(worker, self.fence, self.now + LENGTH)
        self.given.append(self.current)
        return self.current

    @rule(target=leases, lease=leases)
    def renew(self, lease: Lease) -> Lease:
        if not self.is_allowed(lease):
            return lease
        assert self.current is not None
        until = self.current.until
        self.current = self.current.renewed(self.now, LENGTH)
        assert self.current.until >= until
        return self.current

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        if self.is_allowed(lease):
            self.fence += 1
            self.current = None

    @rule()
    def cancel(self) -> None:
        self.fence += 1
        self.current = None

    def is_allowed(self, lease: Lease) -> bool:
        """What the fence says, checked against who truly holds the row."""
        holds = self.current is not None and self.current.fence == lease.fence
        try:
            check_fence("the row", self.fence, lease.fence)
        except StaleFenceError:
            assert not holds
            return False
        assert holds
        assert self.current is not None
        assert self.current.worker_id == lease.worker_id
        return True

    @invariant()
    def no_two_claims_ever_got_the_same_fence(self) -> None:
        assert len({lease.fence for lease in self.given}) == len(self.given)

    @invariant()
    def at_most_one_of_all_leases_ever_given_can_write(self) -> None:
        assert sum(lease.fence == self.fence for lease in self.given) == bool(self.current)


TestTwoWorkers = TwoWorkers.TestCase
TestTwoWorkers.settings = settings(max_examples=60, stateful_step_count=40)
