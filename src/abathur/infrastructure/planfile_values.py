"""The values that the fields of a backlog file may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from abathur.domain import times
from abathur.domain.tasks import TaskSource
from abathur.infrastructure.planfile_nodes import Nodes, described, kind, line

_INTEGER: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)


class Values:
    """What each field may hold. A problem gives None."""

    def __init__(self, nodes: Nodes, now: datetime) -> None:
        self._nodes = nodes
        self._now = now
        self._readers: Mapping[str, Callable[[Node, str], Any]] = {
            "priority": self._integer,
            "max_retries": self._integer,
            "source": self._source,
            "deadline": self._time,
            "not_before": self._time,
            "estimate": self._duration,
            "timeout": self._duration,
            "input_data": self._data,
            "touches": self._names,
            "allow_overlap": self._truth,
        }

    def read(self, name: str, node: Node) -> Any:
        return self._readers.get(name, self._nodes.text)(node, name)

    def _refuse(self, node: Node, where: str, text: str) -> None:
        self._nodes.problems.add(line(node), where, text)

    def _integer(self, node: Node, where: str) -> int | None:
        if isinstance(node, ScalarNode) and kind(node) == "int" and _INTEGER.fullmatch(node.value):
            return int(node.value)
        self._refuse(node, where, f"a whole number is needed, not {_shown(node)}")
        return None

    def _names(self, node: Node, where: str) -> tuple[str, ...] | None:
        items = node.value if isinstance(node, SequenceNode) else [node]
        names = [self._nodes.name(item, where) for item in items]
        return None if None in names else tuple(name for name in names if name is not None)

    def _truth(self, node: Node, where: str) -> bool | None:
        if kind(node) == "bool":
            return str(node.value).lower() in {"true", "yes", "on"}
        self._refuse(node, where, f"true or false is needed, not {_shown(node)}")
        return None

    def _source(self, node: Node, where: str) -> TaskSource | None:
        try:
            return TaskSource(self._nodes.name(node, where) or "")
        except ValueError:
            known = ", ".join(TaskSource)
            self._refuse(node, where, f"{_shown(node)} isn't one of {known}")
            return None

    def _duration(self, node: Node, where: str) -> int | None:
        seconds = times.whole_seconds(node.value) if isinstance(node, ScalarNode) else None
        if seconds is None:
            rule = "isn't a duration; write seconds, or like 10m, 1h, 1h30m, 2d"
            self._refuse(node, where, f"{_shown(node)} {rule}")
        return seconds

    def _time(self, node: Node, where: str) -> datetime | None:
        try:
            # One without a zone goes on as it is: the domain says what it needs.
            return times.moment(node.value if isinstance(node, ScalarNode) else "", self._now)
        except (ValueError, OverflowError):
            rule = "isn't a time; write like 2030-01-31T18:00:00Z, or +2h for two hours from now"
            self._refuse(node, where, f"{_shown(node)} {rule}")
            return None

    def _data(self, node: Node, where: str) -> Any:
        if isinstance(node, MappingNode):
            return self._nodes.plain(node, where)
        self._refuse(node, where, f"a mapping is needed, not {described(node)}")
        return None


def _shown(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        return described(node)
    text = node.value if len(node.value) <= 40 else node.value[:39] + "…"
    if not text.isprintable():
        return described(node)
    return f"the text `{text}`" if kind(node) == "str" else f"`{text}`"
