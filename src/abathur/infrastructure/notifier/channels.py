"""What a way of calling a person has to do."""

from __future__ import annotations

from typing import Protocol

from abathur.domain.needs import Notice


class NotSentError(Exception):
    """The text says why, without the address. `passing`: it may work later."""

    def __init__(self, why: str, *, passing: bool) -> None:
        super().__init__(why)
        self.passing = passing


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, notice: Notice) -> None:
        """Blocks. Raises `NotSentError`."""
        ...
