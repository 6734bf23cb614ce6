"""Every key of the configuration: what it sets, what it accepts, and how it is explained.

This one table drives the reading, the errors and the file that `abathur init` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from abathur.domain.memory_settings import EMBEDDERS
from abathur.infrastructure.config_loops import criteria, loops
from abathur.infrastructure.config_values import (
    choice,
    command,
    confinement,
    counts,
    dollars,
    dollars_by_name,
    duration,
    gates,
    log_format,
    log_level,
    models,
    names,
    needs,
    number,
    overlap,
    prices,
    secrets,
    size,
    strategy,
    targets,
    text,
    truth,
    whole,
)


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    """As it stands in the file, with a dot after its section."""
    read: Callable[[object], Any]
    """From a value of YAML to the setting; raises `NotAccepted`."""
    sample: str
    help: str
    field: str = ""
    """The dotted name in `Settings` when it is another one; files may use it too."""
    variable: str = ""
    is_map: bool = False
    """Its value is a section whose entries later places add to, replace, or empty."""

    @property
    def setting(self) -> str:
        return self.field or self.name


# --- the keys -----------------------------------------------------------------------------

KEYS: Final = (
    Key(
        "default_runtime",
        text,
        "claude",
        "What runs an agent whose type says nothing: a runtime, such as claude or codex.",
        variable="ABATHUR_RUNTIME",
    ),
    Key(
        "database",
        text,
        "postgresql://abathur@db.example.org/queue",
        "Where the queue is instead of `.abathur/abathur.db`: a file, or a URL without password.",
        variable="ABATHUR_DB",
    ),
    Key(
        "target_branch",
        text,
        "main",
        "The branch that finished work lands on; without it, the branch that is checked out.",
        variable="ABATHUR_TARGET_BRANCH",
    ),
    Key("setup", command, "./setup.sh", "Run in each new worktree before the agent starts."),
    Key(
        "verify",
        command,
        "{command: make test, timeout: 30m}",
        "Must succeed on the merged result before work lands: a shell text, a list, or a section.",
    ),
    Key(
        "sandbox",
        confinement,
        "{kind: bubblewrap, network: on, writable: [~/.cache/uv], readable: [~/.claude]}",
        "What agents, set-up and checks are confined to; `off` without a sandbox.",
    ),
    Key(
        "gates",
        gates,
        "{lint: make lint, test: {command: make test, timeout: 30m, retries: 2}}",
        "Like `verify`, which is one of them, but several, by name; they run in this order.",
        is_map=True,
    ),
    Key(
        "targets",
        targets,
        "{main: {allow: true, strategy: squash, gates: [lint]}}",
        "What is special about a target: whether work may land there, and how.",
        is_map=True,
    ),
    Key(
        "models",
        models,
        "{fast: {claude: haiku, codex: gpt-6-mini}}",
        "What the name of a model means for which runtime; `*` is for all others.",
        is_map=True,
    ),
    Key(
        "criteria",
        criteria,
        "{tests: {passes: make test}}",
        "What loops measure, by name, for `use: NAME`.",
        is_map=True,
    ),
    Key(
        "loops",
        loops,
        "{green: {use: tests, max_iterations: 5}}",
        "Loops by name, for `--loop NAME` and plan files.",
        is_map=True,
    ),
    Key(
        "log_level",
        log_level,
        "INFO",
        "The least that goes into `.abathur/logs/swarm.log`: DEBUG, INFO, WARNING or ERROR.",
        variable="ABATHUR_LOG_LEVEL",
    ),
    Key(
        "log_format",
        log_format,
        "text",
        "What its lines are: text for people, or json, an object on each line.",
        variable="ABATHUR_LOG_FORMAT",
    ),
    Key("log_max_mb", whole(1, 10_000), "5", "At this size, in MB, it is put aside."),
    Key("log_kept", whole(1, 1000), "3", "How many of those that were put aside are kept."),
    Key(
        "swarm.max_agents",
        whole(1, 1000),
        "4",
        "How many agents run at the same time.",
        variable="ABATHUR_MAX_AGENTS",
    ),
    Key(
        "swarm.lease",
        duration(1),
        "60s",
        "After this time without a sign of life a swarm counts as dead and its tasks are retaken.",
        "swarm.lease_seconds",
    ),
    Key(
        "swarm.heartbeat",
        duration(0.01),
        "10s",
        "How often a swarm gives that sign of life.",
        "swarm.heartbeat_seconds",
    ),
    Key(
        "swarm.grace",
        duration(),
        "10s",
        "Between asking an agent to end and killing it.",
        "swarm.grace_seconds",
    ),
    Key(
        "swarm.poll",
        duration(0.01),
        "5s",
        "How often to look at the queue when nothing announced a change.",
        "swarm.poll_seconds",
    ),
    Key(
        "swarm.overlap",
        overlap,
        "wait",
        "Whether a task waits while another one works on paths that both declare: wait or run.",
    ),
    Key(
        "swarm.keep_finished_worktrees",
        truth,
        "false",
        "Whether worktrees stay after their work has landed.",
    ),
    Key(
        "swarm.pass_env",
        names,
        "[CI, NPM_*]",
        "Variables of the environment that agents, set-up and checks get; others stay out.",
    ),
    Key(
        "landing.batch_size",
        whole(1, 100),
        "8",
        "How many finished tasks of one target are checked and landed together at most.",
    ),
    Key(
        "landing.strategy",
        strategy,
        "merge",
        "How work becomes a part of the target: merge, squash or rebase.",
    ),
    Key(
        "landing.retry_flaky",
        truth,
        "true",
        "Whether a gate that failed is run once more, and called flaky when it passes then.",
    ),
    Key(
        "landing.protected",
        names,
        "[main, master, release/*]",
        "Targets on which nothing lands unless `targets.NAME.allow` says so.",
    ),
    Key(
        "landing.secrets",
        secrets,
        "warn",
        "What happens to work that adds what looks like a secret: warn, hold (for a person), off.",
    ),
    Key(
        "retry.initial",
        duration(),
        "10s",
        "The wait before the second attempt.",
        "retry.initial_seconds",
    ),
    Key("retry.factor", number(1, 100), "2", "Each further wait is this many times longer."),
    Key("retry.max", duration(), "5m", "The longest wait.", "retry.max_seconds"),
    Key("retry.jitter", number(0, 1), "0.2", "The share of a wait that is left to chance, 0 to 1."),
    Key(
        "retry.max_rework",
        whole(0, 100),
        "1",
        "How often a conflict or a failed verification sends work back to an agent.",
    ),
    Key(
        "review.required_for",
        names,
        '[main, "release/*", "agent:junior"]',
        "Targets, as patterns, and agent types whose work a person approves before it lands.",
    ),
    Key("notices.desktop", truth, "false", "Whether to show a notice on this machine's desktop."),
    Key(
        "notices.webhook",
        text,
        "ABATHUR_WEBHOOK",
        "A URL to send notices to as JSON, or the environment variable that holds it.",
    ),
    Key(
        "notices.about",
        needs,
        "[review, task_failed, swarm_error, secret, hold]",
        "What to send notices of.",
    ),
    Key(
        "budget.task_usd",
        dollars,
        "5",
        "The most that one task may cost, all its attempts together; then it is held, and asks.",
    ),
    Key(
        "budget.target_usd",
        dollars_by_name,
        "{main: 200}",
        "The same for each target, as one amount or by name.",
    ),
    Key("budget.day_usd", dollars, "50", "The same for each day, which begins at midnight UTC."),
    Key(
        "budget.assumed_usd_per_attempt",
        dollars,
        "1",
        "What an attempt counts for when its cost isn't known and there is nothing to go by.",
    ),
    Key(
        "budget.prices",
        prices,
        "{claude-opus: {input: 4, output: 20}}",
        "Dollars for a million tokens, for agents that tell tokens but no cost.",
    ),
    Key("limits.host", whole(1, 1000), "8", "On one machine, in all swarms there together."),
    Key("limits.agent_types", counts, "{reviewer: 2}", "Of one agent type, wherever they run."),
    Key("limits.targets", counts, "{main: 4}", "For one target branch, wherever they run."),
    Key(
        "silence.after",
        duration(),
        "10m",
        "A run without output for this long is looked at for other signs of work; 0: never.",
        "silence.after_seconds",
    ),
    Key(
        "silence.extensions",
        whole(0, 100),
        "2",
        "How many times a run in which nothing moves is given that time again before it is ended.",
    ),
    Key(
        "silence.longest",
        duration(),
        "1h",
        "How long an open tool call, or an agent's word that it is busy, counts as a sign of work.",
        "silence.longest_seconds",
    ),
    Key(
        "disk.min_free",
        size,
        "500MB",
        "Free on the disks of the repository and of `.abathur`; 0: don't look.",
    ),
    Key(
        "disk.max_kept",
        size,
        "20GB",
        "What worktrees, transcripts, logs, unsent reports and salvaged work may take together.",
    ),
    Key(
        "disk.keep_transcripts",
        whole(0, 1_000_000),
        "100",
        "Completed tasks whose transcripts stay when room has to be made; older ones go first.",
    ),
    Key(
        "disk.max_transcript_age",
        duration(),
        "90d",
        "How long after a task's end its transcripts go; 0: never.",
        "disk.max_transcript_age_seconds",
    ),
    Key(
        "mcp.max_depth",
        whole(0, 100),
        "8",
        "How many levels of tasks agents may add below a task that a person submitted.",
    ),
    Key("mcp.max_tasks", whole(0, 100_000), "200", "How many tasks in all, over all levels."),
    Key(
        "mcp.max_usd",
        dollars,
        "20",
        "When the tasks below a person's have cost this much, agents may add no further ones.",
    ),
    Key(
        "mcp.targets",
        names,
        "['feature/*']",
        "Branches that tasks of agents may land on, beside the target of the agent's own task.",
    ),
    Key(
        "mcp.servers",
        names,
        "[abathur]",
        "Servers that agents are given whose definition says nothing about `mcp_servers`: `abathur`"
        " is our own, others stand in `.mcp.json`.",
    ),
    Key(
        "mcp.namespaces",
        names,
        "['agents:*', 'agent_enhancements:*']",
        "Namespaces of memories that every agent may write, beside those of its own tasks.",
    ),
    Key(
        "traces.enabled",
        truth,
        "true",
        "Whether traces are sent; without it, when an endpoint is known, here or by OTEL_*.",
    ),
    Key(
        "traces.endpoint",
        text,
        "http://localhost:4318",
        "The collector's address, for OTLP over HTTP; without it, as the OTEL_* variables say.",
    ),
    Key("traces.service_name", text, "abathur", "What the swarm is called in traces."),
    Key(
        "memory.embedder",
        choice(*EMBEDDERS),
        "ollama",
        "Who says what texts mean: model2vec, ollama or openai; without it, words are searched.",
    ),
    Key(
        "memory.model",
        text,
        "nomic-embed-text",
        "The name of the server's model, or the folder of a model of model2vec.",
    ),
    Key(
        "memory.url",
        text,
        "http://127.0.0.1:11434",
        "Where the server is, when it isn't where it is usually.",
    ),
    Key(
        "memory.key_variable",
        text,
        "OPENAI_API_KEY",
        "The environment variable that holds the server's key.",
    ),
    Key("memory.quota", whole(1, 10_000_000), "10000", "How many memories a namespace holds."),
    Key(
        "memory.recall_tokens",
        whole(0, 100_000),
        "1500",
        "How much of memories a task is told without asking, in tokens; 0: nothing.",
    ),
)

SECTIONS: Final = {
    "swarm": "How many agents, and how they are watched over.",
    "landing": "How finished work gets onto its target.",
    "retry": "What happens after a failed attempt.",
    "review": "What waits for a person's approval.",
    "notices": "How a person is called who isn't looking.",
    "budget": "How much may be spent, in US dollars; without a limit there is none.",
    "limits": "How many agents may be at work at once, over all swarms that share the queue.",
    "memory": "What is remembered from task to task, and how it is found.",
    "silence": "What happens to a run that says nothing; an agent type may have its own.",
    "mcp": "What agents may do through the servers of `abathur mcp`.",
    "traces": "What is sent to an OpenTelemetry collector (`pip install 'abathur[traces]'`).",
    "disk": "How much room there has to be; with less nothing is started on this host.",
    "runtimes": "How agents are run: a section by runtime.",
    "agents": "What is special about one agent type: `runtime`, `model`, and its runtime's keys.",
}

FREE_SECTIONS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "runtimes": {
        "claude": (
            "program: claude",
            "model: sonnet",
            "permission_mode: acceptEdits",
            "allowed_tools: [Bash, Edit, Read, Write]",
            "max_turns: 200",
            "max_budget_usd: 5",
            "private_home: auto",
        ),
        "command": ("argv: [./agent.sh, --task, '{task_id}']", "prompt: stdin"),
    },
    "agents": {"reviewer": ("runtime: claude", "model: opus")},
}
