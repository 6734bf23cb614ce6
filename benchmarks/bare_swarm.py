"""What a swarm does for a task, as a person would script it: git and the agent in a plain loop.

No queue, no lease, no record, no proof, and nothing is tidied up after a crash.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from abathur.infrastructure.runtimes.fake import PROGRAM
from benchmarks.places import git

TRIES: Final = 3


@dataclass
class BareSwarm:
    root: Path
    trees: Path

    def run(self, count: int, agents: int) -> None:
        landing = Lock()

        def one(number: int) -> None:
            path, branch = self.trees / f"task-{number}", f"task/{number}"
            self.work(path, branch, number)
            with landing:
                self.land(path, branch)

        with ThreadPoolExecutor(agents) as pool:
            list(pool.map(one, range(count)))

    def work(self, path: Path, branch: str, number: int) -> None:
        self.add(path, "-B", branch, str(path), "main")
        plan = {
            "prompt": "bench",
            "attempt": 1,
            "allowed": [],
            "worktree": str(path),
            "steps": [{"write": {"path": f"made-{number}.txt", "text": "made\n"}}],
        }
        subprocess.run(
            [sys.executable, "-I", "-S", str(PROGRAM)],
            cwd=path,
            input=json.dumps(plan).encode(),
            capture_output=True,
            check=True,
        )
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "-m", f"Task {number}")

    def land(self, path: Path, branch: str) -> None:
        old = git(self.root, "rev-parse", "main")
        tree = git(self.root, "merge-tree", "--write-tree", old, branch)
        parents = ("-p", old, "-p", branch)
        merged = git(self.root, "commit-tree", tree, *parents, "-F", "-", stdin=b"Land\n")
        self.verify(path.with_name(f"verify-{path.name}"), merged)
        git(self.root, "update-ref", "refs/heads/main", merged, old)
        git(self.root, "read-tree", "-m", "-u", old, merged)
        git(self.root, "worktree", "remove", str(path))
        git(self.root, "branch", "--quiet", "-D", branch)

    def verify(self, path: Path, commit: str) -> None:
        self.add(path, "--detach", str(path), commit)
        subprocess.run(["true"], cwd=path, check=True)
        git(self.root, "worktree", "remove", str(path))

    def add(self, path: Path, *args: str) -> None:
        """Seldom git gives up when another worktree is added or removed at the same moment."""
        for left in reversed(range(TRIES)):
            try:
                git(self.root, "worktree", "add", "--quiet", *args)
            except subprocess.CalledProcessError:
                if not left or path.exists():
                    raise
            else:
                return
