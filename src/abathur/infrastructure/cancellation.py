"""Steps that a cancellation must not tear: it is kept back until they are done."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def settle(step: asyncio.Future[T]) -> T:
    """Wait until the step is done, however often we are cancelled; only then be cancelled.

    A caller that is cancelled finds the step done, and can look at its result.
    """
    cancelled: asyncio.CancelledError | None = None
    while not step.done():
        try:
            await asyncio.wait((step,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return step.result()


def result_of(step: asyncio.Future[T]) -> T | None:
    """None when the step failed or was cancelled itself."""
    if not step.done() or step.cancelled() or step.exception() is not None:
        return None
    return step.result()
