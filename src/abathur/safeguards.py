"""What stands between us and harm: trust in a repository's files, redaction, the sandbox.

For `bootstrap` and the front doors; imports are inside the functions, as there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.domain.redaction import Redactor
    from abathur.domain.settings import Settings
    from abathur.domain.trust import Change, Source
    from abathur.swarm.events import Sink, SwarmEvent


def redactor() -> Redactor:
    """Takes the secrets of our environment out of texts."""
    from abathur.infrastructure import secrets

    return secrets.redactor()


def redacting(sink: Sink, redactor: Redactor) -> Sink:
    """The sink, which gets nothing to see that should stay secret."""
    from dataclasses import replace

    def clean(event: SwarmEvent) -> None:
        text = redactor.text(event.text)
        sink(event if text == event.text else replace(event, text=text))

    return clean


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a person has agreed to what a repository's files would run."""

    found: Sequence[Source]
    """The files, as they were when this was found out."""
    asked: Sequence[Change]
    """What of them nobody has agreed to."""


async def sandbox_problem(settings: Settings) -> str | None:
    """Why the sandbox that is configured can't be made; empty when it can, None without one.

    Raises `ConfigError`.
    """
    from abathur.infrastructure.config import uses_sandbox
    from abathur.infrastructure.processes import sandbox_problem as problem

    return await problem() if uses_sandbox(settings) else None


def find_trust(root: Path, env: Mapping[str, str] | None = None) -> Trust:
    from abathur.domain.trust import changes
    from abathur.infrastructure.trust import TrustedRepositories, sources

    variables = os.environ if env is None else env
    known = TrustedRepositories(variables)
    found = sources(root, variables)
    if not found or known.needs_no_word(root):
        return Trust(found, ())
    return Trust(found, changes(known.trusted(root), found))


def require_trust(root: Path, env: Mapping[str, str] | None = None) -> None:
    """Raises `UntrustedError`."""
    from abathur.domain.errors import UntrustedError
    from abathur.domain.trust import question

    if asked := find_trust(root, env).asked:
        raise UntrustedError(question(asked))


def trust_problem(root: Path) -> str:
    """What a person has to agree to yet, in one line."""
    from abathur.domain.trust import question

    asked = find_trust(root).asked
    return question(asked) if asked else ""


def trust(root: Path, found: Sequence[Source], now: datetime) -> None:
    """Keep the person's word about these files. Raises `OSError`, `RefusedError`."""
    from abathur.domain.errors import RefusedError
    from abathur.infrastructure.trust import TrustedRepositories

    if {"ABATHUR_TASK_ID", "ABATHUR_WORKER"} & os.environ.keys():
        raise RefusedError("an agent can't trust a repository; do it in a terminal of your own")
    TrustedRepositories(os.environ).trust(root, found, now)


def distrust(root: Path) -> bool:
    """Take the person's word back; whether there was one."""
    from abathur.infrastructure.trust import TrustedRepositories

    return TrustedRepositories(os.environ).forget(root)


def check_place(root: Path, settings: Settings, env: Mapping[str, str]) -> None:
    """A file of the repository must not send us to another server, or to a file of the person's.

    Raises `UntrustedError`.
    """
    from abathur.infrastructure import paths

    named = settings.database
    source = settings.sources.get("database", "")
    if named is None or not Path(source).is_relative_to(root / paths.FOLDER):
        return
    if "://" in named or not (root / Path(named).expanduser()).resolve().is_relative_to(root):
        require_trust(root, env)
