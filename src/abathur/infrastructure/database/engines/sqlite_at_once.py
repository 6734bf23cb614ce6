"""Several calls of one use case, done together by what it says of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

from abathur.infrastructure.database.engines.jobs import Job
from abathur.ports.at_once import ALONE

C = TypeVar("C")

FEW: Final = 4
"""So many calls at least: below it, asking for each row by itself is as cheap."""

log = logging.getLogger(__name__)


def runs(batch: Sequence[Job[C, Any]]) -> Iterator[list[Job[C, Any]]]:
    """Neighbours that can be done together, and all others by themselves."""
    for way, jobs in groupby(batch, lambda job: job.at_once):
        if way is None:
            yield from ([job] for job in jobs)
        else:
            yield list(jobs)


def done_at_once(run: Sequence[Job[C, Any]], stores: C) -> list[Job[C, Any]] | None:
    """Those that are left to be done alone; None when something went wrong with all of them."""
    way = run[0].at_once
    if way is None or len(run) < FEW:
        return list(run)
    try:
        results = way.do(stores, [job.told(way.call) for job in run])  # type: ignore[arg-type]
    except Exception:
        # Done alone, each hears of its own error.
        log.debug("%d calls couldn't be done together", len(run), exc_info=True)
        return None
    left = []
    for job, result in zip(run, results, strict=True):
        if result is ALONE:
            left.append(job)
        else:
            job.result, job.error = result, None
    return left
