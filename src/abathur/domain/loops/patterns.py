"""What the history of a loop looks like: a fixed point, a cycle, a plateau, a divergence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

Merit = tuple[float | None, ...]

MIN_GAIN: Final = 1e-9
"""Relative to the larger one: less of a difference between two numbers is none."""


class Pattern(StrEnum):
    FIXED_POINT = "fixed_point"
    """The last iteration left the tree as it found it."""
    CYCLE = "cycle"
    """The tree is one of some iterations ago again."""
    PLATEAU = "plateau"
    """A whole window brought nothing better than what there was before it."""
    DIVERGENCE = "divergence"
    """Each iteration of a window is worse than the one before."""


def compare(a: Merit, b: Merit) -> int:
    """-1 when `a` is worse than `b`, 1 when it is better, 0 when neither can be told."""
    for mine, theirs in zip(a, b, strict=False):
        x, y = _number(mine), _number(theirs)
        if not math.isclose(x, y, rel_tol=MIN_GAIN):
            return 1 if x > y else -1
    return 0


def _number(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def recognised(trees: Sequence[str], merits: Sequence[Merit], window: int) -> Pattern | None:
    """The most telling pattern at the end of the history, None when there is none.

    `trees` and `merits` are those of the measured iterations, oldest first. What says most about
    the cause comes first: a tree that came back explains a plateau, not the other way round.
    """
    if len(trees) < 2:
        return None
    if trees[-1] == trees[-2]:
        return Pattern.FIXED_POINT
    if trees[-1] in trees[:-2]:
        return Pattern.CYCLE
    if _is_diverging(merits, window):
        return Pattern.DIVERGENCE
    return Pattern.PLATEAU if _is_plateau(merits, window) else None


def _is_diverging(merits: Sequence[Merit], window: int) -> bool:
    """A fall needs two steps at least: one may be noise."""
    last = merits[-max(window, 3) :]
    if len(last) < max(window, 3):
        return False
    return all(compare(b, a) < 0 for a, b in itertools.pairwise(last))


def _is_plateau(merits: Sequence[Merit], window: int) -> bool:
    before, last = merits[:-window], merits[-window:]
    if not before or not any(merits):
        return False
    best = before[0]
    for merit in before[1:]:
        best = merit if compare(merit, best) > 0 else best
    return all(compare(merit, best) <= 0 for merit in last)
