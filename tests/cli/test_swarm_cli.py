import json
import signal
import subprocess
from typing import Any
from uuid import UUID

import pytest

from abathur.domain.tasks import DEFAULT_AGENT_TYPE
from tests.cli.conftest import Abathur, configure


def started(abathur: Abathur, *options: str) -> "subprocess.Popen[bytes]":
    """A swarm in a process of its own, with an agent at work."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    swarm = abathur.popen("swarm", "start", *options, **pipes)
    assert swarm.stdout is not None
    while b"agent text" not in swarm.stdout.readline():
        assert swarm.poll() is None
    return swarm


def hang(abathur: Abathur) -> str:
    return abathur.script("Hang", {"say": "hanging"}, {"hang": True})


def status_of(abathur: Abathur, task: str) -> str:
    status: str = abathur("task", "show", task, "--json").json["task"]["status"]
    return status


def test_until_idle_everything_is_landed(abathur: Abathur) -> None:
    first = abathur.script("First", {"write": {"path": "a.txt", "text": "a"}})
    second = abathur.script("Second", {"write": {"path": "b.txt", "text": "b"}})
    result = abathur("swarm", "start", "--until-idle")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[-1].startswith("2 completed in 00:0")
    assert lines[-1].endswith("; nothing is left to do")
    landed = [line for line in lines if "task completed   landed on main (" in line]
    assert {line.split()[1] for line in landed} == {first[:13], second[:13]}
    assert sorted(abathur.git("ls-tree", "--name-only", "main").split()) == [
        "README.md",
        "a.txt",
        "b.txt",
    ]


def test_what_is_scheduled_for_later_is_not_waited_for(abathur: Abathur) -> None:
    first = abathur.submit("Later", "--not-before", "2040-01-31T18:00Z")
    abathur.submit("After that", "-p", first)
    alone = abathur.ok("swarm", "start", "--until-idle").splitlines()[-1]
    assert "; nothing is left to do now; 1 task waits for its time, 2040-0" in alone
    abathur.submit("Later still", "--not-before", "2041-01-31T18:00Z")
    both = abathur.ok("swarm", "start", "--until-idle").splitlines()[-1]
    assert "now; 2 tasks wait for their time, the first until 2040-0" in both
    status = abathur.ok("swarm", "status").splitlines()[-1]
    assert status.startswith("2 tasks wait for their time, the first until 2040-0")


def test_programs_get_events_and_the_result(abathur: Abathur) -> None:
    task = abathur.script("Say \x1b[2J hello", {"say": "h\u00e9llo \u202e"})
    result = abathur("swarm", "start", "--until-idle", "--json")
    *events, end = [json.loads(line) for line in result.out.splitlines()]
    assert [event["task_id"] for event in events if event["kind"] == "task_completed"] == [task]
    assert (end["kind"], end["completed"], end["lost_events"]) == ("result", 1, 0)
    assert result.err == ""


def test_what_happens_is_in_a_log_file(abathur: Abathur) -> None:
    task = abathur.script("Write", {"say": "Hello"}, {"write": {"path": "a.txt", "text": "a"}})
    log = abathur.root / ".abathur" / "logs" / "swarm.log"
    assert not log.exists()
    abathur.ok("swarm", "start", "--until-idle")
    lines = log.read_text().splitlines()
    assert " INFO    swarm_started up to 2 agents at once" in lines[0]
    assert any(f" INFO    task_completed {task}/1 landed on main (" in line for line in lines)
    assert not any("Hello" in line for line in lines)


def test_the_log_file_holds_what_the_agents_say_when_asked_for(abathur: Abathur) -> None:
    configure(abathur, log_level="DEBUG")
    task = abathur.script("Write", {"say": "Hello"})
    abathur.ok("swarm", "start", "--until-idle", "--json")
    log = (abathur.root / ".abathur" / "logs" / "swarm.log").read_text()
    assert f" DEBUG   agent_event {task}/1 Hello\n" in log


def test_the_log_file_speaks_json_when_asked_to(abathur: Abathur) -> None:
    configure(abathur, log_format="json")
    task = abathur.script("Write", {"write": {"path": "a.txt", "text": "a"}})
    abathur.ok("swarm", "start", "--until-idle")
    text = (abathur.root / ".abathur" / "logs" / "swarm.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["worker"] for line in lines} == {lines[0]["worker"]}
    done = next(line for line in lines if line["event"] == "task_completed")
    told = {name: done[name] for name in ("level", "task", "attempt", "agent_type", "target")}
    assert told == {
        "level": "INFO",
        "task": task,
        "attempt": 1,
        "agent_type": DEFAULT_AGENT_TYPE,
        "target": "main",
    }
    assert done["trace_id"] == UUID(task).hex
    assert done["text"].startswith("landed on main (")


def test_an_agent_that_starts_is_told_once(abathur: Abathur) -> None:
    abathur.script("Write", {"say": "Hello"})
    out = abathur.ok("swarm", "start", "--until-idle")
    assert out.count("agent started") == 1
    abathur.script("Write", {"say": "Hello"})
    assert '"kind":"started"' in abathur.ok("swarm", "start", "--until-idle", "--json")


def test_a_failed_task_is_a_bad_answer_until_idle(abathur: Abathur) -> None:
    abathur.ok("task", "submit", "x", "--max-retries", "0", "--input-data",
               json.dumps({"script": [{"fail": "can't"}]}))  # fmt: skip
    result = abathur("swarm", "start", "--until-idle")
    assert result.code == 1
    assert "1 failed in 00:0" in result.out
    assert "task list --status failed" in result.err


def test_a_limit_of_tasks(abathur: Abathur) -> None:
    for number in range(3):
        abathur.script(f"Task {number}", {"say": "x"})
    out = abathur.ok("swarm", "start", "--task-limit", "1", "--max-agents", "1").splitlines()
    assert out[-1].endswith("; the task limit is reached")
    assert abathur("swarm", "status", "--json").json["counts"]["ready"] == 2


def test_a_dirty_target_is_refused_unless_allowed(abathur: Abathur) -> None:
    abathur.script("Task", {"say": "x"})
    (abathur.root / "README.md").write_text("mine")
    result = abathur("swarm", "start", "--until-idle")
    assert result.code == 4
    assert "uncommitted changes" in result.line
    assert abathur("swarm", "start", "--until-idle", "--allow-dirty").code == 0
    assert (abathur.root / "README.md").read_text() == "mine"


def test_the_first_signal_lets_agents_finish(abathur: Abathur) -> None:
    task = abathur.script("Nap", {"say": "x"}, {"sleep": 1}, {"write": {"path": "a", "text": "a"}})
    swarm = started(abathur)
    swarm.send_signal(signal.SIGTERM)
    out, err = swarm.communicate(timeout=20)
    assert swarm.returncode == 0
    assert b"stopping: running agents get 2 s; again to stop at once" in err
    assert out.splitlines()[-1].endswith(b"; stopped by a signal")
    assert status_of(abathur, task) in ("completed", "running")


def test_the_second_signal_stops_at_once(abathur: Abathur) -> None:
    configure(abathur, swarm={"grace_seconds": 60})
    task = hang(abathur)
    swarm = started(abathur, "--until-idle")
    assert swarm.stderr is not None
    swarm.send_signal(signal.SIGINT)
    assert b"again to stop at once" in swarm.stderr.readline()
    swarm.send_signal(signal.SIGINT)
    swarm.communicate(timeout=20)
    assert swarm.returncode == 130
    assert status_of(abathur, task) in ("ready", "pending")


def test_stopping_from_elsewhere(abathur: Abathur) -> None:
    configure(abathur, swarm={"grace_seconds": 60})
    task = hang(abathur)
    swarm = started(abathur)
    status = abathur("swarm", "status", "--json").json
    (worker,) = status["workers"]
    assert (worker["pid"], worker["alive"]) == (swarm.pid, True)
    (running,) = status["running"]
    assert running["task"]["id"] == task
    shown = abathur.ok("swarm", "status")
    assert f"alive  {swarm.pid:>7}" in " ".join(shown.split(" "))
    result = abathur("swarm", "stop", "--now")
    assert (result.code, result.out) == (
        0,
        f"stopped worker {worker['id'][:13]} (process {swarm.pid})\n",
    )
    assert result.err.endswith("; its agents are ended at once\n")
    _, err = swarm.communicate(timeout=20)
    assert err == b"stopping at once\n"
    assert swarm.returncode == 0
    assert status_of(abathur, task) in ("ready", "pending")


def test_stopping_without_waiting(abathur: Abathur) -> None:
    configure(abathur, swarm={"grace_seconds": 0.5, "heartbeat_seconds": 0.5})
    hang(abathur)
    swarm = started(abathur)
    found = abathur("swarm", "stop", "--no-wait", "--json").json
    assert (len(found["workers"]), found["stopped"]) == (1, False)
    out, _ = swarm.communicate(timeout=20)
    assert out.splitlines()[-1].endswith(b"stopped by `abathur swarm stop`")


def test_a_dead_worker_is_not_waited_for(abathur: Abathur) -> None:
    hang(abathur)
    swarm = started(abathur)
    swarm.kill()
    swarm.communicate()
    assert abathur.ok("swarm", "stop") == "no swarm is running"
    assert "dead" in abathur.ok("swarm", "status")


def test_nothing_is_there_yet(abathur: Abathur) -> None:
    out = abathur.ok("swarm", "status")
    assert out.splitlines() == [
        "no tasks",
        "no swarm is running; `abathur swarm start` starts one",
    ]
    assert abathur("swarm", "status", "--json").json["idle"] is True
    assert abathur.ok("swarm", "stop") == "no swarm is running"


@pytest.mark.parametrize("options", [["--max-agents", "0"], ["--task-limit", "x"]])
def test_bad_options(abathur: Abathur, options: list[str]) -> None:
    assert abathur("swarm", "start", *options).code == 2


def test_a_running_swarm_reads_its_configuration_again(abathur: Abathur) -> None:
    assert abathur.ok("swarm", "reload") == "no swarm is running on this host"
    hang(abathur)
    swarm = started(abathur)
    assert swarm.stdout is not None
    configure(abathur, limits={"host": 3})
    assert abathur.ok("swarm", "reload").startswith("asked worker ")
    while b"settings changed" not in (line := swarm.stdout.readline()):
        assert line
    assert b"changed: limits.host" in line
    configure(abathur, limits={"host": "many"})
    refused = abathur("swarm", "reload")
    assert refused.code != 0
    assert "limits.host" in refused.line
    abathur.ok("swarm", "stop", "--now")
    swarm.communicate()
