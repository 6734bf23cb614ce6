"""What measurements mean: from what programs, gates and judges said to met or not, and how good."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from abathur.domain.loops.criteria import Criterion, CriterionKind, Goal, json_value, walk
from abathur.domain.loops.matching import MAX_SECONDS, last_match
from abathur.domain.loops.patterns import Merit
from abathur.domain.loops.specs import LoopSpec
from abathur.domain.wording import count

MAX_OUTPUT: Final = 200_000
"""Characters of a program's output that are looked at."""
MAX_KEPT: Final = 4000
"""Characters of it that are kept."""
MAX_REASONS: Final = 2000
MAX_SHOWN: Final = 200
"""Characters of the last line of a program that failed."""
MAX_WORDS: Final = 300
GATE: Final = "gate:"
JUDGE: Final = "judge"
DIFF_LINES: Final = "diff_lines"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a measurement means for the criterion."""

    is_met: bool
    merit: Merit = ()
    """Larger is better, the first that differs decides; None is worse than any number."""
    value: float | None = None
    """The number to show."""
    text: str = ""
    """One line for a person and for the agent."""


# --- what is kept of one program or judge -------------------------------------------------------


def observed(one: Criterion, code: int | None, output: str, errors: str) -> dict[str, Any]:
    """What there is to say about a program that ended; `code` None when it timed out."""
    output, errors = output[:MAX_OUTPUT], errors[-MAX_KEPT:]
    kept = {"exit_code": code, "output": _tail(output), "errors": errors[-1000:]}
    if code is None:
        return {**kept, "error": f"timed out after {one.timeout_seconds} s"}
    if one.kind is CriterionKind.PASSES:
        return kept
    if code != 0:
        return {**kept, "error": f"ended with exit code {code}{_last_line(errors or output)}"}
    if one.kind is CriterionKind.METRIC:
        return {**kept, **_metric_of(one, output)}
    if one.kind is CriterionKind.CUSTOM:
        return {**kept, **_custom_of(output)}
    return kept


def judged(text: object) -> dict[str, Any]:
    """The score of 0 to 1 and the reasons, from a judge's words: the last JSON that has them."""
    found = next((one for one in _objects(text) if finite(one.get("score")) is not None), None)
    if found is None:
        return {"error": "the judge gave no score"}
    score = min(1.0, max(0.0, finite(found["score"]) or 0.0))
    reasons = found.get("reasons")
    told = [str(one) for one in reasons] if isinstance(reasons, list) else [str(reasons or "")]
    return {"score": score, "reasons": "; ".join(one for one in told if one)[:MAX_REASONS]}


def _objects(value: object) -> list[Json]:
    """JSON objects in a text, or in the texts of a result, the last one first."""
    if isinstance(value, Mapping):
        return [value, *(found for one in value.values() for found in _objects(one))]
    if not isinstance(value, str):
        return []
    decoder, found = json.JSONDecoder(), []
    starts = [match.start() for match in re.finditer(r"\{", value[-MAX_OUTPUT:])][-200:]
    text = value[-MAX_OUTPUT:]
    for start in reversed(starts):
        try:
            one, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(one, Mapping):
            found.append(one)
    return found


def finite(value: object) -> float | None:
    """A number that can be reckoned with; also one written as text, as `92.5%`."""
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%").replace(",", ""))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _metric_of(one: Criterion, output: str) -> dict[str, Any]:
    found: object = None
    if one.pattern is not None:
        try:
            found = last_match(one.pattern, output)
        except TimeoutError:
            return {"error": f"its pattern took more than {MAX_SECONDS:g} s to look for"}
    else:
        try:
            found = json_value(json.loads(output), one.json_path or "")
        except (ValueError, RecursionError):
            return {"error": f"its output isn't JSON{_last_line(output)}"}
    value = finite(found)
    if value is None:
        return {"error": f"its output holds no number there{_last_line(output)}"}
    return {"value": value}


def _custom_of(output: str) -> dict[str, Any]:
    found = next((one for one in _objects(output) if {"score", "converged"} & set(one)), None)
    if found is None:
        return {"error": "it told neither `score` nor `converged`"}
    converged = found.get("converged")
    return {
        "score": finite(found.get("score")),
        "converged": converged if isinstance(converged, bool) else None,
        "reasons": str(found.get("reasons") or "")[:MAX_REASONS],
    }


def _last_line(text: str) -> str:
    lines = text.split("\n")
    last = next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
    return f": {last[:MAX_SHOWN]}" if last else ""


def _tail(text: str) -> str:
    return text[-MAX_KEPT:].strip()


# --- what it means ------------------------------------------------------------------------------


def is_unmeasured(spec: LoopSpec, measurement: Json) -> bool:
    """Whether nothing could be said about the criterion: every program or judge of it failed."""
    parts = [one for _, one in walk(spec.until)] if spec.until else []
    if not parts or any(one.kind is CriterionKind.STABLE and not one.of_output for one in parts):
        return False
    seen = (measurement.get("observations") or {}).values()
    return bool(seen) and all(one.get("error") for one in seen)


def reading(spec: LoopSpec, history: Sequence[Json]) -> Reading:
    """The newest of the measurements, judged with those before it; at least one.

    A measurement has `tree`, `observations` by path, and `diff_lines`.
    """
    if spec.until is None:
        return _candidate(history[-1])
    return _read(spec.until, "until", history)


def _candidate(measurement: Json) -> Reading:
    """By verification first, then by the judge, then by size: the smaller change is the better."""
    seen: Json = measurement["observations"]
    gates = {path.removeprefix(GATE): one for path, one in seen.items() if path.startswith(GATE)}
    failed = [name for name, one in gates.items() if one.get("exit_code") != 0]
    verdict = seen.get(JUDGE) or {}
    score = finite(verdict.get("score"))
    lines = int(measurement.get(DIFF_LINES) or 0)
    is_changed = bool(measurement.get("is_changed", True))
    words = ["changed nothing"] if not is_changed else []
    words += [f"failed {', '.join(failed)}"] if failed else []
    words += [f"passed {', '.join(gates)}"] if gates and not failed else []
    words += [f"the judge says {score:g}"] if score is not None else []
    is_met = is_changed and not failed
    merit: Merit = (float(is_met), -float(len(failed)), score, -float(lines))
    text = ", ".join([*words, count(lines, "changed line")])
    return Reading(is_met=is_met, merit=merit, value=score, text=text)


def _read(one: Criterion, path: str, history: Sequence[Json]) -> Reading:
    match one.kind:
        case CriterionKind.ALL | CriterionKind.ANY:
            return _combined(one, path, history)
        case CriterionKind.STABLE:
            return _stable(one, path, history)
    seen: Json = history[-1]["observations"].get(path) or {"error": "it wasn't measured"}
    if error := seen.get("error"):
        merit: Merit = (0.0,) if one.kind is CriterionKind.PASSES else (None,)
        return Reading(is_met=False, merit=merit, text=f"{_name(one)}: {error}")
    match one.kind:
        case CriterionKind.METRIC:
            return _metric(one, seen)
        case CriterionKind.PASSES:
            return _passes(one, seen)
        case CriterionKind.CUSTOM:
            return _custom(one, seen)
        case _:
            return _judge(one, seen)


def _combined(one: Criterion, path: str, history: Sequence[Json]) -> Reading:
    """The more parts are met the better; then by the parts, in the order in which they stand."""
    parts = [
        _read(part, f"{path}.{one.kind}[{index}]", history) for index, part in enumerate(one.parts)
    ]
    met = sum(part.is_met for part in parts)
    return Reading(
        is_met=met == len(parts) if one.kind is CriterionKind.ALL else met > 0,
        merit=(float(met), *(number for part in parts for number in part.merit)),
        value=next((part.value for part in parts if part.value is not None), float(met)),
        text="; ".join(part.text for part in parts),
    )


def _stable(one: Criterion, path: str, history: Sequence[Json]) -> Reading:
    """Over fewer iterations than the window there is no stability, whatever they look like."""
    last = history[-one.window :]
    what = "the output" if one.of_output else "the tree"
    outputs = [(m["observations"].get(path) or {}) for m in last]
    if one.of_output and any(o.get("error") or "output" not in o for o in outputs):
        return Reading(is_met=False, merit=(None,), text=f"{what} couldn't be had every time")
    texts = [o["output"] for o in outputs] if one.of_output else [m["tree"] for m in last]
    newest = texts[-1]
    alike = min(_alike(text, newest, one.of_output) for text in texts) if len(texts) > 1 else 0.0
    is_met = len(texts) == one.window and alike >= one.similarity
    told = f"{what} {'is' if is_met else 'is not yet'} stable over {one.window} iterations"
    return Reading(is_met=is_met, merit=(alike,), value=alike, text=told)


def _alike(a: str, b: str, is_text: bool) -> float:
    """The share of words that two outputs have in common and in order.

    Of the last ones only: it is asked inside a transaction, and takes time by their square.
    """
    if a == b:
        return 1.0
    if not is_text:
        return 0.0
    words = (a.split()[-MAX_WORDS:], b.split()[-MAX_WORDS:])
    return SequenceMatcher(None, *words, autojunk=False).ratio()


def _metric(one: Criterion, seen: Json) -> Reading:
    value, limit = float(seen["value"]), one.threshold or 0.0
    up = one.goal is Goal.MAXIMISE
    is_met = value >= limit if up else value <= limit
    told = f"measured {value:g}, wanted is {'at least' if up else 'at most'} {limit:g}"
    return Reading(is_met=is_met, merit=(value if up else -value,), value=value, text=told)


def _passes(one: Criterion, seen: Json) -> Reading:
    code = seen.get("exit_code")
    is_met = code == 0
    told = "passes" if is_met else f"fails with exit code {code}"
    return Reading(
        is_met=is_met, merit=(float(is_met),), value=float(is_met), text=f"{_name(one)} {told}"
    )


def _custom(one: Criterion, seen: Json) -> Reading:
    score, converged = seen.get("score"), seen.get("converged")
    is_met = converged is True
    if converged is None and one.threshold is not None and score is not None:
        is_met = score >= one.threshold
    shown = "" if score is None else f" score {score:g}"
    text = f"{_name(one)}:{shown} {'converged' if is_met else 'not converged'}"
    if seen.get("reasons"):
        text += f" ({seen['reasons']})"
    merit: Merit = (float(is_met), score)
    return Reading(is_met=is_met, merit=merit, value=score, text=text[:MAX_REASONS])


def _judge(one: Criterion, seen: Json) -> Reading:
    score, limit = float(seen["score"]), one.threshold or 0.0
    text = f"{one.agent} judges {score:g}, wanted is at least {limit:g}: {seen.get('reasons', '')}"
    return Reading(is_met=score >= limit, merit=(score,), value=score, text=text[:MAX_REASONS])


def _name(one: Criterion) -> str:
    if one.function:
        return f"`{one.function}`"
    if one.argv[:2] == ("/bin/sh", "-c"):
        return f"`{one.argv[2][:60]}`"
    return f"`{' '.join(one.argv)[:60]}`" if one.argv else str(one.agent or one.kind)
