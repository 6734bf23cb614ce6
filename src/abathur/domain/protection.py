"""Targets on which nothing lands unasked."""

from __future__ import annotations

import json
import re
from typing import Final

from abathur.domain.errors import ProtectedTargetError
from abathur.domain.settings import Settings

PLAIN: Final = re.compile(r"[A-Za-z_][\w./-]*")
"""What YAML takes for a text without quotes."""


def allowing(target: str) -> str:
    """The setting that lets work land on a target, as it stands in the configuration."""
    name = target if PLAIN.fullmatch(target) else json.dumps(target)
    return f"targets: {{{name}: {{allow: true}}}}"


def check_target(settings: Settings, target: str) -> None:
    """Raises `ProtectedTargetError`."""
    if not settings.is_allowed(target):
        raise ProtectedTargetError(
            f"target `{target}` is protected, so no work lands on it; put "
            f"`{allowing(target)}` into .abathur/config.yaml to allow it, or choose another branch"
        )
