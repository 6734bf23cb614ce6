"""The values of fields in a script. A problem is told and gives nothing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from yaml.nodes import MappingNode, Node, SequenceNode

from abathur.infrastructure.model_server.script import FOREVER, Api
from abathur.infrastructure.planfile_nodes import Entry, Nodes, Problems, described, line


class Fields:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._nodes = Nodes(problems)

    def refuse(self, entry: Entry, text: str) -> None:
        self._problems.add(entry.line, entry.key, text)

    def mapping(self, node: Node, where: str, known: Sequence[str]) -> Mapping[str, Entry]:
        """Its fields; those that aren't known are a problem."""
        if not isinstance(node, MappingNode):
            told = f"a mapping is needed, not {described(node)}"
            self._problems.add(line(node), where, told)
            return {}
        entries = self._nodes.entries(node, where)
        for entry in entries.values():
            if entry.key not in known:
                close = difflib.get_close_matches(entry.key, known, 1)
                hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known)}"
                self.refuse(entry, f"there is no such field; {hint}")
        return {key: entry for key, entry in entries.items() if key in known}

    def pairs(self, node: Node, where: str) -> Mapping[str, Entry]:
        """A mapping with names of any kind."""
        if isinstance(node, MappingNode):
            return self._nodes.entries(node, where)
        self._problems.add(line(node), where, f"a mapping is needed, not {described(node)}")
        return {}

    def items(self, entry: Entry | None) -> Sequence[Node]:
        """Of a list; a single value is a list of one."""
        if entry is None:
            return ()
        return entry.node.value if isinstance(entry.node, SequenceNode) else (entry.node,)

    def text(self, entry: Entry | None) -> str | None:
        return self._nodes.text(entry.node, entry.key) if entry else None

    def names(self, entry: Entry | None) -> tuple[str, ...]:
        """A text, or a list of texts; numbers need no quotes."""
        key = entry.key if entry else ""
        found = [self._nodes.name(node, key) for node in self.items(entry)]
        return tuple(text for text in found if text is not None)

    def plain(self, node: Node, where: str) -> Any:
        return self._nodes.plain(node, where)

    def choice(self, entry: Entry | None, known: Sequence[str]) -> str | None:
        name = self._nodes.name(entry.node, entry.key) if entry else None
        if entry and name is not None and name not in known:
            self.refuse(entry, f"`{name:.40}` isn't one of {', '.join(known)}")
            return None
        return name

    def api(self, entry: Entry | None) -> Api | None:
        name = self.choice(entry, tuple(Api))
        return Api(name) if name else None

    def truth(self, entry: Entry | None) -> bool | None:
        value = self.plain(entry.node, entry.key) if entry else None
        if entry and not isinstance(value, bool):
            self.refuse(entry, "true or false is needed")
            return None
        return value

    def whole(self, entry: Entry | None, least: int = 0) -> int | None:
        if entry is None:
            return None
        value = self.plain(entry.node, entry.key)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value < 10**12:
            return value
        self.refuse(entry, f"a whole number from {least} is needed")
        return None

    def seconds(self, entry: Entry | None) -> float | None:
        if entry is None:
            return None
        value = self.plain(entry.node, entry.key)
        if value == "forever":
            return FOREVER
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 86_400:
            return float(value)
        self.refuse(entry, "seconds from 0 to 86400, or `forever`, are needed")
        return None
