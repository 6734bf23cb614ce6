"""What the exit codes mean, and which error ends in which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.domain import errors

OK: Final = 0
BAD_ANSWER: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
REFUSED: Final = 4
GIT: Final = 5
DATABASE: Final = 6
AGENT: Final = 7
BUG: Final = 70
INTERRUPTED: Final = 130

EXIT_CODES: Final[Mapping[int, str]] = {
    OK: "done",
    BAD_ANSWER: "the command worked, but the answer is bad: problems were found, or tasks failed",
    USAGE: "the command line, a value, a plan or the configuration isn't acceptable",
    NOT_FOUND: "a task, an attempt or the project wasn't found",
    REFUSED: "not possible in the present state of the task, the swarm or the working tree",
    GIT: "git failed, there is no git repository, or a branch doesn't exist",
    DATABASE: "the database or a file can't be read or written",
    AGENT: "the agent's program is missing or can't be started",
    BUG: "a bug in Abathur; the message names a crash log",
    INTERRUPTED: "interrupted by Ctrl-C",
}

# The first match wins, so a class comes before its base.
_BY_ERROR: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (errors.InvalidInputError, USAGE),
    (errors.NotFoundError, NOT_FOUND),
    (errors.IllegalTransitionError, REFUSED),
    (errors.StaleFenceError, REFUSED),
    (errors.ConflictError, REFUSED),
    (errors.SwarmError, REFUSED),
    (errors.RefusedError, REFUSED),
    (errors.DirtyTargetError, REFUSED),
    (errors.GitError, GIT),
    (errors.DatabaseError, DATABASE),
    (errors.AgentUnavailableError, AGENT),
    (errors.ProcessError, AGENT),
    (errors.EmbeddingError, AGENT),
    (errors.SpoolError, DATABASE),
    (OSError, DATABASE),
    (KeyboardInterrupt, INTERRUPTED),
)


def exit_code(error: BaseException) -> int:
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), BUG)
