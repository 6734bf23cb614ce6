"""A template's files in a project, and the record of what it brought."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from abathur.domain.errors import ConfigError, RefusedError
from abathur.domain.project_templates import (
    MAX_BYTES,
    Change,
    Installed,
    Step,
    Template,
    after,
    is_taken,
    steps,
)
from abathur.infrastructure import paths

RECORD: Final = "template.json"
FORMAT: Final = 1


def record_file(root: Path) -> Path:
    return paths.project_folder(root) / RECORD


def read_record(root: Path) -> Installed | None:
    """None where no template was taken over. Raises `ConfigError`."""
    file = record_file(root)
    shown = str(file.relative_to(root))
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{shown}: can't be read: {error}; restore it, or remove it") from error
    try:
        if content.pop("format") != FORMAT:
            raise ConfigError(f"{shown}: it is of a newer version of Abathur; upgrade Abathur")
        found = Installed(**content)
        paths_fit = all(is_taken(path) for path in found.hashes)
        if not all(isinstance(text, str) for text in found.texts.values()):
            raise TypeError("texts")
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"{shown}: it is damaged; restore it, or remove it") from error
    if not paths_fit:
        raise ConfigError(f"{shown}: it names files that no template brings; restore it")
    return found


def plan(root: Path, template: Template, installed: Installed | None) -> Sequence[Step]:
    """Changes nothing. Raises `RefusedError` when a path leads out of the project."""
    known = {*template.files, *(installed.hashes if installed else ())}
    return steps(template, _current(root, sorted(known)), installed)


def _current(root: Path, names: Sequence[str]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for name in names:
        file = _place(root, name)
        if file.is_file():
            if file.stat().st_size > MAX_BYTES:
                raise RefusedError(f"{name} has over {MAX_BYTES} bytes; move it away first")
            found[name] = file.read_bytes()
    return found


def _place(root: Path, name: str) -> Path:
    """A link in the project could lead anywhere: nothing is written or read through one."""
    file = root / name
    if file.resolve() != root.resolve() / name:
        raise RefusedError(f"{name} is a link, or lies below one; remove it first")
    return file


def apply(
    root: Path,
    template: Template,
    planned: Sequence[Step],
    take: Sequence[str] = (),
) -> Sequence[Step]:
    """Write what the plan says, and the record last. The steps as they were done.

    `take` names conflicts in which the template's side is wanted. Once more does no harm. Raises
    `OSError`.
    """
    done = [_taken(step) if step.path in take else step for step in planned]
    for step in done:
        if step.change.writes:
            _write(_place(root, step.path), step.written)
    content = {"format": FORMAT, **asdict(after(template))}
    _write(record_file(root), f"{json.dumps(content, indent=2, sort_keys=True)}\n".encode())
    return done


def _taken(step: Step) -> Step:
    if step.change not in {Change.CONFLICT, Change.KEEP, Change.MERGE}:
        return step
    change = Change.REMOVE if step.after is None else Change.UPDATE
    return Step(step.path, change, step.before, step.after)


def _write(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(file)
