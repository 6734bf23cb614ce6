"""Scripts of the model: YAML or JSON text to a checked script, or everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from yaml.nodes import Node, SequenceNode

from abathur.infrastructure.model_server.script import Conversation, Ending, Match, Script, Turn
from abathur.infrastructure.model_server.script_fields import Fields
from abathur.infrastructure.model_server.script_turns import Turns
from abathur.infrastructure.planfile_nodes import Broken, Entry, Problems, compose, described, line

TOP_FIELDS: Final = ("conversations", "turns", "then", "models")
CONVERSATION_FIELDS: Final = ("name", "when", "turns", "then", "shared")
MATCH_FIELDS: Final = ("api", "model", "system", "prompt", "last", "turn", "tool")
MAX_TIMES: Final = 10_000


def load_script(path: Path) -> Script:
    """Raises `PlanError`, which holds every problem as `FILE:LINE: ...`, and `OSError`."""
    return read_script(str(path), path.read_bytes())


def read_script(file: str, content: str | bytes) -> Script:
    """Raises `PlanError`, which holds every problem as `FILE:LINE: ...`."""
    problems = Problems(file)
    try:
        script = _Reader(problems).script(compose(content, problems, "`turns:`"))
    except Broken:
        raise problems.error() from None
    if problems:
        raise problems.error()
    return script


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._fields = Fields(problems)
        self._turns = Turns(self._fields)

    def script(self, root: Node) -> Script:
        top = self._fields.mapping(root, "script", TOP_FIELDS)
        found = tuple(self._conversations(top, root))
        models = self._fields.names(top.get("models"))
        name = Path(self._problems.file).name
        return Script(name=name, conversations=found, models=models or ("scripted",))

    def _conversations(self, top: Mapping[str, Entry], root: Node) -> Iterator[Conversation]:
        listed = top.get("conversations")
        if listed is None:
            if "turns" not in top:
                rule = "it needs `turns:`, or `conversations:` with `turns:` each"
                self._problems.add(line(root), "script", rule)
                return
            yield self._conversation(top, root, "all")
        elif "turns" in top or "then" in top:
            self._problems.add(listed.line, "conversations", "put `turns` and `then` into each")
        elif isinstance(listed.node, SequenceNode) and listed.node.value:
            for number, node in enumerate(listed.node.value, 1):
                fields = self._fields.mapping(node, "conversations", CONVERSATION_FIELDS)
                yield self._conversation(fields, node, str(number))
        else:
            what = described(listed.node)
            self._problems.add(listed.line, "conversations", f"a list is needed, not {what}")

    def _conversation(self, fields: Mapping[str, Entry], node: Node, name: str) -> Conversation:
        ending = self._fields.choice(fields.get("then"), tuple(Ending))
        return Conversation(
            name=self._fields.text(fields.get("name")) or name,
            turns=tuple(self._played(fields.get("turns"), node)),
            when=self._match(fields.get("when")),
            then=Ending(ending) if ending else Ending.FAIL,
            shared=bool(self._fields.truth(fields.get("shared"))),
        )

    def _match(self, entry: Entry | None) -> Match:
        if entry is None:
            return Match()
        given = self._fields.mapping(entry.node, "when", MATCH_FIELDS)
        return Match(
            api=self._fields.api(given.get("api")),
            model=self._fields.text(given.get("model")),
            system=self._fields.names(given.get("system")),
            prompt=self._fields.names(given.get("prompt")),
            last=self._fields.names(given.get("last")),
            turn=self._fields.whole(given.get("turn"), 1),
            tool=self._fields.text(given.get("tool")),
        )

    def _played(self, entry: Entry | None, node: Node) -> Iterator[Turn]:
        if entry is None or not isinstance(entry.node, SequenceNode) or not entry.node.value:
            at = entry.line if entry else line(node)
            self._problems.add(at, "turns", "a list with at least one turn is needed")
            return
        total = 0
        for item in entry.node.value:
            turn, times = self._turns.read(item)
            total += times
            if total > MAX_TIMES:
                self._problems.add(line(item), "turns", f"there are more than {MAX_TIMES}")
                return
            yield from [turn] * times
