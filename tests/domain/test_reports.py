"""What front doors show."""

from collections.abc import Callable

from abathur.domain.reports import QueueStatus, TaskTree, TaskView, trees
from abathur.domain.tasks import Task, TaskStatus


def views(make_task: Callable[..., Task], **parents: str | None) -> list[TaskView]:
    return [
        TaskView(make_task(id=task_id, parent_task_id=parent), 32.5)
        for task_id, parent in parents.items()
    ]


def outline(found: tuple[TaskTree, ...]) -> list[object]:
    return [(tree.view.task.id, outline(tree.children)) for tree in found]


def test_tasks_hang_below_the_one_that_they_were_submitted_for(
    make_task: Callable[..., Task],
) -> None:
    found = trees(views(make_task, b="a", a=None, c="a", d="b", e=None))
    assert outline(found) == [("a", [("b", [("d", [])]), ("c", [])]), ("e", [])]


def test_a_task_whose_parent_is_not_shown_is_a_root(make_task: Callable[..., Task]) -> None:
    assert outline(trees(views(make_task, a="elsewhere"))) == [("a", [])]


def test_a_queue_has_as_many_tasks_as_all_its_statuses_together() -> None:
    counts = {status: number for number, status in enumerate(TaskStatus)}
    assert QueueStatus(counts=counts, oldest_ready=None, next_due=None).total == 21
