"""One member of an object in a JSON file set, everything else left as it stands.

Takes comments and trailing commas too, as editors do; both stay where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')
_BLANK: Final = re.compile(r"\s*")
_GAP: Final = re.compile(r":\s")
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    begin: int
    """Of its value; `end` is where that ends."""
    end: int


def parsed(text: str) -> Any:
    """Raises `ValueError`."""
    return json.loads(plain(text)) if plain(text).strip() else {}


def plain(text: str) -> str:
    """The same text, of the same length, without comments and trailing commas."""
    bare = _without_comments(text)
    return _TRAILING.sub(lambda one: one[1] or " ", bare)


def _without_comments(text: str) -> str:
    return _TOKEN.sub(lambda one: one[0] if one[0][0] == '"' else _spaces(one[0]), text)


def _spaces(text: str) -> str:
    return "".join(c if c == "\n" else " " for c in text)


def with_value(text: str, path: Sequence[str], value: Any) -> str:
    """`value` at `path`, a name in the root, one in what that holds, and so on.

    What is missing on the way is made. `text` must be what `parsed` takes, with objects at its root
    and on the path.
    """
    bare = plain(text)
    if not bare.strip("{} \t\r\n") and bare == text:
        # There is no layout that somebody has chosen.
        return json.dumps(_nested(path, value), indent=_INDENT, ensure_ascii=False) + "\n"
    if not bare.strip():
        return f"{text}{json.dumps(_nested(path, value), indent=_INDENT, ensure_ascii=False)}\n"
    begin = bare.index("{")
    for depth, name in enumerate(path[:-1]):
        found = {one.key: one for one in _members(bare, begin)}
        if name not in found:
            return _set(text, begin, name, _nested(path[depth + 1 :], value))
        begin = found[name].begin
    return _set(text, begin, path[-1], value)


def _nested(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _members(bare: str, begin: int) -> Sequence[_Member]:
    """Of the object whose brace stands at `begin`."""
    decoder, place, found = json.JSONDecoder(), begin + 1, []
    while bare[place := _after_blank(bare, place)] != "}":
        key, place = decoder.raw_decode(bare, place)
        value = _after_blank(bare, _after_blank(bare, place) + 1)
        _, place = decoder.raw_decode(bare, value)
        found.append(_Member(key, value, place))
        place = _after_blank(bare, place)
        place += bare[place] == ","
    return found


def _after_blank(bare: str, place: int) -> int:
    found = _BLANK.match(bare, place)
    assert found is not None
    return found.end()


def _set(text: str, begin: int, name: str, value: Any) -> str:
    bare = plain(text)
    members = _members(bare, begin)
    if "\n" not in text.strip() and _without_comments(text) == text:
        return _set_in_line(text, begin, members, name, value)
    outer = _indent_at(text, begin)
    inner = outer + _INDENT
    if members and "\n" in text[begin : members[0].begin]:
        inner = _indent_at(text, members[0].begin)
    step = inner.removeprefix(outer) or _INDENT
    there = next((one for one in members if one.key == name), None)
    told = json.dumps(value, indent=step, ensure_ascii=False).replace("\n", f"\n{inner}")
    if there is not None:
        return text[: there.begin] + told + text[there.end :]
    entry = f"\n{inner}{json.dumps(name)}: {told}"
    if not members:
        close = bare.index("}", begin)
        rest = text[begin + 1 : close].rstrip()
        return f"{text[: begin + 1]}{rest}{entry}\n{outer}{text[close:]}"
    return _appended(text, members[-1].end, entry, outer)


def _set_in_line(text: str, begin: int, members: Sequence[_Member], name: str, value: Any) -> str:
    """In a file of one line, with the gaps that it has."""
    gap = " " if _GAP.search(text) else ""
    told = json.dumps(value, ensure_ascii=False, separators=(f",{gap}", f":{gap}"))
    for one in members:
        if one.key == name:
            return text[: one.begin] + told + text[one.end :]
    entry = f"{json.dumps(name)}:{gap}{told}"
    if not members:
        return f"{text[: begin + 1]}{entry}{text[begin + 1 :]}"
    last = members[-1].end
    return f"{text[:last]},{gap}{entry}{text[last:]}"


def _appended(text: str, last: int, entry: str, outer: str) -> str:
    """Behind the last member, whose value ends at `last`, and behind what is said of it."""
    bare = _without_comments(text)
    after = _after_blank(bare, last)
    comma = bare[after] == ","
    place = after + 1 if comma else last
    line = text.find("\n", place)
    if line != -1 and not bare[place:line].strip():
        return f"{text[:last]}{'' if comma else ','}{text[last:line]}{entry}{text[line:]}"
    head = text[:place] + ("" if comma else ",")
    return f"{head}{entry}\n{outer}{text[place:].lstrip(' ')}"


def _indent_at(text: str, place: int) -> str:
    """What the line begins with."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip())]
