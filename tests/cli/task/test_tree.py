from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from abathur.cli.task.tree import WIDEST, as_tree
from abathur.cli.text import columns
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.services import submitting

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def task(name: str, *prerequisites: str, **changes: Any) -> Task:
    new = NewTask(prompt=name)
    made = submitting._built(new, [], 0, name, NOW)
    return replace(made, prerequisites=prerequisites, **changes)


def drawn(tasks: Sequence[Task], unicode: bool = True) -> list[str]:
    return [branch + task.id for branch, task in as_tree(tasks, unicode)]


def test_siblings_and_chains() -> None:
    tasks = [task("a"), task("b", "a"), task("c", "b"), task("d", "a"), task("e")]
    assert drawn(tasks) == ["a", "├─ b", "│  └─ c", "└─ d", "e"]
    assert drawn(tasks, unicode=False) == ["a", "|- b", "|  `- c", "`- d", "e"]


def test_a_task_is_below_what_it_waits_for_last() -> None:
    done = {"status": TaskStatus.COMPLETED, "completed_at": NOW}
    first = task("a", **done)
    second = task("b", **{**done, "completed_at": NOW + timedelta(1)})
    assert drawn([first, second, task("c", "a", "b")]) == ["a", "b", "└─ c"]
    open_ = task("d", dependency_depth=0)
    assert drawn([first, second, open_, task("e", "a", "b", "d")]) == ["a", "b", "d", "└─ e"]
    deep = task("f", "d", dependency_depth=1)
    assert drawn([open_, deep, task("g", "d", "f")]) == ["d", "└─ f", "   └─ g"]


def test_parts_are_below_their_parent() -> None:
    assert drawn([task("a"), task("b", parent_task_id="a")]) == ["a", "└─ b"]


def test_a_parent_that_waits_for_its_part_is_below_it() -> None:
    assert drawn([task("a", "b"), task("b", parent_task_id="a")]) == ["b", "└─ a"]


def test_what_a_filter_hides_makes_roots() -> None:
    assert drawn([task("b", "a"), task("c", "b")]) == ["b", "└─ c"]


def test_a_long_chain_neither_recurses_nor_grows_wide() -> None:
    tasks = [task("0"), *(task(str(n), str(n - 1)) for n in range(1, 3000))]
    lines = list(as_tree(tasks))
    assert [found.id for _, found in lines] == [str(n) for n in range(3000)]
    assert max(columns(branch) for branch, _ in lines) <= WIDEST
