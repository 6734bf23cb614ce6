"""show, why, plan, logs and diff: what a person finds out about tasks, before and after a run."""

import json
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import pytest

from abathur.cli.text import columns

WRITE = {"write": {"path": "hello.txt", "text": "hello\n"}}
SAY = {"say": "I \x1b[31mwork"}


def test_show_tells_all_before_a_run(abathur: Any, chain: Sequence[str]) -> None:
    text = abathur.ok("task", "show", chain[1])
    lines = text.splitlines()
    assert lines[0] == "Second"
    assert lines[1].split() == ["id", chain[1]]
    assert lines[2].split() == ["status", "blocked"]
    assert f"  {chain[0][:13]}  ready      First" in lines
    assert f"  {chain[2][:13]}  blocked    Third" in lines


def test_why_says_what_holds_a_task(abathur: Any, chain: Sequence[str]) -> None:
    lines = abathur.ok("why", chain[1]).splitlines()
    assert lines[0] == f"{chain[1][:13]}  blocked  Second"
    assert lines[2] == f"It waits for task {chain[0][:13]} (First), which is ready."
    assert abathur.ok("task", "why", chain[1]).splitlines() == lines
    assert "abathur swarm start" in abathur.ok("why", chain[0])


def test_the_plan_has_batches_and_a_critical_path(abathur: Any, chain: Sequence[str]) -> None:
    other = abathur.submit("Other", "--estimate", "5m")
    plan = abathur("task", "plan", "--json").json
    assert plan["batches"] == [[chain[0], other], [chain[1]], [chain[2]]]
    assert plan["critical_path"] == list(chain)
    assert plan["critical_seconds"] == 1800
    text = abathur.ok("task", "plan")
    assert "batch 3" in text
    assert all(columns(line) <= 80 for line in text.splitlines())
    part = abathur("task", "plan", chain[2], other[:13], "--json").json
    assert part["batches"] == [[chain[2], other]]


def test_before_a_run_there_are_neither_logs_nor_changes(abathur: Any) -> None:
    task = abathur.submit()
    for command in ("logs", "diff"):
        result = abathur(command, task)
        assert (result.code, result.line) == (
            3,
            f"abathur: task {task} hasn't been started yet; `abathur why {task}` tells why",
        )


def test_times_are_told_in_the_zone_of_the_machine(
    abathur: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = abathur.submit("Later", "--not-before", "2040-01-31T18:00:00Z")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        said = "2040-02-01 03:00:00 JST"
        assert f"until {said}, because" in abathur.ok("why", task)
        assert f"{said} (in " in abathur.ok("task", "show", task)
    time.tzset()


def test_a_branch_and_a_worktree_that_are_gone_are_not_shown(abathur: Any) -> None:
    script = json.dumps({"script": [WRITE, {"fail": "no idea"}]})
    task = abathur.submit("Write it", "--max-retries", "0", "--input-data", script)
    abathur.run_swarm()
    detail = abathur("task", "show", task, "--json").json
    text = abathur.ok("task", "show", task)
    assert detail["task"]["worktree_path"]
    assert "\nworktree" not in text
    assert "\nbranch" not in text
    assert detail["attempts"][0]["salvage_ref"] in text


def test_why_does_not_call_work_landed_that_its_target_lost(abathur: Any) -> None:
    task = abathur.script("Write it", WRITE)
    abathur.run_swarm()
    assert "It is completed: main contains its work" in abathur.ok("why", task)
    work = abathur("task", "show", task, "--json").json["landings"][0]["work_commit"]
    abathur.git("reset", "-q", "--hard", "HEAD~1")
    lines = abathur.ok("why", task).splitlines()
    assert lines[2].startswith("It was completed, but main no longer contains its work")
    assert lines[3] == f"  - its work is commit {work}"
    assert f"`git merge {work[:12]}`" in lines[4]


def test_what_a_run_leaves(abathur: Any) -> None:
    task = abathur.script("Write it", SAY, WRITE)
    abathur.run_swarm()

    detail = abathur("task", "show", task, "--json").json
    assert detail["task"]["status"] == "completed"
    assert [attempt["outcome"] for attempt in detail["attempts"]] == ["succeeded"]
    assert [landing["state"] for landing in detail["landings"]] == ["landed"]
    text = abathur.ok("task", "show", task)
    assert "1  succeeded, after" in text
    assert "attempt 1  landed, work " in text

    lines = abathur.ok("logs", task).splitlines()
    assert lines[0].startswith("Attempt 1, runtime fake, started ")
    assert any("  text         I " in line for line in lines)
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "Attempt 1 succeeded"
    events = [json.loads(line) for line in abathur.ok("logs", task, "--json").splitlines()]
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
    assert [event["kind"] for event in events] == ["started", "text", "tool_use", "end"]
    raw = abathur.ok("logs", task, "--raw").splitlines()
    assert {"text", "end"} <= {json.loads(line)["event"] for line in raw}
    assert abathur.ok("logs", task, "--stderr") == ""

    patch = abathur("diff", task).out
    assert "\n+hello\n" in patch
    shape = abathur("diff", task, "--json").json
    assert shape["patch"] == patch
    abathur.git("checkout", "--quiet", "--detach", shape["base_commit"])
    subprocess.run(["git", "apply", "--check"], cwd=abathur.root, input=patch.encode(), check=True)

    assert "contains its work" in abathur.ok("why", task)


def test_each_attempt_can_be_looked_at(abathur: Any) -> None:
    script = {"1": [WRITE, {"fail": "no idea"}], "*": [WRITE]}
    task = abathur.submit("Try", "--input-data", json.dumps({"script": script}))
    abathur.run_swarm()
    lines = abathur.ok("logs", task, "--attempt", "1").splitlines()
    assert lines[-1] == "Attempt 1 failed: no idea"
    assert "\n+hello\n" in abathur.ok("diff", task, "--attempt", "1") + "\n"
    assert abathur("logs", task, "--attempt", "3").line == (
        f"abathur: task {task} has no attempt 3; it has 2"
    )
    assert "kept as refs/abathur/salvage/" in abathur.ok("task", "show", task)


def test_following_shows_a_run_to_its_end(abathur: Any) -> None:
    script = {"1": [{"say": "one"}, {"fail": "no"}], "*": [{"say": "two"}]}
    task = abathur.submit("Try", "--input-data", json.dumps({"script": script}))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    follower = abathur.popen("logs", "-f", task, **pipes)
    assert b"Waiting for attempt 1" in follower.stderr.readline()
    abathur.run_swarm()
    out, err = follower.communicate(timeout=30)
    assert (follower.returncode, err) == (0, b"")
    lines = [line.split(maxsplit=1)[1] for line in out.decode().splitlines()]
    assert [line for line in lines if line in ("1 failed: no", "2 succeeded")] == [
        "1 failed: no",
        "2 succeeded",
    ]
    assert any(line.endswith("one") for line in lines)
    assert any(line.endswith("two") for line in lines)


def test_following_what_has_ended_ends_too(abathur: Any) -> None:
    task = abathur.submit()
    abathur.ok("task", "cancel", task)
    assert abathur.ok("logs", "-f", task) == ""


def test_a_transcript_that_is_gone(abathur: Any) -> None:
    task = abathur.script("Write it", WRITE)
    abathur.run_swarm()
    path = abathur("task", "show", task, "--json").json["attempts"][0]["transcript_path"]
    (abathur.root / path).unlink()
    result = abathur("logs", task, "--raw")
    assert (result.code, result.line) == (
        3,
        f"abathur: attempt 1 of task {task} has no transcript: {path} is gone",
    )


def test_json_goes_with_events_only(abathur: Any) -> None:
    task = abathur.submit()
    result = abathur("logs", task, "--raw", "--json")
    assert result.code == 2
    assert "--json and --raw exclude each other" in result.err


def test_a_result_that_is_not_plain_success_is_told_with_its_attempt(abathur: Any) -> None:
    partial = {"result": {"execution_status": {"status": "PARTIAL"}}}
    odd = {"result": {"execution_status": {"status": "MAYBE"}}}
    tasks = [abathur.script("Do", step) for step in (partial, odd)]
    abathur("swarm", "start", "--until-idle")
    assert "reports PARTIAL" in abathur.ok("task", "show", tasks[0])
    assert "its result is invalid (execution_status.status: one of" in abathur.ok(
        "task", "show", tasks[1]
    )
