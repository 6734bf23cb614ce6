"""Every error that a caller may want to catch, one class per thing it would do differently.

A message says what is wrong, with which thing, and what to do now; it is one line and fit to be
shown to a person as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence


class AbathurError(Exception):
    """The base of all expected errors. Anything else that escapes is a bug."""


class InvalidInputError(AbathurError):
    """A value from outside is not acceptable; nothing was written."""


class PlanError(InvalidInputError):
    """A backlog file was refused as a whole. `problems` are lines like `FILE:LINE: FIELD: ...`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class DependencyCycleError(InvalidInputError):
    """Tasks wait for each other. `cycle` names them in order, the first one again at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(
            f"these tasks wait for each other: {' -> '.join(cycle)}; remove one of the dependencies"
        )
        self.cycle = tuple(cycle)


class NotFoundError(AbathurError):
    """What an id, a prefix or a name points to doesn't exist."""


class AmbiguousIdError(InvalidInputError):
    """An id prefix fits more than one task. `candidates` are full ids, some of them.

    `summaries` are those of the candidates, from whoever has looked them up.
    """

    def __init__(
        self, prefix: str, candidates: Sequence[str], summaries: Sequence[str] = ()
    ) -> None:
        shown = ", ".join(candidates)
        super().__init__(f"id `{prefix}` fits several tasks ({shown}); type more of it")
        self.prefix = prefix
        self.candidates = tuple(candidates)
        self.summaries = tuple(summaries)


class IllegalTransitionError(AbathurError):
    """A task may not go from the status it has to the one asked for."""


class StaleFenceError(AbathurError):
    """The writer no longer holds the lease: somebody else was given the work, or it was cancelled.

    Nothing was written. Whoever gets this stops its work and keeps what it made as evidence.
    """


class IdempotencyConflictError(InvalidInputError):
    """The idempotency key was used before for a task with another content."""


class ConflictError(AbathurError):
    """Somebody else has changed the thing since it was read, or made it; nothing was written."""


class ConfigError(InvalidInputError):
    """A configuration or agent definition file can't be used; the message names file and line."""


class DatabaseError(AbathurError):
    """The database can't do what was asked; what was acknowledged before is intact."""


class DatabaseBusyError(DatabaseError):
    """Another process held the database for longer than the time-out."""


class DatabaseUnreachableError(DatabaseError):
    """The database server can't be reached, or the connection to it was lost."""


class DatabaseFullError(DatabaseError):
    """The disk, a quota or a file size limit is used up; the write was rolled back."""


class DatabaseReadOnlyError(DatabaseError):
    """The file or its folder can't be written."""


class DatabaseCorruptError(DatabaseError):
    """The file is damaged or isn't a database of this program."""


class TablesMissingError(DatabaseCorruptError):
    """Tables or columns that every database of this program has are not there."""


class DatabaseReplacedError(DatabaseError):
    """The file was deleted or replaced under this process: it has to be opened again."""


class DatabaseClosedError(DatabaseError):
    """Used before `initialize()` or after `close()`."""


class MigrationError(DatabaseError):
    """The schema can't be brought up to date; the file is as it was."""


class OlderDatabaseError(MigrationError):
    """The file was written by an older version, whose tables are others."""


class DatabaseTooNewError(MigrationError):
    """The file was written by a newer version of the program."""


class GitError(AbathurError):
    """A git command failed; the message holds the command and what git said."""


class NotARepositoryError(GitError):
    """The folder is in no git repository."""


class UnknownBranchError(GitError):
    """The named branch doesn't exist."""


class DirtyTargetError(GitError):
    """The target branch is checked out with uncommitted changes."""


class BranchTakenError(GitError):
    """The name of a new branch is in use."""


class RefMovedError(GitError):
    """A compare-and-swap of a ref found another value than expected; nothing was changed."""


class UnrelatedHistoriesError(GitError):
    """Two commits have no ancestor in common: no second try makes them one."""


class ProcessError(AbathurError):
    """A program can't be started."""


class NotExecutableError(ProcessError):
    """It is missing, or nothing that this machine can run: next time it will be so too."""


class EmbeddingError(AbathurError):
    """Nobody can say what texts mean: the model or its server isn't there, or answers nonsense."""


class SpoolError(AbathurError):
    """A report can't be written where it would outlive this process."""


class AgentUnavailableError(AbathurError):
    """No runtime can serve the agent type: unknown runtime, or its program isn't installed."""


class SwarmError(AbathurError):
    """The swarm can't start or was told something it can't do."""


class RefusedError(AbathurError):
    """Not done, because something would be lost; the message says how to insist."""


class UntrustedError(RefusedError):
    """Nobody has agreed to what the repository's files would run."""


class ProtectedTargetError(RefusedError):
    """Nothing may land on the target unless a setting says so."""


class IntegrityViolation(DatabaseError):
    """A constraint refused the write. `constraint` is how the database named it."""

    def __init__(self, message: str, constraint: str) -> None:
        super().__init__(message)
        self.constraint = constraint
