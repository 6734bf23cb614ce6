"""Gemini CLI, headless, with an API key. How it is started; `gemini_events` reads it.

Settings:
  program     the program (`gemini`)
  model       required, here or by the agent type: the program's own choice asks a router first
  base_url    of a server that speaks the Gemini API
  max_attempts  how often a refused request is tried (2): the queue backs off
  args, env, pass_env

Its settings are a file of ours in a home of its own: what may be used, servers, turns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from abathur.domain.runs import Command, Exit, McpServer, Outcome, RunEvent, RunSpec
from abathur.infrastructure.runtimes import gemini_events, starting, verdicts
from abathur.infrastructure.runtimes.sections import Section

TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "Bash": ("run_shell_command",),
    "Edit": ("replace",),
    "Glob": ("glob",),
    "Grep": ("grep_search",),
    "Read": ("read_file", "read_many_files", "list_directory"),
    "WebFetch": ("web_fetch",),
    "WebSearch": ("google_web_search",),
    "Write": ("write_file",),
}
"""As agent definitions name tools, and as the program does."""

_PASSED: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_*")
_NO_SESSION: Final = "Error resuming session"
_BAD_SESSION: Final = 42

_REFUSED_ARGS: Final = {
    **dict.fromkeys(("-p", "--prompt", "-i", "--prompt-interactive", "-o", "--output-format"), ""),
    **dict.fromkeys(("--session-id", "-r", "--resume", "-h", "--help", "-v", "--version"), ""),
    **dict.fromkeys(("-y", "--yolo", "--approval-mode", "-w", "--worktree", "--skip-trust"), ""),
    **dict.fromkeys(("-m", "--model"), "model"),
    "--include-directories": "add_dirs",
}


class GeminiRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "gemini"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        starting.refuse_unknown_denials(spec, TOOLS, section)
        remedy = (
            "install Gemini CLI (npm install -g @google/gemini-cli) or set runtimes.gemini.program"
        )
        program = starting.program(section, "gemini", self._environ, remedy)
        home = spec.private_home / "gemini"
        env = {
            "GEMINI_CLI_HOME": str(home),
            "GEMINI_CLI_NO_RELAUNCH": "true",  # it would start itself again, in two processes
            "NO_COLOR": "1",
            **({"GOOGLE_GEMINI_BASE_URL": url} if (url := section.text("base_url")) else {}),
        }
        return Command(
            argv=(program, *_flags(spec, section)),
            env={**env, **section.env()},
            pass_env=(*_PASSED, *section.words("pass_env")),
            # It has no flag for instructions beside its own, only one that takes their place.
            stdin=starting.prompt(spec, spec.system_prompt),
            files={home / ".gemini" / "settings.json": self._settings(spec, section)},
        )

    def _settings(self, spec: RunSpec, section: Section) -> str:
        vertex = section.env().get("GOOGLE_GENAI_USE_VERTEXAI") or self._environ.get(
            "GOOGLE_GENAI_USE_VERTEXAI"
        )
        settings: dict[str, Any] = {
            "security": {
                "auth": {"selectedType": "vertex-ai" if vertex == "true" else "gemini-api-key"}
            },
            "privacy": {"usageStatisticsEnabled": False},
            "general": {
                "enableAutoUpdate": False,
                "enableAutoUpdateNotification": False,
                "maxAttempts": int(section.number("max_attempts") or 2),
            },
            "tools": _tools(spec),
            "mcpServers": {server.name: _server(server, spec) for server in spec.mcp_servers},
        }
        if spec.max_turns:
            settings["model"] = {"maxSessionTurns": spec.max_turns}
        return json.dumps(settings, ensure_ascii=False)

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return gemini_events.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        if end.code == _BAD_SESSION and _NO_SESSION in end.stderr_tail:
            return verdicts.not_resumed(end)
        return verdicts.judged(end, events, verdicts.last_told(events))


def _flags(spec: RunSpec, section: Section) -> tuple[str, ...]:
    model = starting.model(spec, section, "gemini-2.5-flash")
    session = ("--resume", spec.resume) if spec.resume else ("--session-id", spec.session_id)
    # In any other mode tools that would have to be asked for aren't there at all.
    flags = ["--output-format", "stream-json", "--skip-trust", "--approval-mode", "yolo"]
    flags += ["-m", model, *session]
    for folder in spec.add_dirs:
        flags += ["--include-directories", str(folder)]
    return (*flags, *starting.further(section, _REFUSED_ARGS))


def _tools(spec: RunSpec) -> dict[str, Any]:
    """`core` are all that there are, `exclude` goes before it."""
    denied = {own for tool in spec.denied_tools for own in TOOLS.get(tool, ())}
    named = {tool.partition("(")[0] for tool in spec.tools}
    settings: dict[str, Any] = {"exclude": sorted(denied)} if denied else {}
    if named and "*" not in named:
        settings["core"] = sorted({own for tool in named for own in TOOLS.get(tool, ())})
    return settings


def _server(server: McpServer, spec: RunSpec) -> dict[str, Any]:
    prefix = f"mcp__{server.name}__"
    denied = [tool.removeprefix(prefix) for tool in spec.denied_tools if tool.startswith(prefix)]
    common = {"trust": True, **({"excludeTools": denied} if denied else {})}
    if server.url is not None:
        return {"httpUrl": server.url, "headers": dict(server.headers), **common}
    command, *args = server.command or ("",)
    return {"command": command, "args": args, "env": dict(server.env), **common}
