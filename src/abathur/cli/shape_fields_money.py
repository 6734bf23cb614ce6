"""The fields of what the commands about money print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

COST_TOTAL: Final[Fields] = {
    "name": ("string", "the task, target, agent type, day or TASK/ATTEMPT; or `total`"),
    "attempts": ("integer", "how many attempts"),
    "known_usd": ("number", "what their agents' programs told that they cost"),
    "known_attempts": ("integer", "how many told it"),
    "estimated_usd": ("number", "what counts for those that told nothing"),
    "unknown_attempts": ("integer", "how many told nothing"),
    "reserved_usd": ("number", "what is set aside for those that run, when there is a budget"),
    "running_attempts": ("integer", "how many run that something is set aside for"),
    "counted_usd": ("number", "the sum of the three, which budgets go by"),
    "input_tokens": ("integer", "as far as it was told"),
    "output_tokens": ("integer", "as far as it was told"),
    "cache_read_tokens": ("integer", "as far as it was told"),
    "cache_write_tokens": ("integer", "as far as it was told"),
}

COST_RULE: Final[Fields] = {
    "rule": ("string", "how an unknown cost was estimated"),
    "attempts": ("integer", "for how many attempts"),
}

COSTS: Final[Fields] = {
    "by": ("string", "task, target, agent-type, day or attempt"),
    "since": ("string?", "the first day, in UTC; null: from the beginning"),
    "groups": ("CostTotal[]", "in order of name"),
    "total": ("CostTotal", "of all of them"),
    "rules": ("CostRule[]", "the most used first"),
}

TASK_BUDGET: Final[Fields] = {
    "task_id": ("string", "the task"),
    "budget_usd": ("number?", "what it may cost; null: what the settings say"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "Costs": COSTS,
    "CostTotal": COST_TOTAL,
    "CostRule": COST_RULE,
    "TaskBudget": TASK_BUDGET,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {"cost": "Costs", "task budget": "TaskBudget"}
