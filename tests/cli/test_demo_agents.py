"""The demo with real agents: what their model says, and one of them from beginning to end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from abathur.bootstrap.scripted_model import Meeting
from abathur.cli.demo_agents import RUNTIMES, Cast, talk_of
from abathur.cli.demo_ending import problems_told
from abathur.cli.main import call
from abathur.domain.plans import PlannedTask
from abathur.domain.tasks import NewTask, TaskStatus
from tests.contract.test_json_shapes import problems_of
from tests.programs import needs, program

STEPS = [
    {"sleep": 0.5},
    {"write": {"path": "a.py", "text": "a\n"}},
    {"replace": {"path": "a.py", "old": "a", "new": "b"}},
    {"wait_for": "/somewhere/other"},
    {"run": ["python3", "-m", "unittest"]},
    {"commit": "Write a"},
]


def turns(runtime: str) -> Any:
    new = NewTask(prompt="Write a.py", input_data={"script": {"1": STEPS, "default": STEPS}})
    task = PlannedTask(name="a", new=new, needs=(), line=1, needs_line=1)
    return talk_of("a", task, runtime)


def test_claude_reads_what_it_changes_and_each_attempt_ends_with_a_text() -> None:
    talk = turns("claude")
    names = [call.name for turn in talk.turns for call in turn.tools]
    assert names == ["Read", "Write", "Read", "Edit", "Bash"] * 2
    assert [turn.texts for turn in talk.turns if not turn.tools] == [("Write a.",)] * 2
    assert talk.turns[0].wait == 0.5
    assert talk.turns[4].after == Meeting("other", 1)
    assert talk.shared
    assert talk.when.prompt == ("Write a.py",)


def test_one_reason_for_all_that_failed_is_told_once() -> None:
    def detail(status: TaskStatus, error: str | None = None) -> Any:
        return SimpleNamespace(task=SimpleNamespace(status=status, error_message=error, id="t"))

    ending = SimpleNamespace(
        details={
            "a": detail(TaskStatus.READY, "log in"),
            "b": detail(TaskStatus.READY, "log in"),
            "c": detail(TaskStatus.BLOCKED),
            "d": detail(TaskStatus.BLOCKED),
        },
        landed=(),
    )
    told = list(problems_told(cast(Any, ending)))
    assert told == ["a (ready), b (ready): log in", "2 tasks wait for others"]


def test_codex_does_all_of_it_by_its_shell(tmp_path: Path) -> None:
    commands = [turn.tools[0].arguments["cmd"] for turn in turns("codex").turns if turn.tools]
    for command in commands[:2]:
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert (tmp_path / "a.py").read_text() == "b\n"


def test_real_agents_dont_see_what_scripted_ones_would_do() -> None:
    new = NewTask(prompt="Write a.py", input_data={"script": STEPS})
    task = PlannedTask(name="a", new=new, needs=(), line=1, needs_line=1)
    for runtime in RUNTIMES[1:]:
        assert Cast(runtime=runtime).given_task(task).new.input_data == {}


@pytest.mark.parametrize(
    "args",
    [
        *(["--real"], ["--model", "x"], ["--runtime", "codex", "--model=x"]),
        ["--runtime", "codex", "--real"],
    ],
)
def test_options_that_dont_fit_are_refused_before_anything_is_made(
    args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["demo", *args, "--path", str(tmp_path / "demo")]) == 2
    assert "--real" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
@needs("codex")
def test_a_real_agent_plays_the_whole_demo(disk_path: Path) -> None:
    real = program("codex")
    assert real is not None
    bin_folder = disk_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "codex").symlink_to(real)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "abathur", "demo", "--runtime", "codex", "--json"]
    done = subprocess.run(
        [*command, "--path", str(disk_path / "demo")],
        env=env,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done
    assert problems_of({"demo": done.stdout}) == []
    summary = json.loads(done.stdout)
    assert summary["tests"]["after"]["passed"] is True
    by_name = {task["name"]: task["landings"] for task in summary["tasks"]}
    assert by_name["budget"] == ["rejected", "landed"]
    assert {tuple(by_name["months"]), tuple(by_name["totals"])} == {
        ("conflicted", "landed"),
        ("landed",),
    }
