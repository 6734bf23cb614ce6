"""The facts of a conflict: what either side did since they parted, and where they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from abathur.domain.tasks import JsonObject

MAX_COMMITS: Final = 20
MAX_PATHS: Final = 20
MAX_HUNKS_SIZE: Final = 8000
"""Characters of all hunks together: they become a part of a prompt."""
CONTEXT: Final = 2
"""Lines before and after the markers."""

_OPEN, _CLOSE = "<<<<<<< ", ">>>>>>> "


@dataclass(frozen=True, slots=True)
class Side:
    """A commit of one side."""

    commit: str
    subject: str


@dataclass(frozen=True, slots=True)
class Hunk:
    path: str
    text: str
    """With git's markers: the target's lines above `=======`, the work's below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    base: str | None
    """The commit from which the two parted."""
    target_commits: Sequence[Side]
    """Those that touched the conflicting paths, the newest first."""
    work_commits: Sequence[Side]
    hunks: Sequence[Hunk]
    """As many as there is room for."""

    @property
    def facts(self) -> JsonObject:
        return {
            "base": self.base,
            "target_commits": [_plain(one) for one in self.target_commits],
            "work_commits": [_plain(one) for one in self.work_commits],
            "hunks": [{"path": hunk.path, "text": hunk.text} for hunk in self.hunks],
        }


def _plain(side: Side) -> JsonObject:
    return {"commit": side.commit, "subject": side.subject}


def hunks(files: Mapping[str, str]) -> list[Hunk]:
    """The places in merged files where both sides stand, until there is no more room."""
    found: list[Hunk] = []
    room = MAX_HUNKS_SIZE
    for path, text in files.items():
        for part in _parts(text.splitlines()):
            room -= len(part)
            if room < 0:
                return found
            found.append(Hunk(path, part))
    return found


def _parts(lines: Sequence[str]) -> list[str]:
    parts, start = [], None
    for number, line in enumerate(lines):
        if line.startswith(_OPEN) and start is None:
            start = number
        elif line.startswith(_CLOSE) and start is not None:
            first = max(0, start - CONTEXT)
            parts.append("\n".join(lines[first : number + CONTEXT + 1]))
            start = None
    return parts


def told(facts: JsonObject) -> str:
    """The same in words, as a part of a briefing; empty when nothing is known."""
    target = facts.get("target")
    sections = [
        (f"What others did to these files on `{target}` since you parted", "target_commits"),
        ("What the earlier attempt did", "work_commits"),
    ]
    shown_sides = [
        f"{title}:\n\n" + "\n".join(f"- {c['commit'][:12]} {c['subject']}" for c in facts[key])
        for title, key in sections
        if facts.get(key)
    ]
    texts = [text for text in shown_sides if text]
    if facts.get("hunks"):
        shown = "\n".join(f"--- {hunk['path']}\n{hunk['text']}" for hunk in facts["hunks"])
        texts.append(
            f"Where the two meet (above `=======` what is on `{target}`, below it what the earlier "
            f"attempt wrote):\n\n```\n{shown}\n```"
        )
    return "\n\n".join(texts)
