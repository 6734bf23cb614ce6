"""The way in which SQLite answers the hot questions: by the index made for each, never by a scan.

The cost of a statement then doesn't grow with the number of tasks that don't concern it.
"""

from __future__ import annotations

import re

import pytest

from abathur.infrastructure.database import migrate, queries
from abathur.infrastructure.database.engines.sqlite import Connection, connect

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
    "landings_claim": "SEARCH l USING INDEX landings_open (state=?)",
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


@pytest.fixture(scope="module")
def sqlite() -> Connection:
    return fresh()


def fresh() -> Connection:
    connection = connect(":memory:", busy_timeout=0)
    for migration in migrate.load("sqlite"):
        connection.execute(migration.sql)
    return connection


def plan_of(sqlite: Connection, name: str) -> list[str]:
    sql = NAMED.sub("?", STATEMENTS[name])
    values = [None] * sql.count("?")
    return [row[3] for row in sqlite.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


SMALL = {"json_each", "holds", "pools", "budgets", "task_paths"}
"""Tables of a few rows, and one that is only asked whether it has any."""


def scans(plan: list[str]) -> list[str]:
    return [step for step in plan if step.startswith("SCAN") and step.split()[1] not in SMALL]


@pytest.mark.parametrize(("name", "index"), BY_INDEX.items(), ids=list(BY_INDEX))
def test_a_hot_statement_uses_its_index(sqlite: Connection, name: str, index: str) -> None:
    plan = plan_of(sqlite, name)
    assert any(index in step for step in plan), plan


@pytest.mark.parametrize("name", sorted({*BY_INDEX, *BY_KEY} - {"landings_claim"}))
def test_a_hot_statement_scans_nothing(sqlite: Connection, name: str) -> None:
    plan = plan_of(sqlite, name)
    assert plan
    assert scans(plan) == []


@pytest.mark.parametrize("name", OF_OPEN_LANDINGS)
def test_only_open_landings_are_looked_through(sqlite: Connection, name: str) -> None:
    plan = plan_of(sqlite, name)
    assert any("landings_open" in step for step in plan), plan
    within = {"next", "landings_open", "landings_running", "landings_begun", "(subquery-"}
    """Those indexes, and what the statement itself has chosen before from them."""
    assert [step for step in scans(plan) if not any(one in step for one in within)] == []


def test_claiming_sorts_nothing(sqlite: Connection) -> None:
    assert not [step for step in plan_of(sqlite, "tasks_claim") if "TEMP B-TREE" in step]


@pytest.mark.parametrize("targets", [1, 4, 200])
def test_what_lands_next_costs_the_same_however_many_landings_wait(targets: int) -> None:
    few, many = (steps_of_a_claim(targets, queued=count) for count in (200, 600))
    assert many <= few * 1.2


def steps_of_a_claim(targets: int, queued: int) -> int:
    """Of SQLite's machine, with a landing under way for all targets but one."""
    connection = fresh()
    connection.execute("PRAGMA foreign_keys = OFF")
    rows: list[tuple[str, str, str, str | None]]
    rows = [(f"r{at}", f"t{at}", "running", "2030") for at in range(1, targets)]
    rows += [(f"q{at:03}", f"t{at % targets}", "queued", None) for at in range(queued)]
    connection.executemany(
        "INSERT INTO landings (id, task_id, attempt, target, base_commit, work_commit, state, rank,"
        " lease_until, requested_at) VALUES (?1, ?1, 1, ?2, '', '', ?3, 0, ?4, '')",
        rows,
    )
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(count, 1)
    values = {"worker_id": "w", "limit": 1, "now": "2026", "lease_until": "2031", "closed": "[]"}
    claimed = connection.execute(STATEMENTS["landings_claim"], values).fetchall()
    assert [row[0] for row in claimed] == ["q000"]
    return steps
