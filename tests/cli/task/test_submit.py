import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import configure


def shown(abathur: Any, task: str) -> Any:
    return abathur("task", "show", task, "--json").json["task"]


def test_every_field_is_an_option(abathur: Any) -> None:
    abathur.git("branch", "release")
    first, parent = abathur.submit("First"), abathur.submit("Whole")
    task = abathur.submit(
        "Do it\nwith care",
        *("--summary", "A task", "--agent-type", "tester", "--priority", "9"),
        *("--source", "agent_planner", "--parent", parent[:13], "-p", first[:13], "-p", parent),
        *("--deadline", "2030-01-31T18:00:00+01:00", "--not-before", "2029-01-01T00:00Z"),
        *("--estimate", "1h30m", "--max-retries", "7", "--timeout", "10m"),
        *("--input-data", '{"a": [1]}', "--target", "release", "--idempotency-key", "k1"),
    )
    found = shown(abathur, task)
    expected = {
        "prompt": "Do it\nwith care",
        "summary": "A task",
        "agent_type": "tester",
        "priority": 9,
        "source": "agent_planner",
        "parent_task_id": parent,
        "prerequisites": sorted([first, parent]),
        "deadline": "2030-01-31T17:00:00.000000Z",
        "not_before": "2029-01-01T00:00:00.000000Z",
        "estimated_duration_seconds": 5400,
        "max_retries": 7,
        "max_execution_timeout_seconds": 600,
        "input_data": {"a": [1]},
        "feature_branch": "release",
        "idempotency_key": "k1",
        "status": "blocked",
    }
    found["prerequisites"] = sorted(found["prerequisites"])
    assert {name: found[name] for name in expected} == expected
    assert found["created_by"].startswith("cli:")


def test_what_is_left_out_has_a_default(abathur: Any) -> None:
    found = shown(abathur, abathur.submit("Fix it\nplease"))
    assert found["summary"] == "Fix it"
    assert found["priority"] == 5
    assert found["feature_branch"] == "main"
    assert found["max_retries"] == 3
    assert found["max_execution_timeout_seconds"] == 3600
    assert found["status"] == "ready"


def test_the_prompt_comes_from_stdin(abathur: Any) -> None:
    task = abathur.ok("task", "submit", "-", stdin="Größer\nals gedacht\n".encode())
    assert shown(abathur, task)["prompt"] == "Größer\nals gedacht\n"


def test_the_input_comes_from_a_file(abathur: Any) -> None:
    file = abathur.root / "input.json"
    file.write_text('{"ü": 1}', encoding="utf-8")
    assert shown(abathur, abathur.submit("x", "--input-file", str(file)))["input_data"] == {"ü": 1}


def test_relative_times(abathur: Any) -> None:
    found = shown(abathur, abathur.submit("x", "--not-before", "+2h", "--deadline", "+3d"))
    in_two_hours = datetime.now(UTC) + timedelta(hours=2)
    assert abs(datetime.fromisoformat(found["not_before"]) - in_two_hours) < timedelta(minutes=1)
    assert found["status"] == "pending"


def test_the_configured_target_comes_before_the_current_branch(abathur: Any) -> None:
    abathur.git("branch", "release")
    (abathur.root / ".abathur" / "config.yaml").write_text("target_branch: release\n")
    assert shown(abathur, abathur.submit())["feature_branch"] == "release"


def test_submitting_from_a_folder_below(abathur: Any) -> None:
    below = abathur.root / "src" / "deep"
    below.mkdir(parents=True)
    assert abathur.process("task", "submit", "x", cwd=below).code == 0


def test_the_same_key_gives_the_same_task(abathur: Any) -> None:
    first = abathur("task", "submit", "x", "--idempotency-key", "k", "--json").json
    again = abathur("task", "submit", "x", "--idempotency-key", "k", "--json").json
    assert (first["created"], again["created"]) == (True, False)
    assert first["task"] == again["task"]


OBJECT = 'write an object like {"key": 1}'


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ([" "], "prompt: it is empty; say what the agent shall do"),
        (["x", "--priority", "11"], "priority: 11 isn't a whole number from 0 to 10"),
        (["x", "--max-retries", "-1"], "max_retries: -1 isn't a whole number from 0 to 100"),
        (["x", "--timeout", "0"], "timeout: 0 isn't a whole number from 1 to 2592000"),
        (
            ["x", "--deadline", "tomorrow"],
            "deadline: `tomorrow` isn't a time; write it like 2030-01-31T18:00:00Z, or +2h from "
            "now",
        ),
        (
            ["x", "--not-before", "2030-01-01"],
            "not-before: `2030-01-01` has no time zone; write it like 2030-01-31T18:00:00Z, "
            "2030-01-31T18:00:00+01:00, or +2h from now",
        ),
        (
            ["x", "--estimate", "soon"],
            "estimate: `soon` isn't a duration; write seconds (90) or use units (10m, 1h30m, 2d)",
        ),
        (
            ["x", "--input-data", "{"],
            "input-data: it isn't JSON (Expecting property name enclosed in double quotes: "
            f"line 1 column 2 (char 1)); {OBJECT}",
        ),
        (
            ["x", "--input-data", '{"a": NaN}'],
            f"input-data: it isn't JSON (NaN is no JSON number); {OBJECT}",
        ),
        (["x", "--input-data", "[1]"], 'input-data: a JSON object is needed, like {"key": 1}'),
        (
            ["x", "--agent-type", "no/way"],
            "agent_type: `no/way` isn't a name; use letters, digits, `-` and `_`",
        ),
        (
            ["x", "-p", "xyz"],
            "`xyz` isn't a task id; `abathur task list` shows the ids (a unique prefix will do)",
        ),
        (
            ["x", "--idempotency-key", ""],
            "idempotency-key: it is empty; give a name or leave it out",
        ),
    ],
)
def test_bad_input_is_told_in_one_line(abathur: Any, args: list[str], line: str) -> None:
    result = abathur("task", "submit", *args)
    assert (result.code, result.line) == (2, f"abathur: {line}")
    assert abathur("task", "list", "--json").json == []


def test_stdin_that_is_no_text(abathur: Any) -> None:
    assert abathur("task", "submit", "-", stdin=b"a\xff").line == (
        "abathur: prompt: stdin isn't UTF-8 text (byte 1); convert it first"
    )
    assert "NUL character" in abathur("task", "submit", "-", stdin=b"a\0b").line


def test_both_kinds_of_input_exclude_each_other(abathur: Any) -> None:
    file = abathur.root / "README.md"
    args = ("--input-data", "{}", "--input-file", str(file))
    result = abathur("task", "submit", "x", *args)
    assert (result.code, result.line) == (
        2,
        "abathur: --input-data and --input-file exclude each other "
        "(see `abathur task submit --help`)",
    )


def test_an_unknown_branch(abathur: Any) -> None:
    result = abathur("task", "submit", "x", "--target", "nope")
    assert (result.code, result.line) == (
        5,
        f"abathur: no branch `nope` in {abathur.root}; `git branch` shows those there are, "
        "`git branch nope` makes it",
    )


def test_no_branch_is_checked_out(abathur: Any) -> None:
    abathur.git("checkout", "--quiet", "--detach")
    result = abathur("task", "submit", "x")
    assert (result.code, result.line) == (
        2,
        f"abathur: no branch is checked out in {abathur.root}; "
        "name the target with --target BRANCH",
    )


def test_an_unknown_prerequisite(abathur: Any) -> None:
    result = abathur("task", "submit", "x", "-p", "ffff")
    assert result.code == 3
    assert result.line.startswith("abathur: no task has an id that begins with `ffff`;")


@pytest.mark.parametrize("command", ["task submit x -p", "task show", "logs", "diff", "why"])
def test_a_prefix_of_several_tasks(abathur: Any, command: str) -> None:
    first, second = abathur.submit("Bake\x1b[2J bread"), abathur.submit("Brew tea")
    result = abathur(*command.split(), "0")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "abathur: id `0` fits several tasks; type more of it:",
        f"abathur:   {first}  Bake\N{REPLACEMENT CHARACTER}[2J bread",
        f"abathur:   {second}  Brew tea",
    ]


def test_an_agent_type_that_nobody_described(abathur: Any) -> None:
    configure(abathur, agents={"coder": {}})
    (abathur.root / ".abathur" / "agents").mkdir()
    (abathur.root / ".abathur" / "agents" / "reviewer.md").write_text("---\n---\nReview.")
    for known in ("coder", "reviewer", "general"):
        assert abathur("task", "submit", "x", "--agent-type", known).err == ""
    result = abathur("task", "submit", "x", "--agent-type", "nobody")
    assert (result.code, len(result.out.split())) == (0, 1)
    assert result.err == (
        "no agent type `nobody` is defined or configured: it will run with the default runtime, "
        "fake, and no instructions of its own\n"
    )


def test_a_prerequisite_that_failed(abathur: Any) -> None:
    gone = abathur.submit()
    abathur.ok("task", "cancel", gone)
    result = abathur("task", "submit", "x", "-p", gone)
    assert (result.code, result.line) == (
        2,
        f"abathur: prerequisite {gone} is cancelled and would block this task for ever; "
        f"run `abathur task retry {gone}` first, or leave it out",
    )


def test_a_key_that_stands_for_another_task(abathur: Any) -> None:
    abathur.submit("x", "--idempotency-key", "k")
    result = abathur("task", "submit", "y", "--idempotency-key", "k", "--json")
    assert result.code == 2
    assert json.loads(result.err)["error"]["type"] == "IdempotencyConflictError"
