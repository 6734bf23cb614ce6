"""Asking the person about what a repository's files would run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from abathur import safeguards
from abathur.cli import output
from abathur.cli.context import now
from abathur.cli.text import clean
from abathur.domain.errors import UntrustedError
from abathur.domain.trust import Change, question


def ensure(root: Path) -> None:
    """Return when all is trusted; in a terminal the person is asked. Raises `UntrustedError`."""
    trust = safeguards.find_trust(root)
    if not trust.asked:
        return
    if not can_ask() or not agrees(root, trust.asked):
        raise UntrustedError(question(trust.asked))
    safeguards.trust(root, trust.found, now())


def can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def agrees(root: Path, asked: Sequence[Change]) -> bool:
    """Show it and ask, on stderr."""
    output.say(f"Files of {clean(str(root))} would have this done:")
    for line in lines(asked):
        output.say(line)
    return click.confirm("Trust this repository?", default=False, err=True)


def lines(asked: Sequence[Change]) -> list[str]:
    told = []
    for one in asked:
        told.append(f"  {clean(one.path)}{'' if one.is_new else ' (changed)'}")
        told += [f"    + {clean(line)}" for line in one.added]
        told += [f"    - {clean(line)}" for line in one.removed]
        if not one.is_new and not one.added and not one.removed:
            told.append("    ~ its text is another one")
    return told
