"""Ids of older rows as ids that commands can name."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID, uuid5

from abathur.infrastructure.database.legacy.taking import Taking

SPEAKABLE: Final = re.compile(r"[0-9a-f-]{1,64}")
SPACE: Final = UUID("5f0c6a0e-6d1c-5a55-9a3c-0a4b7c1d2e3f")


def id_of(value: Any) -> str | None:
    """The same for the same value, so that references are still right; None for what is none."""
    if value is None or isinstance(value, bytes) or value == "":
        return None
    plain = str(value).lower()
    return plain if SPEAKABLE.fullmatch(plain) else str(uuid5(SPACE, str(value)))


def take_id(taking: Taking, *names: str) -> str | None:
    name, value = taking.first(*names)
    found = id_of(value)
    if value is not None and found != value:
        taking.changed(name)
    return found
