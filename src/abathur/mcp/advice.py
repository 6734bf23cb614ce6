"""What to do now, said to a model: it has tools where a person has commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

TOOLS: Final[Mapping[str, str]] = {
    "abathur audit show": "`task_get`",
    "abathur mem add --replace": "`memory_update`",
    "abathur mem history": "`memory_get` with a `version`",
    "abathur mem list": "`memory_search`",
    "abathur task cancel": "`task_cancel`",
    "abathur task list": "`task_list`",
    "abathur why": "`task_why`",
}
"""Commands -> what does the same for all callers. The others are a person's."""

_COMMAND: Final = re.compile(
    "`(" + "|".join(re.escape(one) for one in sorted(TOOLS, key=len, reverse=True)) + r")( [^`]*)?`"
)


def for_model(message: str) -> str:
    """The message with the names of tools in it, and what is typed behind a command after them."""
    return _COMMAND.sub(_tool, message)


def _tool(found: re.Match[str]) -> str:
    command, rest = found.groups()
    return TOOLS[command] + (f" of `{rest.strip()}`" if rest else "")
