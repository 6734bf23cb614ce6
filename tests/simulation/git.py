"""A repository as landing sees it: commits, branches that move by compare-and-swap, seals."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

START = "c0"


@dataclass(frozen=True, slots=True)
class Commit:
    parents: tuple[str, ...]
    files: frozenset[str]
    """All files of its tree. `bad` is what the gate refuses."""
    lands: str = ""
    """The task that a merge lands."""


@dataclass
class Git:
    commits: dict[str, Commit] = field(default_factory=lambda: {START: Commit((), frozenset())})
    branches: dict[str, str] = field(default_factory=dict)
    salvaged: dict[str, str] = field(default_factory=dict)
    sealed: set[str] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def commit(self, parents: tuple[str, ...], files: frozenset[str], lands: str = "") -> str:
        name = f"c{next(self._numbers)}"
        self.commits[name] = Commit(parents, files, lands)
        return name

    def ancestors(self, tip: str) -> set[str]:
        found, left = set[str](), [tip]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self.commits[name].parents
        return found

    def contains(self, branch: str, commit: str) -> bool:
        return commit in self.ancestors(self.branches[branch])

    def merge(self, onto: str, base: str, work: str, task: str) -> str | None:
        """None for a conflict: both sides made the same file."""
        ours, theirs = self.commits[onto].files, self.commits[work].files
        added = theirs - self.commits[base].files
        if added & (ours - self.commits[base].files):
            return None
        return self.commit((onto, work), ours | added, lands=task)

    def move(self, branch: str, old: str, new: str) -> bool:
        if new in self.sealed or self.branches[branch] != old:
            return False
        self.branches[branch] = new
        return True

    def landings(self, branch: str) -> list[str]:
        """The tasks that the branch's history says were landed, one entry for each merge."""
        names = self.ancestors(self.branches[branch])
        return [self.commits[name].lands for name in names if self.commits[name].lands]
