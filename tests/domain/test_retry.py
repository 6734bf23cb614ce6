"""What follows an attempt that didn't succeed."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.errors import InvalidInputError
from abathur.domain.failures import FailureClass
from abathur.domain.retry import (
    MAX_RATE_LIMIT_SECONDS,
    Decision,
    RetryAction,
    RetryPolicy,
    decide,
)
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.settings import RetrySettings

STEADY = RetryPolicy(10, 2, 300, 0)
SHAKEN = RetryPolicy(10, 2, 300, 0.2)
CHANCES = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy, st.floats(0, 1000), st.floats(1, 100), st.floats(0, 86_400), st.floats(0, 1)
)
MANY = settings(max_examples=150)


def after(
    outcome: OutcomeKind,
    *,
    retries: int = 0,
    allowed: int = 3,
    lost: int = 0,
    wait: float | None = None,
    waits: int = 0,
    failure: FailureClass | None = None,
    is_guess: bool = False,
    policy: RetryPolicy = STEADY,
    chance: float = 0.0,
) -> Decision:
    return decide(
        Outcome(kind=outcome, failure=failure, is_guess=is_guess, retry_after_seconds=wait),
        retry_count=retries,
        max_retries=allowed,
        lost_count=lost,
        wait_count=waits,
        policy=policy,
        chance=chance,
    )


@pytest.mark.parametrize(
    ("number", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (10_000, 300)]
)
def test_delays_double_up_to_the_cap(number: int, seconds: int) -> None:
    assert STEADY.delay(number, 0.5) == timedelta(seconds=seconds)


@MANY
@given(POLICIES, st.integers(1, 10_000), CHANCES)
def test_a_delay_is_never_negative_and_never_above_the_cap(
    policy: RetryPolicy, number: int, chance: float
) -> None:
    delay = policy.delay(number, chance).total_seconds()
    assert 0 <= delay <= policy.max_seconds + 1e-6


@MANY
@given(POLICIES, st.integers(1, 9_999), CHANCES)
def test_delays_never_shrink_from_one_retry_to_the_next(
    policy: RetryPolicy, number: int, chance: float
) -> None:
    assert policy.delay(number, chance) <= policy.delay(number + 1, chance)


@MANY
@given(st.integers(1, 100), CHANCES)
def test_jitter_takes_no_more_than_its_share(number: int, chance: float) -> None:
    full = STEADY.delay(number, 0)
    assert 0.8 * full <= SHAKEN.delay(number, chance) <= full


def test_no_initial_delay_means_no_delay_ever() -> None:
    assert RetryPolicy(0, 2, 300, 0).delay(10_000, 0) == timedelta()


@pytest.mark.parametrize(
    "values",
    [
        (-1, 2, 300, 0),
        (10, 0.5, 300, 0),
        (10, 2, float("inf"), 0),
        (10, 2, 300, 1.5),
        (float("nan"), 2, 300, 0),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    values: tuple[float, float, float, float],
) -> None:
    with pytest.raises(InvalidInputError, match=r"retry\.\w+: .* isn't a number from"):
        RetryPolicy(*values)


def test_the_default_settings_make_a_policy() -> None:
    given = RetrySettings()
    RetryPolicy(given.initial_seconds, given.factor, given.max_seconds, given.jitter)


@pytest.mark.parametrize("outcome", [OutcomeKind.FAILED, OutcomeKind.TIMED_OUT])
def test_failing_spends_retries_until_none_is_left(outcome: OutcomeKind) -> None:
    decisions = [after(outcome, retries=retries, allowed=2) for retries in range(3)]
    assert [(d.action, d.spends, d.delay.total_seconds()) for d in decisions] == [
        (RetryAction.RETRY, True, 10),
        (RetryAction.RETRY, True, 20),
        (RetryAction.GIVE_UP, False, 0),
    ]


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert after(OutcomeKind.FAILED, allowed=0).action is RetryAction.GIVE_UP


@pytest.mark.parametrize("outcome", OutcomeKind)
def test_the_outcomes_that_are_charged_are_those_that_say_so(outcome: OutcomeKind) -> None:
    assert after(outcome, lost=1).spends == outcome.spends_retry


@pytest.mark.parametrize(
    "outcome", [OutcomeKind.RATE_LIMITED, OutcomeKind.RELEASED, OutcomeKind.LOST]
)
def test_what_is_not_the_tasks_doing_never_makes_it_give_up(outcome: OutcomeKind) -> None:
    decision = after(outcome, retries=3, allowed=3, lost=1000)
    assert (decision.action, decision.spends) == (RetryAction.RETRY, False)


def test_work_handed_back_starts_again_at_once() -> None:
    assert after(OutcomeKind.RELEASED).delay == timedelta()


@pytest.mark.parametrize(("lost", "seconds"), [(1, 0), (2, 0), (3, 10), (4, 20), (99, 300)])
def test_losing_workers_in_a_row_backs_off_from_the_third_on(lost: int, seconds: int) -> None:
    assert after(OutcomeKind.LOST, lost=lost).delay == timedelta(seconds=seconds)


@MANY
@given(st.floats(0.001, 1e9), CHANCES)
def test_a_limit_is_never_tried_before_the_time_that_the_provider_names(
    wait: float, chance: float
) -> None:
    decision = after(OutcomeKind.RATE_LIMITED, wait=wait, policy=SHAKEN, chance=chance)
    seconds = decision.delay.total_seconds()
    assert min(wait, MAX_RATE_LIMIT_SECONDS) - 1e-6 <= seconds <= MAX_RATE_LIMIT_SECONDS + 2


@pytest.mark.parametrize("wait", [None, 0, -5, float("nan"), float("inf")])
def test_a_limit_without_a_usable_time_waits_for_the_cap(wait: float | None) -> None:
    assert after(OutcomeKind.RATE_LIMITED, wait=wait).delay == timedelta(seconds=300)


def test_a_limit_waits_half_a_minute_even_under_a_hasty_policy() -> None:
    hasty = RetryPolicy(0, 1, 0, 0)
    assert after(OutcomeKind.RATE_LIMITED, policy=hasty).delay == timedelta(seconds=30)


@pytest.mark.parametrize("outcome", [OutcomeKind.SUCCEEDED, OutcomeKind.CANCELLED])
def test_success_and_cancelling_leave_nothing_to_decide(outcome: OutcomeKind) -> None:
    assert after(outcome) == Decision(RetryAction.LEAVE)
