"""The fields of what the commands print by which a person answers and recovers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

REVIEW: Final[Fields] = {
    "id": ("string", "its id, a UUID"),
    "task_id": ("string", "the task that waits"),
    "attempt": ("integer", "the attempt that made the work, or was denied something"),
    "kind": ("string", "landing or permission"),
    "state": ("string", "open, approved, rejected or void"),
    "question": ("string", "one line for a person"),
    "tree": ("string?", "the tree that an approval is good for; null for a permission"),
    "data": ("object", "by kind: the commits and the target, or what was denied and is allowed"),
    "comment": ("string?", "what was said with the answer, or made it void"),
    "asked_at": ("time", "when it was asked"),
    "decided_at": ("time?", "null: it is open"),
    "decided_by": ("string?", "who answered"),
}

CHANGED_FILE: Final[Fields] = {
    "path": ("string", "relative to the root"),
    "added": ("integer?", "lines; null for a binary file"),
    "removed": ("integer?", "lines; null for a binary file"),
}

REVIEW_DETAIL: Final[Fields] = {
    "review": ("Review", "the question"),
    "task": ("Task", "the task that waits"),
    "files": ("ChangedFile[]", "what the work changes; none for a permission"),
    "target_moved": ("boolean", "whether the target has changed since it was asked"),
}

SALVAGED: Final[Fields] = {
    "ref": ("string", "the ref that keeps it"),
    "kind": ("string", "salvage, or withdrawn: a merge whose landing was taken back"),
    "commit": ("string", "the commit"),
    "committed_at": ("time", "when it was made"),
    "subject": ("string", "first line of its message"),
    "task_id": ("string?", "the task; null when the commit doesn't name one"),
    "attempt": ("integer?", "number of the attempt"),
    "status": ("string?", "status of the task; null when the queue doesn't know it"),
    "files": ("integer?", "how many files it changes; null when its start isn't known"),
}

SALVAGED_DETAIL: Final[Fields] = {
    "salvaged": ("Salvaged", "what is kept"),
    "files": ("ChangedFile[]", "what it changes"),
}

RESTORED_WORK: Final[Fields] = {
    "ref": ("string", "the ref that keeps the work"),
    "commit": ("string", "the commit"),
    "branch": ("string", "the branch that was made"),
    "worktree": ("string?", "the folder that was made"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Review": REVIEW,
    "ReviewDetail": REVIEW_DETAIL,
    "ChangedFile": CHANGED_FILE,
    "Salvaged": SALVAGED,
    "SalvagedDetail": SALVAGED_DETAIL,
    "RestoredWork": RESTORED_WORK,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "review list": "Review[]",
    "review show": "ReviewDetail",
    "review answer": "Review",
    "review approve": "Review",
    "review reject": "Review",
    "salvage list": "Salvaged[]",
    "salvage show": "SalvagedDetail",
    "salvage restore": "RestoredWork",
}
