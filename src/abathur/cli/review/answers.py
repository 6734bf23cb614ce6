"""`abathur review answer`, `abathur review approve` and `abathur review reject`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.stdin import stdin_text
from abathur.cli.text import clean, short
from abathur.domain.errors import InvalidInputError
from abathur.domain.reviews import ReviewKind

if TYPE_CHECKING:
    from abathur.services.reviewing import Answered


@click.command()
@click.argument("review_id", metavar="REVIEW")
@click.argument("text", metavar="ANSWER")
@json_option
def answer(review_id: str, text: str, as_json: bool) -> None:
    """Answer what an agent has asked; `-` reads the answer from stdin.

    An agent that still runs sees the answer when it asks again or looks; the next attempt is told
    it in any case. A task that waits only for this goes to an agent again.
    """
    from abathur.services.reviewing import answer as answer_review

    answered = context.write(
        answer_review,
        review_id,
        stdin_text() if text == "-" else text,
        actor=bootstrap.actor(),
        now=context.now(),
    )
    _tell(answered, "Answered", as_json)


@click.command()
@click.argument("review_id", metavar="REVIEW")
@click.option("--comment", metavar="TEXT", help="Kept with the answer.")
@click.option(
    "--allow",
    multiple=True,
    metavar="RULE",
    help="For a permission: grant this rule instead of what was asked for. Can be repeated.",
)
@json_option
def approve(review_id: str, comment: str | None, allow: tuple[str, ...], as_json: bool) -> None:
    """Approve: the work lands, or the agent tries again with what it was denied.

    The comment is the answer to a question of an agent; without one the answer is yes.

    It is good for the work that was shown, and for no other: what an agent makes after this is
    asked about anew.
    """
    from abathur.services.reviewing import approve as approve_review

    answered = context.write(
        approve_review,
        review_id,
        comment=comment,
        allow=allow,
        actor=bootstrap.actor(),
        now=context.now(),
    )
    _tell(answered, "Approved", as_json)


@click.command()
@click.argument("review_id", metavar="REVIEW")
@click.option("--comment", default="", metavar="TEXT", help="Why; the next agent is told.")
@click.option("--cancel", "cancels", is_flag=True, help="Cancel the task; its work is kept.")
@json_option
def reject(review_id: str, comment: str, cancels: bool, as_json: bool) -> None:
    """Reject: an agent gets the work back with the comment, or goes on without the permission.

    That spends none of the task's retries. With `--cancel` the task is cancelled instead, with all
    that waits for it. What was made is kept either way: see `abathur salvage`.
    """
    if not comment.strip() and not cancels:
        raise InvalidInputError("--comment is missing; say what the agent shall do differently")
    _tell(context.run(_reject, review_id, comment.strip(), cancels), "Rejected", as_json)


async def _reject(review_id: str, comment: str, cancels: bool) -> Answered:
    from abathur.swarm.answering import reject as reject_review

    project = context.queue()
    repository = await bootstrap.open_repository(project.root)
    async with context.opened(project) as db:
        return await reject_review(
            db,
            repository,
            review_id,
            comment=comment,
            cancels=cancels,
            actor=bootstrap.actor(),
            now=context.now(),
        )


def _tell(answered: Answered, what: str, as_json: bool) -> None:
    if as_json:
        output.write_json(shapes.review(answered.review))
        return
    task = answered.task
    output.write(answered.review.id)
    output.say(f"{what}; task {short(task.id)} ({clean(task.summary)}) {_goes_on(answered)}.")


def _goes_on(answered: Answered) -> str:
    status = answered.task.status.value
    is_question = answered.review.kind is ReviewKind.QUESTION
    if is_question and status not in {"ready", "cancelled"}:
        return f"is {status}, and its agent can see the answer"
    if status == "running":
        return "lands as soon as a swarm has its turn"
    return "is cancelled" if status == "cancelled" else "goes to an agent again"
