"""The way in which SQLite answers the hot questions: by the index made for each, never by a scan.

The cost of a statement then doesn't grow with the number of tasks that don't concern it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from abathur.infrastructure.database import Database, queries

STATEMENTS = queries.load("sqlite")
NAMED = re.compile(r"(?<!:):([a-z_]+)")

BY_INDEX = {
    "tasks_claim": "tasks_ready (status=?)",
    "tasks_any_ready": "(status=?)",
    "tasks_ahead": "tasks_ready (status=? AND (rank,id)<(?,?))",
    "tasks_due": "tasks_due (status=? AND not_before<?)",
    "tasks_next_due": "tasks_due (status=?)",
    "tasks_renew": "tasks_leased (status=? AND worker_id=?)",
    "tasks_held": "tasks_leased (status=? AND worker_id=?)",
    "tasks_expired": "(status=?)",
    "tasks_by_key": "sqlite_autoindex_tasks_2 (idempotency_key=?)",
    "audit_of_task": "audit_by_task (task_id=?)",
    "agents_end_of_task": "agents_unended (task_id=?)",
    "landings_claim": "SEARCH o USING INDEX landings_open (target=?)",
    "landings_of_task": "(task_id=?)",
    "edges_unmet": "task_dependencies_by_dependent (dependent_task_id=?)",
}
BY_KEY = (
    "attempts_get",
    "attempts_of_task",
    "attempts_save",
    "edges_count_down",
    "edges_dependent_count",
    "edges_dependents",
    "edges_resolve",
    "events_last",
    "events_of_attempt",
    "landings_get",
    "landings_save",
    "tasks_by_prefix",
    "tasks_get",
    "tasks_get_many",
    "tasks_rerank",
    "tasks_save",
    "workers_beat",
)
OF_OPEN_LANDINGS = ("landings_claim", "landings_held", "landings_open", "landings_renew")
"""Scans of an index that holds nothing but open landings are fine: these are few."""


@pytest.fixture
async def sqlite() -> AsyncIterator[Database]:
    async with Database(":memory:") as db:
        yield db


async def plan_of(sqlite: Database, name: str) -> list[str]:
    sql = NAMED.sub("?", STATEMENTS[name])
    values = [None] * sql.count("?")
    return [row["detail"] for row in await sqlite.query(f"EXPLAIN QUERY PLAN {sql}", values)]


SMALL = {"json_each", "holds", "pools", "budgets", "task_paths"}
"""Tables of a few rows, and one that is only asked whether it has any."""


def scans(plan: list[str]) -> list[str]:
    return [step for step in plan if step.startswith("SCAN") and step.split()[1] not in SMALL]


@pytest.mark.parametrize(("name", "index"), BY_INDEX.items(), ids=list(BY_INDEX))
async def test_a_hot_statement_uses_its_index(sqlite: Database, name: str, index: str) -> None:
    plan = await plan_of(sqlite, name)
    assert any(index in step for step in plan), plan


@pytest.mark.parametrize("name", sorted({*BY_INDEX, *BY_KEY} - {"landings_claim"}))
async def test_a_hot_statement_scans_nothing(sqlite: Database, name: str) -> None:
    plan = await plan_of(sqlite, name)
    assert plan
    assert scans(plan) == []


@pytest.mark.parametrize("name", OF_OPEN_LANDINGS)
async def test_only_open_landings_are_looked_through(sqlite: Database, name: str) -> None:
    plan = await plan_of(sqlite, name)
    assert any("landings_open" in step for step in plan), plan
    within = {"ready", "r", "next", "landings_open"}
    """What the statement itself has chosen before, from that index."""
    assert [step for step in scans(plan) if not within & set(step.split())] == []


async def test_claiming_sorts_nothing(sqlite: Database) -> None:
    assert not [step for step in await plan_of(sqlite, "tasks_claim") if "TEMP B-TREE" in step]
