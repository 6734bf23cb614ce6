"""Codex, headless. How it is started; `codex_events` reads it, `verdicts` judges it.

Settings:
  program       the program (`codex`)
  model         required, here or by the agent type
  sandbox       what its commands may do: `read-only`, `workspace-write` (the default for an agent
                type that edits) or `danger-full-access`
  network       `true`: its commands may reach the network
  base_url      of a server that speaks the Responses API; without it that of OpenAI
  env_key       the variable that holds the key (`OPENAI_API_KEY`)
  private_home  `true`: each task has a home of its own; `false`: the person's, with their login;
                `auto`: private when there is a key or a base_url
  args, env, pass_env
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, Exit, McpServer, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.infrastructure.runtimes import codex_events, starting, verdicts
from abathur.infrastructure.runtimes.sections import Section

SANDBOXES: Final = ("read-only", "workspace-write", "danger-full-access")
WRITING: Final = "workspace-write"
DENIABLE: Final = ("Bash", "Edit", "WebSearch", "Write")

_OPENAI: Final = "https://api.openai.com/v1"
_PROVIDER: Final = "abathur"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_SESSION: Final = "no rollout found for thread id"
_REJECTED: Final = "rejected by user approval settings"

_QUIET: Final = ("analytics.enabled=false", "check_for_update_on_startup=false")

_REFUSED_ARGS: Final = {
    **dict.fromkeys(
        ("exec", "resume", "fork", "review", "--json", "-C", "--cd", "--last", "-"), ""
    ),
    **dict.fromkeys(("--ephemeral", "--worktree", "-h", "--help", "-V", "--version"), ""),
    **dict.fromkeys(("-s", "--sandbox"), "sandbox"),
    "--dangerously-bypass-approvals-and-sandbox": "sandbox: danger-full-access",
    **dict.fromkeys(("-m", "--model"), "model"),
    "--add-dir": "add_dirs",
    "--output-schema": "",
}


class CodexRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "codex"

    def command(self, spec: RunSpec) -> Command:
        section = Section(self.name, spec.settings)
        starting.refuse_unknown_denials(spec, DENIABLE, section)
        remedy = "install Codex (npm install -g @openai/codex) or set runtimes.codex.program"
        program = starting.program(section, "codex", self._environ, remedy)
        account = self._account(section)
        inline = starting.fits_argument(spec.system_prompt)
        servers = [_Server.made(server, number) for number, server in enumerate(spec.mcp_servers)]
        env = _surroundings(spec, private=account.is_private)
        for server in servers:
            env |= server.env
        return Command(
            argv=(program, *_flags(spec, section, account, servers, system_prompt=inline)),
            env={**env, **section.env()},
            pass_env=(*account.passed, *section.words("pass_env")),
            stdin=starting.prompt(spec, "" if inline else spec.system_prompt),
            files=_files(spec, account),
            stop_signal="INT",  # at TERM it leaves without ending its servers
        )

    def _account(self, section: Section) -> _Account:
        env_key = section.text("env_key") or "OPENAI_API_KEY"
        base_url = section.text("base_url")
        has_key = bool(section.env().get(env_key) or self._environ.get(env_key))
        wish = section.choice("private_home", "auto", ("auto", "true", "false"))
        is_own = has_key or base_url is not None
        return _Account(
            base_url=(base_url or _OPENAI) if is_own else None,
            env_key=env_key if is_own else None,
            has_key=has_key,
            is_private=wish == "true" or (wish == "auto" and is_own),
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return codex_events.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        usage = verdicts.last_told(events)
        if not events and _NO_SESSION in end.stderr_tail:
            return verdicts.not_resumed(end)
        outcome = verdicts.judged(end, events, usage)
        outcome = verdicts.of_session(outcome)
        if outcome.kind is OutcomeKind.SUCCEEDED and _REJECTED in end.stderr_tail:
            return verdicts.not_edited(outcome, "apply_patch", WRITING)
        return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """By what the provider knows whose run it is."""

    base_url: str | None
    """None: the program's own login says where."""
    env_key: str | None
    has_key: bool
    is_private: bool

    @property
    def passed(self) -> tuple[str, ...]:
        key = (self.env_key,) if self.env_key else ()
        return key if self.is_private else (*key, "CODEX_HOME")


@dataclass(frozen=True, slots=True)
class _Server:
    """A server of tools: its configuration, and the variables that hold what is secret in it."""

    option: str
    env: Mapping[str, str]

    @classmethod
    def made(cls, server: McpServer, number: int) -> _Server:
        if not _BARE.fullmatch(server.name):
            raise AgentUnavailableError(
                f"MCP server `{server.name}` can't be handed to codex; name it with letters,"
                " digits, `-` and `_`"
            )
        fields, env = cls._address(server, number) if server.url else cls._program(server)
        # Without these two it is asked before its server is up, and refuses to call it.
        always = 'required=true,startup_timeout_sec=60,default_tools_approval_mode="approve"'
        return cls(f"mcp_servers.{server.name}={{{fields},{always}}}", env)

    @staticmethod
    def _program(server: McpServer) -> tuple[str, Mapping[str, str]]:
        command, *args = server.command or ("",)
        fields = f"command={_toml(command)},args={_list(args)}"
        return f"{fields},env_vars={_list(list(server.env))}", server.env

    @staticmethod
    def _address(server: McpServer, number: int) -> tuple[str, Mapping[str, str]]:
        names = [f"ABATHUR_MCP_{number}_{index}" for index, _ in enumerate(server.headers)]
        pairs = zip(server.headers, names, strict=True)
        headers = ",".join(f"{_toml(header)}={_toml(name)}" for header, name in pairs)
        fields = f"url={_toml(server.url or '')},env_http_headers={{{headers}}}"
        return fields, dict(zip(names, server.headers.values(), strict=True))


def _flags(
    spec: RunSpec,
    section: Section,
    account: _Account,
    servers: Sequence[_Server],
    *,
    system_prompt: bool,
) -> tuple[str, ...]:
    flags = ["exec", "--json", "--skip-git-repo-check", "-C", str(spec.worktree)]
    flags += ["-s", _sandbox(spec, section), "-m", starting.model(spec, section, "gpt-5.5-codex")]
    # It would wait for ever where nobody answers, and look for plug-ins on the network.
    flags += ["--disable", "unbounded_connection_retries", "--disable", "plugins"]
    if not starting.has_shell(spec):
        flags += ["--disable", "shell_tool", "--disable", "unified_exec"]
    options = [*_QUIET, *_provider(account), *(server.option for server in servers)]
    options += _asked(spec, section)
    if system_prompt:
        options.append(f"developer_instructions={_toml(spec.system_prompt)}")
    for option in options:
        flags += ["-c", option]
    for folder in spec.add_dirs:
        flags += ["--add-dir", str(folder)]
    if _is_strict(spec.output_schema):
        flags += ["--output-schema", str(spec.scratch / "output-schema.json")]
    session = ("resume", spec.resume) if spec.resume else ()
    return (*flags, *starting.further(section, _REFUSED_ARGS), *session, "-")


def _asked(spec: RunSpec, section: Section) -> list[str]:
    options = []
    if spec.effort:
        options.append(f"model_reasoning_effort={_toml(spec.effort)}")
    if "WebSearch" in spec.denied_tools:
        options.append('web_search="disabled"')
    if section.choice("network", "false", ("true", "false")) == "true":
        options.append("sandbox_workspace_write.network_access=true")
    for tool in spec.denied_tools:
        server, _, name = tool.removeprefix("mcp__").partition("__")
        if tool.startswith("mcp__") and _BARE.fullmatch(server):
            options.append(
                f"mcp_servers.{server}.disabled_tools={_list([name])}"
                if name
                else f"mcp_servers.{server}.enabled=false"
            )
    return options


def _sandbox(spec: RunSpec, section: Section) -> str:
    default = WRITING if starting.edits(spec) or WRITING in spec.allowed else "read-only"
    return section.choice("sandbox", default, SANDBOXES)


def _provider(account: _Account) -> list[str]:
    if account.base_url is None:
        return []
    fields = [
        'name="OpenAI"',
        f"base_url={_toml(account.base_url)}",
        'wire_api="responses"',
        # The queue backs off; a wrong key is tried as often as a busy server.
        "request_max_retries=2",
        "stream_max_retries=2",
        "stream_idle_timeout_ms=300000",
    ]
    if account.has_key:
        fields.append(f"env_key={_toml(account.env_key or '')}")
    return [
        f"model_provider={_toml(_PROVIDER)}",
        f"model_providers.{_PROVIDER}={{{','.join(fields)}}}",
    ]


def _surroundings(spec: RunSpec, *, private: bool) -> dict[str, str]:
    # Its home mustn't be below TMPDIR: each command would fail.
    env = {"TMPDIR": str(spec.scratch / "tmp")}
    return env | {"CODEX_HOME": str(spec.private_home / "codex")} if private else env


def _files(spec: RunSpec, account: _Account) -> dict[Path, str]:
    """These also make the folders, which have to be there."""
    files = {spec.scratch / "tmp" / ".keep": ""}
    if account.is_private:
        files[spec.private_home / "codex" / ".keep"] = ""
    if _is_strict(spec.output_schema):
        files[spec.scratch / "output-schema.json"] = json.dumps(spec.output_schema)
    return files


def _is_strict(schema: object) -> bool:
    """Whether the provider takes it: it wants all fields required, and no others."""
    if isinstance(schema, Mapping):
        fields = schema.get("properties")
        if schema.get("type") == "object" and not (
            isinstance(fields, Mapping)
            and schema.get("additionalProperties") is False
            and set(schema.get("required") or ()) == set(fields)
        ):
            return False
        inner = [value for key, value in schema.items() if key not in {"enum", "required"}]
        return bool(schema) and all(_is_strict(v) for v in inner if isinstance(v, Mapping | list))
    if isinstance(schema, list):
        return all(_is_strict(item) for item in schema if isinstance(item, Mapping))
    return False


def _toml(text: str) -> str:
    """A basic string of TOML is written as one of JSON is, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: Sequence[str]) -> str:
    return f"[{','.join(_toml(text) for text in texts)}]"
