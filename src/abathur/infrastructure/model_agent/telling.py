"""The events that the loop tells, one JSON object on each line of stdout."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

MAX_TEXT: Final = 65_536
"""Longer texts are cut: the whole answer stands in the session file."""


def tell(event: str, text: str = "", **data: Any) -> None:
    told = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    line = json.dumps({"event": event, "text": told, **data}, default=str)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
