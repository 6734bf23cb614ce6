"""What is known to work with which program, in one place: for doctor, the documentation and tests.

A version is that of which `tests/fixtures/transcripts` were recorded. Another one may do as well:
what it says that isn't known is kept raw, and no run succeeds without the final event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Support:
    version: str
    """With which its runtime was tried, against a scripted model."""
    in_tests: bool
    """Whether the program itself is run in the tests, or what it was recorded to say is read."""
    resumes: bool
    missing: str = ""
    """What an agent type may ask for and doesn't get."""


SUPPORT: Final[Mapping[str, Support]] = {
    "aider": Support("0.86.2", False, False, "sessions, MCP servers, tools, add_dirs"),
    "claude": Support("2.1.330", True, True),
    "codex": Support("0.169.0", True, True, "of tools all but shell, edits and search"),
    "gemini": Support("0.61.0", True, True, "effort"),
    "opencode": Support("1.18.33", True, True),
}


def told(runtime: str, version: str | None) -> str:
    """In brackets behind the program's name; empty where nothing is known."""
    known = SUPPORT.get(runtime)
    if known is None:
        return ""
    how = "tested with" if known.in_tests else "recorded with"
    if version == known.version:
        return f"({how} this version)"
    return f"({how} {known.version})"
