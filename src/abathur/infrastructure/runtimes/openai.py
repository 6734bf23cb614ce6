"""Models on OpenAI's APIs, or on a server that speaks one of them, without a foreign program.

Settings: those of `loop_starting`, and
  protocol   `responses` or `chat`; `chat` with a base_url, which is what local servers speak
The key is OPENAI_API_KEY; OPENAI_BASE_URL counts too.
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

KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"


class OpenaiRuntime:
    resumes: Final = True

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def name(self) -> str:
        return "openai"

    def command(self, spec: RunSpec) -> Command:
        loop_starting.check_package(self.name, "openai")
        loop_starting.check_servers(spec, self.name)
        section = Section(self.name, spec.settings)
        env = {**self._environ, **section.env()}
        base_url = section.text("base_url") or env.get(BASE_URL) or None
        usual = Protocol.CHAT if base_url else Protocol.RESPONSES
        choices = (Protocol.RESPONSES.value, Protocol.CHAT.value)
        protocol = Protocol(section.choice("protocol", usual.value, choices))
        key, hidden = loop_starting.key_of(section, self._environ, KEY, is_needed=base_url is None)
        plan = loop_starting.planned(spec, section, protocol, base_url, "gpt-5.5")
        return loop_starting.started(replace(plan, api_key=key, hidden_variables=hidden), section)

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return loop_reading.parse(line)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        return loop_reading.outcome(end, events)
