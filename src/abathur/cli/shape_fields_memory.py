"""The fields of what the commands about memories, sessions and documents print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

MEMORY: Final[Fields] = {
    "id": ("integer", "of the memory, whatever its version"),
    "entry_id": ("integer", "of the row that holds this version"),
    "namespace": ("string", "words joined by `:`"),
    "key": ("string", "its name there"),
    "value": ("any", "what is remembered"),
    "memory_type": ("string", "semantic, episodic, procedural or working"),
    "version": ("integer", "counted from 1"),
    "metadata": ("object", "about it"),
    "importance": ("number", "0 to 1"),
    "task_id": ("string?", "the task that it was first written for"),
    "created_by": ("string?", "who wrote its first version"),
    "created_at": ("time", "when that was"),
    "updated_by": ("string?", "who wrote this version"),
    "updated_at": ("time", "when that was"),
    "expires_at": ("time?", "when it is gone; null: never"),
    "deleted_at": ("time?", "when it was deleted"),
    "access_count": ("integer", "how often it was used"),
    "last_used_at": ("time?", "when that was last"),
    "promoted_at": ("time?", "when it became more than it was"),
}

MEMORY_VERSION: Final[Fields] = {
    "entry_id": ("integer", "of the row that holds this version"),
    "namespace": ("string", "words joined by `:`"),
    "key": ("string", "its name there"),
    "value": ("any", "what was remembered"),
    "memory_type": ("string", "semantic, episodic, procedural or working"),
    "version": ("integer", "counted from 1"),
    "is_deleted": ("boolean", "whether the memory is deleted, or was before it was added again"),
    "metadata": ("object", "about it"),
    "created_by": ("string?", "who wrote the first version"),
    "updated_by": ("string?", "who wrote this version"),
    "created_at": ("time", "when the first version was written"),
    "updated_at": ("time", "when this version was written"),
    "task_id": ("string?", "the task that the memory was written for"),
}

WHY: Final[Fields] = {
    "score": ("number", "the sum of 1 / (60 + rank) over the rankings by words and by meaning"),
    "words": ("string[]", "words of the question that it has"),
    "word_rank": ("integer?", "its place by words; null when it wasn't found by them"),
    "meaning_rank": ("integer?", "its place by meaning"),
    "similarity": ("number?", "cosine of the two meanings, at most 1"),
}

MEMORY_HIT: Final[Fields] = {
    "memory": ("Memory", "what was found"),
    "excerpt": ("string", "one line of it"),
    "why": ("Why", "why it was found"),
}

MEMORY_TOTAL: Final[Fields] = {
    "namespace": ("string", "the namespace itself, without what is below it"),
    "memory_type": ("string", "semantic, episodic, procedural or working"),
    "live": ("integer", "neither deleted nor expired"),
    "expired": ("integer", "expired, until `mem prune` deletes them"),
    "deleted": ("integer", "deleted, and can be restored"),
    "accesses": ("integer", "how often all of them were used"),
}

VECTOR_TOTAL: Final[Fields] = {
    "model": ("string", "who made them"),
    "vectors": ("integer", "how many passages have one"),
    "dimension": ("integer", "numbers in each"),
}

MEMORY_STATS: Final[Fields] = {
    "memories": ("MemoryTotal[]", "by namespace and type"),
    "vectors": ("VectorTotal[]", "of memories and documents together, by model"),
    "passages": ("integer", "parts of memories and documents that are searched"),
}

PROPOSAL: Final[Fields] = {
    "keep": ("Memory", "the one that is worth more"),
    "other": ("Memory", "the one that says nearly the same, and could go"),
    "share": ("number", "of their words, those that both have; at most 1"),
}

FORGOTTEN: Final[Fields] = {
    "deleted": ("boolean", "false when there was no such memory"),
}

MEMORY_PRUNE: Final[Fields] = {
    "dry_run": ("boolean", "true when nothing was deleted"),
    "memories": ("Memory[]", "what was deleted, or would be"),
}

MEMORY_IMPORT: Final[Fields] = {
    "added": ("integer", "memories that were not there"),
    "updated": ("integer", "memories that got a new version, with `--replace`"),
    "unchanged": ("integer", "memories that were there just so"),
    "skipped": ("integer", "memories that are others here"),
    "expired": ("integer", "memories that have expired since they were written"),
}

EMBEDDED: Final[Fields] = {
    "model": ("string", "who made the vectors"),
    "made": ("integer", "how many were made now"),
}

SESSION: Final[Fields] = {
    "id": ("string", "its id"),
    "app_name": ("string", "the program that it belongs to"),
    "user_id": ("string", "who it is with"),
    "project_id": ("string?", "what it is about"),
    "status": ("string", "created, active, paused, terminated or archived"),
    "metadata": ("object", "about it"),
    "created_at": ("time", "when it was made"),
    "last_update_time": ("time", "when something happened in it last"),
    "terminated_at": ("time?", "when it was ended by an older version"),
    "archived_at": ("time?", "when it was archived"),
}

SESSION_EVENT: Final[Fields] = {
    "sequence": ("integer", "counted from 1"),
    "at": ("time?", "when; null for an event of an older version"),
    "event": ("any", "what happened"),
}

SESSION_TASK: Final[Fields] = {
    "task_id": ("string", "a task of the session"),
    "summary": ("string", "what it is about"),
    "status": ("string", "its status"),
    "attempt": ("integer?", "number of an attempt; null when it wasn't tried yet"),
    "transcript_path": ("string?", "where the attempt's output is"),
}

SESSION_DETAIL: Final[Fields] = {
    "session": ("Session", "the session"),
    "state": ("object", "what it sees of the state, by key"),
    "events": ("SessionEvent[]", "a page of what happened"),
    "tasks": ("SessionTask[]", "its tasks, one entry an attempt"),
}

DOCUMENT: Final[Fields] = {
    "id": ("integer", "its id"),
    "file_path": ("string", "relative to the project"),
    "title": ("string", "its first heading, or the name of the file"),
    "document_type": ("string?", "markdown, source or text"),
    "content_hash": ("string", "SHA-256 of the file"),
    "chunk_count": ("integer", "into how many parts it was taken"),
    "namespace": ("string", "empty when it is in none"),
    "sync_status": ("string", "synced; else only an older version knew its content"),
    "metadata": ("object", "about it"),
    "last_synced_at": ("time?", "when it was indexed last"),
    "created_at": ("time", "when it was indexed first"),
    "updated_at": ("time", "when its content changed last"),
}

DOCUMENT_HIT: Final[Fields] = {
    "file_path": ("string", "where"),
    "namespace": ("string", "of the document; empty when it is in none"),
    "document_id": ("integer", "id of the document"),
    "heading": ("string", "what it stands under"),
    "first_line": ("integer", "where it begins"),
    "last_line": ("integer", "where it ends"),
    "excerpt": ("string", "one line of it"),
    "why": ("Why", "why it was found"),
}

SKIPPED: Final[Fields] = {
    "file_path": ("string", "a file that wasn't indexed"),
    "reason": ("string", "why not"),
}

INDEXED: Final[Fields] = {
    "indexed": ("string[]", "files that were new or had changed"),
    "unchanged": ("integer", "files that needn't be looked at"),
    "removed": ("string[]", "files that are gone"),
    "skipped": ("Skipped[]", "files that can't be documents"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Memory": MEMORY,
    "MemoryVersion": MEMORY_VERSION,
    "MemoryHit": MEMORY_HIT,
    "Why": WHY,
    "MemoryStats": MEMORY_STATS,
    "MemoryTotal": MEMORY_TOTAL,
    "VectorTotal": VECTOR_TOTAL,
    "Proposal": PROPOSAL,
    "Forgotten": FORGOTTEN,
    "MemoryPrune": MEMORY_PRUNE,
    "MemoryImport": MEMORY_IMPORT,
    "Embedded": EMBEDDED,
    "Session": SESSION,
    "SessionDetail": SESSION_DETAIL,
    "SessionEvent": SESSION_EVENT,
    "SessionTask": SESSION_TASK,
    "Document": DOCUMENT,
    "DocumentHit": DOCUMENT_HIT,
    "Indexed": INDEXED,
    "Skipped": SKIPPED,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "mem add": "Memory",
    "mem get": "Memory; a MemoryVersion with --version",
    "mem search": "MemoryHit[]",
    "mem list": "Memory[]",
    "mem history": "MemoryVersion[]",
    "mem restore": "Memory",
    "mem forget": "Forgotten",
    "mem prune": "MemoryPrune",
    "mem duplicates": "Proposal[]",
    "mem export": "Memory, one on each line",
    "mem import": "MemoryImport",
    "mem stats": "MemoryStats",
    "mem embed": "Embedded",
    "session list": "Session[]",
    "session show": "SessionDetail",
    "session archive": "Session",
    "docs index": "Indexed",
    "docs search": "DocumentHit[]",
    "docs list": "Document[]",
    "docs remove": "Document[]",
}
