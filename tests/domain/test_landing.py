"""The states of a landing."""

from collections.abc import Callable

from abathur.domain.landing import Landing, LandingState


def test_a_landing_is_open_while_it_waits_or_is_under_way() -> None:
    still_open = {state for state in LandingState if not state.is_final}
    assert still_open == {LandingState.QUEUED, LandingState.RUNNING}


def test_only_landed_and_nothing_changed_are_successes() -> None:
    successes = {state for state in LandingState if state.is_success}
    assert successes == {LandingState.LANDED, LandingState.NOTHING_CHANGED}


def test_every_success_is_an_end() -> None:
    assert all(state.is_final for state in LandingState if state.is_success)


def test_a_landing_begins_without_proof(make_landing: Callable[..., Landing]) -> None:
    landing = make_landing(state=LandingState.QUEUED)
    assert landing.proof is None
    assert landing.merge_commit is None
