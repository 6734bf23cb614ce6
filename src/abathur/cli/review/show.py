"""`abathur review show`: a question, what it is about, and how to answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.file_lines import file_line
from abathur.cli.output import paint
from abathur.cli.text import age, clean, clean_block, local, pad, short
from abathur.domain.explain_review import landing_evidence
from abathur.domain.reviews import Review, ReviewKind, ReviewState

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.ports.repository import ChangedFile
    from abathur.ports.stores import Stores

LABEL = 12
SHOWN_FILES = 50


@dataclass(frozen=True, slots=True)
class Shown:
    review: Review
    task: Task
    files: Sequence[ChangedFile]
    target_moved: bool
    """Others have landed since it was asked."""
    is_gone: bool = False
    """The repository no longer has the commits that it is about."""


@click.command()
@click.argument("review_id", metavar="REVIEW")
@json_option
def show(review_id: str, as_json: bool) -> None:
    """Show the question, the task, which files were changed, and how to see the diff."""
    found = context.run(_look, review_id)
    if as_json:
        output.write_json(
            shapes.review_detail(found.review, found.task, found.files, found.target_moved)
        )
    else:
        output.write_lines(list(_lines(found)))


async def _look(text: str) -> Shown:
    project = context.queue()
    async with context.opened(project, only_reads=True) as db:
        review, task = await db.read(_read, text)
    if review.kind is not ReviewKind.LANDING:
        return Shown(review, task, (), target_moved=False)
    data = review.data
    repository = await bootstrap.open_repository(project.root)
    commits = data["base_commit"], data["work_commit"]
    is_gone = None in [await repository.resolve(commit) for commit in commits]
    files = () if is_gone else await repository.changed_files(*commits)
    tip = await repository.resolve(f"refs/heads/{data['target']}")
    return Shown(review, task, files, tip != data["target_commit"], is_gone)


def _read(stores: Stores, text: str) -> tuple[Review, Task]:
    from abathur.services.reviewing import resolve

    review = resolve(stores, text)
    task = stores.tasks.get(review.task_id)
    assert task is not None  # the row of a review goes with that of its task
    return review, task


def _lines(found: Shown) -> Iterator[str]:
    review = found.review
    yield paint(clean(review.question), "bold")
    for name, value in _facts(found):
        if value:
            yield paint(pad(name, LABEL), "dim") + clean(value)
    yield from _about(found)
    if review.state is ReviewState.OPEN:
        yield ""
        yield from _how(review, is_gone=found.is_gone)


def _about(found: Shown) -> Iterator[str]:
    if found.review.kind is ReviewKind.LANDING:
        yield from _work(found)
    elif found.review.kind is ReviewKind.PERMISSION:
        yield from _denied(found.review)
    elif context := found.review.data.get("context"):
        yield ""
        yield from (f"  {line}" for line in clean_block(context))


def _facts(found: Shown) -> Iterator[tuple[str, str]]:
    review, task = found.review, found.task
    yield "id", review.id
    yield "state", review.state.value
    yield "task", f"{short(task.id)}  {task.summary}"
    yield "attempt", str(review.data.get("made_by", review.attempt))
    yield "asked", f"{local(review.asked_at)} ({age(review.asked_at, context.now())} ago)"
    if review.decided_at is not None:
        yield "decided", f"{local(review.decided_at)} by {review.decided_by}"
    yield "comment", review.comment or ""


def _work(found: Shown) -> Iterator[str]:
    data, files = found.review.data, found.files
    yield paint(pad("work", LABEL), "dim") + f"commit {data['work_commit']}"
    yield paint(pad("tree", LABEL), "dim") + clean(found.review.tree or "")
    if found.is_gone:
        yield paint(pad("note", LABEL), "dim") + clean(
            "the repository no longer has these commits: somebody deleted the branch, and git "
            "cleared them away; nothing of it can land"
        )
        return
    if found.target_moved:
        yield paint(pad("note", LABEL), "dim") + clean(
            f"{data['target']} has moved since this was asked; the work is merged with it as it is "
            "when it lands"
        )
    for text in landing_evidence(found.review):
        yield paint(pad("note", LABEL), "dim") + clean(text)
    yield ""
    added = sum(file.added or 0 for file in files)
    removed = sum(file.removed or 0 for file in files)
    many = "1 file" if len(files) == 1 else f"{len(files)} files"
    yield f"{many} changed, {added} lines added, {removed} removed"
    yield from (f"  {file_line(file)}" for file in files[:SHOWN_FILES])
    if len(files) > SHOWN_FILES:
        yield f"  and {len(files) - SHOWN_FILES} more"


def _denied(review: Review) -> Iterator[str]:
    for one in review.data["denied"]:
        yield ""
        yield f"{paint(clean(one['rule']), 'bold')}"
        text = json.dumps(one["input"], indent=2, ensure_ascii=not output.has_unicode())
        yield from (f"  {line}" for line in clean_block(text) if one["input"])
    if allowed := review.data.get("allowed"):
        yield ""
        yield f"allowed: {clean(', '.join(allowed))}"


def _how(review: Review, *, is_gone: bool) -> Iterator[str]:
    name = short(review.id)
    if is_gone:
        yield f"again:    abathur review reject {name} --comment TEXT"
        yield f"give up:  abathur review reject {name} --cancel"
        return
    if review.kind is ReviewKind.LANDING:
        made_by = review.data.get("made_by", review.attempt)
        yield f"diff:     abathur diff {short(review.task_id)} --attempt {made_by}"
    if review.kind is ReviewKind.QUESTION:
        yield f"answer:   abathur review answer {name} ANSWER"
    else:
        yield f"approve:  abathur review approve {name}"
    yield f"reject:   abathur review reject {name} --comment TEXT"
