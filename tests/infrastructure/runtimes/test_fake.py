"""The scripted agent, really started: each step does what it says."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.runs import EventKind, Exit, Outcome, OutcomeKind, RunEvent, RunSpec, Usage
from abathur.infrastructure.runtimes.fake import PROGRAM, FakeRuntime

OK, FAILED = OutcomeKind.SUCCEEDED, OutcomeKind.FAILED


def spec(worktree: Path, script: Any, attempt: int = 1, **changes: Any) -> RunSpec:
    data = {} if script is None else {"script": script}
    fields: dict[str, Any] = {
        "task_id": "t",
        "attempt": attempt,
        "agent_type": "general",
        "prompt": "Say ä\nand more",
        "worktree": worktree,
        "scratch": worktree,
        "session_id": "id",
        "input_data": data,
    }
    return RunSpec(**{**fields, **changes})


def play(worktree: Path, script: Any, **changes: Any) -> tuple[Outcome, list[RunEvent]]:
    runtime = FakeRuntime()
    command = runtime.command(spec(worktree, script, **changes))
    done = subprocess.run(
        command.argv, input=command.stdin, capture_output=True, cwd=worktree, check=False
    )
    events = [
        event
        for line in done.stdout.decode(errors="replace").split("\n")
        for event in runtime.parse(line)
    ]
    end = Exit(code=done.returncode, stderr_tail=done.stderr.decode())
    return runtime.outcome(end, events), events


def texts(events: list[RunEvent]) -> list[str]:
    return [event.text for event in events if event.kind is EventKind.TEXT]


def test_files_are_written_changed_moved_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "x").touch()
    outcome, _ = play(
        tmp_path,
        [
            {"write": {"path": "a/b.txt", "text": "one\n"}},
            {"append": {"path": "a/b.txt", "text": "two\n"}},
            {"replace": {"path": "a/b.txt", "old": "one", "new": "ä"}},
            {"move": {"from": "a/b.txt", "to": "c/d.txt"}},
            {"delete": "old"},
            {"touch": "here"},
        ],
    )
    assert outcome.kind is OK, outcome
    assert (tmp_path / "c" / "d.txt").read_text(encoding="utf-8") == "ä\ntwo\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "here"]


def test_commit(git_repo: Path) -> None:
    script = [{"write": {"path": "new.txt", "text": "x"}}, {"commit": "Add new.txt"}]
    assert play(git_repo, script)[0].kind is OK
    log = subprocess.run(
        ["git", "log", "-1", "--format=%s", "--name-only"],
        cwd=git_repo,
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.split() == ["Add", "new.txt", "new.txt"]


def test_without_a_script_it_says_the_prompt(tmp_path: Path) -> None:
    outcome, events = play(tmp_path, None)
    assert outcome.kind is OK
    assert texts(events) == ["Say ä and more"]


def test_the_script_of_the_settings_counts_too(tmp_path: Path) -> None:
    outcome, _ = play(tmp_path, None, settings={"script": [{"fail": "as set"}]})
    assert outcome.message == "as set"


@pytest.mark.parametrize(("attempt", "said"), [(1, "first"), (2, "other"), (3, "other")])
@pytest.mark.parametrize("others", ["default", "*"])
def test_a_script_by_attempt(tmp_path: Path, attempt: int, said: str, others: str) -> None:
    script = {"1": [{"say": "first"}], others: [{"say": "other"}]}
    assert texts(play(tmp_path, script, attempt=attempt)[1]) == [said]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([{"dance": 1}], "step 1: `dance` is unknown; known are say, write"),
        ([{"say": "a"}, {"say": "b", "fail": "c"}], "step 2: a mapping with one key is needed"),
        ("say", "the script has no list of steps for attempt 1"),
        ({"2": []}, "the script has no list of steps for attempt 1"),
        ([{"write": {"path": "a"}}], "step 1, write: the field `text` is missing"),
        ([{"write": {"path": "../a", "text": ""}}], "path `../a` isn't inside the worktree"),
        ([{"write": {"path": "/etc/a", "text": ""}}], "path `/etc/a` isn't inside the worktree"),
        ([{"write": {"path": "out/a", "text": ""}}], "path `out/a` isn't inside the worktree"),
        ([{"delete": "."}], "path `.` isn't inside the worktree"),
        ([{"touch": "../a"}], "path `../a` isn't inside the worktree"),
        ([{"delete": "nowhere"}], "step 1, delete: "),
        ([{"run": ["sh", "-c", "echo bad; exit 3"]}], "ended with 3: bad"),
        ([{"ignore_signals": ["NOPE"]}], "`NOPE` isn't the name of a signal"),
        ([{"sleep": "long"}], "step 1, sleep: "),
        ([{"fail": "plainly"}], "plainly"),
    ],
)
def test_failures_say_what_and_where(tmp_path: Path, script: Any, message: str) -> None:
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    (worktree / "out").symlink_to(tmp_path)
    outcome, _ = play(worktree, script)
    assert outcome.kind is FAILED
    assert message in outcome.message
    assert outcome.exit_code == 1


def test_replacing_what_is_not_there_fails(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    outcome, _ = play(tmp_path, [{"replace": {"path": "a", "old": "two", "new": "x"}}])
    assert "the text to replace isn't there: 'two'" in outcome.message
    assert (tmp_path / "a").read_text() == "one"


def test_usage_is_added_up(tmp_path: Path) -> None:
    script = [
        {"usage": {"input_tokens": 5, "cost_usd": 0.5}},
        {"usage": {"input_tokens": 2, "output_tokens": 1}},
    ]
    usage = play(tmp_path, script)[0].usage
    assert usage == Usage(input_tokens=7, output_tokens=1, cost_usd=0.5)


def test_a_limit_ends_the_run(tmp_path: Path) -> None:
    outcome, events = play(tmp_path, [{"limit": {"retry_after_seconds": 9}}, {"say": "no"}])
    assert outcome.kind is OutcomeKind.RATE_LIMITED
    assert outcome.retry_after_seconds == 9
    assert EventKind.LIMIT in [event.kind for event in events]
    assert texts(events) == []


def test_a_result_is_handed_back(tmp_path: Path) -> None:
    outcome, _ = play(tmp_path, [{"result": {"a": 1}}, {"result": {"b": [2]}}])
    assert outcome.result_data == {"a": 1, "b": [2]}


@pytest.mark.parametrize(
    ("how", "code"), [("TERM", -15), ("SIGKILL", -9), (7, 7), ("7", 7), (0, 0)]
)
def test_dying(tmp_path: Path, how: Any, code: int) -> None:
    outcome, events = play(tmp_path, [{"say": "bye"}, {"die": how}])
    assert outcome.kind is FAILED
    assert outcome.exit_code == code
    assert texts(events) == ["bye"]


def test_a_flood_arrives_in_order(tmp_path: Path) -> None:
    _, events = play(tmp_path, [{"flood": 5000}])
    assert texts(events) == [f"line {number}" for number in range(5000)]


def test_waiting_ends_when_the_file_exists(tmp_path: Path) -> None:
    outcome, _ = play(tmp_path, [{"touch": str(tmp_path / "go")}, {"wait_for": "go"}])
    assert outcome.kind is OK


def test_ignored_signals_do_not_end_a_hanging_agent(tmp_path: Path) -> None:
    command = FakeRuntime().command(
        spec(tmp_path, [{"ignore_signals": ["TERM", "INT"]}, {"say": "ready"}, {"hang": True}])
    )
    with subprocess.Popen(
        command.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(command.stdin)
        process.stdin.close()
        while b"ready" not in process.stdout.readline():
            pass
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.kill()
        assert process.wait(10) == -9


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]);"
        "print(*sorted(n for n in sys.modules if n.partition('.')[0] in ('abathur', 'yaml')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(PROGRAM)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_it_starts_fast(tmp_path: Path) -> None:
    began = time.perf_counter()
    play(tmp_path, [])
    assert time.perf_counter() - began < 5


def test_every_event_is_one_line_of_json(tmp_path: Path) -> None:
    command = FakeRuntime().command(spec(tmp_path, [{"say": "a\nb\u2028c"}]))
    done = subprocess.run(
        command.argv, input=command.stdin, capture_output=True, cwd=tmp_path, check=True
    )
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == [
        "started",
        "text",
        "end",
    ]
