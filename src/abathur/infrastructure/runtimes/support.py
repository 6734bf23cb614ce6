"""What is known to work with which program, in one place: for doctor, the documentation and tests.

A version is that of which `tests/fixtures/transcripts` were recorded, but for a program that is
known from its documentation alone. Another one may do as well: what it says that isn't known is
kept raw, and no run succeeds without the final event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Tested = Literal["yes", "on request", "no"]
"""Whether the program itself runs in the tests: in all of them, where it was asked for, never."""


@dataclass(frozen=True, slots=True)
class Support:
    version: str
    """With which its runtime was tried, against a scripted model; else the documented one."""
    tested: Tested
    resumes: bool
    missing: str = ""
    """What an agent type may ask for and doesn't get."""


SUPPORT: Final[Mapping[str, Support]] = {
    "agy": Support("1.2", "no", False, "sessions, MCP servers, a choice of tools, effort"),
    "aider": Support(
        "0.86.2", "on request", False, "sessions, MCP servers, a choice of tools, add_dirs"
    ),
    "claude": Support("2.1.330", "yes", True),
    "codex": Support("0.169.0", "yes", True, "a choice of single tools"),
    "gemini": Support("0.61.0", "yes", True, "effort"),
    "opencode": Support("1.18.33", "yes", True),
}


def told(runtime: str, version: str | None) -> str:
    """In brackets behind the program's name; empty where nothing is known."""
    known = SUPPORT.get(runtime)
    if known is None:
        return ""
    rest = f"; without {known.missing}" if known.missing else ""
    if known.tested == "no":
        return f"(never tested: written from the documentation of {known.version}{rest})"
    return f"(tested with {'this version' if version == known.version else known.version}{rest})"


def doubt(runtime: str, program: str, version: str | None) -> str:
    """Why a program that was asked for its version may not do; empty for one that is new enough.

    `version` is empty when it answered without any, None when there is no answer.
    """
    known = SUPPORT.get(runtime)
    if known is None or version is None:
        return ""
    if not version:
        return (
            f"`{program} --version` tells no version; run it to see what is wrong, and install the "
            "program again"
        )
    if _series(version) < _series(known.version):
        return f"`{program}` {version} is older than {known.version}, which was tried; update it"
    return ""


def _series(version: str) -> tuple[int, ...]:
    """`2.1.330` is of 2.1: later numbers change too often to mean much."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
