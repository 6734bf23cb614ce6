"""Deleting a row looks for those that point to it; without an index that reads whole tables."""

from collections.abc import Sequence

from abathur.infrastructure.database import Database


async def test_deleting_uses_an_index_for_every_reference() -> None:
    async with Database(":memory:") as db:
        for table, column in await references(db):
            plan = await db.query(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 'x'")
            assert all("SCAN" not in row["detail"] for row in plan), (table, column, plan)


async def references(db: Database) -> Sequence[tuple[str, str]]:
    rows = await db.query(
        'SELECT t.name AS name, f."from" AS source FROM sqlite_schema AS t,'
        " pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table'"
        " AND f.\"table\" IN ('tasks', 'agents', 'attempts') AND f.seq = 0"
    )
    assert rows
    return [(row["name"], row["source"]) for row in rows]
