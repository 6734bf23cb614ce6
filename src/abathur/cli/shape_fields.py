"""The fields of everything that `--json` prints: name -> (type, meaning), in order.

The shapes are made from these tables and so is their documentation, so the two can't differ.
Types: `time` is ISO 8601 in UTC with a `Z`, `?` marks what may be null, `[]` a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli import (
    shape_fields_agents,
    shape_fields_loops,
    shape_fields_mcp,
    shape_fields_memory,
    shape_fields_person,
    shape_fields_swarm,
)
from abathur.cli.shape_fields_database import Fields

TASK: Final[Fields] = {
    "id": ("string", "its id, a UUID; ids are ordered by time of submission"),
    "summary": ("string", "one line, at most 140 characters"),
    "status": ("string", "pending, blocked, ready, running, completed, failed or cancelled"),
    "prompt": ("string", "what the agent is told"),
    "agent_type": ("string", "which kind of agent does it"),
    "priority": ("integer", "0 to 10, 10 is the most urgent"),
    "source": ("string", "human, agent_requirements, agent_planner or agent_implementation"),
    "parent_task_id": ("string?", "the task that it is a part of"),
    "prerequisites": ("string[]", "ids of the tasks that it waits for"),
    "dependency_depth": ("integer", "length of the longest chain of prerequisites below it"),
    "unmet_count": ("integer", "how many prerequisites aren't completed yet"),
    "feature_branch": ("string?", "the target: the branch that its work lands on"),
    "not_before": ("time?", "it isn't started earlier"),
    "deadline": ("time?", "when it should be done; it is preferred when that comes near"),
    "estimated_duration_seconds": ("integer?", "how long it will take, as far as was told"),
    "max_retries": ("integer", "how many failed attempts are followed by another one"),
    "max_execution_timeout_seconds": ("integer", "an attempt that takes longer is ended"),
    "input_data": ("object", "further input for the agent"),
    "result_data": ("object?", "what the agent returned"),
    "error_message": ("string?", "why it failed, was cancelled or was handed back"),
    "task_branch": ("string?", "the branch of its newest attempt"),
    "worktree_path": ("string?", "the worktree of its newest attempt"),
    "worker_id": ("string?", "the swarm that holds it"),
    "attempt_count": ("integer", "how many attempts were started; the newest has this number"),
    "retry_count": ("integer", "how many failed attempts were charged against max_retries"),
    "rework_count": ("integer", "how often a landing sent the work back to an agent"),
    "lost_count": ("integer", "how many attempts in a row lost their worker"),
    "cancelled_by": ("string?", "the task whose failing or cancelling took it along"),
    "idempotency_key": ("string?", "submitting again with this key changes nothing"),
    "created_by": ("string?", "who submitted it"),
    "submitted_at": ("time", "when it was submitted"),
    "started_at": ("time?", "when its first attempt began"),
    "completed_at": ("time?", "when it ended, well or not"),
    "last_updated_at": ("time", "when it was changed last"),
}

SUBMITTED: Final[Fields] = {
    "created": ("boolean", "false when the idempotency key was known already"),
    "task": ("Task", "the task, new or known"),
}

USAGE: Final[Fields] = {
    "input_tokens": ("integer?", "null is unknown, which isn't zero"),
    "output_tokens": ("integer?", ""),
    "cache_read_tokens": ("integer?", ""),
    "cache_write_tokens": ("integer?", ""),
    "cost_usd": ("number?", "in US dollars, as the agent's program told"),
}

RESULT: Final[Fields] = {
    "content": ("object", "as the agent gave it"),
    "origin": ("string", "where from: tool, text or repair"),
    "check": ("string", "by the schema of the agent type: valid, unchecked or invalid"),
    "problem": ("string?", "what is wrong with it"),
}

ATTEMPT: Final[Fields] = {
    "task_id": ("string", "the task that was tried"),
    "number": ("integer", "counted from 1 within the task"),
    "outcome": (
        "string?",
        "succeeded, failed, timed_out, silent, rate_limited, cancelled, released or lost; "
        "null: it runs",
    ),
    "failure_class": ("string?", "what kind of failure ended it, or refused its work"),
    "error_message": ("string?", "what went wrong, in one line"),
    "exit_code": ("integer?", "of the agent's program; negative for a signal"),
    "runtime": ("string?", "how the agent was run"),
    "model": ("string?", "the model that was asked for"),
    "model_choice": ("string?", "why it was given its model, where a rule has chosen it"),
    "definition_version": ("string?", "of the agent definition's file; null: no file defines it"),
    "result": ("Result?", "what the agent handed over, also where its work didn't land"),
    "session_id": ("string?", "the agent's own name for the run"),
    "worker_id": ("string", "the swarm that ran it"),
    "pid": ("integer?", "process id of the agent's program"),
    "branch": ("string?", "the branch that it worked on"),
    "worktree_path": ("string?", "the folder that it worked in"),
    "base_commit": ("string?", "what the worktree started from"),
    "head_commit": ("string?", "what the agent left"),
    "salvage_ref": ("string?", "where work that didn't land is kept"),
    "transcript_path": ("string?", "the program's output, byte by byte"),
    "feedback": ("object?", "why the attempt before was sent back"),
    "usage": ("Usage?", "what the run used"),
    "started_at": ("time", "when the task was claimed for it"),
    "ended_at": ("time?", "null: it runs"),
}

PROOF: Final[Fields] = {
    "target": ("string", "the branch that was read"),
    "target_commit": ("string", "where it was then"),
    "work_commit": ("string", "the work that it contains"),
    "merge_commit": ("string?", "the commit that brought it; null when nothing was changed"),
    "strategy": ("string", "how it was made: merge, squash or rebase"),
    "work_ref": ("string?", "the ref that keeps the work, where the target's history doesn't"),
    "checked_at": ("time", "when the repository was read"),
}

LANDING: Final[Fields] = {
    "id": ("string", "its id, a UUID"),
    "task_id": ("string", "the task whose work lands"),
    "attempt": ("integer", "the attempt that made the work"),
    "state": (
        "string",
        "queued, running, landed, nothing_changed, conflicted, rejected or cancelled",
    ),
    "target": ("string", "the branch that it lands on"),
    "base_commit": ("string", "what the work started from"),
    "work_commit": ("string", "the work"),
    "target_before": ("string?", "where the target was before"),
    "merge_commit": ("string?", "the commit that brings the work there"),
    "strategy": ("string", "how that is made: merge, squash or rebase"),
    "onto": ("string?", "the commit below it: the target's, or that of another landing"),
    "batch": ("string?", "id of the first of the landings that land together with it"),
    "detail": ("string?", "why it was refused, or what became of a working tree"),
    "verify_log": ("string?", "file with the output of the gate that failed"),
    "facts": ("object?", "what the next attempt is told about a refusal"),
    "proof": ("Proof?", "evidence that the target contains the work"),
    "worker_id": ("string?", "the swarm that holds it"),
    "requested_at": ("time", "when the agent was done"),
    "started_at": ("time?", "when the merge began"),
    "ended_at": ("time?", "null: it is under way"),
}

GATE_RUN: Final[Fields] = {
    "landing_id": ("string", "the landing that it judged, maybe with others"),
    "gate": ("string", "the gate's name"),
    "verdict": ("string", "passed, failed, flaky (passed when repeated) or timed_out"),
    "tree": ("string", "the hash of the tree that it judged"),
    "batch_size": ("integer", "how many landings that tree held"),
    "exit_code": ("integer?", "null: it timed out"),
    "log_path": ("string?", "file with its output"),
    "started_at": ("time", "when it began"),
    "ended_at": ("time", "when it ended"),
}

DETAIL: Final[Fields] = {
    "task": ("Task", "the task itself"),
    "calculated_priority": ("number", "by which it is chosen now; higher is sooner"),
    "prerequisites": ("Task[]", "the tasks that it waits for"),
    "dependents": ("Task[]", "the tasks that wait for it"),
    "attempts": ("Attempt[]", "oldest first"),
    "landings": ("Landing[]", "oldest first"),
    "gate_runs": ("GateRun[]", "of all its landings, oldest first"),
    "touches": ("string[]", "patterns of the paths that it will change, as it was declared"),
    "may_overlap": ("boolean", "true when it runs beside others that touch the same"),
    "overlaps": ("Overlap[]", "what it and another task turned out to change at the same time"),
    "loop": ("Loop?", "of a task that is refined or has candidates"),
    "progress": ("string?", "what an agent of it told last of how far it is"),
    "late_reports": ("LateReport[]", "of workers that had lost their lease; not applied"),
}

OVERLAP: Final[Fields] = {
    "task_id": ("string", "the task whose work was about to land"),
    "attempt": ("integer", "the attempt that made it"),
    "other_task_id": ("string", "the task that was under way and declared or changed the same"),
    "paths": ("string[]", "the first of the paths"),
    "found_at": ("time", "when that was seen"),
}

LATE_REPORT: Final[Fields] = {
    "task_id": ("string", "the task"),
    "attempt": ("integer", "number of the attempt"),
    "fence": ("integer", "of the claim that it was made under"),
    "worker_id": ("string", "the swarm that ran it"),
    "received_at": ("time", "when it came"),
    "report": ("object", "how the run ended, as its worker saw it: outcome, commits, target"),
}

EXPLANATION: Final[Fields] = {
    "task_id": ("string", "the task"),
    "status": ("string", "its status"),
    "summary": ("string", "one sentence: what holds it"),
    "details": ("string[]", "the facts behind it"),
    "until": ("time?", "when it moves by itself at the latest, if that is known"),
    "next_step": ("string", "what to do"),
}

EVENT: Final[Fields] = {
    "task_id": ("string", "the task"),
    "attempt": ("integer", "number of the attempt"),
    "seq": ("integer", "counted within the attempt"),
    "at": ("time", "when it was seen"),
    "kind": (
        "string",
        "started, text, tool_use, tool_result, usage, limit, denied, warning, raw, watch or end",
    ),
    "text": ("string", "one line for a person"),
    "data": ("object", "what the agent's program told, by kind"),
}

DIFF: Final[Fields] = {
    "task_id": ("string", "the task"),
    "attempt": ("integer", "the attempt that made the work"),
    "base_commit": ("string", "what the work started from"),
    "head_commit": ("string", "the work"),
    "patch": ("string", "the difference, as `git apply` takes it"),
}

EXECUTION_PLAN: Final[Fields] = {
    "batches": ("string[][]", "ids; the tasks of a batch can run at the same time"),
    "critical_path": ("string[]", "ids of the chain that takes longest"),
    "critical_seconds": ("number", "what that chain takes; 600 for a task without an estimate"),
    "tasks": ("Task[]", "all tasks of the batches"),
}

AUDIT_ENTRY: Final[Fields] = {
    "id": ("integer", "without gaps; higher is later"),
    "timestamp": ("time", "when it was done"),
    "task_id": ("string", "the task that was changed"),
    "action_type": ("string", "what was done, like task_submitted"),
    "actor": ("string", "who did it: cli:USER, worker:ID or mcp:TASK"),
    "action_data": ("object", "what changed: `status` as [old, new], other fields as they are now"),
}

BREAK: Final[Fields] = {
    "task_id": ("string?", "the task; null when it is about no single one"),
    "row": ("integer?", "id of the entry; null when it is about none that is there"),
    "sequence": ("integer?", "number of the entry within its task"),
    "what": ("string", "what is wrong with it"),
    "message": ("string", "all of this in one line"),
}

VERIFICATION: Final[Fields] = {
    "ok": ("boolean", "true when nothing is wrong"),
    "entries": ("integer", "how many entries were read"),
    "tasks": ("integer", "of how many tasks"),
    "breaks": ("Break[]", "what is wrong"),
    "anchor": ("string?", "to keep elsewhere, for `--anchor`; null when only some were read"),
}

ERROR: Final[Fields] = {
    "code": ("integer", "the exit code"),
    "type": ("string", "class of the error"),
    "message": ("string", "what is wrong, with which thing, and what to do"),
    "problems": ("string[]", "of a plan that was refused, one each; else empty"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Task": TASK,
    "Submitted": SUBMITTED,
    "Detail": DETAIL,
    "Overlap": OVERLAP,
    "Attempt": ATTEMPT,
    "Usage": USAGE,
    "Landing": LANDING,
    "GateRun": GATE_RUN,
    "Proof": PROOF,
    "Result": RESULT,
    "LateReport": LATE_REPORT,
    "Explanation": EXPLANATION,
    "Event": EVENT,
    "Diff": DIFF,
    "ExecutionPlan": EXECUTION_PLAN,
    "AuditEntry": AUDIT_ENTRY,
    "Verification": VERIFICATION,
    "Break": BREAK,
    **shape_fields_agents.SHAPES,
    **shape_fields_mcp.SHAPES,
    **shape_fields_loops.SHAPES,
    **shape_fields_memory.SHAPES,
    **shape_fields_person.SHAPES,
    **shape_fields_swarm.SHAPES,
    "Error": ERROR,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "task submit": "Submitted",
    "task list": "Task[]",
    "task show": "Detail; a Task with `--at`",
    "task why": "Explanation",
    "task logs": "Event, one on each line",
    "task diff": "Diff",
    "task cancel": "Task[]",
    "task retry": "Task[]",
    "task plan": "ExecutionPlan",
    "why": "Explanation; a Queue without an ID",
    "logs": "Event, one on each line",
    "diff": "Diff",
    "audit show": "AuditEntry[]",
    "audit verify": "Verification",
    "audit replay": "Task[]",
    **shape_fields_agents.COMMAND_SHAPES,
    **shape_fields_mcp.COMMAND_SHAPES,
    **shape_fields_loops.COMMAND_SHAPES,
    **shape_fields_memory.COMMAND_SHAPES,
    **shape_fields_person.COMMAND_SHAPES,
    **shape_fields_swarm.COMMAND_SHAPES,
}
"""What each command prints with `--json`."""
