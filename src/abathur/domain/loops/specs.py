"""A loop as it is asked for: its criterion, its limits, and what follows when they are reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.loops.criteria import (
    Criterion,
    CriterionKind,
    Named,
    criterion,
    number,
    runs_programs,
    seconds,
    walk,
    whole,
)

DEFAULT_ITERATIONS: Final = 10
MAX_ITERATIONS: Final = 1000
MAX_CANDIDATES: Final = 16
DEFAULT_WINDOW: Final = 3
LONGEST_NAME: Final = 200


class Otherwise(StrEnum):
    """What becomes of the best iteration of a loop that ends without having converged."""

    ASK = "ask"
    """A person says whether it may land."""
    LAND = "land"
    FAIL = "fail"


class Strategy(StrEnum):
    """How the next iteration goes about it."""

    FEEDBACK = "feedback"
    """On the work as it is, with what was measured."""
    FRESH_START = "fresh_start"
    """From the target again, with what was learnt."""
    OTHER_APPROACH = "other_approach"
    """From the best work so far, and not by the way that led nowhere."""
    DECOMPOSE = "decompose"
    """Only the smallest next step of what is left, from the best work so far."""
    OTHER_MODEL = "other_model"
    """The next model of the loop's list, from the best work so far."""
    ASK = "ask"
    """Give up, and ask a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """With what a candidate is made; None is what the agent type says."""

    runtime: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSpec:
    until: Criterion | None = None
    """None for candidates, which are measured by the gates of their target."""
    candidates: tuple[Choice, ...] = ()
    judge: Criterion | None = None
    """Of candidates: decides between those that pass the gates."""
    max_iterations: int = DEFAULT_ITERATIONS
    max_seconds: int | None = None
    """Of all its attempts together, without what lies between them."""
    max_tokens: int | None = None
    max_usd: float | None = None
    otherwise: Otherwise = Otherwise.ASK
    window: int = DEFAULT_WINDOW
    """How many iterations patterns are looked for in."""
    strategies: tuple[Strategy, ...] = tuple(Strategy)
    models: tuple[str, ...] = ()

    @property
    def judges(self) -> tuple[str, ...]:
        """Agent types of those that look at each iteration."""
        found = [one for _, one in walk(self.until)] if self.until else []
        return tuple(one.agent for one in (*found, self.judge) if one and one.agent)

    @property
    def runs_programs(self) -> bool:
        return self.until is not None and runs_programs(self.until)


_KEYS: Final = (
    "until candidates judge max_iterations max_time max_tokens max_usd otherwise window strategies"
    " models"
)
_KINDS: Final = frozenset({*CriterionKind, "use"}) - {CriterionKind.JUDGE}


def loop_spec(data: object, named: Named | None = None, where: str = "loop") -> LoopSpec:
    """Raises `InvalidInputError`. A single criterion may stand beside the limits, without `until`.

    `named` are the criteria of the configuration.
    """
    if not isinstance(data, Mapping):
        raise InvalidInputError(f"{where}: a section is expected, with `until` and limits")
    given = _with_until(data, where)
    for key in given:
        if key not in _KEYS.split():
            raise InvalidInputError(f"{where}: `{key!s:.40}` isn't known; possible are {_KEYS}")
    if ("until" in given) == ("candidates" in given):
        raise InvalidInputError(f"{where}: it needs either `until` or `candidates`")
    candidates = _candidates(given["candidates"], where) if "candidates" in given else ()
    until = criterion(given["until"], f"{where}.until", named) if "until" in given else None
    return LoopSpec(
        until=until,
        candidates=candidates,
        judge=_judge(given, where, named) if candidates else None,
        max_iterations=len(candidates) or _iterations(given, where),
        max_seconds=_optional(given, "max_time", where, seconds),
        max_tokens=_optional(given, "max_tokens", where, lambda v, w: whole(v, w, 1, 10**12)),
        max_usd=_optional(given, "max_usd", where, lambda v, w: number(v, w, 0, 1e9)),
        otherwise=Otherwise(
            _one_of(given.get("otherwise", "ask"), Otherwise, f"{where}.otherwise")
        ),
        window=whole(given.get("window", DEFAULT_WINDOW), f"{where}.window", 2, 100),
        strategies=_strategies(given.get("strategies"), f"{where}.strategies"),
        models=_names(given.get("models", ()), f"{where}.models"),
    )


def expanded(data: Mapping[str, Any], named: Named) -> dict[str, Any]:
    """The same with the configured criteria in the place of their names, to be kept with a task.

    What it holds must be valid: see `loop_spec`.
    """
    return {key: _expand(value, named) for key, value in data.items()} | (
        {"until": _expand({"use": data["use"]}, named)} if "use" in data else {}
    )


def _expand(value: Any, named: Named) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"use"} and isinstance(value["use"], str) and value["use"] in named:
            return _expand(named[value["use"]], named)
        return {key: _expand(item, named) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_expand(item, named) for item in value]
    return value


def _with_until(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`{passes: pytest, max_iterations: 3}` is `{until: {passes: pytest}, max_iterations: 3}`."""
    kinds = [key for key in data if key in _KINDS]
    if "judge" in data and "candidates" not in data and "until" not in data:
        kinds.append("judge")
    if not kinds:
        return dict(data)
    if len(kinds) > 1 or "until" in data:
        raise InvalidInputError(f"{where}: several criteria go into `all` or `any`")
    rest = {key: value for key, value in data.items() if key not in kinds}
    return {**rest, "until": data.get("until", {kinds[0]: data[kinds[0]]})}


def _candidates(value: object, where: str) -> tuple[Choice, ...]:
    at = f"{where}.candidates"
    if isinstance(value, int) and not isinstance(value, bool):
        return (Choice(),) * whole(value, at, 2, MAX_CANDIDATES)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidInputError(f"{at}: a number, or a list of `runtime` and `model`, is expected")
    if not 2 <= len(value) <= MAX_CANDIDATES:
        raise InvalidInputError(f"{at}: 2 to {MAX_CANDIDATES} candidates are possible")
    return tuple(_choice(one, f"{at}[{index}]") for index, one in enumerate(value))


def _choice(value: object, where: str) -> Choice:
    if not isinstance(value, Mapping) or not set(value) <= {"runtime", "model"}:
        raise InvalidInputError(f"{where}: `runtime` and `model` are expected")
    return Choice(
        runtime=_name(value.get("runtime"), f"{where}.runtime"),
        model=_name(value.get("model"), f"{where}.model"),
    )


def _judge(given: Mapping[str, Any], where: str, named: Named | None) -> Criterion | None:
    if given.get("judge") is None:
        return None
    section = {"threshold": 0, **given["judge"]} if isinstance(given["judge"], Mapping) else {}
    return criterion({"judge": section}, where, named)


def _iterations(given: Mapping[str, Any], where: str) -> int:
    value = given.get("max_iterations", DEFAULT_ITERATIONS)
    return whole(value, f"{where}.max_iterations", 1, MAX_ITERATIONS)


def _optional(given: Mapping[str, Any], key: str, where: str, read: Any) -> Any:
    value = given.get(key)
    return None if value is None else read(value, f"{where}.{key}")


def _one_of(value: object, kind: type[StrEnum], where: str) -> str:
    if value not in set(kind):
        raise InvalidInputError(f"{where}: one of {', '.join(kind)} is expected")
    return str(value)


def _strategies(value: object, where: str) -> tuple[Strategy, ...]:
    if value is None:
        return tuple(Strategy)
    names = _names(value, where)
    return tuple(Strategy(_one_of(name, Strategy, where)) for name in names)


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidInputError(f"{where}: a list of names is expected")
    return tuple(name for one in value if (name := _name(one, where)))


def _name(value: object, where: str) -> str | None:
    if value is None:
        return None
    is_text = isinstance(value, str) and value.strip() and value.isprintable()
    if not is_text or len(str(value)) > LONGEST_NAME or str(value).startswith("-"):
        raise InvalidInputError(f"{where}: a name is expected")
    return str(value).strip()
