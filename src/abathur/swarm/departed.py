"""Whether a worker is gone: by evidence, never by time."""

from __future__ import annotations

from abathur.domain.agents import Worker
from abathur.domain.hosts import Sight, sight_of
from abathur.ports.processes import ProcessId
from abathur.swarm.parts import Parts


def is_dead(parts: Parts, worker: Worker) -> bool:
    """The process with that pid and start time is gone. Of other hosts nothing is known."""
    if worker.id == parts.worker_id:
        return False
    sight = sight_of(worker.host, here=parts.host)
    if sight is not Sight.VISIBLE:
        return sight is Sight.GONE
    process = ProcessId(worker.pid, worker.pid_started_at)
    return not parts.processes.is_alive(process)
