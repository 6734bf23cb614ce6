"""Takes every row of an older file over into an empty one of today's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from abathur.domain.audit import AuditEntry
from abathur.domain.errors import IntegrityViolation, InvalidInputError
from abathur.domain.tasks import Task
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.legacy import edges, history, plain
from abathur.infrastructure.database.legacy.ledger import Ledger
from abathur.infrastructure.database.legacy.placing import place
from abathur.infrastructure.database.legacy.reading import Row, Source
from abathur.infrastructure.database.legacy.taking import Taking
from abathur.infrastructure.database.legacy.tasks import Draft, draft_of
from abathur.infrastructure.database.recognise import plain_name
from abathur.infrastructure.database.stores import SqlStores

EDGES: Final = "task_dependencies"
KEYS: Final = {"checkpoints": ("task_id", "iteration")}
"""Columns that tell the rows of a table apart where it isn't `id`."""


class Writing:
    """One conversion. Foreign keys are off on the session: rows come in any order."""

    def __init__(self, source: Source, session: Session, stores: SqlStores, now: datetime) -> None:
        self._source = source
        self._session = session
        self._stores = stores
        self._now = now
        self.ledger = Ledger(session)
        self._sessions: dict[str, object] = {}

    def run(self) -> Ledger:
        self._plain("sessions", {})
        tasks = self._tasks()
        for name in plain.PLAIN:
            if name != "sessions":
                self._plain(name, tasks)
        self._session.execute("legacy_memories")
        self._session.execute("legacy_passages")
        self._trail(tasks)
        self._rest()
        self._sequences()
        return self.ledger

    def _takings(self, base: str) -> Iterator[Taking]:
        """The rows of a table and of what rebuilds of it left, without repetitions."""
        names = sorted(name for name in self._source.tables if plain_name(name) == base)
        if base in names:
            names.remove(base)
            names.insert(0, base)
        key = KEYS.get(base, ("id",))
        seen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for name in names:
            for row in self._source.rows(name):
                known = tuple(row.values.get(column) for column in key)
                if name != names[0] and _is_repeated(row, seen.get(known)):
                    self.ledger.repeat(row)
                    continue
                if len(names) > 1:
                    seen.setdefault(known, row.values)
                yield Taking(row)

    def _plain(self, base: str, tasks: Mapping[str, Task]) -> None:
        how = plain.PLAIN[base]
        present = plain.Present(self._now, tasks, self._sessions)
        for taking in self._takings(base):
            params = how.params(taking, present)
            if params is not None and self._insert(how, taking, params) and how is plain.SESSIONS:
                self._sessions[params["id"]] = None
            self.ledger.settle(taking, how.target)

    def _insert(self, how: plain.Plain, taking: Taking, params: plain.Params) -> bool:
        try:
            self._session.execute(how.statement, **params)
        except (IntegrityViolation, InvalidInputError) as error:
            if how.numbered and params["id"] is not None:
                taking.changed("id")
                return self._insert(how, taking, {**params, "id": None})
            rule = error.constraint if isinstance(error, IntegrityViolation) else str(error)
            taking.refuse(f"not converted: {rule}")
            return False
        return True

    def _tasks(self) -> Mapping[str, Task]:
        drafts: dict[str, Draft] = {}
        refused: list[Taking] = []
        for taking in self._takings("tasks"):
            draft = draft_of(taking, self._now)
            if draft is None or draft.id in drafts:
                taking.refuse("not converted: another row has this id")
                refused.append(taking)
            else:
                drafts[draft.id] = draft
        self._sole_keys(drafts)
        rows = list(self._takings(EDGES))
        links = edges.gather(drafts, rows)
        edges.break_cycles(drafts, links)
        edges.parentless(drafts)
        tasks = place(drafts, links)
        for task in tasks.values():
            self._write_task(task, drafts[task.id])
        self._write_edges(links, tasks)
        for taking in (*(draft.taking for draft in drafts.values()), *refused):
            self.ledger.settle(taking, "tasks")
        for taking in rows:
            self.ledger.settle(taking, EDGES)
        return tasks

    def _sole_keys(self, drafts: Mapping[str, Draft]) -> None:
        used: set[str] = set()
        for draft in drafts.values():
            key = draft.fields["idempotency_key"]
            if key in used:
                draft.fields["idempotency_key"] = None
                draft.taking.changed("idempotency_key")
            elif key is not None:
                used.add(key)

    def _write_task(self, task: Task, draft: Draft) -> None:
        # Its edges are written with what only their rows know.
        self._session.execute("tasks_insert", **_columns(task))
        if draft.session_id is None:
            return
        if draft.session_id in self._sessions:
            self._session.execute("legacy_task_session", id=task.id, session_id=draft.session_id)
        else:
            draft.taking.changed("session_id")

    def _write_edges(self, links: edges.Links, tasks: Mapping[str, Task]) -> None:
        for link in links.values():
            done = tasks[link.prerequisite].completed_at if _is_met(link, tasks) else None
            if link.taking is not None and link.resolved_at is not None and done is None:
                link.taking.changed("resolved_at")
            self._session.execute(
                "legacy_edge",
                prerequisite=link.prerequisite,
                dependent=link.dependent,
                dependency_type=link.dependency_type,
                created_at=link.created_at or tasks[link.dependent].submitted_at,
                resolved_at=done and (link.resolved_at or done),
            )

    def _trail(self, tasks: Mapping[str, Task]) -> None:
        entries: list[AuditEntry] = []
        for base in history.TRAILS:
            for taking in self._takings(base):
                entry = history.entry_of(taking)
                if entry is not None:
                    entries.append(entry)
                self.ledger.settle(taking, "audit")
        for entry in sorted(entries, key=lambda entry: entry.timestamp):
            self._stores.audit.append(entry)
        for task in tasks.values():
            self._stores.audit.append(history.import_of(task, self._now))
        self.ledger.imported = len(tasks)

    def _rest(self) -> None:
        known = {*plain.PLAIN, "tasks", EDGES, *history.TRAILS}
        for name in self._source.tables:
            if plain_name(name) not in known:
                for row in self._source.rows(name):
                    self.ledger.keep(row)

    def _sequences(self) -> None:
        numbered = {how.target for how in plain.PLAIN.values() if how.numbered}
        if "sqlite_sequence" not in self._source.tables:
            return
        for row in self._source.rows("sqlite_sequence"):
            name, seq = row.values.get("name"), row.values.get("seq")
            if name in numbered and type(seq) is int:
                self._session.execute("legacy_sequence_raise", name=name, seq=seq)
                self._session.execute("legacy_sequence_add", name=name, seq=seq)


def _columns(task: Task) -> dict[str, Any]:
    return {
        name: getattr(task, name) for name in Task.__dataclass_fields__ if name != "prerequisites"
    }


def _is_met(link: edges.Link, tasks: Mapping[str, Task]) -> bool:
    return tasks[link.prerequisite].status.value == "completed"


def _is_repeated(row: Row, other: Mapping[str, Any] | None) -> bool:
    return other is not None and all(
        value is None or other.get(name) == value for name, value in row.values.items()
    )
