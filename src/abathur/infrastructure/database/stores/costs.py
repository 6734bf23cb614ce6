"""What attempts cost, and how much may be spent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.budgets import Allowance, BudgetScope
from abathur.domain.money import Cost, CostTotal, day_of
from abathur.domain.records import made
from abathur.domain.runs import Usage
from abathur.infrastructure.database.codecs import time_of

if TYPE_CHECKING:
    from abathur.domain.money import CostGroup
    from abathur.infrastructure.database.engines.base import Row, Session

NO_TOKENS = Usage()
SUMS = {
    BudgetScope.TASK: "costs_of_task",
    BudgetScope.TARGET: "costs_of_target",
    BudgetScope.DAY: "costs_of_day",
}


class SqlCosts:
    """Meets `ports.money.CostStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def reserve(
        self,
        task_id: str,
        attempt: int,
        *,
        target: str,
        agent_type: str,
        began: datetime,
        usd: float,
    ) -> None:
        self._session.send(
            "costs_reserve",
            task_id=task_id,
            attempt=attempt,
            target=target,
            agent_type=agent_type,
            day=day_of(began),
            reserved_usd=usd,
        )

    def reserve_more(self, task_id: str, attempt: int, usd: float) -> None:
        self._session.send("costs_reserve_more", task_id=task_id, attempt=attempt, reserved_usd=usd)

    def settle(self, cost: Cost) -> None:
        self._session.send("costs_settle", vars(cost))

    def correct(self, task_id: str, attempt: int, usage: Usage) -> bool:
        return (
            self._session.execute(
                "costs_correct",
                task_id=task_id,
                attempt=attempt,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                cost_usd=usage.cost_usd,
            )
            > 0
        )

    def get(self, task_id: str, attempt: int) -> Cost | None:
        row = self._session.fetch_one("costs_get", task_id=task_id, attempt=attempt)
        return None if row is None else _cost_of(row)

    def known(self, agent_type: str, model: str | None, limit: int) -> Sequence[float]:
        rows = self._session.fetch(
            "costs_known", agent_type=agent_type, model=model or "", limit=limit
        )
        return [row["cost_usd"] for row in rows]

    def sums(self, scope: BudgetScope, name: str) -> tuple[float, float]:
        row = self._session.fetch_one(SUMS[scope], name=name) or {}
        return float(row.get("spent") or 0), float(row.get("reserved") or 0)

    def totals(self, by: CostGroup, since_day: str) -> Sequence[CostTotal]:
        rows = self._session.fetch("costs_totals", by=by, since=since_day)
        return [CostTotal(**row) for row in rows]

    def rules(self, since_day: str) -> Sequence[tuple[str, int]]:
        rows = self._session.fetch("costs_rules", since=since_day)
        return [(row["rule"], row["attempts"]) for row in rows]

    def any_allowances(self) -> bool:
        return self._session.fetch_one("budgets_any") is not None

    def allowance(self, scope: BudgetScope, name: str) -> Allowance | None:
        row = self._session.fetch_one("budgets_get", scope=scope, name=name)
        if row is None:
            return None
        return Allowance(**row)

    def set_limit(self, scope: BudgetScope, name: str, usd: float | None) -> None:
        if usd is None:
            self._session.execute("budgets_remove", scope=scope, name=name)
        else:
            self._session.execute("budgets_limit", scope=scope, name=name, limit_usd=usd)

    def ask(self, scope: BudgetScope, name: str, *, asked_usd: float, needed_usd: float) -> None:
        self._session.execute(
            "budgets_ask", scope=scope, name=name, asked_usd=asked_usd, needed_usd=needed_usd
        )

    def questions(self) -> Sequence[tuple[BudgetScope, str, float]]:
        rows = self._session.fetch("budgets_questions")
        return [(BudgetScope(row["scope"]), row["name"], row["asked_usd"]) for row in rows]

    def answer(self, scope: BudgetScope, name: str, usd: float) -> None:
        self._session.execute("budgets_answer", scope=scope, name=name, usd=usd)


def _cost_of(row: Row) -> Cost:
    row["settled_at"] = time_of(row["settled_at"])
    return made(Cost, row)
