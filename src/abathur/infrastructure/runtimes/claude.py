"""Claude Code, headless. How it is started; `claude_events` reads it, `claude_verdict` judges it.

Settings:
  program          the program (`claude`)
  model            when the agent type names none
  permission_mode  what may be done unasked (`acceptEdits`; `default` for an agent definition
                   whose tools have none for edits)
  allowed_tools    the agent definition's tools come first; without either: DEFAULT_TOOLS
  max_budget_usd   the most that one run may cost; the task's budget counts too
  mcp_config       path of a file with MCP servers, beside those that the run is given
  private_home     `true`: each run has a home of its own, so that agents can't see each other;
                   `false`: the person's, with their login and settings; `auto`: private when
                   the environment or `env` holds credentials, which is all that a login is for
  args, env, pass_env
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Exit, Outcome, RunEvent, RunSpec
from abathur.infrastructure.runtimes import claude_events, claude_verdict, mcp_servers
from abathur.infrastructure.runtimes.claude_denials import EDITING_TOOLS
from abathur.infrastructure.runtimes.sections import Section, check_program

DEFAULT_TOOLS: Final = ("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "Write")

PERMISSION_MODES: Final = (
    "acceptEdits",
    "auto",
    "bypassPermissions",
    "default",
    "dontAsk",
    "plan",
)

_EDITING_TOOLS: Final = EDITING_TOOLS | {"*"}

# Tools that wait for a person, outlive the run, leave the worktree or reach other agents.
_UNWANTED_TOOLS: Final = (
    "AskUserQuestion",
    "CronCreate",
    "EnterWorktree",
    "ListAgents",
    "ScheduleWakeup",
    "SendMessage",
)

_QUIET: Final = {
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # a task in the background outlives its run
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "4",  # the queue backs off; with 10 a wrong key takes minutes
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "ENABLE_TOOL_SEARCH": "false",  # else MCP tools hide behind a search
    "MCP_TIMEOUT": "30000",
}

_CREDENTIALS: Final = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
)

# Not `CLAUDE*` as a whole: the marks of a session that we may run in ourselves stay out.
_PASSED: Final = (
    "ANTHROPIC_*",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_*",
)
_CLOUD_PASSED: Final = ("AWS_*", "AZURE_*", "CLOUD_ML_REGION", "GOOGLE_*", "VERTEX_*")

# Why an argument is refused: it would break the protocol, or a setting says the same.
_REFUSED_ARGS: Final = {
    **dict.fromkeys(("-p", "--print", "--output-format", "--input-format", "--verbose"), ""),
    **dict.fromkeys(("--session-id", "-r", "--resume", "-c", "--continue", "--fork-session"), ""),
    **dict.fromkeys(("--from-pr", "--bg", "--background", "-w", "--worktree", "--tmux"), ""),
    **dict.fromkeys(("-h", "--help", "-v", "--version", "--ide", "--remote-control"), ""),
    **dict.fromkeys(("--permission-prompt-tool", "--replay-user-messages", "--"), ""),
    "--permission-mode": "permission_mode",
    "--dangerously-skip-permissions": "permission_mode: bypassPermissions",
    "--allowedTools": "allowed_tools",
    "--allowed-tools": "allowed_tools",
    "--model": "model",
    "--max-turns": "max_turns",
    "--effort": "effort",
    "--disallowedTools": "denied_tools",
    "--disallowed-tools": "denied_tools",
    "--json-schema": "",
    "--max-budget-usd": "max_budget_usd",
    "--mcp-config": "mcp_config",
    "--strict-mcp-config": "mcp_config",
    "--setting-sources": "private_home",
}

# Agent definitions of the older version say `thinking`; `inherit` means the default.
_MODELS: Final[Mapping[str, str | None]] = {"thinking": "opus", "inherit": None, "default": None}

_MAX_ARGUMENT: Final = 100_000
"""Linux takes no single argument over 128 KiB; a longer system prompt goes before the prompt."""


class ClaudeRuntime:
    resumes: Final = True

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._epoch = epoch

    @property
    def name(self) -> str:
        return "claude"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        env = section.env()
        program = section.text("program") or "claude"
        remedy = (
            "install Claude Code (npm install -g @anthropic-ai/claude-code) or set"
            " runtimes.claude.program"
        )
        check_program(program, env.get("PATH", self._environ.get("PATH")), remedy)
        private = self._has_private_home(section, env)
        inline = len(spec.system_prompt.encode(errors="replace")) <= _MAX_ARGUMENT
        prompt = spec.prompt if inline else f"{spec.system_prompt}\n\n{spec.prompt}"
        servers = mcp_servers.as_json(spec.mcp_servers)
        return Command(
            argv=(program, *_flags(spec, section, private=private, system_prompt=inline)),
            env={**_surroundings(spec, private=private), **env},
            pass_env=(*self._passed(env, private=private), *section.words("pass_env")),
            stdin=prompt.encode(errors="replace"),
            files={_servers_file(spec): servers} if servers else {},
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return claude_events.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        return claude_verdict.outcome(end, events, self._epoch())

    def _has_private_home(self, section: Section, env: Mapping[str, str]) -> bool:
        wish = section.choice("private_home", "auto", ("auto", "true", "false"))
        if wish != "auto":
            return wish == "true"
        return any(env.get(name) or self._environ.get(name) for name in _CREDENTIALS)

    def _passed(self, env: Mapping[str, str], *, private: bool) -> tuple[str, ...]:
        cloud = any(
            env.get(name) or self._environ.get(name)
            for name in _CREDENTIALS
            if name.startswith("CLAUDE_CODE_USE_")
        )
        home = () if private else ("CLAUDE_CONFIG_DIR",)
        return (*_PASSED, *(_CLOUD_PASSED if cloud else ()), *home)


def _flags(
    spec: RunSpec, section: Section, *, private: bool, system_prompt: bool
) -> tuple[str, ...]:
    mode = section.choice("permission_mode", _default_mode(spec), PERMISSION_MODES)
    # A private home is empty: what the person set up for themselves isn't there to be loaded.
    sources = "project" if private else "user,project"
    session = f"--resume={spec.resume}" if spec.resume else f"--session-id={spec.session_id}"
    flags = ["-p", "--output-format", "stream-json", "--verbose", session]
    flags += ["--strict-mcp-config", f"--setting-sources={sources}", f"--permission-mode={mode}"]
    flags += _tool_flags(spec, section)
    options = {
        "--model": _model(spec, section),
        "--effort": spec.effort,
        "--max-turns": spec.max_turns,
        "--max-budget-usd": _budget(spec, section),
        "--append-system-prompt": spec.system_prompt if system_prompt else None,
        "--json-schema": _schema(spec),
    }
    flags += [f"{flag}={value}" for flag, value in options.items() if value]
    servers = (section.text("mcp_config"), _servers_file(spec) if spec.mcp_servers else None)
    flags += [f"--mcp-config={path}" for path in servers if path]
    flags += [f"--add-dir={path}" for path in spec.add_dirs]
    return (*flags, *_extra(section))


def _default_mode(spec: RunSpec) -> str:
    """`acceptEdits` would let an agent that has no tool for edits write through the shell."""
    named = {tool.partition("(")[0] for tool in spec.tools}
    return "acceptEdits" if not named or named & _EDITING_TOOLS else "default"


def _tool_flags(spec: RunSpec, section: Section) -> list[str]:
    """A definition's tools are all that there are; those of the settings only need no asking."""
    named = [tool for tool in spec.tools if tool != "*"]
    allowed = named or section.names("allowed_tools") or DEFAULT_TOOLS
    servers = [rule for server in spec.mcp_servers for rule in _server_rules(server.name, named)]
    flags = [f"--allowedTools={','.join([*allowed, *servers, *spec.allowed])}"]
    flags += [f"--disallowedTools={','.join([*_UNWANTED_TOOLS, *spec.denied_tools])}"]
    if named:
        own = dict.fromkeys(t.partition("(")[0] for t in named if not t.startswith("mcp__"))
        flags += [f"--tools={','.join(own)}"]
    return flags


def _server_rules(server: str, named: Sequence[str]) -> tuple[str, ...]:
    """A server that the run is given may be used whole, unless tools of it are named."""
    rule = f"mcp__{server}"
    is_named = any(tool == rule or tool.startswith(f"{rule}__") for tool in named)
    return () if is_named else (rule,)


def _servers_file(spec: RunSpec) -> Path:
    return spec.scratch / "mcp.json"


def _schema(spec: RunSpec) -> str | None:
    if not spec.output_schema:
        return None
    text = json.dumps(spec.output_schema, ensure_ascii=False)
    return text if len(text.encode(errors="replace")) <= _MAX_ARGUMENT else None


def _model(spec: RunSpec, section: Section) -> str | None:
    model = spec.model or section.text("model")
    return _MODELS.get(model, model) if model else None


def _budget(spec: RunSpec, section: Section) -> float | None:
    """The lower of what the settings and the task's budget allow."""
    limits = [one for one in (section.number("max_budget_usd"), spec.budget_usd) if one is not None]
    return round(min(limits), 6) if limits else None


def _extra(section: Section) -> tuple[str, ...]:
    args = section.words("args")
    for item in args:
        flag = item.partition("=")[0]
        if flag in _REFUSED_ARGS:
            setting = _REFUSED_ARGS[flag]
            remedy = f"set `{setting}` instead" if setting else "remove it"
            raise AgentUnavailableError(
                f"runtimes.claude.args: `{flag}` would break how the agent is driven; {remedy}"
            )
    return args


def _surroundings(spec: RunSpec, *, private: bool) -> dict[str, str]:
    scratch = str(spec.scratch)
    env = {**_QUIET, "CLAUDE_CODE_TMPDIR": scratch, "TMPDIR": scratch}
    return env | {"CLAUDE_CONFIG_DIR": f"{spec.private_home}/claude"} if private else env
