"""The documented exit codes, and the errors behind them."""

import errno
import os

import pytest

from abathur.cli.exit_codes import BUG, EXIT_CODES, exit_code
from abathur.domain import errors


def test_the_codes_that_scripts_rely_on() -> None:
    assert sorted(EXIT_CODES) == [0, 1, 2, 3, 4, 5, 6, 7, 70, 130]
    assert all(EXIT_CODES.values())


EXPECTED = {
    errors.InvalidInputError: 2,
    errors.PlanError: 2,
    errors.ConfigError: 2,
    errors.DependencyCycleError: 2,
    errors.AmbiguousIdError: 2,
    errors.IdempotencyConflictError: 2,
    errors.NotFoundError: 3,
    errors.IllegalTransitionError: 4,
    errors.StaleFenceError: 4,
    errors.SwarmError: 4,
    errors.DirtyTargetError: 4,
    errors.GitError: 5,
    errors.NotARepositoryError: 5,
    errors.UnknownBranchError: 5,
    errors.RefMovedError: 5,
    errors.DatabaseError: 6,
    errors.DatabaseFullError: 6,
    errors.DatabaseTooNewError: 6,
    PermissionError: 6,
    errors.AgentUnavailableError: 7,
    errors.ProcessError: 7,
    ZeroDivisionError: 70,
    KeyboardInterrupt: 130,
}


@pytest.mark.parametrize(("kind", "code"), EXPECTED.items())
def test_each_error_has_its_code(kind: type[BaseException], code: int) -> None:
    assert exit_code(kind.__new__(kind)) == code


def test_an_error_of_the_system_is_one_of_files() -> None:
    assert exit_code(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == 6


def test_no_expected_error_is_taken_for_a_bug() -> None:
    found = [
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.AbathurError)
        and kind is not errors.AbathurError
        and exit_code(kind.__new__(kind)) == BUG
    ]
    assert found == []
