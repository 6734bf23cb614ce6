"""The tools that the loop has itself, named like those that agent definitions already know."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.patterns import checked, fits
from abathur.infrastructure.model_agent.places import Places, ToolError
from abathur.infrastructure.model_agent.programs import run_program
from abathur.infrastructure.model_agent.talk import ToolShape

Arguments = Mapping[str, Any]

MAX_LINES: Final = 2000
MAX_LINE: Final = 2000
MAX_TEXT: Final = 60_000
MAX_FOUND: Final = 500
SEARCH_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Tool:
    shape: ToolShape
    use: Callable[[Arguments], Awaitable[str]]
    """Raises `ToolError` with what the model should know."""


class OwnTools:
    def __init__(
        self, places: Places, hidden_variables: tuple[str, ...], longest_seconds: float
    ) -> None:
        self._places = places
        self._longest = longest_seconds
        self._env = {k: v for k, v in os.environ.items() if k not in set(hidden_variables)}

    def all(self) -> dict[str, Tool]:
        uses = {
            "Read": self._read,
            "Write": self._write,
            "Edit": self._edit,
            "Glob": self._glob,
            "Grep": self._grep,
            "Bash": self._bash,
        }
        return {shape.name: Tool(shape, uses[shape.name]) for shape in SHAPES}

    async def _read(self, given: Arguments) -> str:
        lines = self._places.read(given.get("file_path")).split("\n")
        start = max(1, _whole(given, "offset", 1))
        most = min(MAX_LINES, max(1, _whole(given, "limit", MAX_LINES)))
        shown = lines[start - 1 : start - 1 + most]
        text = "\n".join(f"{number}\t{_cut(line)}" for number, line in enumerate(shown, start))
        left = len(lines) - (start - 1 + len(shown))
        more = (
            f"\n[{left} more lines; read on with offset {start + len(shown)}]" if left > 0 else ""
        )
        return (_bounded(text) + more) or "[the file is empty]"

    async def _write(self, given: Arguments) -> str:
        place = self._places.write(given.get("file_path"), _text(given, "content"))
        return f"wrote {self._places.shown(place)}"

    async def _edit(self, given: Arguments) -> str:
        path, old, new = (
            given.get("file_path"),
            _text(given, "old_string"),
            _text(given, "new_string"),
        )
        text = self._places.read(path)
        count = text.count(old) if old else 0
        if count == 0:
            raise ToolError("`old_string` isn't in the file; read it again")
        if count > 1 and given.get("replace_all") is not True:
            raise ToolError(f"`old_string` is there {count} times; give more of it, or replace_all")
        place = self._places.write(path, text.replace(old, new))
        return f"changed {self._places.shown(place)}"

    async def _glob(self, given: Arguments) -> str:
        start = self._places.at(given.get("path") or ".")
        try:
            patterns = checked([_text(given, "pattern")])
        except InvalidInputError as error:
            raise ToolError(str(error)) from error
        found: list[str] = []
        for file in self._places.walk(start):
            if any(fits(pattern, str(file.relative_to(start))) for pattern in patterns):
                found.append(self._places.shown(file))
            if len(found) > MAX_FOUND:
                return "\n".join([*found[:MAX_FOUND], "[there are more]"])
        return "\n".join(found) or "[nothing fits]"

    async def _grep(self, given: Arguments) -> str:
        place = self._places.at(given.get("path") or ".")
        argv = ["grep", "-rnIE", "-m", "200"]
        if isinstance(only := given.get("glob"), str) and only:
            argv.append(f"--include={only}")  # the first of its kind says what is usual
        argv += ["--exclude-dir=.git", "--exclude=.git"]
        if given.get("ignore_case") is True:
            argv.append("-i")
        shown = self._places.shown(place)
        argv += ["-e", _text(given, "pattern"), "--", shown if place != self._places.root else "."]
        ran = await self._ran(argv, SEARCH_SECONDS)
        if ran.code is None:
            raise ToolError(f"the search took more than {SEARCH_SECONDS:g} seconds")
        if ran.code > 1:
            raise ToolError(ran.output.strip() or "the search failed")
        return "\n".join(map(_cut, ran.output.splitlines())) or "[nothing found]"

    async def _bash(self, given: Arguments) -> str:
        command = _text(given, "command")
        asked = given.get("timeout")
        seconds = float(asked) if isinstance(asked, int | float) and asked > 0 else self._longest
        seconds = min(seconds, self._longest)
        shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
        ran = await self._ran([shell, "-c", command], seconds)
        if ran.code is None:
            raise ToolError(f"{ran.output}\n[ended after {seconds:g} seconds]".lstrip())
        if ran.code:
            raise ToolError(f"{ran.output}\n[exit code {ran.code}]".lstrip())
        return ran.output or "[no output]"

    async def _ran(self, argv: list[str], seconds: float) -> Any:
        try:
            return await run_program(argv, self._places.root, self._env, seconds)
        except (OSError, ValueError) as error:
            raise ToolError(f"`{argv[0]}` can't be started: {error}") from error


def _text(given: Arguments, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ToolError(f"`{name}` has to be a text")
    return value


def _whole(given: Arguments, name: str, default: int) -> int:
    value = given.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…"


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "\n[cut; read less at once]"


def _shape(name: str, description: str, required: tuple[str, ...], **fields: str) -> ToolShape:
    """`fields` map a name to `TYPE: MEANING`."""
    pairs = {key: told.partition(": ") for key, told in fields.items()}
    properties = {
        key: {"type": kind, "description": text} for key, (kind, _, text) in pairs.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return ToolShape(name, description, schema)


SHAPES: Final = (
    _shape(
        "Read",
        "Read a text file. Lines are numbered.",
        ("file_path",),
        file_path="string: the file, from the working directory",
        offset="integer: the first line, counted from 1",
        limit="integer: how many lines",
    ),
    _shape(
        "Write",
        "Write a file; it is replaced when it is there.",
        ("file_path", "content"),
        file_path="string: the file, from the working directory",
        content="string: the whole text",
    ),
    _shape(
        "Edit",
        "Replace a text in a file. It has to be there exactly once.",
        ("file_path", "old_string", "new_string"),
        file_path="string: the file, from the working directory",
        old_string="string: the text that is there, to the letter",
        new_string="string: the text in its place",
        replace_all="boolean: replace it everywhere",
    ),
    _shape(
        "Glob",
        "List files whose path fits a pattern, such as `src/**/*.py`.",
        ("pattern",),
        pattern="string: `*` stays in a folder, `**` is any number of folders",
        path="string: the folder to begin at",
    ),
    _shape(
        "Grep",
        "Search in files by an extended regular expression.",
        ("pattern",),
        pattern="string: the expression",
        path="string: the file or folder to search in",
        glob="string: only files with such a name, like `*.py`",
        ignore_case="boolean: take upper and lower case for the same",
    ),
    _shape(
        "Bash",
        "Run a shell command in the working directory. Nobody can answer its questions.",
        ("command",),
        command="string: the command",
        timeout="number: seconds after which it is ended",
    ),
)
OWN_NAMES: Final = tuple(shape.name for shape in SHAPES)
EDITING: Final = frozenset({"Edit", "Write"})
