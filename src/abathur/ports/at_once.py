"""Use cases that can be done for many callers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from abathur.ports.stores import Stores

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Alone(Enum):
    ALONE = "alone"


ALONE: Final = Alone.ALONE
"""Instead of a result: this call has to be done by itself."""


class AtOnce(NamedTuple):
    """How several calls of a use case are done together."""

    call: Callable[..., Any]
    do: Callable[[Stores, Sequence[Any]], Sequence[object]]


def at_once_by(
    call: Callable[..., C], do: Callable[[Stores, Sequence[C]], Sequence[object]]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let an engine do calls of a use case together that came one right after the other.

    `call` takes the arguments of one, and makes what `do` is given of it. `do` returns what each
    would have returned, in their order, or `ALONE` for those that are to be done by themselves
    after it: all in which anything is out of the ordinary, and all that would raise. Tables and
    trail are then as if all had been done one by one.

    Only for transactions in which nobody else writes: what was read isn't looked at again.
    """

    def mark(use_case: Callable[P, T]) -> Callable[P, T]:
        vars(use_case)["at_once"] = AtOnce(call, do)
        return use_case

    return mark
