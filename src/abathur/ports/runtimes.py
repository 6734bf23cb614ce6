"""What a kind of agent program is: pure rules to start it and to read it. Starts nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from abathur.domain.runs import Command, Exit, Outcome, RunEvent, RunSpec


class AgentRuntime(Protocol):
    """One with `resumes = True` beside this goes on with `RunSpec.resume`, and says in its outcome
    when the program wouldn't: then `RunSpec.home` stays between the runs."""

    @property
    def name(self) -> str: ...

    def command(self, spec: RunSpec) -> Command:
        """How to start the program. Raises `AgentUnavailableError` when it isn't to be had."""
        ...

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        """What one line of stdout says. Never raises: what isn't understood is a `raw` event."""
        ...

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        """The verdict, from the program's own final word before its exit code.

        `events` are those of the kinds started, text (the last ones), usage, limit, denied,
        warning and end, in order; the caller may have dropped old ones.
        """
        ...
