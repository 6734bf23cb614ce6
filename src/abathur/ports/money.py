"""What is stored about money and about providers' limits, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.budgets import Allowance, BudgetScope
    from abathur.domain.money import Cost, CostGroup, CostTotal
    from abathur.domain.pools import Pool, PoolKey
    from abathur.domain.runs import Usage


class CostStore(Protocol):
    def reserve(
        self,
        task_id: str,
        attempt: int,
        *,
        target: str,
        agent_type: str,
        began: datetime,
        usd: float,
    ) -> None: ...

    def reserve_more(self, task_id: str, attempt: int, usd: float) -> None:
        """Set aside so much in all for an attempt that runs and for which something is reserved."""
        ...

    def settle(self, cost: Cost) -> None:
        """Write what the attempt cost, in place of what was reserved for it."""
        ...

    def correct(self, task_id: str, attempt: int, usage: Usage) -> bool:
        """Replace an estimate by what turned out later; a cost that is known stays."""
        ...

    def get(self, task_id: str, attempt: int) -> Cost | None: ...

    def known(self, agent_type: str, model: str | None, limit: int) -> Sequence[float]:
        """What the newest attempts of that kind cost, of those above zero."""
        ...

    def sums(self, scope: BudgetScope, name: str) -> tuple[float, float]:
        """Spent (known and estimated) and reserved."""
        ...

    def totals(self, by: CostGroup, since_day: str) -> Sequence[CostTotal]:
        """In order of name."""
        ...

    def rules(self, since_day: str) -> Sequence[tuple[str, int]]:
        """By which rules unknown costs were estimated, and how many."""
        ...

    def any_allowances(self) -> bool: ...

    def allowance(self, scope: BudgetScope, name: str) -> Allowance | None: ...

    def set_limit(self, scope: BudgetScope, name: str, usd: float | None) -> None:
        """Give it a limit of its own; what was granted or asked is void. None takes it back."""
        ...

    def ask(self, scope: BudgetScope, name: str, *, asked_usd: float, needed_usd: float) -> None:
        """Note that a person is asked to grant so much more, for an attempt that needs so much."""
        ...

    def questions(self) -> Sequence[tuple[BudgetScope, str, float]]:
        """What persons are being asked to grant."""
        ...

    def answer(self, scope: BudgetScope, name: str, usd: float) -> None:
        """Grant so much more, in answer to what was asked for; 0 takes the question back."""
        ...


class PoolStore(Protocol):
    def get(self, key: PoolKey, window: str) -> Pool | None: ...

    def all(self) -> Sequence[Pool]: ...

    def closed(self) -> Sequence[Pool]:
        """Those that are exhausted, or were and aren't known to be open again."""
        ...

    def save(self, pool: Pool) -> None: ...

    def open(self, key: PoolKey, probe: str, now: datetime) -> bool:
        """Open all windows whose time has come, or that this run tries; whether there were any."""
        ...
