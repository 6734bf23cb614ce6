"""Eight processes open one database of an older schema at the same moment.

Argument: the file. Prints what each has done, as JSON.
"""

import json
import os
import sys
from pathlib import Path

from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from tests.infrastructure.database.test_upgrades import SYNTHETIC

PROCESSES = 8


def opened(path: Path, starts: int, results: int) -> None:
    actions: list[str] = []

    def prepare(schema: SchemaConnection) -> None:
        actions.append(migrate.upgrade(schema, SYNTHETIC).action)

    os.read(starts, 1)
    engine: SqliteEngine[Session] = SqliteEngine(
        path, statements={}, open_stores=lambda session: session, prepare=prepare
    )
    engine.open()
    engine.close()
    os.write(results, f"{actions[0]}\n".encode())


def main(path: Path) -> None:
    starts, go = os.pipe()
    told, results = os.pipe()
    children = []
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            os.close(go)
            status = 1
            try:
                opened(path, starts, results)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    # The end of the pipe lets all of them go.
    os.close(go)
    os.close(results)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * PROCESSES
    sys.stdout.write(json.dumps(os.read(told, 4096).decode().split()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
