"""The fields of what the commands about the project and its swarm print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli import shape_fields_chaos as chaos
from abathur.cli import shape_fields_database as database
from abathur.cli import shape_fields_dev as dev
from abathur.cli import shape_fields_money as money
from abathur.cli import shape_fields_schedule as schedule
from abathur.cli.shape_fields_database import Fields

INITIALIZED: Final[Fields] = {
    "root": ("string", "the project's folder"),
    "created": ("string[]", "the files that were made"),
    "target": ("string?", "the branch that is checked out"),
    "target_allowed": ("boolean", "whether finished work may land there"),
    "unchanged": ("boolean", "true when all of it was there already"),
    "template": ("string?", "the name of the template that was taken over"),
}

PLANNED: Final[Fields] = {
    "name": ("string", "its name in the plan"),
    "created": ("boolean", "false when it was queued before"),
    "task": ("Task", "the task, new or known"),
    "kept": ("string[]", "what the plan says otherwise by now of one that was queued before"),
}

APPLIED: Final[Fields] = {
    "plan": ("string", "the plan's name"),
    "dry_run": ("boolean", "true when nothing was written"),
    "created": ("integer", "how many tasks are new"),
    "unchanged": ("integer", "how many were queued before"),
    "tasks": ("Planned[]", "all tasks of the plan"),
    "batches": ("string[][]", "names; the tasks of a batch can run at the same time"),
    "critical_path": ("string[]", "names of the chain that takes longest"),
    "critical_seconds": ("number", "what that chain takes; 600 for a task without an estimate"),
}

SWARM_EVENT: Final[Fields] = {
    "kind": (
        "string",
        "swarm_started, swarm_stopping, swarm_stopped, task_claimed, agent_started, agent_event, "
        "agent_silent, attempt_ended, task_waits, task_taken_back, work_salvaged, limit_reached, "
        "limit_over, landing_started, landing_refused, overlap_found, schedule_fired, room_again, "
        "cleaned, "
        "settings_changed, task_completed, task_failed, task_cancelled, needs_person or warning",
    ),
    "at": ("time", "when it happened"),
    "text": ("string", "one line for a person"),
    "task_id": ("string?", "the task that it is about"),
    "summary": ("string", "that task's summary"),
    "attempt": ("integer?", "number of the attempt"),
    "agent_type": ("string", "that task's kind of agent"),
    "data": ("object", "more, by kind; for agent_event what the agent's program told"),
}

SWARM_RESULT: Final[Fields] = {
    "kind": ("string", "always `result`: the last line"),
    "completed": ("integer", "how many tasks this swarm completed"),
    "failed": ("integer", "how many failed here"),
    "cancelled": ("integer", "how many were cancelled here"),
    "stopped_by": ("string", "idle, held, limit, signal or request"),
    "seconds": ("number", "how long the swarm ran"),
    "scheduled": ("integer", "how many tasks wait for their time"),
    "reviews": ("integer", "how many questions wait for a person's answer"),
    "next_due": ("time?", "when the first of them can start"),
    "held": ("integer", "how many ready tasks may not be started, for whatever reason"),
    "lost_events": ("integer", "events that weren't printed because nobody read fast enough"),
}

WORKER: Final[Fields] = {
    "id": ("string", "its id, a UUID"),
    "host": ("string", "the machine that it runs on"),
    "pid": ("integer", "its process there"),
    "alive": ("boolean?", "whether that process lives; null when it is on another machine"),
    "max_agents": ("integer", "how many agents it runs at once"),
    "started_at": ("time", "when it began"),
    "heartbeat_at": ("time", "its last sign of life"),
    "lease_until": ("time", "without another one it counts as dead from then on"),
    "stop_requested_at": ("time?", "when it was asked to stop"),
}

LAST_EVENT: Final[Fields] = {
    "kind": ("string", "as in Event"),
    "text": ("string", "one line for a person"),
}

RUNNING: Final[Fields] = {
    "task": ("Task", "the task"),
    "attempt": ("Attempt?", "the attempt under way"),
    "last_event": ("LastEvent?", "what the agent did last"),
    "last_event_at": ("time?", "when that was"),
}

COUNTS: Final[Fields] = {
    "running": ("integer", "tasks that agents work on or that land"),
    "ready": ("integer", "tasks that could start"),
    "pending": ("integer", "tasks that wait for their time"),
    "blocked": ("integer", "tasks that wait for others"),
    "completed": ("integer", "tasks that have landed"),
    "failed": ("integer", "tasks that won't be tried again"),
    "cancelled": ("integer", "tasks that nobody wants any more"),
}

HOLD: Final[Fields] = {
    "id": ("string", "its id, a UUID"),
    "scope": ("string", "everything, target, task, agent_type or host"),
    "name": ("string", "of the target, task or agent type; empty for everything"),
    "cause": ("string", "person, budget, disk or authentication"),
    "reason": ("string", "what was told about it"),
    "hold_until": ("time?", "when it ends by itself; null: somebody has to end it"),
    "created_by": ("string", "who began it"),
    "created_at": ("time", "when it began"),
}

REFUSED: Final[Fields] = {
    "kind": ("string", "hold, limit, pool, reservation, budget or target"),
    "text": ("string", "why they aren't started, without a full stop"),
    "until": ("time?", "when that ends by itself, if it does"),
    "since": ("time?", "when the hold began"),
    "tasks": ("string[]", "ids of ready tasks, the most urgent first"),
}

QUEUE: Final[Fields] = {
    "holds": ("Hold[]", "what is held, the oldest first"),
    "refused": ("Refused[]", "ready tasks that aren't started, by reason"),
    "admitted": ("integer", "ready tasks that wait for nothing but a free agent"),
    "is_partial": ("boolean", "true when there were too many ready tasks to look at each"),
    "held_landings": ("Landing[]", "those whose target is paused, or closed at the moment"),
    "closed_targets": ("object", "target of those -> why nothing can land on it"),
    "next_schedule": ("string?", "name of the schedule that is due next"),
    "next_schedule_at": ("time?", "when it is due"),
}

RECONCILED: Final[Fields] = {
    "ok": ("boolean", "false when something is left; then the exit code is 1"),
    "dry_run": ("boolean", "true when nothing was written"),
    "fixes": ("Fix[]", "what was repaired, or would be"),
    "left": ("Problem[]", "what a swarm that runs, or a person, has to put right"),
}
POOL: Final[Fields] = {
    "provider": ("string", "whose limit it is"),
    "account": ("string", "the account there; `NAME:MODEL` where one model is counted alone"),
    "limit_window": ("string", "the provider's name for it, or the class of the refusal"),
    "exhausted_until": ("time?", "nothing is started before; afterwards one task tries first"),
    "used_share": ("number?", "how much of it is used, 0 to 1, as far as the provider told"),
    "refusals": ("integer", "how often in a row it was used up"),
    "probe": ("string?", "TASK/ATTEMPT of the run that tries whether it is open again"),
    "source": ("string", "what that rests on: event, error or text"),
    "observed_at": ("time", "when it was seen"),
}

SWARM_STATUS: Final[Fields] = {
    "idle": ("boolean", "nothing runs, lands, could start or waits for another try"),
    "counts": ("Counts", "how many tasks there are, by status"),
    "next_due": ("time?", "when the first pending task can start"),
    "workers": ("Worker[]", "the swarms that haven't signed off"),
    "running": ("Running[]", "tasks under way"),
    "landings": ("Landing[]", "those under way or waiting"),
    "reviews": ("Review[]", "those that wait for an answer"),
    "loops": ("Loop[]", "the first twenty of those that haven't ended"),
    "queue": ("Queue", "what keeps ready tasks from being started"),
    "pools": ("Pool[]", "providers' limits, as their programs told of them"),
    "refused": ("Landing[]", "of failed tasks, whose work a person has to look at"),
    "flaky": ("GateRun[]", "gates that passed only when repeated, the newest first"),
}

RELOADED: Final[Fields] = {"workers": ("string[]", "ids of the swarms that were told")}

STOPPED: Final[Fields] = {
    "workers": ("string[]", "ids of the swarms that were asked to stop"),
    "stopped": ("boolean", "true when they have stopped, false with --no-wait"),
}

CHECK: Final[Fields] = {
    "name": ("string", "what was looked at"),
    "verdict": ("string", "ok, warn or fail"),
    "text": ("string", "what was found"),
    "remedy": ("string", "what to do; empty when it is ok"),
}

DIAGNOSIS: Final[Fields] = {
    "ok": ("boolean", "false when a check failed; then the exit code is 1"),
    "checks": ("Check[]", "in an order in which to put things right"),
}

TRUST: Final[Fields] = {
    "root": ("string", "the folder of the project"),
    "trusted": ("boolean", "whether everything that the files name may be run"),
    "files": ("TrustedFile[]", "those that name something to run"),
}

TRUSTED_FILE: Final[Fields] = {
    "path": ("string", "from the folder of the project"),
    "says": ("string[]", "what it names, line by line"),
    "trusted": ("boolean", "whether you have agreed to it as it is"),
}

DATABASE_INFO: Final[Fields] = {
    "path": ("string", "the database file, or the URL of the database without password"),
    "size": ("integer", "its size in bytes"),
    "wal_size": ("integer?", "size of the write-ahead log beside it, in bytes"),
    "sqlite_version": ("string?", "the SQLite that opened it; null for one on a server"),
    "server_version": ("string?", "the PostgreSQL that it is on; null for a file"),
    "schema_version": ("integer", "how many migrations it has seen"),
    "journal_mode": ("string?", "wal, unless something is wrong"),
    "rows": ("object", "how many rows each table has"),
}

LEGACY_ROW: Final[Fields] = {
    "id": ("integer", "its number here"),
    "source_table": ("string", "the table that it stood in"),
    "source_key": ("string", "its rowid there, or its primary key as JSON"),
    "row": ("object", 'all of it, by column; a blob is {"$base64": "..."}'),
    "reason": ("string", "why it was kept"),
}

SUITE: Final[Fields] = {
    "ran": ("integer", "how many tests"),
    "passed": ("boolean", "whether all of them passed"),
    "verdict": ("string", "the last word of the test program"),
}

SUITES: Final[Fields] = {
    "before": ("Suite", "before the agents began"),
    "after": ("Suite", "when all had landed"),
}

DEMO_TASK: Final[Fields] = {
    "name": ("string", "its name in the backlog"),
    "id": ("string", "the task"),
    "status": ("string", "its status at the end"),
    "attempts": ("integer", "how many attempts it took"),
    "landings": ("string[]", "how each of its landings ended, oldest first"),
}

DEMO: Final[Fields] = {
    "ok": ("boolean", "false when anything wasn't as promised; then the exit code is 1"),
    "problems": ("string[]", "what wasn't as promised"),
    "path": ("string", "the repository that was made"),
    "seconds": ("number", "how long it took"),
    "tests": ("Suites", "the repository's tests"),
    "tasks": ("DemoTask[]", "the tasks of the backlog"),
    "history": ("string[]", "the lines of its git log, newest first"),
}

CLEANED: Final[Fields] = {
    "dry_run": ("boolean", "whether it was only looked for"),
    "removed": ("Unneeded[]", "what was removed, or would be"),
    "left": ("string[]", "what couldn't be removed, with the reason"),
}

UNNEEDED: Final[Fields] = {
    "kind": ("string", "salvage, withdrawn, transcripts or report"),
    "task_id": ("string", "the task that it is of"),
    "name": ("string", "of the ref, or of the file or folder"),
    "why": ("string", "the proof in words"),
    "attempt": ("integer?", "number of the attempt; null for all of the task's"),
    "commit": ("string?", "what a salvage ref kept, or the merge that was withdrawn"),
    "target": ("string?", "the branch that contains what a salvage ref kept"),
    "bytes": ("integer?", "what it takes on the disk; null for a ref"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Initialized": INITIALIZED,
    "Applied": APPLIED,
    "Planned": PLANNED,
    "SwarmEvent": SWARM_EVENT,
    "SwarmResult": SWARM_RESULT,
    "SwarmStatus": SWARM_STATUS,
    "Pool": POOL,
    "Counts": COUNTS,
    "Worker": WORKER,
    "Running": RUNNING,
    "LastEvent": LAST_EVENT,
    "Hold": HOLD,
    "Refused": REFUSED,
    "Queue": QUEUE,
    "Reconciled": RECONCILED,
    "Cleaned": CLEANED,
    "Unneeded": UNNEEDED,
    "Stopped": STOPPED,
    "Reloaded": RELOADED,
    "Diagnosis": DIAGNOSIS,
    "Check": CHECK,
    "Trust": TRUST,
    "TrustedFile": TRUSTED_FILE,
    **database.SHAPES,
    **money.SHAPES,
    **schedule.SHAPES,
    "DatabaseInfo": DATABASE_INFO,
    "LegacyRow": LEGACY_ROW,
    "Demo": DEMO,
    "DemoTask": DEMO_TASK,
    "Suites": SUITES,
    "Suite": SUITE,
    **chaos.SHAPES,
    **dev.SHAPES,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "init": "Initialized",
    "plan apply": "Applied",
    "plan show": "ExecutionPlan",
    "swarm start": "SwarmEvent, one on each line, and a SwarmResult on the last",
    "swarm status": "SwarmStatus",
    "swarm stop": "Stopped",
    "swarm reload": "Reloaded",
    "pause": "Hold",
    "resume": "Hold[]",
    "reconcile": "Reconciled",
    "clean": "Cleaned",
    "doctor": "Diagnosis",
    "trust": "Trust",
    **database.COMMAND_SHAPES,
    **money.COMMAND_SHAPES,
    **schedule.COMMAND_SHAPES,
    "db info": "DatabaseInfo",
    "db legacy": "LegacyRow[]",
    "demo": "Demo",
    "chaos": "Chaos",
    **dev.COMMAND_SHAPES,
}
