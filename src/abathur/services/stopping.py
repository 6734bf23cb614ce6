"""Asking workers to stop."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.agents import Worker
from abathur.ports.stores import Stores


def request_stop(stores: Stores, now: datetime) -> list[Worker]:
    """Ask every worker that hasn't said that it stopped; those asked, dead ones among them.

    A worker that was asked before keeps the time of the first request.
    """
    workers = list(stores.workers.live())
    for worker in workers:
        if worker.stop_requested_at is None:
            stores.workers.request_stop(worker.id, now)
    return workers


def still_live(stores: Stores) -> list[Worker]:
    """Workers that haven't said that they stopped."""
    return list(stores.workers.live())
