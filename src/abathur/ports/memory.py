"""What memories, sessions and documents need from the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from abathur.domain.documents import Chunk, Document, NewDocument
    from abathur.domain.memories import Memory, MemoryTotal, MemoryType, MemoryVersion
    from abathur.domain.sessions import NewSession, Session, SessionEvent, SessionTask, StateScope
    from abathur.ports.vectors import VectorStore


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """All conditions must hold. None doesn't ask."""

    namespace: str | None = None
    """This one and those below it."""
    types: Collection[MemoryType] | None = None
    author: str | None = None
    """Who wrote the first or the present version."""
    task_id: str | None = None
    since: datetime | None = None
    """Changed at this time or later."""
    until: datetime | None = None
    also_gone: bool = False
    """Deleted and expired ones too."""
    before_id: int | None = None
    """For paging: ids below this one."""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    namespace: str | None = None
    under: str | None = None
    """A file, or everything below a folder."""
    after: str | None = None
    """For paging: paths after this one."""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found: a memory's text, or a part of a document."""

    id: int
    memory_id: int | None
    document_id: int | None
    heading: str
    text: str
    first_line: int | None
    last_line: int | None
    file_path: str | None
    namespace: str | None
    """Of the document."""


class MemoryStore(Protocol):
    def get(self, namespace: str, key: str) -> Memory | None:
        """As it is now, deleted and expired ones too."""
        ...

    def by_ids(self, ids: Collection[int]) -> Sequence[Memory]:
        """Those that exist, in any order."""
        ...

    def select(self, where: MemoryFilter, now: datetime) -> Sequence[Memory]:
        """The newest first."""
        ...

    def count(self, namespace: str, now: datetime) -> int:
        """Live ones in exactly this namespace."""
        ...

    def count_keys(self, namespace: str) -> int:
        """All of them, deleted and expired ones too; reads an index alone."""
        ...

    def expired(self, where: MemoryFilter, now: datetime) -> Sequence[Memory]:
        """Of the namespace and the types of the filter, those that aren't deleted yet."""
        ...

    def insert(self, memory: Memory) -> Memory:
        """Write it and its first version, and return it with its ids.

        Raises `ConflictError` when its key is used.
        """
        ...

    def save(self, memory: Memory, expected_version: int, *, is_version: bool) -> Memory:
        """Write what changed, and with `is_version` the version that it has now.

        Raises `ConflictError` unless the memory had the version that is expected.
        """
        ...

    def mark(self, memory: Memory, *, is_deleted: bool) -> None:
        """Mark all its versions."""
        ...

    def version(self, namespace: str, key: str, version: int) -> MemoryVersion | None: ...

    def versions(self, namespace: str, key: str) -> Sequence[MemoryVersion]:
        """The first one first."""
        ...

    def use(self, memory_id: int, task_id: str | None, now: datetime) -> None:
        """Count an access; a task is noted once."""
        ...

    def users(self, memory_id: int, since: datetime | None) -> int:
        """How many distinct tasks first used it after that time."""
        ...

    def totals(self, now: datetime) -> Sequence[MemoryTotal]: ...


class PassageStore(Protocol):
    """What can be searched. A passage is written once and never changed."""

    def set_memory(self, memory_id: int, heading: str, text: str) -> None:
        """In place of the one that it had."""
        ...

    def drop_memory(self, memory_id: int) -> None: ...

    def set_document(self, document_id: int, chunks: Sequence[Chunk]) -> None:
        """In place of those that it had."""
        ...

    def memories_by_words(
        self, words: Sequence[str], where: MemoryFilter, now: datetime, limit: int
    ) -> Sequence[int]:
        """Ids of passages with any of the words, of `search.words_of`, the best first."""
        ...

    def documents_by_words(
        self, words: Sequence[str], where: DocumentFilter, limit: int
    ) -> Sequence[int]:
        """The same in documents."""
        ...

    def allowed_memories(
        self, ids: Collection[int] | None, where: MemoryFilter, now: datetime
    ) -> Collection[int]:
        """Of these passages, or of all with None, those whose memories the filter lets through."""
        ...

    def allowed_documents(
        self, ids: Collection[int] | None, where: DocumentFilter
    ) -> Collection[int]:
        """The same of documents."""
        ...

    def get_many(self, ids: Collection[int]) -> Mapping[int, Passage]: ...

    def count(self) -> int: ...


class DocumentStore(Protocol):
    def get(self, file_path: str) -> Document | None: ...

    def select(self, where: DocumentFilter) -> Sequence[Document]:
        """In order of their paths."""
        ...

    def save(self, new: NewDocument, now: datetime) -> int:
        """Write it, in place of one with the same path; its id."""
        ...

    def remove(self, document_id: int) -> None:
        """With its passages."""
        ...


class SessionStore(Protocol):
    def insert(self, new: NewSession, now: datetime) -> None: ...

    def get(self, session_id: str) -> Session | None: ...

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]: ...

    def select(
        self, *, status: str | None, user_id: str | None, project_id: str | None, limit: int
    ) -> Sequence[Session]:
        """The newest first."""
        ...

    def touch(self, session_id: str, now: datetime) -> bool:
        """Say that something happens in it; False when it has ended."""
        ...

    def archive(self, session_id: str, now: datetime) -> bool: ...

    def append(
        self, session_id: str, sequence: int, event: Mapping[str, Any], at: datetime
    ) -> None: ...

    def last_event(self, session_id: str) -> int:
        """The highest number given in the table of events; 0 without any."""
        ...

    def events(self, session_id: str, after: int, limit: int) -> Sequence[SessionEvent]: ...

    def state(self, scope: StateScope, owner: str) -> Mapping[str, Any]: ...

    def value(self, scope: StateScope, owner: str, key: str) -> tuple[Any] | None:
        """The value in a tuple, as it may be None."""
        ...

    def set_value(
        self, scope: StateScope, owner: str, key: str, value: Any, now: datetime
    ) -> None: ...

    def drop_state(self, scope: StateScope, owner: str) -> None: ...

    def link(self, session_id: str, task_id: str) -> bool:
        """Say that the task belongs to the session; False when there is no such task."""
        ...

    def tasks(self, session_id: str) -> Sequence[SessionTask]:
        """A row for each attempt of its tasks."""
        ...


class KnowledgeStores(Protocol):
    """Those of what is known, beside those of the queue: a part of `stores.Stores`."""

    @property
    def memories(self) -> MemoryStore: ...

    @property
    def passages(self) -> PassageStore: ...

    @property
    def documents(self) -> DocumentStore: ...

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def vectors(self) -> VectorStore: ...
