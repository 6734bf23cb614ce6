"""A worker process for the tests: `claimers.py FILE WORKER SECONDS MODE`.

It works the queue off as if it were SECONDS after noon, by four hands, and says each thing in a
line once it is durable: `claimed ID WORKER`, and so on for adopted, completed, released and
submitted. MODE `once` submits some tasks first, keeps one in hand and ends when there is nothing
to claim; MODE `all` ends when every task is completed.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from abathur.domain.agents import Worker
from abathur.domain.errors import StaleFenceError
from abathur.domain.landing import Announcement, Landing, Proof
from abathur.domain.retry import RetryPolicy
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.domain.tasks import NewTask, TaskStatus
from abathur.infrastructure.database import Database
from abathur.services import claiming, landing, running, submitting
from abathur.services.claiming import Claim
from abathur.services.running import Holder, Report

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)
POLICY = RetryPolicy(initial_seconds=10, factor=2, max_seconds=60, jitter=0)
HANDS = 4
TARGETS = 8


class Claimer:
    def __init__(self, db: Database, name: str, seconds: float) -> None:
        self.db, self.name = db, name
        self.now = NOON + timedelta(seconds=seconds)

    def say(self, word: str, subject: str) -> None:
        # One write a line: lines of several processes in one pipe don't mix.
        sys.stdout.write(f"{word} {subject} {self.name}\n")
        sys.stdout.flush()

    async def write(self, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self.db.write(use_case, *args, **kwargs)

    async def enlist(self) -> None:
        worker = Worker(
            id=self.name,
            host="here",
            pid=1,
            pid_started_at=1.0,
            repository="/repo",
            max_agents=HANDS,
            started_at=self.now,
            heartbeat_at=self.now,
            lease_until=self.now + LEASE,
        )
        await self.write(lambda stores: stores.workers.insert(worker))

    async def claim(self, limit: int) -> Sequence[Claim]:
        return await self.db.write(
            claiming.claim, worker_id=self.name, limit=limit, now=self.now, lease=LEASE
        )

    async def begin(self) -> Sequence[Claim]:
        kept = await self.claim(1)
        await asyncio.gather(*(self.submit(number) for number in range(20)))
        return kept

    async def submit(self, number: int) -> None:
        task_id = f"{self.name}-{number}"
        new = NewTask(prompt="More", idempotency_key=task_id)
        await self.write(submitting.submit, new, task_id=task_id, now=self.now, actor=self.name)
        self.say("submitted", task_id)

    async def rescue(self) -> None:
        """Adopt and queue again what dead workers held, as long as nobody else does."""
        for task in await self.db.read(lambda stores: stores.claims.expired(self.now)):
            fence = {"fence": task.fence, "worker_id": self.name, "now": self.now}
            try:
                adopted, _ = await self.write(claiming.adopt, task.id, **fence, lease=LEASE)
            except StaleFenceError:
                continue
            self.say("adopted", task.id)
            fence["fence"] = adopted.fence
            await self.write(running.take_back, task.id, **fence, policy=POLICY, chance=0.0)

    async def run(self, claimed: Claim) -> None:
        attempt = claimed.attempt
        self.say("claimed", claimed.task.id)
        report = Report(
            outcome=Outcome(kind=OutcomeKind.SUCCEEDED),
            base_commit="base",
            head_commit=f"work-{claimed.task.id}",
            target=f"target-{sum(claimed.task.id.encode()) % TARGETS}",
            landing_id=f"{claimed.task.id}/{attempt.number}",
        )
        holder = Holder(claimed.task.id, attempt.number, attempt.fence, self.name)
        await self.write(running.report, holder, report, POLICY, self.now)

    async def land(self, taken: Landing) -> None:
        merge = taken.merge_commit
        if merge is None:
            merge = f"merge-{taken.id}"
            told = Announcement(landing=taken, target_before="before", merge_commit=merge)
            (taken,) = await self.write(landing.announce, [told], self.now)
        proof = Proof(
            target=taken.target,
            target_commit=merge,
            work_commit=taken.work_commit,
            merge_commit=merge,
            checked_at=self.now,
        )
        done = await self.write(landing.conclude, taken, proof, detail=None, now=self.now)
        self.say("completed", taken.task_id)
        for task in done.released:
            self.say("released", task.id)

    async def step(self) -> bool:
        """Whether there was anything to do."""
        claims = await self.claim(2)
        for claimed in claims:
            await self.run(claimed)
        taken = await self.write(
            landing.claim_landings, worker_id=self.name, limit=3, now=self.now, lease=LEASE
        )
        for one in taken:
            await self.land(one)
        return bool(claims) or bool(taken)

    async def is_done(self) -> bool:
        counts = await self.db.read(lambda stores: stores.tasks.counts())
        return bool(sum(counts.values()) == counts[TaskStatus.COMPLETED])

    async def work(self, mode: str) -> None:
        async with self.db.wakeups() as wakeups:
            while await self.step() or (mode == "all" and not await self.is_done()):
                if mode == "all" and not await self.step():
                    await wakeups.wait(1.0)


async def main(path: str, name: str, seconds: str, mode: str) -> None:
    async with Database(path) as db:
        claimer = Claimer(db, name, float(seconds))
        await claimer.enlist()
        claimer.say("ready", "-")
        sys.stdin.readline()
        await claimer.rescue()
        kept = await claimer.begin() if mode == "once" else []
        await asyncio.gather(*(claimer.work(mode) for _ in range(HANDS)))
        for claimed in kept:
            await claimer.run(claimed)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
