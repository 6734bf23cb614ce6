"""How the loop of our own, `model_agent`, is started: what `anthropic` and `openai` share.

Settings of both:
  model                  when the agent type names none
  base_url               of a server that speaks the same protocol; then no key is needed
  api_key_variable       the variable that holds the key
  prices                 {input, output, cache_read, cache_write}: US dollars for a million tokens
  max_turns, max_budget_usd
  max_tokens             of a run, input and output together
  max_output_tokens      of one answer
  retries, retry_wait    of one request that failed in passing (2), and seconds before the first (1)
  request_timeout, tool_timeout   seconds (600)
  env                    for the key and for commands
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from typing import Final

from abathur.domain.errors import AgentUnavailableError
from abathur.domain.runs import Command, RunSpec
from abathur.infrastructure.model_agent.plan import Plan, Protocol, Rates, to_json
from abathur.infrastructure.runtimes.sections import Section
from abathur.infrastructure.runtimes.starting import model

MODULE: Final = "abathur.infrastructure.model_agent"
DEFAULT_SECONDS: Final = 600.0
HIDDEN: Final = ("PYTHONPATH",)
"""Ours, which a program in the worktree must not import from."""


def started(plan: Plan, section: Section) -> Command:
    # Our own path, because the clean environment has none, and `-P` against the working folder,
    # in which a file may be called like a module of ours.
    path = os.pathsep.join(filter(None, sys.path))
    return Command(
        argv=(sys.executable, "-P", "-m", MODULE),
        env={**section.env(), "PYTHONPATH": path},
        pass_env=section.words("pass_env"),
        stdin=json.dumps(to_json(plan), default=str).encode(errors="replace"),
    )


def planned(
    spec: RunSpec, section: Section, protocol: Protocol, base_url: str | None, example: str
) -> Plan:
    """Without a key. Raises `AgentUnavailableError` for settings that can't be used."""
    plan = Plan(
        protocol=protocol,
        model=model(spec, section, example),
        base_url=base_url,
        prompt=spec.prompt,
        system_prompt=spec.system_prompt,
        effort=spec.effort or section.text("effort"),
        worktree=str(spec.worktree),
        add_dirs=tuple(map(str, spec.add_dirs)),
        scratch=str(spec.scratch),
        session_file=str(
            spec.private_home / "sessions" / f"{spec.resume or spec.session_id}.jsonl"
        ),
        session_id=spec.resume or spec.session_id,
        resume=spec.resume is not None,
        tools=spec.tools,
        denied_tools=spec.denied_tools,
        allowed=spec.allowed,
        mcp_servers=tuple(asdict(server) for server in spec.mcp_servers),
        output_schema=spec.output_schema,
        hidden_variables=HIDDEN,
    )
    return replace(_limited(plan, spec, section), rates=_rates(section))


def key_of(
    section: Section, environ: Mapping[str, str], variable: str, *, is_needed: bool
) -> tuple[str, tuple[str, ...]]:
    """The key, and the variables that commands of the agent don't get.

    Raises `AgentUnavailableError` when it is needed and not there.
    """
    name = section.text("api_key_variable") or variable
    key = section.env().get(name) or environ.get(name) or ""
    if not key and is_needed:
        raise AgentUnavailableError(
            f"runtime `{section.runtime}` needs a key; set {name} in the environment of the swarm,"
            f" or runtimes.{section.runtime}.base_url to a server that needs none"
        )
    return key, (*HIDDEN, name)


def check_package(runtime: str, package: str) -> None:
    """Raises `AgentUnavailableError` when the extra isn't installed."""
    if find_spec(package) is None:
        raise AgentUnavailableError(
            f"runtime `{runtime}` needs the package {package}; pip install 'abathur[{package}]'"
        )


def check_servers(spec: RunSpec, runtime: str) -> None:
    if spec.mcp_servers and find_spec("mcp") is None:
        raise AgentUnavailableError(
            f"runtime `{runtime}` needs the package mcp to use the servers of agent type"
            f" `{spec.agent_type}`; pip install 'abathur[mcp]'"
        )


def _limited(plan: Plan, spec: RunSpec, section: Section) -> Plan:
    turns = [one for one in (spec.max_turns, section.number("max_turns")) if one is not None]
    usd = [one for one in (spec.budget_usd, section.number("max_budget_usd")) if one is not None]
    tokens, output = section.number("max_tokens"), section.number("max_output_tokens")
    retries = section.text("retries", str(plan.retries)) or ""
    if not retries.isdecimal():
        raise section.refused("retries", "a whole number is expected")
    return replace(
        plan,
        max_turns=int(min(turns)) if turns else None,
        max_budget_usd=min(usd) if usd else None,
        max_tokens=int(tokens) if tokens else None,
        max_output_tokens=int(output) if output else None,
        retries=int(retries),
        retry_seconds=float(section.number("retry_wait") or plan.retry_seconds),
        request_seconds=float(section.number("request_timeout") or DEFAULT_SECONDS),
        tool_seconds=float(section.number("tool_timeout") or DEFAULT_SECONDS),
    )


def _rates(section: Section) -> Rates | None:
    told = section.mapping("prices")
    if not told:
        return None
    known = [one.name for one in fields(Rates)]
    usable = all(name in known and _is_price(value) for name, value in told.items())
    if not usable or not {"input", "output"} <= set(told):
        raise section.refused("prices", f"US dollars for {', '.join(known)} are expected")
    return Rates(**{name: float(value) for name, value in told.items()})


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6
