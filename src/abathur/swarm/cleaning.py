"""Removes what is proven to be of no use: by what git contains, and by what the database has.

In a swarm by itself now and then, and when a person asks. It is written down before it is done:
who dies in between leaves something that is found, told and removed once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from abathur.domain.branches import SALVAGE_PREFIX
from abathur.domain.cleaning import Unneeded, UnneededKind
from abathur.domain.errors import AbathurError
from abathur.domain.settings import Settings
from abathur.ports.disk import Disk
from abathur.ports.repository import KeptCommit, Repository
from abathur.ports.spool import Spool
from abathur.ports.stores import UnitOfWork
from abathur.services import cleaning

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""Before any task has ended."""

SEALS: Final = "withdrawn"
"""Folder of the refs that seal withdrawn merges."""

Complain = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaner:
    db: UnitOfWork
    repository: Repository
    disk: Disk
    spool: Spool
    actor: str
    complain: Complain
    """Told what can't be removed; the rest goes on."""

    async def find(
        self, settings: Settings, now: datetime, max_age: timedelta | None
    ) -> Sequence[Unneeded]:
        """`max_age`: how long after a task's end its transcripts stay; None: until it is pruned.

        Raises `DatabaseError`, `GitError`, `SpoolError`.
        """
        reported = await self.db.read(cleaning.known, await self.spool.files())
        kept = [*await self._salvaged(settings), *await self._withdrawn()]
        return [*kept, *await self._aged(now, max_age), *reported]

    async def _salvaged(self, settings: Settings) -> Sequence[Unneeded]:
        refs = await self.repository.salvage_refs()
        tasks = await self.db.read(cleaning.ended, {_claim(ref)[0] for ref, _ in refs})
        if not tasks:
            return []
        default = settings.target_branch or await self.repository.current_branch()
        targets = {one.id: one.feature_branch or default for one in tasks.values()}
        found = []
        for target in sorted({target for target in targets.values() if target}):
            if await self.repository.resolve(f"refs/heads/{target}") is None:
                continue
            for ref, commit in await self.repository.salvage_refs(within=target):
                task_id, attempt = _claim(ref)
                if targets.get(task_id) == target:
                    found.append(_salvaged(ref, commit, task_id, attempt, target))
        return found

    async def _withdrawn(self) -> Sequence[Unneeded]:
        seals = {
            (one.ref, *_landing(one)): one for one in await self.repository.kept_commits(SEALS)
        }
        if not seals:
            return []
        landings = {(task_id, attempt) for _, task_id, attempt in seals}
        settled = await self.db.read(cleaning.settled, landings)
        return [
            _withdrawn(one, task_id, attempt)
            for (_, task_id, attempt), one in seals.items()
            if (task_id, attempt) in settled and not await self.repository.is_seal_alone(one.commit)
        ]

    async def _aged(self, now: datetime, max_age: timedelta | None) -> Sequence[Unneeded]:
        ids = await self.disk.transcripts()
        if not ids:
            return []
        before = now - max_age if max_age else LONG_AGO
        return await self.sized(await self.db.read(cleaning.aged, ids, before))

    async def sized(self, folders: Sequence[Unneeded]) -> Sequence[Unneeded]:
        """Transcripts, with what they take."""
        size = self.disk.transcripts_size
        return [replace(one, bytes=await size(one.task_id)) for one in folders]

    async def remove(self, unneeded: Sequence[Unneeded], now: datetime) -> Sequence[Unneeded]:
        """What was removed. Raises `DatabaseError`."""
        agreed = await self.db.write(cleaning.tell_removed, unneeded, now, self.actor)
        return [one for one in agreed if await self._is_removed(one)]

    async def _is_removed(self, one: Unneeded) -> bool:
        try:
            if one.kind is UnneededKind.TRANSCRIPTS:
                await self.disk.drop_transcripts(one.task_id)
            elif one.kind is UnneededKind.REPORT:
                await self.spool.discard(one.name)
            elif one.kind is UnneededKind.WITHDRAWN:
                assert one.commit is not None
                await self.repository.drop_seal(one.name, one.commit)
            else:
                assert one.commit is not None
                assert one.target is not None
                await self.repository.drop_salvage(one.name, one.commit, kept_by=one.target)
        except (AbathurError, OSError) as error:
            self.complain(f"{one.name} is left: {error}")
            return False
        return True


def _claim(ref: str) -> tuple[str, int]:
    """Task and attempt of a salvage ref; a second one of an attempt ends in `-2`."""
    task_id, _, name = ref.removeprefix(f"{SALVAGE_PREFIX}/").partition("/")
    number = name.partition("-")[0]
    return task_id, int(number) if number.isascii() and number.isdigit() else 0


def _landing(seal: KeptCommit) -> tuple[str, int]:
    """Task and attempt that the merge says it lands."""
    number = seal.trailers.get("Abathur-Attempt", "")
    return seal.trailers.get("Abathur-Task", ""), int(number) if number.isdecimal() else 0


def _withdrawn(seal: KeptCommit, task_id: str, attempt: int) -> Unneeded:
    return Unneeded(
        kind=UnneededKind.WITHDRAWN,
        task_id=task_id,
        name=seal.ref,
        why="its landing is over, and nobody is left to go on with it",
        attempt=attempt,
        commit=seal.commit,
    )


def _salvaged(ref: str, commit: str, task_id: str, attempt: int, target: str) -> Unneeded:
    return Unneeded(
        kind=UnneededKind.SALVAGE,
        task_id=task_id,
        name=ref,
        why=f"`{target}` contains {commit[:10]}",
        attempt=attempt,
        commit=commit,
        target=target,
    )
