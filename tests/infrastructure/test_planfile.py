import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import PlanError
from abathur.domain.plans import Plan
from abathur.domain.tasks import TaskSource
from abathur.infrastructure.planfile import read_plan

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def read(text: str | bytes, path: str = "dir/backlog.yaml") -> Plan:
    return read_plan(path, text, NOW)


def problems(text: str | bytes, path: str = "f") -> list[str]:
    with pytest.raises(PlanError) as caught:
        read(text, path)
    return list(caught.value.problems)


def problem(text: str | bytes) -> str:
    (only,) = problems(text)
    return only


def in_task(field: str) -> str:
    return f"tasks:\n  a:\n    prompt: x\n    {field}\n"


def test_everything_that_a_task_may_say() -> None:
    plan = read(
        """
plan: parser
target: main
defaults: {priority: 7, agent_type: coder, timeout: 1h}
tasks:
  first: {prompt: Do it}
  second:
    prompt: |
      Many
      lines
    summary: Short
    agent_type: tester
    priority: 2
    source: agent_planner
    needs: first
    deadline: 2030-02-01T10:00:00+01:00
    not_before: +2h
    estimate: 1h30m
    max_retries: 0
    timeout: 90
    input_data: {files: [a, 1, 1.5, true, null], when: 2030-01-01}
    target: develop
"""
    )
    assert (plan.name, plan.file, list(plan.tasks)) == (
        "parser",
        "dir/backlog.yaml",
        ["first", "second"],
    )
    first, second = plan.tasks.values()
    assert (first.new.priority, first.new.agent_type, first.new.feature_branch) == (
        7,
        "coder",
        "main",
    )
    assert first.new.max_execution_timeout_seconds == 3600
    assert (second.needs, second.line, second.needs_line) == (("first",), 7, 15)
    new = second.new
    assert new.prompt == "Many\nlines\n"
    assert (new.summary, new.agent_type, new.priority) == ("Short", "tester", 2)
    assert new.source is TaskSource.AGENT_PLANNER
    assert new.deadline == datetime(2030, 2, 1, 9, tzinfo=UTC)
    assert new.not_before == NOW + timedelta(hours=2)
    assert (new.estimated_duration_seconds, new.max_retries) == (5400, 0)
    assert (new.max_execution_timeout_seconds, new.feature_branch) == (90, "develop")
    assert new.input_data == {"files": ["a", 1, 1.5, True, None], "when": "2030-01-01"}


def test_a_list_of_tasks_with_names() -> None:
    plan = read("tasks:\n- {name: a, prompt: x}\n- {name: 2, prompt: y, needs: [a, a]}\n")
    assert {name: task.needs for name, task in plan.tasks.items()} == {"a": (), "2": ("a",)}


def test_the_name_of_a_plan_is_that_of_its_file() -> None:
    assert read("tasks: {a: {prompt: x}}").name == "backlog"
    assert problem_of_stdin() == ["stdin:1: plan: it is missing; a plan from standard input needs "
                                  "a name"]  # fmt: skip


def problem_of_stdin() -> list[str]:
    return problems("tasks: {a: {prompt: x}}", "-")


def test_json_with_tabs_and_characters_beyond_the_first_plane() -> None:
    task = {"prompt": "smile 😀 a/b\ttab", "input_data": {"a": ["😀"]}}
    text = json.dumps({"tasks": {"a": task}}, indent="\t").replace("/", "\\/")
    new = read(text).tasks["a"].new
    assert new.prompt == "smile 😀 a/b\ttab"
    assert new.input_data == {"a": ["😀"]}


def test_empty_values_count_as_not_given() -> None:
    new = read("tasks: {a: {prompt: x, summary: , priority: ~, needs: }}").tasks["a"].new
    assert (new.summary, new.priority) == ("x", 5)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("promt: x", "promt: there is no such field; did you mean `prompt`?"),
        ("depends_on: x", "depends_on: there is no such field; did you mean `needs`?"),
        ("<<: {}", "<<: merging isn't possible here; use `defaults:`"),
        ("priority: 11", "priority: 11 isn't a whole number from 0 to 10"),
        ("priority: high", "priority: a whole number is needed, not the text `high`"),
        ("priority: '7'", "priority: a whole number is needed, not the text `7`"),
        ("priority: 1.5", "priority: a whole number is needed, not `1.5`"),
        ("max_retries: -1", "max_retries: -1 isn't a whole number from 0 to 100"),
        ("summary: [x]", "summary: text is needed, not a list"),
        ("summary: 12", "summary: text is needed, not a number; put it in quotes"),
        ("agent_type: a b", "agent_type: `a b` isn't a name; use letters, digits, `-` and `_`"),
        ("timeout: 0", "timeout: 0 isn't a whole number from 1 to 2592000"),
        ("input_data: [1]", "input_data: a mapping is needed, not a list"),
        ("input_data: {a: .inf}", "input_data: `.inf` isn't a number of JSON"),
        ("input_data: {a: 1, a: 2}", "input_data: `a` is there twice, on lines 4 and 4"),
        ("input_data: {a: !!python/name:os.system x}", "input_data: the tag `tag:yaml.org"),
        ("deadline: [1]", "deadline: a list isn't a time; write like 2030-01-31T18:00:00Z"),
        ("deadline: 2030-01-31", "deadline: the time needs a zone, like 2030-01-31T18:00:00Z"),
        ("deadline: soon", None),
        ("not_before: +1y", None),
        ("not_before: 9999-12-31T23:59:59-12:00", None),
        ("estimate: 1:30", None),
        ("estimate: 0s", "estimate: 0 isn't a whole number from 1 to 31536000"),
        ("source: robot", None),
        ("needs: [b]", "needs: `b` is no task of this plan"),
        ("needs: {b: 1}", "needs: a name is needed, not a mapping"),
        ("needs: a", "needs: these tasks wait for each other: a -> a; remove one of the "
                     "dependencies"),
        ("prompt: y", "a: `prompt` is there twice, on lines 3 and 4"),
        ('target: "a\\0b"', "target: it holds a character that isn't text"),
    ],
)  # fmt: skip
def test_a_bad_field_is_told_with_its_line(field: str, message: str | None) -> None:
    told = problem(in_task(field))
    assert told.startswith(f"f:4: {message or field.partition(':')[0]}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1: syntax: the file is empty; it needs `tasks:`"),
        ("plan: x\ntasks:\n", "f:2: tasks: there are none; a plan needs at least one"),
        ("plan: x\ntasks: 3\n", "f:2: tasks: it is a mapping of names to tasks, or a list of"),
        ("tasks:\n  a: x\n  b: {prompt: y}", "f:2: a: a task is a mapping with `prompt:`"),
        ("tasks:\n  a: {summary: x}", "f:2: prompt: it is missing; say what the agent shall do"),
        ("tasks:\n  a:\n    prompt: ' '", "f:3: prompt: it is empty; say what the agent"),
        ("tasks:\n  'a:b': {prompt: x}", "f:2: tasks: a name has 1 to 80 characters on one line"),
        ("tasks:\n- prompt: x", "f:2: name: it is missing; each task of a list needs one"),
        ("taks: 1\ntasks: {a: {prompt: x}}", "f:1: taks: there is no such field; did you mean"),
        ("defaults: {prompt: y}\ntasks: {a: {prompt: x}}", "f:1: prompt: it has no default"),
        ("defaults: 3\ntasks: {a: {prompt: x}}", "f:1: defaults: it is a mapping of fields, not"),
        ("plan: 'a:b'\ntasks: {a: {prompt: x}}", "f:1: plan: a name has 1 to 80 characters"),
        ("tasks:\n\ta: x", "f:2: syntax: a tab can't indent YAML; use spaces"),
        ("a: 1\n---\nb: 2", "f:2: syntax: there is a second document (`---`)"),
        ("tasks: [", "f:1: syntax: "),
        ("a: b\nc: d: e", "f:2: syntax: mapping values are not allowed here"),
        ("tasks: \x07", "f:1: syntax: the character U+0007 isn't allowed here"),
        ("x\n\ud800", "f:2: syntax: the character U+D800 isn't allowed here"),
        (b"a: 1\nb: \xff", "f:2: syntax: it isn't UTF-8 text"),
        ("[" * 100_000, "f:1: syntax: it is nested too deeply"),
        ('"\\UFFFFFFFF"', "f:1: syntax: it can't be read"),
        ("x" * 5_000_001, "f:1: syntax: it is larger than 5 MB"),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str | bytes, message: str) -> None:
    assert problems(text)[0].startswith(message)


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = """\
tasks:
  a: {prompt: x, priority: 99}
  b: {promt: x}
  a: {prompt: y}
  c: {prompt: z, needs: nothing, timeout: x}
"""
    lines = [told.split(":")[1:3] for told in problems(text)]
    assert lines == [
        ["2", " priority"],
        ["3", " promt"],
        ["3", " prompt"],
        ["4", " tasks"],
        ["5", " timeout"],
        ["5", " needs"],
    ]


def test_a_duplicate_name_tells_both_lines() -> None:
    assert problem("tasks:\n- {name: a, prompt: x}\n- {name: a, prompt: y}") == (
        "f:3: name: `a` is there twice, on lines 2 and 3"
    )


def test_a_cycle_names_its_tasks() -> None:
    text = "tasks:\n  a: {prompt: x, needs: b}\n  b: {prompt: x, needs: a}"
    assert "these tasks wait for each other: a -> b -> a" in problem(text)


def test_only_the_first_hundred_problems_are_shown() -> None:
    tasks = "".join(f"  t{number}: {{}}\n" for number in range(150))
    told = problems(f"tasks:\n{tasks}")
    assert len(told) == 101
    assert told[-1] == "f: and 50 more problems"


def test_a_bomb_of_aliases_is_refused() -> None:
    levels = ["a0: &a0 [" + ",".join(["x" * 10] * 10) + "]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    data = "\n".join(f"      {level}" for level in levels)
    text = f"tasks:\n  a:\n    prompt: x\n    input_data:\n{data}\n"
    assert "aliases (`*name`) or defaults make it too big" in problem(text)


def test_an_alias_inside_of_itself_is_refused() -> None:
    text = "tasks: &t\n  a: {prompt: x, input_data: {t: *t}}"
    assert "it is nested too deeply" in problem(text)


def test_an_alias_used_in_earnest_works() -> None:
    text = "tasks:\n  a: {prompt: &p Do it}\n  b: {prompt: *p, needs: a}"
    assert read(text).tasks["b"].new.prompt == "Do it"


def outcome(text: str | bytes) -> list[str]:
    """Names of the tasks, or the problems; anything else that is raised fails the test."""
    try:
        return list(read(text).tasks)
    except PlanError as error:
        return list(error.problems)


WORDS = st.sampled_from(
    ["tasks", "plan", "a", "prompt", "needs", "x", "priority", ":", "-", "{", "}", "[", "]", ",",
     "\n", "  ", "\t", "&a", "*a", "!!int", "'", '"', "|", "#", "<<", "5", "1e9", "~", "---"]
)  # fmt: skip


@given(st.text() | st.binary() | st.lists(WORDS).map(" ".join) | st.lists(WORDS).map("".join))
def test_any_text_gives_a_plan_or_a_plan_error(text: str | bytes) -> None:
    assert all("\n" not in told for told in outcome(text))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
FLAT = SCALARS | st.lists(SCALARS, max_size=2)
VALUES = FLAT | st.dictionaries(st.text(max_size=3), FLAT, max_size=2)
FIELDS = st.sampled_from(["prompt", "needs", "deadline", "estimate", "input_data", "priority", "x"])


@given(st.dictionaries(st.text(max_size=3), st.dictionaries(FIELDS, VALUES) | VALUES))
def test_any_values_give_a_plan_or_a_plan_error(tasks: object) -> None:
    assert outcome(json.dumps({"tasks": tasks}))
