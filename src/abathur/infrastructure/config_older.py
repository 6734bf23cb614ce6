"""Keys of the older version's files: what has a meaning here is mapped, the rest is noted."""

from __future__ import annotations

from typing import Final

NAMES: Final = {
    "swarm.max_concurrent_agents": "swarm.max_agents",
    "queue.retry_backoff_initial": "retry.initial",
    "queue.retry_backoff_max": "retry.max",
}
VARIABLES: Final = {"ABATHUR_MAX_CONCURRENT_AGENTS": "swarm.max_agents"}

WITHOUT_EFFECT: Final = frozenset(
    {
        "version",
        "template_repos",
        "queue",
        "loop",
        "resources",
        "monitoring",
        "auth",
        "swarm.agent_spawn_timeout",
        "swarm.agent_idle_timeout",
        "swarm.hierarchical_depth_limit",
    }
)
