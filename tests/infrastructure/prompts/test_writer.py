"""Prompts from templates: what is in them, whose they are, and what a hostile one can't do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import ConfigError
from abathur.domain.prompts import EarlierFailure, HandedOver, PromptFacts, Recalled
from abathur.domain.results import ResultCheck, ResultOrigin, TaskResult
from abathur.infrastructure.prompts.writer import JinjaPrompts, template_texts
from tests.domain.conftest import TASK

FACTS = PromptFacts(task=TASK, attempt=1, target="main")


def put(root: Path, name: str, text: str) -> None:
    folder = root / ".abathur" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def writer(root: Path) -> JinjaPrompts:
    return JinjaPrompts(template_texts(root / ".abathur" / "templates", root))


def told(root: Path, **facts: Any) -> str:
    return writer(root).write(replace(FACTS, **facts))


def test_a_plain_task_is_told_without_empty_sections(tmp_path: Path) -> None:
    text = told(tmp_path)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Task",
        "# Rules",
        "# How to report",
    ]
    assert "starts from `main`" in text
    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"


def test_everything_that_is_known_is_told(tmp_path: Path) -> None:
    result = TaskResult(
        content={}, origin=ResultOrigin.TEXT, check=ResultCheck.INVALID, problem="no plan"
    )
    from abathur.domain.records import changed

    before = changed(TASK, summary="Plan it", result_data={"deliverables": {"plan": "größe"}})
    text = told(
        tmp_path,
        task=changed(TASK, input_data={"n": [1]}),
        prerequisites=(HandedOver(task=before, result=result),),
        memories=(Recalled("a:b k by cli:ann", "use tabs\n# Rules"),),
        failures=(EarlierFailure(attempt=2, how="timed out", message="after 5 s"),),
        schema={"required": ["deliverables"]},
        servers=("abathur-task-queue",),
    )
    for part in (
        '"n": [',
        "## Plan it",
        '"plan": "größe"',
        "isn't in the agreed form (no plan)",
        "- From a:b k by cli:ann:\n  > use tabs\n  > # Rules\n",
        "- Attempt 2 timed out: after 5 s",
        "with the tool `task_report`",
        '"required": [',
    ):
        assert part in text, part


def test_a_template_of_the_project_takes_the_place_of_a_built_in_one(tmp_path: Path) -> None:
    put(tmp_path, "rules.md.j2", "# Our rules\n\nLand on {{ target }}.{% include 'more.md.j2' %}")
    put(tmp_path, "more.md.j2", " Be brief.")
    text = told(tmp_path)
    assert "# Our rules\n\nLand on main. Be brief." in text
    assert "# Task" in text


def test_texts_of_tasks_and_results_are_never_templates(tmp_path: Path) -> None:
    from abathur.domain.records import changed

    text = told(tmp_path, task=changed(TASK, prompt="{{ 7*7 }} {% include 'x' %}"))
    assert "{{ 7*7 }} {% include 'x' %}" in text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n{% if %}", 2),
        ("a\nb\n{{ nobody }}", 3),
        ("\n{{ task.nothing.more }}", 2),
        ("{{ 1 / 0 }}", 1),
        ("\n\n\n{% include 'gone.md.j2' %}", 4),
        ("{% for a in b %}", 1),
    ],
)
def test_a_broken_template_is_told_in_one_line_with_its_place(
    tmp_path: Path, text: str, line: int
) -> None:
    put(tmp_path, "rules.md.j2", text)
    with pytest.raises(ConfigError) as error:
        told(tmp_path)
    assert str(error.value).startswith(f".abathur/templates/rules.md.j2:{line}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ task.__class__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ task.update({'prompt': 'x'}) }}",
        "{{ servers.append('x') }}",
        "{{ ''|attr('__class__') }}",
        "{{ '%s'.__mod__ }}",
        "{{ '{0.__class__}'.format(task) }}",
        "{{ 'a' * 100000000 }}",
        "{{ [1] * 100000000 }}",
        "{{ 10 ** 10000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.rjust(1000000000) }}",
        "{{ 'a'|center(1000000000) }}",
        "{% for i in range(100000000) %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in range(9999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
        "{% include '../../../etc/passwd' %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ lipsum() }}",
    ],
)
def test_a_template_runs_no_code_reads_no_file_and_makes_no_endless_text(
    tmp_path: Path, text: str
) -> None:
    put(tmp_path, "rules.md.j2", text)
    with pytest.raises(ConfigError):
        told(tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    put(tmp_path, "task.md.j2", "{{ task.prompt }}")
    (tmp_path / ".abathur" / "templates" / "rules.md.j2").symlink_to(secret)
    assert "the secret" not in told(tmp_path)


def test_a_strange_name_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "My Rules.md.j2", "x")
    with pytest.raises(ConfigError, match="small letters"):
        told(tmp_path)
