"""A process for one queue: it measures what it is told on stdin, and answers on stdout.

    {"do": "turn", "places": [WHERE, WHERE], "callers": 16, "seconds": 0.4, "fewest": 100}
    {"do": "open", "where": WHERE}    then {"do": "enqueue"} any number of times
    {"do": "wait", "where": WHERE}    a line when its worker is up, then one for each job

One JSON object a line; a failure is `{"error": "…"}`, and the process lives on.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import IO, Any, Final

from benchmarks.peers.queue import NotOffered, Queue
from benchmarks.peers.turns import Task, turn

QUEUES: Final[Mapping[str, str]] = {
    "Abathur": "ours:Abathur",
    "Abathur, landed": "ours:AbathurLanding",
    "raw limit": "raw:RawSqlite",
    "raw limit, PostgreSQL": "raw_postgresql:RawPostgresql",
    "huey": "sqlite_queues:Huey",
    "persist-queue": "sqlite_queues:PersistQueue",
    "litequeue": "sqlite_queues:LiteQueue",
    "DBOS": "dbos_queue:Dbos",
    "procrastinate": "procrastinate_queue:Procrastinate",
    "pgqueuer": "pgqueuer_queue:Pgqueuer",
    "oban": "oban_queue:Oban",
    "awa": "awa_queue:Awa",
}


def main() -> None:
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asyncio.run(_play(sys.argv[1], answers))


async def _play(name: str, answers: IO[str]) -> None:
    module, kind = QUEUES[name].split(":")
    queue: Any = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        try:
            if queue is None:
                queue = getattr(import_module(f"benchmarks.peers.{module}"), kind)()
            told = await _answer(queue, asked, answers)
        except NotOffered as reason:
            told = {"error": str(reason)}
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(told) + "\n")


async def _answer(queue: Any, asked: Mapping[str, Any], answers: IO[str]) -> dict[str, Any]:
    match asked["do"]:
        case "turn":
            places = tuple(asked["places"])
            task = Task(places, asked["callers"], asked["seconds"], asked["fewest"])
            return asdict(
                await (turn(queue, task) if isinstance(queue, Queue) else queue.turn(task))
            )
        case "open":
            await queue.open(asked["where"], 1)
            return {"ready": True}
        case "enqueue":
            called = time.monotonic()
            done = queue.enqueue()
            if not isinstance(done, int):
                await done
            return {"called": called, "returned": time.monotonic()}
    return await _wait(queue, asked["where"], answers)


async def _wait(queue: Queue, where: str, answers: IO[str]) -> dict[str, Any]:
    await queue.open(where, 1)
    queue.heard = lambda: _tell(answers)
    await queue.start_worker(1)
    return {"ready": True}


def _tell(answers: IO[str]) -> None:
    answers.write(json.dumps({"at": time.monotonic()}) + "\n")


if __name__ == "__main__":
    main()
