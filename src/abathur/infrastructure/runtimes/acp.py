"""Any agent that speaks the Agent Client Protocol: `acp_client.py` speaks with it, and tells us.

Settings:
  argv     the agent's program and its arguments (`[gemini, --acp]`): a list, or one text
  mode     the mode of the session, as the agent calls it
  allow    `true` (the default): what the agent asks permission for is allowed; `false`: it isn't
  env, pass_env
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Denial, EventKind, Exit, Outcome, RunEvent, RunSpec
from abathur.infrastructure.runtimes import verdicts
from abathur.infrastructure.runtimes.lines import Message, events_in
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.sections import Section, check_program

CLIENT: Final = Path(__file__).with_name("acp_client.py")
KINDS: Final[Mapping[str, str]] = {
    "Bash": "execute",
    "Delete": "delete",
    "Edit": "edit",
    "Read": "read",
    "WebFetch": "fetch",
    "Write": "edit",
}
"""As agent definitions name tools, and as the protocol names kinds of them."""

_EVENTS: Final = {kind.value: kind for kind in EventKind}


class AcpRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "acp"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        argv = section.words("argv")
        if not argv:
            raise AgentUnavailableError(
                f"agent type `{spec.agent_type}` has no program to speak with; put it into"
                " runtimes.acp.argv, like [gemini, --acp]"
            )
        env = section.env()
        path = env.get("PATH", self._environ.get("PATH"))
        check_program(argv[0], path, "install it or correct `argv`")
        plan = self._plan(spec, section, argv)
        # Isolated and without `site`: it starts in some milliseconds and sees no foreign package.
        return Command(
            argv=(sys.executable, "-I", "-S", str(CLIENT)),
            env=env,
            pass_env=section.words("pass_env"),
            stdin=json.dumps(plan).encode(),
            behind=argv[0],
        )

    def _plan(self, spec: RunSpec, section: Section, argv: Sequence[str]) -> dict[str, Any]:
        system = f"{spec.system_prompt}\n\n" if spec.system_prompt else ""
        may_ask = section.choice("allow", "true", ("true", "false")) == "true"
        return {
            "argv": list(argv),
            "cwd": str(spec.worktree),
            "prompt": f"{system}{spec.prompt}",
            "model": spec.model or section.text("model"),
            "mode": section.text("mode"),
            "resume": spec.resume,
            "allow": may_ask,
            "allowed": list(spec.allowed),
            "denied": [KINDS.get(tool, tool) for tool in spec.denied_tools],
            "only": _kinds(spec.tools),
            "servers": [
                {
                    "name": server.name,
                    "command": list(server.command),
                    "env": dict(server.env),
                    "url": server.url,
                    "headers": dict(server.headers),
                }
                for server in spec.mcp_servers
            ],
        }

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return events_in(line, lambda message: (_event(message),))

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        final = verdicts.last_word(events)
        if final is not None and final.data.get("is_not_resumed") is True:
            return verdicts.not_resumed(replace(end, stderr_tail=final.text))
        usage = verdicts.last_of_each(events)
        outcome = verdicts.judged(end, events, usage)
        return replace(outcome, denied=_denied(events), is_session_cost=usage is not None)


def _kinds(tools: Sequence[str]) -> list[str]:
    """The kinds that the named tools are; empty when every kind is meant."""
    named = {tool.partition("(")[0] for tool in tools}
    if not named or "*" in named:
        return []
    always = {"read", "search", "think", "switch_mode", "other"}
    return sorted(always | {KINDS[tool] for tool in named if tool in KINDS})


def _event(message: Message) -> RunEvent:
    kind = message.get("event")
    if not isinstance(kind, str) or kind not in _EVENTS:
        return RunEvent(EventKind.RAW, one_line(str(message.get("text", kind))))
    text = str(message.get("text", ""))
    data = {key: value for key, value in message.items() if key not in {"event", "text"}}
    if _EVENTS[kind] is EventKind.TEXT:
        return verdicts.said(text, **data)
    return RunEvent(_EVENTS[kind], one_line(text), data)


def _denied(events: Sequence[RunEvent]) -> tuple[Denial, ...]:
    """What it asked for in vain; it may have gone another way."""
    rules = [str(event.data.get("tool")) for event in events if event.kind is EventKind.DENIED]
    return tuple(Denial(tool=rule, input={}, rule=rule) for rule in dict.fromkeys(rules))
