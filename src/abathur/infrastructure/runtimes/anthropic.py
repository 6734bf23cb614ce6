"""Models on Anthropic's Messages API, or on a server that speaks it, without a foreign program.

Settings: those of `loop_starting`. The key is ANTHROPIC_API_KEY, or ANTHROPIC_AUTH_TOKEN for one
that is sent as a bearer token; ANTHROPIC_BASE_URL counts too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from abathur.domain.runs import Command, Exit, Outcome, RunEvent, RunSpec
from abathur.infrastructure.model_agent.plan import Protocol
from abathur.infrastructure.runtimes import loop_reading, loop_starting
from abathur.infrastructure.runtimes.sections import Section

KEY, TOKEN, BASE_URL = "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"


class AnthropicRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "anthropic"

    def command(self, spec: RunSpec) -> Command:
        loop_starting.check_package(self.name, "anthropic")
        loop_starting.check_servers(spec, self.name)
        section = Section(self.name, spec.settings)
        env = {**self._environ, **section.env()}
        base_url = section.text("base_url") or env.get(BASE_URL) or None
        token = env.get(TOKEN, "")
        key, hidden = loop_starting.key_of(
            section, self._environ, KEY, is_needed=base_url is None and not token
        )
        plan = loop_starting.planned(
            spec, section, Protocol.MESSAGES, base_url, "claude-sonnet-5-5"
        )
        # The SDK wants to have something to send, also to a server that doesn't look at it.
        key = key or ("" if token else "none")
        return loop_starting.started(
            replace(
                plan,
                api_key=key,
                auth_token="" if key else token,
                hidden_variables=(*hidden, TOKEN),
            ),
            section,
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return loop_reading.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        return loop_reading.outcome(end, events)
