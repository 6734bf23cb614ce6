"""Where an agent's prompt comes from."""

from __future__ import annotations

from typing import Protocol

from abathur.domain.prompts import PromptFacts


class PromptWriter(Protocol):
    def write(self, facts: PromptFacts) -> str:
        """The whole prompt. Raises `ConfigError` with the file and line of a broken template."""
        ...
