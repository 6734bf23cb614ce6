"""Providers' limits, as they were seen last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.pools import Pool, PoolSource
from abathur.domain.records import made
from abathur.infrastructure.database.codecs import time_of

if TYPE_CHECKING:
    from abathur.domain.pools import PoolKey
    from abathur.infrastructure.database.engines.base import Row, Session


class SqlPools:
    """Meets `ports.money.PoolStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, key: PoolKey, window: str) -> Pool | None:
        row = self._session.fetch_one(
            "pools_get", provider=key.provider, account=key.account, limit_window=window
        )
        return None if row is None else _pool_of(row)

    def all(self) -> Sequence[Pool]:
        return [_pool_of(row) for row in self._session.fetch("pools_all")]

    def closed(self) -> Sequence[Pool]:
        return [_pool_of(row) for row in self._session.fetch("pools_closed")]

    def save(self, pool: Pool) -> None:
        self._session.send("pools_save", **vars(pool))

    def open(self, key: PoolKey, probe: str, now: datetime) -> bool:
        changed = self._session.execute(
            "pools_open", provider=key.provider, account=key.account, probe=probe, now=now
        )
        return changed > 0


def _pool_of(row: Row) -> Pool:
    row["exhausted_until"] = time_of(row["exhausted_until"])
    row["observed_at"] = time_of(row["observed_at"])
    row["source"] = PoolSource(row["source"])
    return made(Pool, row)
