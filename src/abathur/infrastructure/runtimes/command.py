"""Any program as an agent: it gets the prompt, works in the worktree, and its exit code counts.

Settings: `argv` (a list, or one text split like a shell does), `prompt` (`stdin`, `argument` or
`none`), `env`, `pass_env`. In `argv`, `{worktree}`, `{task_id}`, `{attempt}`, `{scratch}`,
`{prompt}` and `{input.KEY}` are replaced; `{input}` is the whole input data as JSON.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from abathur.domain.errors import AgentUnavailableError, InvalidInputError
from abathur.domain.failure_texts import by_text
from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, EventKind, Exit, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.domain.tasks import JsonObject
from abathur.infrastructure.runtimes.endings import described, died, interrupted
from abathur.infrastructure.runtimes.output import last_line, one_line, structured
from abathur.infrastructure.runtimes.sections import Section, check_program

_PLACEHOLDER: Final = re.compile(
    r"\{(prompt|worktree|task_id|attempt|scratch|input(?:\.[A-Za-z0-9_-]+)?)\}"
)
_MAX_KEPT: Final = 65_536
"""A line up to this length is kept whole beside its short text: it may hold the result."""


class CommandRuntime:
    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "command"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        argv = section.words("argv")
        if not argv:
            raise AgentUnavailableError(
                f"agent type `{spec.agent_type}` runs a command, but none is set; put the program"
                f" into agents.{spec.agent_type}.argv or runtimes.command.argv in"
                " .abathur/config.yaml"
            )
        way = section.choice("prompt", "stdin", ("stdin", "argument", "none"))
        env = section.env()
        program = _filled(argv[0], spec)
        # One that is still incomplete when there is no task can't be looked for.
        if not _PLACEHOLDER.search(program):
            path = env.get("PATH", self._environ.get("PATH"))
            check_program(program, path, "install it or correct `argv`")
        return Command(
            argv=(program, *_arguments(argv[1:], way, spec)),
            env=env,
            pass_env=section.words("pass_env"),
            stdin=spec.prompt.encode(errors="replace") if way == "stdin" else b"",
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        text = one_line(line)
        if not text:
            return ()
        stripped = line.strip()
        data = {"line": stripped} if text != stripped and len(stripped) <= _MAX_KEPT else {}
        return (RunEvent(EventKind.TEXT, text, data),)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        said = [e.data.get("line", e.text) for e in events if e.kind is EventKind.TEXT]
        result = structured("\n".join(said))
        if ended := interrupted(end):
            return ended
        if end.code == 0:
            return Outcome(kind=OutcomeKind.SUCCEEDED, exit_code=0, result_data=result)
        reason = last_line(end.stderr_tail, "\n".join(said[-50:]))
        message = f"{described(end.code)}: {reason}" if reason else described(end.code)
        # The last words may be about anything, so what is read from them is a guess.
        guess = None if died(end.code) else by_text(reason)
        return Outcome(
            kind=OutcomeKind.FAILED,
            message=message,
            exit_code=end.code,
            result_data=result,
            failure=guess or (FailureClass.PROCESS if died(end.code) else FailureClass.AGENT),
            is_guess=guess is not None,
        )


def _arguments(argv: Sequence[str], way: str, spec: RunSpec) -> tuple[str, ...]:
    named = any("{prompt}" in item for item in argv)
    filled = tuple(_filled(item, spec) for item in argv)
    return (*filled, spec.prompt) if way == "argument" and not named else filled


def _filled(item: str, spec: RunSpec) -> str:
    """In one pass, so that nothing in a prompt or in input data is taken for a placeholder."""
    values = {
        "prompt": spec.prompt,
        "worktree": str(spec.worktree),
        "task_id": spec.task_id,
        "attempt": str(spec.attempt),
        "scratch": str(spec.scratch),
        "input": json.dumps(spec.input_data, ensure_ascii=False, default=str),
    }

    def value(match: re.Match[str]) -> str:
        name, _, key = match[1].partition(".")
        return _input_value(spec.input_data, key) if key else values[name]

    return _PLACEHOLDER.sub(value, item)


def _input_value(data: JsonObject, key: str) -> str:
    value = data.get(key)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    there = "holds no single value" if key in data else "isn't there"
    raise InvalidInputError(
        f"argv uses {{input.{key}}}, but `{key}` {there} in the task's input data; add it there"
    )
