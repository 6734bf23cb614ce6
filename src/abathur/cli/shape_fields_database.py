"""The fields of what the commands print that look after the database; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Fields = Mapping[str, tuple[str, str]]

PROBLEM: Final[Fields] = {
    "code": ("string", "a word for the kind of problem"),
    "text": ("string", "one line that says what is wrong"),
    "table": ("string?", "the table of the row; null when it is about the file"),
    "key": ("string?", "key of the row; the parts of a compound one are joined by `/`"),
    "task_id": ("string?", "the task that the row belongs to"),
    "fixable": ("boolean", "whether `--fix` can fix it"),
    "advice": ("string?", "what to do by hand; null where `--fix` does it or the text says it"),
}

FIX: Final[Fields] = {
    "code": ("string", "the problem that was fixed"),
    "text": ("string", "why it was fixed"),
    "table": ("string", "the table of the row"),
    "key": ("string", "key of the row"),
    "task_id": ("string?", "the task that the row belongs to"),
    "before": (
        "object",
        "the columns that changed; the whole row when it was removed, nothing when it was made",
    ),
    "after": (
        "object?",
        "the same columns; the whole row when it was made, null when it was removed",
    ),
}

DATABASE_CHECK: Final[Fields] = {
    "ok": ("boolean", "false when there are problems; then the exit code is 1"),
    "problems": ("Problem[]", "what is wrong; after `--fix` what is left"),
    "dry_run": ("boolean", "true when nothing was fixed"),
    "backup": ("string?", "the copy that `--fix` made first"),
    "fixes": ("Fix[]", "what `--fix` fixed, or would fix"),
}

BACKUP: Final[Fields] = {
    "path": ("string", "the copy"),
    "size": ("integer", "its size in bytes"),
}

RESTORED: Final[Fields] = {
    "path": ("string", "the database"),
    "backup": ("string", "what was put in its place"),
    "kept": ("string?", "the database that was there; null when there was none"),
    "tasks": ("object", "how many tasks of each status there are now"),
    "unreadable": ("string?", "why the database that was there couldn't be read"),
    "entries_undone": ("integer?", "audit entries since the backup; null when unknown"),
    "completed_undone": ("integer?", "tasks completed since the backup; null when unknown"),
}

RECOVERED_TABLE: Final[Fields] = {
    "table": ("string", "the table"),
    "kept": ("integer", "rows in the new database"),
    "lost": ("integer", "rows that can't be read or don't fit"),
    "changed": ("integer", "kept rows that had to be changed to fit"),
}

RECOVERED: Final[Fields] = {
    "source": ("string", "the damaged file, which is as it was"),
    "target": ("string", "the new database"),
    "complete": ("boolean", "true when nothing was lost; else the exit code is 1"),
    "tables": ("RecoveredTable[]", "what became of the rows"),
    "damaged_pages": ("integer", "pages that can't be read"),
    "leftovers": ("string?", "a file with the rows that don't fit, one a line as JSON"),
    "problems": ("Problem[]", "what `db check` finds in the new database"),
}

VACUUMED: Final[Fields] = {
    "path": ("string", "the database"),
    "before": ("integer", "its size in bytes, with the write-ahead log"),
    "after": ("integer", "the same afterwards"),
    "seconds": ("number", "how long writers had to wait"),
}

KEPT: Final[Fields] = {
    "task_id": ("string", "a task that fits, but stays"),
    "reason": ("string", "why it stays"),
}

PRUNED: Final[Fields] = {
    "dry_run": ("boolean", "true when nothing was removed"),
    "tasks": ("string[]", "ids of the tasks that were removed, or would be"),
    "statuses": ("object", "how many of them had each status"),
    "rows": ("object", "how many rows were removed from each table"),
    "kept": ("Kept[]", "tasks that fit, but stay"),
}

UPGRADE: Final[Fields] = {
    "path": ("string", "the database"),
    "dry_run": ("boolean", "true when nothing was changed"),
    "action": ("string", "nothing, create, upgrade or convert: what was done, or would be"),
    "before": ("integer", "number of the schema it had; 0 is a database without tables"),
    "after": ("integer", "number of the schema it has, or would have"),
    "migrations": ("string[]", "names of the steps, in their order"),
    "copy": ("string?", "where the state before is kept; null without rows, and in a dry run"),
}

COPIED_TABLE: Final[Fields] = {
    "name": ("string", "the table"),
    "rows": ("integer", "how many rows it has, on both sides"),
    "sha256": ("string", "of its contents on both sides, whatever the order of the rows"),
}

COPIED: Final[Fields] = {
    "source": ("string", "where the rows came from"),
    "target": ("string", "where they are too"),
    "tables": ("CopiedTable[]", "all tables, by name"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Problem": PROBLEM,
    "Fix": FIX,
    "DatabaseCheck": DATABASE_CHECK,
    "Backup": BACKUP,
    "Restored": RESTORED,
    "RecoveredTable": RECOVERED_TABLE,
    "Recovered": RECOVERED,
    "Vacuumed": VACUUMED,
    "Upgrade": UPGRADE,
    "Copied": COPIED,
    "CopiedTable": COPIED_TABLE,
    "Kept": KEPT,
    "Pruned": PRUNED,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "db check": "DatabaseCheck",
    "db backup": "Backup",
    "db restore": "Restored",
    "db recover": "Recovered",
    "db vacuum": "Vacuumed",
    "db migrate": "Upgrade",
    "db copy": "Copied",
    "task prune": "Pruned",
}
