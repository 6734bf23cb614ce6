"""Opens an older file again and again, killed one step later each time; then opens it for good.

Argument: an empty folder. A step is a file that is opened, linked, renamed or removed, or a
function of the conversion that begins. Prints how many there were.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path
from types import FrameType

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.legacy import convert, verify, writing
from tests.infrastructure.database.legacy.older import LAST, edge, make, task

EVENTS = {"open", "os.link", "os.rename", "os.remove"}
FUNCTIONS = {
    *(function.__code__ for function in (convert._build, convert._write, verify.verify)),
    *(
        getattr(writing.Writing, name).__code__
        for name in ("_plain", "_tasks", "_write_edges", "_trail", "_rest", "_sequences")
    ),
}


class Death:
    def __init__(self, step: int) -> None:
        self.left = step

    def begin(self) -> None:
        sys.addaudithook(lambda event, _: self.come() if event in EVENTS else None)
        convert_ = convert.convert

        def traced(path: Path, timeout: float) -> object:
            sys.setprofile(self.call)
            return convert_(path, timeout)

        vars(convert)["convert"] = traced

    def call(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in FUNCTIONS:
            self.come()

    def come(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def in_a_child(path: Path, step: int) -> int:
    pid = os.fork()
    if pid == 0:
        Death(step).begin()
        asyncio.run(Database(path).initialize())
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def tasks(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM tasks").fetchone()[0])
    finally:
        connection.close()


async def opened(path: Path) -> None:
    async with Database(path, busy_timeout=5) as db:
        assert await db.check(full=True) == []
        assert (await db.info())["rows"]["tasks"] == 3


def main(folder: str) -> None:
    older = Path(folder) / "older.db"
    rows = [task(1, status="completed"), task(2), task(3, priority=44)]
    make(older, LAST, {"tasks": rows, "task_dependencies": [edge(1, 1, 2)]})
    for step in count(1):
        path = Path(folder) / str(step) / "abathur.db"
        path.parent.mkdir()
        shutil.copyfile(older, path)
        ended = in_a_child(path, step)
        assert ended in (0, -signal.SIGKILL), (step, ended)
        assert tasks(path) == 3, step
        asyncio.run(opened(path))
        originals = list(path.parent.glob("*.older"))
        assert [tasks(original) for original in originals] == [3], step
        names = {file.name for file in path.parent.iterdir()}
        assert not any("converting" in name or "partial" in name for name in names), names
        assert len(list(path.parent.glob("*.conversion.json"))) == 1, names
        shutil.rmtree(path.parent)
        if ended == 0:
            print(step)
            return


main(*sys.argv[1:])
