"""Providers' limits: which pool, until when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.agents import AgentSpec
from abathur.domain.pools import (
    MAX_EXHAUSTED,
    MIN_EXHAUSTED,
    Observation,
    PoolKey,
    exhausted,
    key_for,
    observation,
    pools_of,
    reset_time,
)
from abathur.domain.runs import EventKind, RunEvent

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@given(st.floats() | st.integers() | st.text() | st.none() | st.booleans())
def test_no_reset_time_is_in_the_past_or_absurd(told: object) -> None:
    found = reset_time(told, NOW)
    assert found is None or NOW + MIN_EXHAUSTED <= found <= NOW + MAX_EXHAUSTED


@pytest.mark.parametrize("factor", [1, 1000])
def test_seconds_and_milliseconds_are_told_apart(factor: int) -> None:
    hour = NOW + timedelta(hours=1)
    assert reset_time(hour.timestamp() * factor, NOW) == hour


@given(st.integers(0, 10_000), st.integers(1, 7 * 86_400))
def test_a_pool_is_never_left_alone_for_ever(refusals: int, wait: int) -> None:
    seen = Observation(window="capacity", is_rejected=True)
    until = exhausted(refusals, seen, NOW, timedelta(seconds=wait))
    assert NOW < until <= NOW + MAX_EXHAUSTED


def test_only_what_lasts_is_an_observation() -> None:
    retry = RunEvent(EventKind.LIMIT, "", {"status": "retry"})
    near = RunEvent(EventKind.LIMIT, "", {"status": "allowed_warning", "utilization": 0.9})
    assert observation(retry, NOW) is None
    seen = observation(near, NOW)
    assert seen is not None
    assert (seen.is_rejected, seen.used_share) == (False, 0.9)


def spec(runtime: str, **fields: object) -> AgentSpec:
    return AgentSpec(agent_type="coder", runtime=runtime, **fields)  # type: ignore[arg-type]


def test_agent_types_share_the_pool_of_their_provider_and_account() -> None:
    assert pools_of(spec("claude", model="claude-opus-5")) == (
        PoolKey("anthropic"),
        PoolKey("anthropic", "default:opus"),
    )
    assert pools_of(spec("command"))[0] == PoolKey("coder")
    own = spec("command", settings={"provider": "openai", "account": "team"})
    assert pools_of(own)[0] == PoolKey("openai", "team")


def test_a_window_of_one_model_concerns_that_model_alone() -> None:
    general = PoolKey("anthropic")
    assert key_for("seven_day_opus", general) == PoolKey("anthropic", "default:opus")
    assert key_for("five_hour", general) == general
    assert key_for("seven_day_opus", general) not in pools_of(spec("claude", model="sonnet"))
