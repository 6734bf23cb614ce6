"""A database that is made, taken away for a while and dropped; no other one is touched."""

import os

import pytest

from abathur.domain.errors import DatabaseError, InvalidInputError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import postgres_throwaway as throwaway
from abathur.infrastructure.database.engines.postgres import connect

NAME = f"abathur_chaos_test_{os.getpid()}"


def query(url: str) -> object:
    connection = connect(url, "the test", wait=1)
    with connection:
        return connection.execute(b"SELECT current_database() AS name").fetchone()


def test_it_is_there_until_it_is_closed_and_gone_at_the_end(postgres_server: str) -> None:
    with throwaway.made(postgres_server, NAME) as url:
        guest = connect(url, "the test", wait=1)
        assert query(url) == {"name": NAME}
        throwaway.close(postgres_server, NAME)
        with pytest.raises(DatabaseError, match="not currently accepting"):
            query(url)
        assert query(postgres_server) != {"name": NAME}
        throwaway.reopen(postgres_server, NAME)
        assert query(url) == {"name": NAME}
        guest.close()
    with pytest.raises(DatabaseError, match="does not exist"):
        query(url)


async def test_an_operation_waits_until_it_is_open_again(postgres_server: str) -> None:
    with throwaway.made(postgres_server, NAME) as url:
        async with Database(url, may_migrate=True) as db:
            throwaway.close(postgres_server, NAME)
            throwaway.reopen(postgres_server, NAME)
            assert list(await db.read(lambda stores: stores.workers.live())) == []


def test_it_is_reached_like_the_one_that_is_named() -> None:
    named = "postgresql://ada:s%40cret@db:5433/queue?sslmode=require&dbname=other"
    assert throwaway.beside(named, "x") == "postgresql://ada:s%40cret@db:5433/x?sslmode=require"
    assert throwaway.beside("postgres:///queue", "x") == "postgres:///x"


@pytest.mark.parametrize("name", ['a"; DROP TABLE tasks', "", "A", "a" * 64])
def test_a_name_is_never_a_piece_of_sql(name: str) -> None:
    with pytest.raises(InvalidInputError), throwaway.made("postgresql://nowhere/x", name):
        pass
