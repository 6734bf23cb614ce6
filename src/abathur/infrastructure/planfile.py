"""Backlog files: YAML or JSON text to a checked plan, or everything that is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from yaml.nodes import MappingNode, Node, SequenceNode

from abathur.domain.errors import InvalidInputError, PlanError
from abathur.domain.plans import Plan, PlannedTask, in_order
from abathur.domain.tasks import NewTask
from abathur.infrastructure.planfile_nodes import (
    Broken,
    Entry,
    Nodes,
    Problems,
    compose,
    described,
    kind,
    line,
)
from abathur.infrastructure.planfile_values import Values

STDIN: Final = "-"
MAX_NAME: Final = 80
TOP_FIELDS: Final = ("plan", "target", "defaults", "tasks")
OWN_FIELDS: Final = ("prompt", "summary", "needs")
"""What each task says for itself, so that `defaults` can't."""
SHARED_FIELDS: Final = (
    "agent_type",
    "priority",
    "source",
    "deadline",
    "not_before",
    "estimate",
    "max_retries",
    "timeout",
    "input_data",
    "target",
    "touches",
    "allow_overlap",
    "loop",
    "candidates",
)
LOOPS: Final = ("loop", "candidates")
"""Fields that only make sense with the configuration: whoever queues the plan reads them."""
ATTRIBUTES: Final = {
    "allow_overlap": "may_overlap",
    "estimate": "estimated_duration_seconds",
    "timeout": "max_execution_timeout_seconds",
    "target": "feature_branch",
}
"""Fields that `NewTask` calls by another name."""
OTHER_WORDS: Final = {
    "agent": "agent_type",
    "branch": "target",
    "dependencies": "needs",
    "depends_on": "needs",
    "description": "prompt",
    "feature_branch": "target",
    "files": "touches",
    "input": "input_data",
    "paths": "touches",
    "retries": "max_retries",
    "title": "summary",
}


def read_plan(path: str, content: str | bytes, now: datetime) -> Plan:
    """Check the text of the file `path` (`-` for standard input) as a whole.

    Times like `+2h` are counted from `now`. Raises `PlanError`, which holds every problem.
    """
    problems = Problems("stdin" if path == STDIN else path)
    try:
        root = compose(content, problems)
        plan = _Reader(problems, now).plan(root, path)
    except Broken:
        raise problems.error() from None
    try:
        in_order(plan)
    except PlanError as error:
        problems.keep(error.problems)
    if problems:
        raise problems.error()
    return plan


class _Reader:
    def __init__(self, problems: Problems, now: datetime) -> None:
        self._problems = problems
        self._nodes = Nodes(problems)
        self._values = Values(self._nodes, now)

    def plan(self, root: Node, path: str) -> Plan:
        top = self._mapping(root, "plan", "the top level is a mapping with `tasks:`")
        self._check_known(top, TOP_FIELDS)
        shared = self._defaults(top)
        tasks = {task.name: task for task in self._tasks(top, shared, line(root))}
        return Plan(name=self._plan_name(top, path), file=self._problems.file, tasks=tasks)

    def _mapping(self, node: Node, where: str, rule: str) -> dict[str, Entry]:
        if isinstance(node, MappingNode):
            return self._nodes.entries(node, where)
        self._problems.add(line(node), where, f"{rule}, not {described(node)}")
        return {}

    def _check_known(self, entries: Mapping[str, Entry], known: tuple[str, ...]) -> None:
        for entry in entries.values():
            if entry.key not in known:
                self._problems.add(entry.line, entry.key, _unknown(entry.key, known))

    def _plan_name(self, top: Mapping[str, Entry], path: str) -> str:
        entry = top.get("plan")
        if entry is not None and kind(entry.node) != "null":
            name = self._nodes.name(entry.node, "plan")
            return self._checked_name(name, line(entry.node), "plan") or ""
        if path == STDIN:
            self._problems.add(1, "plan", "it is missing; a plan from standard input needs a name")
        return (Path(path).stem.replace(":", "-") or "plan")[:MAX_NAME]

    def _checked_name(self, given: str | None, at: int, where: str) -> str | None:
        """None when the name is none, which is told, or when that was told before."""
        if given is None:
            return None
        name = given.strip()
        if name and len(name) <= MAX_NAME and ":" not in name and name.isprintable():
            return name
        rule = f"a name has 1 to {MAX_NAME} characters on one line and no colon"
        self._problems.add(at, where, rule)
        return None

    def _defaults(self, top: Mapping[str, Entry]) -> dict[str, Entry]:
        entry = top.get("defaults")
        given: dict[str, Entry] = {}
        if entry is not None and kind(entry.node) != "null":
            given = self._mapping(entry.node, "defaults", "it is a mapping of fields")
        for own in [given.pop(name) for name in OWN_FIELDS if name in given]:
            self._problems.add(own.line, own.key, "it has no default; give it to each task")
        self._check_known(given, SHARED_FIELDS)
        target = {"target": top["target"]} if "target" in top else {}
        return target | given

    def _tasks(
        self, top: Mapping[str, Entry], shared: Mapping[str, Entry], root_line: int
    ) -> Iterator[PlannedTask]:
        entry = top.get("tasks")
        if entry is None or kind(entry.node) == "null" or not entry.node.value:
            at = entry.line if entry else root_line
            self._problems.add(at, "tasks", "there are none; a plan needs at least one")
        elif isinstance(entry.node, MappingNode):
            yield from self._named(entry.node, shared)
        elif isinstance(entry.node, SequenceNode):
            yield from self._listed(entry.node, shared)
        else:
            rule = "it is a mapping of names to tasks, or a list of tasks with `name:`"
            self._problems.add(line(entry.node), "tasks", f"{rule}, not {described(entry.node)}")

    def _named(self, node: MappingNode, shared: Mapping[str, Entry]) -> Iterator[PlannedTask]:
        for entry in self._nodes.entries(node, "tasks").values():
            name = self._checked_name(entry.key, entry.line, "tasks")
            if name is not None:
                fields = self._mapping(entry.node, name, "a task is a mapping with `prompt:`")
                yield self._task(name, entry.line, fields, shared)

    def _listed(self, node: SequenceNode, shared: Mapping[str, Entry]) -> Iterator[PlannedTask]:
        seen: dict[str, Entry] = {}
        for item in node.value:
            fields = self._mapping(item, "tasks", "a task is a mapping with `name:` and `prompt:`")
            name = self._listed_name(item, fields, seen)
            if name is not None:
                yield self._task(name, line(item), fields, shared)

    def _listed_name(
        self, item: Node, fields: dict[str, Entry], seen: dict[str, Entry]
    ) -> str | None:
        entry = fields.pop("name", None)
        if entry is None:
            if isinstance(item, MappingNode):
                rule = "it is missing; each task of a list needs one"
                self._problems.add(line(item), "name", rule)
            return None
        given = self._nodes.name(entry.node, "name")
        name = self._checked_name(given, line(entry.node), "name")
        if name is not None and seen.setdefault(name, entry) is not entry:
            text = f"`{name}` is there twice, on lines {seen[name].line} and {entry.line}"
            self._problems.add(entry.line, "name", text)
            return None
        return name

    def _task(
        self, name: str, at: int, fields: Mapping[str, Entry], shared: Mapping[str, Entry]
    ) -> PlannedTask:
        self._check_known(fields, OWN_FIELDS + SHARED_FIELDS)
        needs = fields.get("needs")
        return PlannedTask(
            name=name,
            new=self._new_task(at, {**shared, **fields}),
            loop=self._loop({**shared, **fields}),
            needs=self._needs(needs) if needs else (),
            line=at,
            needs_line=needs.line if needs else at,
        )

    def _loop(self, fields: Mapping[str, Entry]) -> Any:
        given = [fields[one] for one in LOOPS if one in fields and kind(fields[one].node) != "null"]
        if len(given) > 1:
            self._problems.add(given[1].line, "candidates", "a task has a loop or candidates")
        if not given:
            return None
        value = self._nodes.plain(given[0].node, given[0].key)
        return {"candidates": value} if given[0].key == "candidates" else value

    def _needs(self, entry: Entry) -> tuple[str, ...]:
        node = entry.node
        if kind(node) == "null":
            return ()
        items = node.value if isinstance(node, SequenceNode) else [node]
        names = [self._nodes.name(item, "needs") for item in items]
        return tuple(dict.fromkeys(name.strip() for name in names if name is not None))

    def _new_task(self, at: int, fields: Mapping[str, Entry]) -> NewTask:
        """The task without prerequisites; some valid one after a problem was told."""
        values: dict[str, Any] = {}
        for name in (one for one in OWN_FIELDS[:2] + SHARED_FIELDS if one not in LOOPS):
            entry = fields.get(name)
            if entry is not None and kind(entry.node) != "null":
                value = self._values.read(name, entry.node)
                if value is not None and self._accepted(name, value, entry):
                    values[ATTRIBUTES.get(name, name)] = value
        prompt = fields.get("prompt")
        if prompt is None or kind(prompt.node) == "null":
            at = prompt.line if prompt else at
            self._problems.add(at, "prompt", "it is missing; say what the agent shall do")
        return NewTask(**{"prompt": "(missing)", **values})

    def _accepted(self, name: str, value: Any, entry: Entry) -> bool:
        """Ask the domain about this field alone, so that each of them is judged."""
        try:
            NewTask(**{"prompt": "some", ATTRIBUTES.get(name, name): value})
        except InvalidInputError as error:
            where, _, text = str(error).partition(": ")
            self._problems.add(line(entry.node), where, text)
            return False
        return True


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if name == "<<":
        return "merging isn't possible here; use `defaults:` for what tasks have in common"
    other = OTHER_WORDS.get(name)
    close = [other] if other in known else difflib.get_close_matches(name, known, 1)
    hint = f"did you mean `{close[0]}`?" if close else f"the fields are {', '.join(known)}"
    return f"there is no such field; {hint}"
