"""opencode, headless. How it is started; `opencode_events` reads it, `verdicts` judges it.

Settings:
  program       the program (`opencode`)
  model         required, here or by the agent type: `provider/model`; with `base_url` the model
                alone
  base_url      of a server that speaks OpenAI's chat completions
  env_key       the variable that holds that server's key (`OPENAI_API_KEY`)
  private_home  `true`: each task has a home of its own; `false`: the person's, with their login;
                `auto`: private with a base_url, or a provider's key in the environment
  args, env, pass_env
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from abathur.domain.runs import (
    Command,
    EventKind,
    Exit,
    McpServer,
    Outcome,
    RunEvent,
    RunSpec,
)
from abathur.infrastructure.runtimes import opencode_events, starting, verdicts
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.sections import Section

PERMISSIONS: Final[Mapping[str, str]] = {
    "Bash": "bash",
    "Edit": "edit",
    "Glob": "glob",
    "Grep": "grep",
    "Read": "read",
    "Task": "task",
    "WebFetch": "webfetch",
    "WebSearch": "websearch",
    "Write": "edit",
}
"""As agent definitions name tools, and as the program names the permission to use them."""

_KEYS: Final = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY")
_PROVIDER: Final = "abathur"
_NO_SESSION: Final = "Session not found"

_QUIET: Final = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}

_REFUSED_ARGS: Final = {
    **dict.fromkeys(("--format", "-s", "--session", "-c", "--continue", "--fork", "--share"), ""),
    **dict.fromkeys(("--attach", "--dir", "-i", "--interactive", "--command", "--title"), ""),
    **dict.fromkeys(("-h", "--help", "-v", "--version", "--auto"), ""),
    **dict.fromkeys(("--print-logs", "--log-level"), ""),
    **dict.fromkeys(("-m", "--model"), "model"),
    "--variant": "effort",
}


class OpencodeRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "opencode"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        starting.refuse_unknown_denials(spec, PERMISSIONS, section)
        remedy = "install opencode (npm install -g opencode-ai) or set runtimes.opencode.program"
        program = starting.program(section, "opencode", self._environ, remedy)
        env_key = section.text("env_key") or "OPENAI_API_KEY"
        config = json.dumps(_config(spec, section, env_key), ensure_ascii=False)
        # By the environment and not by an argument: servers' secrets are in it.
        env = {**_QUIET, "OPENCODE_CONFIG_CONTENT": config}
        if self._is_private(section):
            home = spec.private_home / "opencode"
            env |= {f"XDG_{name}_HOME": str(home / name.lower()) for name in _FOLDERS}
        system = spec.scratch / "instructions.md"
        return Command(
            argv=(program, *_flags(spec, section)),
            env={**env, **section.env()},
            pass_env=(*_KEYS, env_key, *section.words("pass_env")),
            stdin=spec.prompt.encode(errors="replace"),
            files={system: spec.system_prompt} if spec.system_prompt else {},
        )

    def _is_private(self, section: Section) -> bool:
        wish = section.choice("private_home", "auto", ("auto", "true", "false"))
        if wish != "auto":
            return wish == "true"
        env = section.env()
        has_key = any(env.get(name) or self._environ.get(name) for name in _KEYS)
        return has_key or section.text("base_url") is not None

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return opencode_events.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        if not events and _NO_SESSION in end.stderr_tail:
            return verdicts.not_resumed(end)
        told = [_with_reason(event, end.stderr_tail) for event in events]
        rest = "\n".join(x for x in end.stderr_tail.splitlines() if not x.startswith(_LOGGED))
        return verdicts.judged(replace(end, stderr_tail=rest), told, verdicts.summed(events))


def _with_reason(event: RunEvent, log: str) -> RunEvent:
    """What it calls unknown in its last word stands in its log, by a reference."""
    ref = event.data.get("ref")
    if event.kind is not EventKind.END or not ref:
        return event
    found = re.search(rf'ref={re.escape(str(ref))} error="((?:[^"\\]|\\.)*)"', log)
    if found is None:
        return event
    reason = one_line(found[1].replace('\\"', '"'), 500)
    if "ModelNotFound" in reason:
        reason += " (it has no models of a provider that it isn't logged in with)"
    return replace(event, text=reason, data={**event.data, "message": reason})


_LOGGED: Final = "timestamp="


_FOLDERS: Final = ("CONFIG", "DATA", "STATE")
"""What it keeps; what it fetches from the network may be shared."""


def _model(spec: RunSpec, section: Section) -> str:
    model = starting.model(spec, section, "anthropic/claude-sonnet-5-5")
    return f"{_PROVIDER}/{model}" if section.text("base_url") else model


def _flags(spec: RunSpec, section: Section) -> tuple[str, ...]:
    # A title of its own choosing would cost a request.
    title = f"{spec.task_id}/{spec.attempt}"
    flags = ["run", "--format", "json", "--pure", "--title", title, "-m", _model(spec, section)]
    flags += ["--print-logs", "--log-level", "ERROR"]
    if spec.effort:
        flags += ["--variant", spec.effort]
    session = ("-s", spec.resume) if spec.resume else ()
    return (*flags, *starting.further(section, _REFUSED_ARGS), *session)


def _config(spec: RunSpec, section: Section, env_key: str) -> dict[str, Any]:
    model = _model(spec, section)
    config: dict[str, Any] = {
        "model": model,
        "small_model": model,
        "autoupdate": False,
        "share": "disabled",
        "permission": _permissions(spec),
        "mcp": {server.name: _server(server) for server in spec.mcp_servers},
    }
    if url := section.text("base_url"):
        config["provider"] = {
            _PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": url, "apiKey": f"{{env:{env_key}}}"},
                "models": {model.removeprefix(f"{_PROVIDER}/"): {}},
            }
        }
    if spec.system_prompt:
        config["instructions"] = [str(spec.scratch / "instructions.md")]
    return config


def _permissions(spec: RunSpec) -> dict[str, Any]:
    """Nothing is left to be asked: a question that nobody answers ends the run as if it were done.

    The last one that fits counts.
    """
    named = {tool.partition("(")[0] for tool in spec.tools}
    rules: dict[str, Any] = {"*": "allow", "question": "deny", "doom_loop": "deny"}
    if named and "*" not in named:
        wanted = {PERMISSIONS[tool] for tool in named if tool in PERMISSIONS}
        rules |= dict.fromkeys(sorted(set(PERMISSIONS.values()) - wanted), "deny")
    for tool in spec.denied_tools:
        server, _, name = tool.removeprefix("mcp__").partition("__")
        own = PERMISSIONS.get(tool) or f"{server}_{name or '*'}"
        rules[own] = "deny"
    folders = {f"{folder}/*": "allow" for folder in spec.add_dirs}
    return {**rules, "external_directory": {"*": "deny", **folders}}


def _server(server: McpServer) -> dict[str, Any]:
    if server.url is not None:
        return {"type": "remote", "url": server.url, "headers": dict(server.headers)}
    return {"type": "local", "command": list(server.command), "environment": dict(server.env)}
