"""The fields of what the commands about loops and candidates print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

ITERATION: Final[Fields] = {
    "number": ("integer", "counts from 1 in the loop"),
    "attempt": ("integer", "whose agent made it; its work is kept at that attempt's salvage ref"),
    "runtime": ("string?", "what ran the agent"),
    "model": ("string?", "null left it to the program"),
    "strategy": (
        "string?",
        "how it went about it: feedback, fresh_start, other_approach, decompose or other_model",
    ),
    "pattern": ("string?", "what that answered: fixed_point, cycle, plateau or divergence"),
    "work_commit": ("string", "what it made; empty when its run failed"),
    "tree": ("string", "the hash of its content"),
    "started_at": ("time", "of the attempt"),
    "measured_at": ("time?", "null while it isn't measured"),
    "value": ("number?", "what was measured, where that is a number"),
    "is_met": ("boolean?", "whether the criterion was met"),
    "text": ("string?", "what was measured, in words"),
    "next": ("string?", "what followed: again, land, ask or fail"),
    "why": ("string?", "why that followed"),
}

LOOP: Final[Fields] = {
    "task_id": ("string", "the task"),
    "status": ("string", "of the task"),
    "spec": ("object", "the loop as it was asked for"),
    "max_iterations": ("integer", "the most that there will be"),
    "best": ("integer?", "the number of the best iteration"),
    "stop_as": ("string?", "ask, land or fail, once it was asked to stop"),
    "spent_seconds": ("number", "by all attempts of the task that have ended"),
    "spent_tokens": ("integer", "as far as it was told"),
    "spent_usd": ("number", "known and estimated"),
    "iterations": ("Iteration[]", "in order of number"),
}

CANDIDATE: Final[Fields] = {
    "number": ("integer", "counts from 1"),
    "attempt": ("integer", "whose agent made it; its work is kept at that attempt's salvage ref"),
    "runtime": ("string?", "what ran the agent"),
    "model": ("string?", "null left it to the program"),
    "work_commit": (
        "string",
        "what it made; empty while its agent is at work, or when its run failed",
    ),
    "is_winner": ("boolean", "whether it was chosen to land"),
    "is_verified": ("boolean?", "whether the gates passed; null before they have run"),
    "score": ("number?", "of the judge"),
    "changed_lines": ("integer?", "added and removed"),
    "text": ("string?", "what was found, in words"),
}

AGENT_STATS: Final[Fields] = {
    "name": ("string", "what the runs are added up by; a version as TYPE@HASH, `-`: none"),
    "runs": ("integer", "that say something about the agent"),
    "succeeded": ("integer", "of these, whose work wasn't refused"),
    "refused": ("integer", "that said they were done, but whose work couldn't land"),
    "failed": ("integer", "the others of these"),
    "other": ("integer", "handed back, lost, cancelled or ended by a provider's limit"),
    "success_rate": ("number?", "of 1; null without any run"),
    "seconds": ("number", "of a run, on average"),
    "usd": ("number?", "of a run, on average, known and estimated"),
    "total_usd": ("number", "of all of them"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Iteration": ITERATION,
    "Loop": LOOP,
    "Candidate": CANDIDATE,
    "AgentStats": AGENT_STATS,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "agent stats": "AgentStats[]",
    "loop start": "Loop",
    "loop status": "Loop[]",
    "loop stop": "Loop",
    "task candidates": "Candidate[]",
}
