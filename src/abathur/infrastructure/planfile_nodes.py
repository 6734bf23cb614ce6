"""YAML and JSON text as nodes that know their lines, safe against files made to do harm."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from abathur.domain.errors import PlanError
from abathur.domain.wording import count

MAX_BYTES: Final = 5_000_000
MAX_EXPANDED: Final = 4 * MAX_BYTES
"""Aliases can make a small file stand for a huge plan; this much is read, counted in characters."""
NODE_COST: Final = 16
MAX_DEPTH: Final = 100
SHOWN_PROBLEMS: Final = 100
LONGEST_NAME: Final = 80

_TAG: Final = "tag:yaml.org,2002:"
_TEXTS: Final = frozenset({"str", "timestamp", "value", "merge"})
_KINDS: Final = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}


class Problems:
    """What is wrong with a file, so that all of it can be told at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[str, int] = {}

    def add(self, line: int, where: str, text: str) -> None:
        told = f"{' '.join(where.split())[:LONGEST_NAME]}: {' '.join(text.split())}"
        self.keep([f"{self.file}:{line}: {told}"], line)

    def keep(self, problems: Sequence[str], line: int = 0) -> None:
        for problem in problems:
            self._found.setdefault(problem, line or _line_of(problem, self.file))

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> PlanError:
        """In the order of the file, the first hundred."""
        shown = sorted(self._found, key=self._found.__getitem__)
        more = len(shown) - SHOWN_PROBLEMS
        cut = [f"{self.file}: and {count(more, 'more problem')}"] if more > 0 else []
        return PlanError([*shown[:SHOWN_PROBLEMS], *cut])


def _line_of(problem: str, file: str) -> int:
    number = problem.removeprefix(f"{file}:").partition(":")[0]
    return int(number) if number.isdecimal() else 0


class Broken(Exception):
    """The file can't be read any further; the problem was told."""


@dataclass(slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: str
    line: int
    node: Node


def line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def kind(node: Node) -> str:
    """`str`, `int`, `map`, ...; a tag that the standard doesn't know as it is written."""
    return str(node.tag).removeprefix(_TAG)


def described(node: Node) -> str:
    """What a value is, for a message that something else was needed."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return _KINDS.get(kind(node), "text")


def compose(content: str | bytes, problems: Problems, needed: str = "`tasks:`") -> Node:
    """The root of the only document. Raises `Broken`. `needed` is what an empty file lacks."""
    text = _spaced(_decoded(content, problems))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _broken(problems, *_told(error)) from error
    except yaml.reader.ReaderError as error:
        at = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character[:1])
        raise _broken(problems, at, f"the character U+{code:04X} isn't allowed here") from error
    except RecursionError as error:
        raise _broken(problems, 1, "it is nested too deeply") from error
    except (ValueError, OverflowError, LookupError, yaml.YAMLError) as error:
        raise _broken(problems, 1, f"it can't be read ({error})") from error
    if node is None:
        raise _broken(problems, 1, f"the file is empty; it needs {needed}")
    return node


def _broken(problems: Problems, at: int, text: str) -> Broken:
    problems.add(at, "syntax", text)
    return Broken()


def _decoded(content: str | bytes, problems: Problems) -> str:
    if len(content) > MAX_BYTES:
        raise _broken(problems, 1, f"it is larger than {MAX_BYTES // 1_000_000} MB")
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content.count(b"\n", 0, error.start) + 1
        raise _broken(problems, at, "it isn't UTF-8 text") from error


def _spaced(text: str) -> str:
    """JSON may be indented with tabs, YAML may not. In valid JSON no string holds a raw tab."""
    if "\t" not in text or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _told(error: yaml.MarkedYAMLError) -> tuple[int, str]:
    mark = error.problem_mark or error.context_mark
    text = " ".join((error.problem or error.context or "it can't be read").split())
    if "'\\t'" in text:
        text = "a tab can't indent YAML; use spaces"
    elif "single document" in text or "but found another document" in text:
        text = "there is a second document (`---`); one document is all"
    return (int(mark.line) + 1 if mark else 1), text


@dataclass(slots=True)
class Nodes:
    """Reads values out of nodes and counts how much was read."""

    problems: Problems
    _read: int = field(default=0)

    def _charge(self, node: Node) -> None:
        size = len(node.value) if isinstance(node, ScalarNode) else 0
        self._read += NODE_COST + size
        if self._read > MAX_EXPANDED:
            self.problems.add(line(node), "syntax", "aliases (`*name`) or defaults make it too big")
            raise Broken

    def entries(self, node: MappingNode, where: str) -> dict[str, Entry]:
        """Each key with its value; a key that is there twice is a problem and the first counts."""
        found: dict[str, Entry] = {}
        for key_node, value in node.value:
            key = self.name(key_node, where)
            if key is None:
                continue
            entry = Entry(key, line(key_node), value)
            first = found.setdefault(key, entry)
            if first is not entry:
                text = f"`{key}` is there twice, on lines {first.line} and {entry.line}"
                self.problems.add(entry.line, where, text)
        return found

    def name(self, node: Node, where: str) -> str | None:
        """Any single value as it is written: the name `1` needs no quotes."""
        if isinstance(node, ScalarNode) and kind(node) != "null":
            return self._clean(node, where)
        self.problems.add(line(node), where, f"a name is needed, not {described(node)}")
        return None

    def text(self, node: Node, where: str) -> str | None:
        unquoted = isinstance(node, ScalarNode) and kind(node) in _KINDS
        if isinstance(node, ScalarNode) and not unquoted:
            return self._clean(node, where)
        hint = "; put it in quotes" if unquoted else ""
        self.problems.add(line(node), where, f"text is needed, not {described(node)}{hint}")
        return None

    def _clean(self, node: ScalarNode, where: str) -> str | None:
        self._charge(node)
        if kind(node) not in _TEXTS and kind(node) not in _KINDS:
            text = f"the tag `{node.tag}` isn't known; leave it out"
            self.problems.add(line(node), where, text)
            return None
        try:
            # JSON writes what is beyond U+FFFF as two halves, which YAML leaves apart.
            text = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self.problems.add(line(node), where, "it holds a character that isn't text")
            return None
        return text

    def plain(self, node: Node, where: str, depth: int = 0) -> Any:
        """The value as JSON has it. What JSON doesn't have stays as it is written."""
        self._charge(node)
        if depth > MAX_DEPTH:
            self.problems.add(line(node), where, "it is nested too deeply")
            raise Broken
        if isinstance(node, MappingNode):
            entries = self.entries(node, where).values()
            return {entry.key: self.plain(entry.node, where, depth + 1) for entry in entries}
        if isinstance(node, SequenceNode):
            return [self.plain(item, where, depth + 1) for item in node.value]
        return self._scalar(node, where)

    def _scalar(self, node: Node, where: str) -> Any:
        assert isinstance(node, ScalarNode)
        if kind(node) not in _KINDS:
            return self._clean(node, where)
        try:
            value = yaml.safe_load(node.value) if node.style is None else node.value
        except (ValueError, OverflowError, yaml.YAMLError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.add(line(node), where, f"`{node.value[:40]}` isn't a number of JSON")
            return None
        return value
