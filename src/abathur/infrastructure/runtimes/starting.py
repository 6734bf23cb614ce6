"""What the runtimes of foreign programs share in saying how a program is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import RunSpec
from abathur.infrastructure.runtimes.sections import Section, check_program

MAX_ARGUMENT: Final = 100_000
"""Linux takes no single argument over 128 KiB; what is longer goes before the prompt."""

EDITING: Final = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write", "*"})
SHELL: Final = "Bash"


def program(section: Section, default: str, environ: Mapping[str, str], remedy: str) -> str:
    """Its name or path. Raises `AgentUnavailableError` with what to do when it isn't there."""
    name = section.text("program") or default
    check_program(name, section.env().get("PATH", environ.get("PATH")), remedy)
    return name


def model(spec: RunSpec, section: Section, example: str) -> str:
    """Always named: a default changes with the program, and with it what it costs and can do.

    Raises `AgentUnavailableError` when none is.
    """
    named = spec.model or section.text("model")
    if named and named not in {"inherit", "default"}:
        return named
    raise AgentUnavailableError(
        f"runtime `{section.runtime}` needs a model for agent type `{spec.agent_type}`; name one"
        f" with runtimes.{section.runtime}.model (like {example})"
    )


def prompt(spec: RunSpec, system_prompt: str) -> bytes:
    """The prompt for stdin, after the instructions that have no other way to the program."""
    text = f"{system_prompt}\n\n{spec.prompt}" if system_prompt else spec.prompt
    return text.encode(errors="replace")


def fits_argument(text: str) -> bool:
    return 0 < len(text.encode(errors="replace")) <= MAX_ARGUMENT


def edits(spec: RunSpec) -> bool:
    """Whether the agent type is one that changes files, by the tools that it names."""
    named = {tool.partition("(")[0] for tool in spec.tools}
    is_denied = {"Edit", "Write"} <= set(spec.denied_tools)
    return (not named or bool(named & EDITING)) and not is_denied


def has_shell(spec: RunSpec) -> bool:
    named = {tool.partition("(")[0] for tool in spec.tools}
    return (not named or bool(named & {SHELL, "*"})) and SHELL not in spec.denied_tools


def refuse_unknown_denials(spec: RunSpec, known: Iterable[str], section: Section) -> None:
    """Raise `AgentUnavailableError` for a denied tool that the program can't be kept from."""
    able = set(known)
    for tool in spec.denied_tools:
        if tool not in able and not tool.startswith("mcp__"):
            raise AgentUnavailableError(
                f"runtime `{section.runtime}` can't deny `{tool}` to agent type"
                f" `{spec.agent_type}`; it can deny: {', '.join(sorted(able))}"
            )


def further(section: Section, refused: Mapping[str, str]) -> tuple[str, ...]:
    """`args` of the settings. `refused` maps a flag to the setting that says the same, or to ''.

    Raises `AgentUnavailableError` for a flag among `refused`, which would break how the program
    is driven.
    """
    args = section.words("args")
    for item in args:
        flag = item.partition("=")[0]
        if flag in refused:
            remedy = f"set `{refused[flag]}` instead" if refused[flag] else "remove it"
            raise AgentUnavailableError(
                f"runtimes.{section.runtime}.args: `{flag}` would break how the agent is driven;"
                f" {remedy}"
            )
    return args
