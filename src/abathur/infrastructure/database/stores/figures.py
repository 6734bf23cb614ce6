"""Counts over the whole queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.figures import Counted
from abathur.infrastructure.database.codecs import time_of

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Session


class SqlFigures:
    """Meets `ports.figures.FigureStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open_tasks(self) -> Sequence[Counted]:
        return self._counted("figures_open_tasks")

    def ended_tasks(self) -> Sequence[Counted]:
        return self._counted("figures_ended_tasks")

    def ready_since(self) -> datetime | None:
        row = self._session.fetch_one("figures_ready_since")
        return time_of(row["since"]) if row is not None and row["since"] is not None else None

    def attempts_under_way(self) -> int:
        row = self._session.fetch_one("figures_attempts_under_way")
        return int(row["n"]) if row is not None else 0

    def ended_attempts(self) -> Sequence[Counted]:
        return self._counted("figures_ended_attempts")

    def open_landings(self) -> Sequence[Counted]:
        return self._counted("figures_open_landings")

    def ended_landings(self) -> Sequence[Counted]:
        return self._counted("figures_ended_landings")

    def gate_runs(self) -> Sequence[Counted]:
        return self._counted("figures_gate_runs")

    def _counted(self, name: str) -> Sequence[Counted]:
        rows = [dict(row) for row in self._session.fetch(name)]
        return [
            Counted(tuple(str(v) for k, v in row.items() if k != "n"), row["n"]) for row in rows
        ]
