"""Targets that nothing can land on at the moment: they are waited for, at no charge."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.domain.settings import Settings


@dataclass(frozen=True, slots=True)
class Closure:
    text: str
    """What is wrong with the target; ends a sentence, without a full stop."""
    advice: str
    """What to do; begins small, without a full stop."""

    @property
    def step(self) -> str:
        """The advice as a sentence of its own."""
        return f"{self.advice[0].upper()}{self.advice[1:]}."


def closure_of(
    settings: Settings, target: str, is_missing: Callable[[str], bool]
) -> Closure | None:
    """Why no work for the target is begun or landed now; None when nothing is against it."""
    if not settings.is_allowed(target):
        from abathur.domain.protection import allowing

        return Closure(
            f"target `{target}` is protected",
            f"put `{allowing(target)}` into .abathur/config.yaml, then it goes on by itself",
        )
    if is_missing(target):
        return Closure(
            f"target branch `{target}` doesn't exist",
            f"make it with `git branch {shlex.quote(target)}`, then it goes on by itself",
        )
    return None
