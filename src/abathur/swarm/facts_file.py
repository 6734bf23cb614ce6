"""The facts of an attempt as a file, for programs that aren't language models."""

from __future__ import annotations

import json
from pathlib import Path

from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task
from abathur.swarm.parts import Parts


def write_facts(parts: Parts, task: Task, attempt: Attempt, target: str) -> Path:
    """Task, input and feedback as JSON."""
    path = parts.run_folder(task.id, attempt.number) / "facts.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "task_id": task.id,
        "attempt": attempt.number,
        "summary": task.summary,
        "prompt": task.prompt,
        "input_data": dict(task.input_data),
        "target": target,
        "feedback": dict(attempt.feedback) if attempt.feedback else None,
    }
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8")
    return path
