import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Abathur

BACKLOG = """\
plan: demo
tasks:
  grammar: {prompt: Write the grammar, estimate: 10m}
  docs: {prompt: Write the docs, estimate: 5m}
  parser: {prompt: Write the parser, needs: grammar}
"""


def write(abathur: "Abathur", text: str = BACKLOG) -> str:
    path = abathur.root / "backlog.yaml"
    path.write_text(text)
    return str(path)


def test_a_backlog_is_queued_and_applying_it_again_changes_nothing(abathur: "Abathur") -> None:
    file = write(abathur)
    first = abathur.ok("plan", "apply", file).splitlines()
    assert [line.split()[0] for line in first] == ["NAME", "grammar", "docs", "parser", "plan"]
    assert first[-1] == "plan demo: 3 queued"
    again = abathur.ok("plan", "apply", file).splitlines()
    assert again[-1] == "plan demo: all 3 tasks are queued already; nothing was changed"
    assert [line.replace("unchanged", "created") for line in again[1:-1]] == first[1:-1]
    assert len(abathur("task", "list", "--json").json) == 3


def test_one_task_is_singular_and_has_an_author(
    abathur: "Abathur", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    file = write(abathur, "plan: one\ntasks: {a: {prompt: x, agent_type: nobody}}\n")
    first = abathur("plan", "apply", file)
    assert first.err.startswith("no agent type `nobody` is defined or configured")
    again = abathur.ok("plan", "apply", file).splitlines()
    assert again[-1] == "plan one: its task is queued already; nothing was changed"
    (task,) = abathur("task", "list", "--json").json
    assert task["created_by"] == "cli:ada"


def test_a_task_added_later_joins_those_that_are_there(abathur: "Abathur") -> None:
    abathur.ok("plan", "apply", write(abathur))
    more = BACKLOG + "  tests: {prompt: Test it, needs: [parser]}\n"
    found = abathur("plan", "apply", write(abathur, more), "--json").json
    assert (found["created"], found["unchanged"]) == (1, 3)
    ids = {one["name"]: one["task"]["id"] for one in found["tasks"]}
    added = found["tasks"][-1]
    assert (added["name"], added["task"]["prerequisites"]) == ("tests", [ids["parser"]])


def test_what_a_plan_says_otherwise_by_now_is_told_and_not_done(abathur: "Abathur") -> None:
    text = "plan: p\ntasks: {a: {prompt: x}, b: {prompt: y, needs: [a], priority: 3}}\n"
    abathur.ok("plan", "apply", write(abathur, text))
    other = "plan: p\ntasks: {a: {prompt: x}, b: {prompt: y, priority: 9, max_retries: 1}}\n"
    again = abathur("plan", "apply", write(abathur, other))
    texts = ["needs: a, not none", "priority: 3, not 9", "max_retries: 3, not 1"]
    assert again.err.splitlines() == [f"task b stays as it was queued: {'; '.join(texts)}"]
    found = abathur("plan", "apply", write(abathur, other), "--json").json
    kept = {one["name"]: one["kept"] for one in found["tasks"]}
    assert kept == {"a": [], "b": texts}
    b = next(task for task in abathur("task", "list", "--json").json if task["priority"] == 3)
    assert len(b["prerequisites"]) == 1


def test_a_changed_prompt_is_refused_and_nothing_is_queued(abathur: "Abathur") -> None:
    abathur.ok("plan", "apply", write(abathur))
    changed = BACKLOG.replace("the docs", "no docs") + "  new: {prompt: New}\n"
    result = abathur("plan", "apply", write(abathur, changed))
    assert result.code == 2
    assert ":4: docs: it was queued from this plan before" in result.line
    assert len(abathur("task", "list", "--json").json) == 3


def test_all_problems_are_told_and_nothing_is_queued(abathur: "Abathur") -> None:
    file = write(abathur, "tasks:\n  a: {prompt: x}\n  b: {promt: x}\n  c: {needs: z}\n")
    result = abathur("plan", "apply", file, "--json")
    assert result.code == 2
    told = json.loads(result.err)["error"]["problems"]
    assert [line.removeprefix(file).split(": ")[:2] for line in told] == [
        [":3", "promt"],
        [":3", "prompt"],
        [":4", "prompt"],
        [":4", "needs"],
    ]
    assert abathur("task", "list", "--json").json == []


def test_a_target_must_exist(abathur: "Abathur") -> None:
    file = write(abathur, "target: nope\ntasks:\n  a: {prompt: x}\n  b: {prompt: x, target: main}")
    result = abathur("plan", "apply", file)
    assert result.code == 2
    assert ":3: target: there is no branch `nope` for task `a`" in result.line
    assert abathur("plan", "apply", write(abathur), "--target", "nope").code != 0


def test_tasks_without_a_target_land_where_we_are_now(abathur: "Abathur") -> None:
    found = abathur("plan", "apply", write(abathur), "--json").json
    assert {one["task"]["feature_branch"] for one in found["tasks"]} == {"main"}


def test_a_dry_run_shows_the_order_and_queues_nothing(abathur: "Abathur") -> None:
    out = abathur.ok("plan", "apply", write(abathur), "--dry-run")
    assert out.splitlines() == [
        "batch 1",
        "  * 1  grammar  new  10m  Write the grammar",
        "    2  docs     new   5m  Write the docs",
        "batch 2",
        "  * 3  parser   new    ?  Write the parser  (after 1)",
        "",
        "* critical path: 2 tasks, about 20m; one without an estimate counts as 10m",
        "  1 → 3",
        "",
        "plan demo: 3 would be queued",
    ]
    assert abathur("task", "list", "--json").json == []


def test_a_backlog_from_standard_input(abathur: "Abathur") -> None:
    assert abathur.ok("plan", "apply", "-", stdin=BACKLOG.encode()).endswith("demo: 3 queued")
    nameless = abathur("plan", "apply", "-", stdin=b"tasks: {a: {prompt: x}}")
    assert "stdin:1: plan: it is missing" in nameless.line


def test_a_file_that_is_not_there(abathur: "Abathur", tmp_path: Path) -> None:
    result = abathur("plan", "apply", str(tmp_path / "none.yaml"))
    assert result.code == 2
    assert result.line.endswith("can't be read (no such file or directory); check its name")


def test_the_order_of_what_is_unfinished(abathur: "Abathur") -> None:
    assert abathur.ok("plan", "show") == "no unfinished tasks"
    found = abathur("plan", "apply", write(abathur), "--json").json
    ids = [one["task"]["id"] for one in found["tasks"]]
    out = abathur.ok("plan", "show").splitlines()
    assert out[1] == f"  * 1  {ids[0][:13]}  ready    10m  Write the grammar"
    assert out[4] == f"  * 3  {ids[2][:13]}  blocked    ?  Write the parser  (after 1)"
    assert abathur("plan", "show", "--json").json["critical_path"] == [ids[0], ids[2]]
    alone = abathur.ok("plan", "show", ids[1][:13]).splitlines()
    assert alone[-2:] == ["* critical path: 1 task, about 5m", "  1"]


def test_no_line_of_the_order_is_wider_than_the_screen(abathur: "Abathur") -> None:
    long = "\n".join(f"  t{n}: {{prompt: '{'word ' * 30}'}}" for n in range(12))
    needs = ", ".join(f"t{n}" for n in range(12))
    abathur.ok(
        "plan", "apply", write(abathur, f"tasks:\n{long}\n  z: {{prompt: x, needs: [{needs}]}}")
    )
    out = abathur.ok("plan", "show").splitlines()
    assert max(map(len, out)) <= 80
    assert out[-4].endswith("(after 1, 2, 3, 4 and 8 more)")
