"""The command line as a person has it: in a project of its own, in this process or in another."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from abathur.cli.main import call

CONFIG = {
    "default_runtime": "fake",
    "swarm": {"max_agents": 2, "grace_seconds": 2},
    "retry": {"initial_seconds": 0.05, "max_seconds": 0.1},
    "targets": {"main": {"allow": True}},
}


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The one line of an error."""
        assert self.out == ""
        (line,) = self.err.splitlines()
        return line


@dataclass
class Abathur:
    root: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *args: str, stdin: bytes = b"") -> Result:
        """Run one command in this process."""
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.capture.readouterr()
        code = call(["--project", str(self.root), *args])
        captured = self.capture.readouterr()
        return Result(code, captured.out, captured.err)

    def ok(self, *args: str, stdin: bytes = b"") -> str:
        """What the command printed; it must succeed."""
        result = self(*args, stdin=stdin)
        assert result.code == 0, result
        return result.out.strip()

    def submit(self, prompt: str = "Do it", *options: str) -> str:
        return self.ok("task", "submit", prompt, *options)

    def script(self, prompt: str, *steps: dict[str, Any]) -> str:
        """Submit a task for an agent that does these steps."""
        return self.submit(prompt, "--input-data", json.dumps({"script": steps}))

    def run_swarm(self) -> None:
        assert self("swarm", "start", "--until-idle").code in (0, 1)

    def popen(self, *args: str, **options: Any) -> "subprocess.Popen[bytes]":
        """The real entry point, in a process of its own."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        env.pop("PYTHONUNBUFFERED", None)  # a person's stdout has a buffer
        command = [sys.executable, "-m", "abathur", *args]
        return subprocess.Popen(command, **{"cwd": self.root, "env": env, **options})

    def process(self, *args: str, **options: Any) -> Result:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.popen(*args, **{**pipes, **options})
        out, err = process.communicate(timeout=60)
        return Result(process.returncode, (out or b"").decode(), (err or b"").decode())

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@pytest.fixture
def abathur(
    git_repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Abathur:
    """A project whose agents follow scripts."""
    abathur = Abathur(git_repo, capsys, monkeypatch)
    abathur.ok("init")
    configure(abathur)
    return abathur


def configure(abathur: Abathur, **sections: Any) -> None:
    text = json.dumps({**CONFIG, **sections})  # JSON is YAML
    (abathur.root / ".abathur" / "config.yaml").write_text(text)


@pytest.fixture
def chain(abathur: Abathur) -> Sequence[str]:
    """Three tasks, each waiting for the one before."""
    first = abathur.submit("First")
    second = abathur.submit("Second", "-p", first)
    return first, second, abathur.submit("Third", "-p", second)
