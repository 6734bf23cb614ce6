"""Reading a runtime's section of the configuration, and finding its program."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.tasks import JsonObject


class Section:
    """The settings of one run, with errors that name the runtime and the key."""

    def __init__(self, runtime: str, settings: JsonObject) -> None:
        self.runtime = runtime
        self._settings = settings

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self._settings.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.refused(key, "a text is expected")
        return str(value)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        """YAML reads a bare `true`, `false` and `yes` as truth values; they count as their text."""
        value = self._settings.get(key, default)
        text = str(value).lower() if isinstance(value, bool) else value
        if text not in choices:
            raise self.refused(key, f"one of {', '.join(choices)} is expected")
        return str(text)

    def number(self, key: str) -> float | int | None:
        value = self._settings.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self.refused(key, "a number above zero is expected")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text in the manner of a shell; nothing is expanded."""
        value = self._settings.get(key, ())
        if isinstance(value, str):
            return self._split(key, value)
        if not isinstance(value, Sequence) or not all(_is_scalar(item) for item in value):
            raise self.refused(key, "a list of texts, or one text, is expected")
        return tuple(_plain(item) for item in value)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names, or one text with commas between them."""
        value = self._settings.get(key, ())
        if isinstance(value, str):
            return tuple(name for part in value.split(",") if (name := part.strip()))
        return self.words(key)

    def mapping(self, key: str) -> JsonObject:
        value = self._settings.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise self.refused(key, "names with a value each are expected")
        return value or {}

    def env(self) -> dict[str, str]:
        value: Any = self._settings.get("env") or {}
        if not isinstance(value, Mapping) or not all(_is_scalar(item) for item in value.values()):
            raise self.refused("env", "names with a text each are expected")
        return {str(name): _plain(item) for name, item in value.items()}

    def refused(self, key: str, expected: str) -> AgentUnavailableError:
        return AgentUnavailableError(
            f"runtimes.{self.runtime}.{key}: {expected}; correct it in .abathur/config.yaml"
        )

    def _split(self, key: str, text: str) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise self.refused(key, f"the quotes don't match ({error})") from error


def check_program(program: str, path: str | None, remedy: str) -> None:
    """Raise `AgentUnavailableError` when a bare name isn't on the path.

    A name with a slash is left to the start: it may be relative to the worktree.
    """
    if os.sep not in program and shutil.which(program, path=path) is None:
        raise AgentUnavailableError(f"program `{program}` isn't on PATH; {remedy}")


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
