"""What a task is, as it is said on the command line: shared by all that make tasks there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from abathur.cli.stdin import stdin_text
from abathur.cli.task.ids import complete
from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import DEFAULT_AGENT_TYPE, DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY
from abathur.domain.times import parse_duration

if TYPE_CHECKING:
    from abathur.bootstrap import Project

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The options of `task_options`, as they were typed."""

    prompt: str
    summary: str
    agent_type: str
    priority: int
    prerequisite: tuple[str, ...]
    estimate: str | None
    max_retries: int
    timeout: str
    input_data: str | None
    input_file: Path | None
    target: str | None
    touches: tuple[str, ...]
    allow_overlap: bool
    budget: float | None
    loop: str | None
    candidates: int | None
    candidate: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """Of a `NewTask`, but for what it takes a queue or a repository to know.

        Raises `InvalidInputError`, `click.UsageError`.
        """
        estimate = self.estimate
        return {
            "prompt": _prompt(self.prompt),
            "summary": self.summary,
            "agent_type": self.agent_type,
            "priority": self.priority,
            "estimated_duration_seconds": estimate and parse_duration(estimate, "estimate"),
            "max_retries": self.max_retries,
            "max_execution_timeout_seconds": parse_duration(self.timeout, "timeout"),
            "input_data": _input_data(self.input_data, self.input_file),
            "touches": self.touches,
            "may_overlap": self.allow_overlap,
        }

    def refined(self, project: Project) -> dict[str, Any] | None:
        """Its loop or its candidates. Raises `InvalidInputError`, `click.UsageError`."""
        from abathur.bootstrap.loops import typed_choice, typed_loop, whole_loop

        given = (self.loop is not None, self.candidates is not None, bool(self.candidate))
        if sum(given) > 1:
            raise click.UsageError("--loop, --candidates and --candidate exclude each other")
        if self.loop is not None:
            return typed_loop(project, self.loop)
        choices = [typed_choice(one) for one in self.candidate]
        if self.candidates or choices:
            return whole_loop(project, {"candidates": choices or self.candidates})
        return None


def task_options(command: F) -> F:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


OPTIONS = (
    click.option("--summary", default="", help="One line about it.  [default: from the prompt]"),
    click.option("--agent-type", default=DEFAULT_AGENT_TYPE, show_default=True, metavar="NAME"),
    click.option(
        "--priority",
        type=int,
        default=DEFAULT_PRIORITY,
        show_default=True,
        help="0 to 10, 10 first.",
    ),
    click.option(
        "-p",
        "--prerequisite",
        multiple=True,
        metavar="ID",
        shell_complete=complete,
        help="Wait for that task; may be given several times.",
    ),
    click.option("--estimate", metavar="DURATION", help="How long it will take: 90, 10m, 1h30m."),
    click.option(
        "--max-retries",
        type=int,
        default=DEFAULT_MAX_RETRIES,
        show_default=True,
        help="Further attempts after one that failed.",
    ),
    click.option(
        "--timeout", metavar="DURATION", default="1h", show_default=True, help="Of one attempt."
    ),
    click.option("--input-data", metavar="JSON", help="An object with more for the agent."),
    click.option(
        "--input-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The same, from a file.",
    ),
    click.option(
        "--target",
        "--feature-branch",
        metavar="BRANCH",
        help="Where its work lands.  [default: the configured branch, else the current one]",
    ),
    click.option(
        "--touches",
        multiple=True,
        metavar="PATTERN",
        help="Paths that it will change, like `docs/` or `src/**/*.py`; may be given several "
        "times. Tasks that touch the same aren't run at once.",
    ),
    click.option("--allow-overlap", is_flag=True, help="Run it beside others that touch the same."),
    click.option(
        "--budget", type=click.FloatRange(min=0), metavar="USD", help="The most that it may cost."
    ),
    click.option(
        "--loop",
        metavar="SPEC",
        help="Refine it until that is met: a loop of the configuration, @FILE, or YAML.",
    ),
    click.option(
        "--candidates",
        type=click.IntRange(2, 16),
        metavar="N",
        help="Make it N times, and let the best one land.",
    ),
    click.option(
        "--candidate",
        multiple=True,
        metavar="runtime=NAME,model=NAME",
        help="A candidate of its own kind; give at least two.",
    ),
)


def _prompt(text: str) -> str:
    whole = stdin_text("prompt") if text == "-" else text
    if "\0" in whole:
        raise InvalidInputError("prompt: it has a NUL character, so it is no text; remove it")
    return whole


def _input_data(text: str | None, file: Path | None) -> dict[str, Any]:
    if text is not None and file is not None:
        raise click.UsageError("--input-data and --input-file exclude each other")
    if file is not None:
        return _json_object(file.read_bytes(), f"input-file {file}")
    if text is not None:
        return _json_object(text, "input-data")
    return {}


def _json_object(text: str | bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f'{name}: it isn\'t JSON ({error}); write an object like {{"key": 1}}'
        ) from error
    if not isinstance(value, dict):
        raise InvalidInputError(f'{name}: a JSON object is needed, like {{"key": 1}}')
    return value


def _refuse_constant(name: str) -> Sequence[object]:
    raise ValueError(f"{name} is no JSON number")
