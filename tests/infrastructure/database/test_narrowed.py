"""An UPDATE that assigns only what changed."""

from abathur.infrastructure.database import queries


def test_only_the_wanted_columns_are_assigned() -> None:
    sql = "UPDATE t SET\n  a = :a, b = :b,\n  c = :c\nWHERE id = :id AND b = :expected;"
    narrow = queries.narrowed(sql, ("c", "a"))
    assert (
        " ".join(narrow.split()) == "UPDATE t SET a = :a, c = :c WHERE id = :id AND b = :expected;"
    )
    assert queries.parameters(narrow) == ("a", "c", "id", "expected")


def test_every_statement_that_saves_can_be_narrowed() -> None:
    for engine in ("sqlite", "postgres"):
        statements = queries.load(engine)
        for name in ("tasks_save", "attempts_save", "landings_save"):
            narrow = queries.narrowed(statements[name], ("worker_id",))
            assert "SET worker_id = :worker_id WHERE" in " ".join(narrow.split())
