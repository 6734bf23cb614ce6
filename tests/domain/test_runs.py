"""How attempts end."""

import dataclasses

import pytest

from abathur.domain.runs import Command, EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage


def test_only_what_is_the_tasks_own_doing_spends_a_retry() -> None:
    spending = {kind for kind in OutcomeKind if kind.spends_retry}
    assert spending == {OutcomeKind.FAILED, OutcomeKind.TIMED_OUT, OutcomeKind.SILENT}


def test_usage_that_nobody_told_is_unknown_and_not_zero() -> None:
    assert set(dataclasses.asdict(Usage()).values()) == {None}
    assert Usage(input_tokens=0) != Usage()


def test_a_program_that_never_started_has_no_exit_code() -> None:
    never = Exit(code=None)
    assert (never.timed_out, never.stopped, never.stderr_tail) == (False, False, "")


def test_an_outcome_needs_no_more_than_its_kind() -> None:
    outcome = Outcome(kind=OutcomeKind.SUCCEEDED)
    assert (outcome.message, outcome.usage, outcome.retry_after_seconds) == ("", None, None)


def test_events_do_not_share_their_data() -> None:
    assert RunEvent(EventKind.TEXT).data is not RunEvent(EventKind.TEXT).data


def test_a_command_cannot_be_changed_after_it_was_made() -> None:
    command = Command(argv=("agent", "--json"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        command.argv = ("sh",)  # type: ignore[misc]
