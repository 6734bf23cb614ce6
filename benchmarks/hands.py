"""A queue and somebody who works it off through the real use cases, with their audit rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any, Final

from abathur.bootstrap import new_id
from abathur.domain.agents import Worker
from abathur.domain.landing import Announcement, Proof
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import claiming, landing, running, submitting
from abathur.services.claiming import Claim
from abathur.services.running import Holder, Report

LEASE: Final = timedelta(hours=1)
WORKER: Final = "bench-worker"
COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
PROMPT: Final = "Make the button blue\n\n" + 10 * (
    "It is red in all of the dialogs, and nobody likes it.\n"
)
"""About 500 bytes, for every queue alike."""
POLICY: Final = RetryPolicy(initial_seconds=1, factor=2, max_seconds=60, jitter=0)
WRITES_TO_LAND: Final = 4


def now() -> datetime:
    return datetime.fromtimestamp(time(), UTC)


@dataclass
class Hands:
    """Each method is one durable write, but for `land`, which is four."""

    db: Database

    async def sign_on(self) -> None:
        await self.db.write(sign_on)

    async def submit(self) -> None:
        new = NewTask(prompt=PROMPT)
        await self.db.write(submitting.submit, new, task_id=new_id(), now=now(), actor="cli:bench")

    async def claim(self) -> Claim:
        (claimed,) = await self.db.write(
            claiming.claim, worker_id=WORKER, limit=1, now=now(), lease=LEASE
        )
        return claimed

    async def land(self, claimed: Claim) -> None:
        """Report, take the landing, announce the merge, conclude."""
        await self.report(claimed)
        (taken,) = await self.db.write(
            landing.claim_landings, worker_id=WORKER, limit=1, now=now(), lease=LEASE
        )
        announcement = Announcement(landing=taken, target_before=COMMIT, merge_commit=COMMIT)
        (told,) = await self.db.write(landing.announce, [announcement], now())
        proof = Proof(
            target=taken.target,
            target_commit=COMMIT,
            work_commit=COMMIT,
            merge_commit=COMMIT,
            checked_at=now(),
        )
        await self.db.write(landing.conclude, told, proof, detail=None, now=now())

    async def report(self, claimed: Claim) -> None:
        task, attempt = claimed.task, claimed.attempt
        told = Report(
            outcome=Outcome(kind=OutcomeKind.SUCCEEDED),
            base_commit=COMMIT,
            head_commit=COMMIT,
            # A target of its own, or all but one of the landings would wait.
            target=task.id,
            landing_id=new_id(),
        )
        holder = Holder(task.id, attempt.number, attempt.fence, WORKER)
        await self.db.write(running.report, holder, told, POLICY, now())

    async def cycle(self) -> None:
        await self.submit()
        await self.land(await self.claim())


def sign_on(stores: Stores) -> None:
    """Of several processes that share the worker, the first one enters it."""
    if stores.workers.get(WORKER) is not None:
        return
    stores.workers.insert(
        Worker(
            id=WORKER,
            host="here",
            pid=1,
            pid_started_at=1.0,
            repository="/repository",
            max_agents=1,
            started_at=now(),
            heartbeat_at=now(),
            lease_until=now() + LEASE,
        )
    )


def fill(stores: Stores, count: int) -> None:
    """So many ready tasks, in the transaction of the caller."""
    for number in range(count):
        new = NewTask(prompt=f"Thing {number}\n\n{PROMPT}")
        submitting.submit(stores, new, task_id=new_id(), now=now(), actor="cli:bench")


def database(where: Path | str) -> Database:
    """In a folder of its own, or where a URL says."""
    if "://" in str(where):
        # A server's tables are only made on request.
        options: dict[str, Any] = {"may_migrate": True}
        return Database(str(where), **options)
    folder = Path(where)
    folder.mkdir(parents=True, exist_ok=True)
    return Database(folder / "queue.db")


async def open_queue(where: Path | str) -> Database:
    """An open database with a worker."""
    db = database(where)
    await db.initialize()
    await db.write(sign_on)
    return db
