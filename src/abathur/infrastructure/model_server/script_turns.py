"""The turns of a script's conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from yaml.nodes import MappingNode, Node

from abathur.infrastructure.model_server.script import Break, Counts, Meeting, ToolCall, Turn
from abathur.infrastructure.model_server.script_fields import Fields
from abathur.infrastructure.planfile_nodes import Entry, line

ANSWER_FIELDS: Final = ("text", "think", "tools", "usage", "stop", "pace", "fail")
REFUSAL_FIELDS: Final = ("error", "message", "retry_after")
TURN_FIELDS: Final = (
    *ANSWER_FIELDS,
    "status",
    *REFUSAL_FIELDS,
    "headers",
    "after",
    "wait",
    "cut",
    "raw",
    "content_type",
    "times",
)
USAGE_FIELDS: Final = ("input", "output", "cache_read", "cache_write")
MEETING_FIELDS: Final = ("conversation", "turn")
FAIL_FIELDS: Final = ("after", "error", "message")


class Turns:
    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def read(self, node: Node) -> tuple[Turn, int]:
        """The turn, and how often it is played."""
        given = self._fields.mapping(node, "turns", TURN_FIELDS)
        values: dict[str, Any] = {
            "texts": self._fields.names(given.get("text")),
            "thinking": self._fields.text(given.get("think")),
            "tools": tuple(self._calls(given.get("tools"))),
            "usage": self._usage(given.get("usage")),
            "stop": self._fields.text(given.get("stop")),
            "status": self._fields.whole(given.get("status"), 200),
            "error": self._fields.text(given.get("error")),
            "message": self._fields.text(given.get("message")),
            "headers": self._headers(given),
            "after": self._meeting(given.get("after")),
            "wait": self._fields.seconds(given.get("wait")),
            "pace": self._fields.seconds(given.get("pace")),
            "cut": self._fields.whole(given.get("cut")),
            "fail": self._break(given.get("fail")),
            "raw": self._fields.text(given.get("raw")),
            "content_type": self._fields.text(given.get("content_type")),
        }
        self._check(given, values["status"] or 200)
        times = self._fields.whole(given.get("times"), 1) or 1
        return Turn(**{name: value for name, value in values.items() if value is not None}), times

    def _check(self, given: Mapping[str, Entry], status: int) -> None:
        refusing = status >= 400
        other = ANSWER_FIELDS if refusing or "raw" in given else REFUSAL_FIELDS
        why = "only an answer has it, not a refusal" if refusing else "only a refusal has it"
        if "raw" in given and not refusing:
            why = "`raw` is all that is sent"
        for name in other:
            if name in given:
                self._fields.refuse(given[name], why)
        if refusing and status > 599:
            self._fields.refuse(given["status"], "a status is at most 599")

    def _calls(self, entry: Entry | None) -> Iterator[ToolCall]:
        for node in self._fields.items(entry):
            pairs = self._fields.pairs(node, "tools")
            if isinstance(node, MappingNode) and len(pairs) != 1:
                told = Entry("tools", line(node), node)
                self._fields.refuse(told, "each call is one `NAME: {argument: value}`")
            for call in pairs.values():
                yield self._call(call)

    def _call(self, entry: Entry) -> ToolCall:
        arguments = self._fields.plain(entry.node, entry.key)
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict | str):
            self._fields.refuse(entry, "arguments are a mapping, or a text that is sent as it is")
            arguments = {}
        return ToolCall(entry.key, arguments)

    def _usage(self, entry: Entry | None) -> Counts | None:
        if entry is None:
            return None
        given = self._fields.mapping(entry.node, "usage", USAGE_FIELDS)
        counts = {name: self._fields.whole(told) for name, told in given.items()}
        return Counts(**{name: value for name, value in counts.items() if value is not None})

    def _headers(self, given: Mapping[str, Entry]) -> dict[str, str]:
        entry = given.get("headers")
        pairs = self._fields.pairs(entry.node, "headers") if entry else {}
        found = {name: " ".join(self._fields.names(value)) for name, value in pairs.items()}
        wait = self._fields.seconds(given.get("retry_after"))
        return found if wait is None else {"retry-after": f"{wait:g}", **found}

    def _meeting(self, entry: Entry | None) -> Meeting | None:
        if entry is None:
            return None
        given = self._fields.mapping(entry.node, "after", MEETING_FIELDS)
        name = self._fields.text(given.get("conversation"))
        if not name:
            self._fields.refuse(entry, "`conversation` is missing; say which one is waited for")
        return Meeting(name or "", self._fields.whole(given.get("turn"), 1) or 1)

    def _break(self, entry: Entry | None) -> Break | None:
        if entry is None:
            return None
        given = self._fields.mapping(entry.node, "fail", FAIL_FIELDS)
        after = self._fields.whole(given.get("after"))
        return Break(
            after=2 if after is None else after,
            error=self._fields.text(given.get("error")) or "overloaded_error",
            message=self._fields.text(given.get("message")) or "broken by the script",
        )
