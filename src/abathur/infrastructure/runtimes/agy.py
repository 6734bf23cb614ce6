"""Antigravity CLI (`agy`), headless. How it is started; `agy_events` reads it.

Written from what is documented of version 1.2, without the program: it comes from neither npm nor
PyPI, and works with an account of its vendor only.

Settings:
  program   the program (`agy`)
  model     required, here or by the agent type; the effort is part of its name
  args, env, pass_env

It works in the person's own home, where its login is. It has no option that keeps it from a tool,
hands it a server or names a session before the start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Exit, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.runtimes import agy_events, starting, verdicts
from abathur.infrastructure.runtimes.output import structured
from abathur.infrastructure.runtimes.sections import Section

_FLAGS: Final = (
    *("--input-format", "stream-json", "--output-format", "stream-json"),
    # Without it every tool is denied, the reading of files too, and the run ends as a success.
    "--dangerously-skip-permissions",
    # Its own limit, of minutes in some versions, would end a run as a success; the swarm has one.
    *("--print-timeout", "168h"),
)
_QUIET: Final = {"AGY_CLI_DISABLE_AUTO_UPDATE": "1"}
_NOT_FOUND: Final = re.compile(r'conversation "[^"]*" not found')
_DID_NOTHING: Final = "no output produced"

_REFUSED_ARGS: Final = {
    **dict.fromkeys(("-p", "--print", "--prompt", "-i", "--prompt-interactive"), ""),
    **dict.fromkeys(("--input-format", "--output-format", "--print-timeout"), ""),
    **dict.fromkeys(("-c", "--continue", "--conversation", "-h", "--help", "--version"), ""),
    **dict.fromkeys(("--json-schema", "--mode", "--dangerously-skip-permissions"), ""),
    "--effort": "model",
    "--model": "model",
    "--add-dir": "add_dirs",
}


class AgyRuntime:
    # A conversation that once met a limit ends later runs with that limit again (seen in 1.2.6).
    resumes: Final = False

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "agy"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        _refuse_restrictions(spec, section)
        remedy = "install Antigravity CLI (https://antigravity.google) or set runtimes.agy.program"
        program = starting.program(section, "agy", self._environ, remedy)
        told = starting.prompt(spec, spec.system_prompt).decode()
        message = {"event": "user", "message": {"content": told}}
        return Command(
            argv=(program, *_flags(spec, section)),
            env={**_QUIET, **section.env()},
            pass_env=section.words("pass_env"),
            stdin=json.dumps(message).encode() + b"\n",
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return agy_events.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        if _NOT_FOUND.search(end.stderr_tail):
            # It begins a new one instead, without what the prompt goes on from.
            return verdicts.not_resumed(end)
        outcome = verdicts.judged(end, events, verdicts.summed(events))
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            return outcome
        if _DID_NOTHING in end.stderr_tail:
            told = "it was denied a tool and did nothing; see the permissions of its settings"
            return verdicts.failed(end, told, {}, outcome.usage)
        final = verdicts.last_word(events)
        response = str(final.data.get("response") or "") if final else ""
        return replace(outcome, result_data=structured(response) or {"text": response})


def _refuse_restrictions(spec: RunSpec, section: Section) -> None:
    """Raise `AgentUnavailableError` for an agent type that must not do all that the program can."""
    starting.refuse_unknown_denials(spec, (), section)
    if not (starting.edits(spec) and starting.has_shell(spec)):
        raise AgentUnavailableError(
            f"runtime `agy` can't keep agent type `{spec.agent_type}` from editing or from the"
            " shell; take another runtime for it, or name no `tools`"
        )


def _flags(spec: RunSpec, section: Section) -> tuple[str, ...]:
    flags = [*_FLAGS, "--model", starting.model(spec, section, "gemini-3.8-flash-high")]
    # A folder that isn't named may be left aside for one of its own.
    for folder in (spec.worktree, *spec.add_dirs):
        flags += ["--add-dir", str(folder)]
    if spec.resume:
        flags += ["--conversation", spec.resume]
    return (*flags, *starting.further(section, _REFUSED_ARGS))
