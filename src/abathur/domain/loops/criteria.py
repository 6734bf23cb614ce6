"""When a loop has converged: criteria as they are written, checked, and walked through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from abathur.domain import times
from abathur.domain.errors import InvalidInputError
from abathur.domain.loops.matching import groups_of

MAX_PARTS: Final = 20
"""Criteria in one loop, combinations counted too: each may run a program in every iteration."""
MAX_TEXT: Final = 20_000
DEFAULT_TIMEOUT_SECONDS: Final = 1800
FUNCTION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*\.py:[A-Za-z_][A-Za-z0-9_]*")
_PATH: Final = re.compile(r"\$?\.?(?:[^.\[\]]+|\[\d{1,6}\])(?:\.[^.\[\]]+|\[\d{1,6}\])*")
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d{1,6})\]")


class CriterionKind(StrEnum):
    METRIC = "metric"
    """A number from a program's output, against a threshold."""
    STABLE = "stable"
    """The tree, or a program's output, stays the same over a window of iterations."""
    PASSES = "passes"
    """A program ends with exit code 0."""
    CUSTOM = "custom"
    """A program or function of the configuration says so itself."""
    JUDGE = "judge"
    """An agent gives a score, with reasons, by a rubric."""
    ALL = "all"
    ANY = "any"


COMBINED: Final = frozenset({CriterionKind.ALL, CriterionKind.ANY})


class Goal(StrEnum):
    MAXIMISE = "maximise"
    MINIMISE = "minimise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Which fields count depends on `kind`."""

    kind: CriterionKind
    argv: tuple[str, ...] = ()
    function: str | None = None
    """`FILE.py:NAME`, the file below the project's `.abathur`."""
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    json_path: str | None = None
    """Where the number stands in the output, like `totals.lines[0].percent`."""
    pattern: str | None = None
    """A regular expression; the number is the first group of its last match."""
    goal: Goal = Goal.MAXIMISE
    threshold: float | None = None
    of_output: bool = False
    """Whether stability is that of a program's output, not of the tree."""
    window: int = 2
    """How many iterations in a row have to be alike."""
    similarity: float = 1.0
    """From which share on two outputs are alike."""
    agent: str | None = None
    rubric: str = ""
    parts: tuple[Criterion, ...] = ()


def walk(criterion: Criterion, path: str = "until") -> Iterator[tuple[str, Criterion]]:
    """It and its parts, each with the path that names it."""
    yield path, criterion
    for index, part in enumerate(criterion.parts):
        yield from walk(part, f"{path}.{criterion.kind}[{index}]")


def runs_programs(criterion: Criterion) -> bool:
    return any(one.argv or one.function for _, one in walk(criterion))


def json_value(value: Any, path: str) -> Any:
    """What stands at the path in parsed JSON; None when there is nothing."""
    for name, index in _STEP.findall(path.removeprefix("$").lstrip(".")):
        if index:
            if not isinstance(value, Sequence) or isinstance(value, str):
                return None
            value = value[int(index)] if int(index) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


# --- reading what was written ---------------------------------------------------------------

Named = Mapping[str, Any]
"""The criteria of the configuration, by name, as they are written."""


def criterion(value: object, where: str, named: Named | None = None) -> Criterion:
    """Raises `InvalidInputError` as `WHERE: what is wrong`."""
    found = _criterion(value, where, {} if named is None else named, 0)
    if sum(1 for _ in walk(found)) > MAX_PARTS:
        raise _wrong(where, f"at most {MAX_PARTS} criteria are possible")
    return found


def _criterion(value: object, where: str, named: Named, depth: int) -> Criterion:
    kinds = ", ".join(CriterionKind)
    if depth > MAX_PARTS:
        raise _wrong(where, "it is nested too deeply, or names itself")
    if not isinstance(value, Mapping) or len(value) != 1:
        raise _wrong(where, f"one of {kinds} or use is expected, with what it says")
    ((key, inner),) = value.items()
    if key == "use":
        if not isinstance(inner, str) or inner not in named:
            there = ", ".join(sorted(named)) or "none"
            raise _wrong(where, f"no criterion `{inner!s:.40}` is configured; there are: {there}")
        return _criterion(named[inner], where, named, depth + 1)
    if key not in set(CriterionKind):
        raise _wrong(where, f"`{key!s:.40}` isn't known; possible are {kinds} and use")
    kind, at = CriterionKind(key), f"{where}.{key}"
    if kind in COMBINED:
        return Criterion(kind=kind, parts=_parts(inner, at, named, depth))
    return _READERS[kind](inner, at)


def _parts(value: object, where: str, named: Named, depth: int) -> tuple[Criterion, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise _wrong(where, "a list of criteria is expected")
    return tuple(
        _criterion(part, f"{where}[{index}]", named, depth + 1) for index, part in enumerate(value)
    )


def _metric(value: object, where: str) -> Criterion:
    section = _section(
        value, where, "command function timeout json pattern goal threshold", {"threshold"}
    )
    if (section.get("json") is None) == (section.get("pattern") is None):
        raise _wrong(where, "it needs either `json`, a path, or `pattern`, a regular expression")
    return replace(
        _program(CriterionKind.METRIC, section, where),
        json_path=_path(section.get("json"), f"{where}.json"),
        pattern=_pattern(section.get("pattern"), f"{where}.pattern"),
        goal=_goal(section.get("goal", Goal.MAXIMISE), f"{where}.goal"),
        threshold=number(section["threshold"], f"{where}.threshold"),
    )


def _stable(value: object, where: str) -> Criterion:
    given = {"of": value} if isinstance(value, str) else value
    section = _section(given, where, "of window similarity command function timeout", {"of"})
    of = section["of"]
    if of not in {"tree", "output"}:
        raise _wrong(f"{where}.of", "`tree` or `output` is expected")
    made = Criterion(kind=CriterionKind.STABLE)
    if of == "output":
        made = _program(CriterionKind.STABLE, section, where)
    elif section.get("command") or section.get("function"):
        raise _wrong(where, "the tree needs no command; leave it out, or say `of: output`")
    return replace(
        made,
        of_output=of == "output",
        window=whole(section.get("window", 2), f"{where}.window", 2, 100),
        similarity=number(section.get("similarity", 1), f"{where}.similarity", 0, 1),
    )


def _passes(value: object, where: str) -> Criterion:
    given = value if isinstance(value, Mapping) else {"command": value}
    section = _section(given, where, "command timeout", {"command"})
    return _program(CriterionKind.PASSES, section, where)


def _custom(value: object, where: str) -> Criterion:
    section = _section(value, where, "command function timeout threshold")
    made = _program(CriterionKind.CUSTOM, section, where)
    limit = section.get("threshold")
    return replace(made, threshold=None if limit is None else number(limit, f"{where}.threshold"))


def _judge(value: object, where: str) -> Criterion:
    section = _section(
        value, where, "agent rubric threshold timeout", {"agent", "rubric", "threshold"}
    )
    return Criterion(
        kind=CriterionKind.JUDGE,
        agent=_text(section["agent"], f"{where}.agent", 100),
        rubric=_text(section["rubric"], f"{where}.rubric", MAX_TEXT) or "",
        threshold=number(section["threshold"], f"{where}.threshold", 0, 1),
        timeout_seconds=_timeout(section, where),
    )


_READERS: Final[Mapping[CriterionKind, Callable[[object, str], Criterion]]] = {
    CriterionKind.METRIC: _metric,
    CriterionKind.STABLE: _stable,
    CriterionKind.PASSES: _passes,
    CriterionKind.CUSTOM: _custom,
    CriterionKind.JUDGE: _judge,
}


def _program(kind: CriterionKind, section: Mapping[str, Any], where: str) -> Criterion:
    command, function = section.get("command"), section.get("function")
    if (command is None) == (function is None):
        raise _wrong(where, "it needs either `command` or `function`")
    if function is not None and (
        not isinstance(function, str) or not FUNCTION.fullmatch(function) or ".." in function
    ):
        raise _wrong(f"{where}.function", "`FILE.py:NAME` is expected, a file below `.abathur`")
    return Criterion(
        kind=kind,
        argv=() if command is None else argv(command, f"{where}.command"),
        function=function,
        timeout_seconds=_timeout(section, where),
    )


def argv(value: object, where: str) -> tuple[str, ...]:
    """A text is for a shell, a list is a program and its arguments."""
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return ("/bin/sh", "-c", value)
    if (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and value
        and all(isinstance(one, str) and "\0" not in one for one in value)
        and value[0]
    ):
        return tuple(value)
    raise _wrong(where, "a text for a shell, or a list of texts, is expected")


def _section(
    value: object, where: str, known: str, needed: set[str] | None = None
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(where, f"a section is expected, with {', '.join(known.split())}")
    for key in value:
        if key not in known.split():
            raise _wrong(where, f"`{key!s:.40}` isn't known; possible are {known}")
    for key in sorted(needed or ()):
        if value.get(key) is None:
            raise _wrong(where, f"`{key}` is missing")
    return value


def _timeout(section: Mapping[str, Any], where: str) -> int:
    value = section.get("timeout", DEFAULT_TIMEOUT_SECONDS)
    return seconds(value, f"{where}.timeout")


def seconds(value: object, where: str) -> int:
    found = None if isinstance(value, bool) else times.seconds(str(value))
    if found is None or not 1 <= found <= 30 * 86_400:
        raise _wrong(where, 'a time like 90, "10m" or "2h" is expected')
    return int(found)


def number(value: object, where: str, low: float = -1e15, high: float = 1e15) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        span = "" if (low, high) == (-1e15, 1e15) else f" from {low:g} to {high:g}"
        raise _wrong(where, f"a number{span} is expected")
    return float(value)


def whole(value: object, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(where, f"a whole number from {low} to {high} is expected")
    return value


def _goal(value: object, where: str) -> Goal:
    if value not in set(Goal):
        raise _wrong(where, f"{' or '.join(Goal)} is expected")
    return Goal(str(value))


def _path(value: object, where: str) -> str | None:
    text = _text(value, where, 200)
    if text is not None and not _PATH.fullmatch(text):
        raise _wrong(where, "a path like `totals.lines[0].percent` is expected")
    return text


def _pattern(value: object, where: str) -> str | None:
    text = _text(value, where, 500)
    if text is None:
        return None
    try:
        groups = groups_of(text)
    except ValueError as error:
        raise _wrong(where, f"it is no regular expression ({error})") from error
    if groups < 1:
        raise _wrong(where, "it needs a group around the number, like `total: ([0-9.]+)`")
    return text


def _text(value: object, where: str, longest: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\0" in value or len(value) > longest:
        raise _wrong(where, f"a text of at most {longest} characters is expected")
    return value.strip()


def _wrong(where: str, text: str) -> InvalidInputError:
    return InvalidInputError(f"{where}: {text}")
