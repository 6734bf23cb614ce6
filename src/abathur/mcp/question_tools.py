"""Tools with which a person's program answers what agents have asked."""

from __future__ import annotations

from typing import Final

from abathur.domain.reviews import Review, ReviewKind
from abathur.mcp.task_shapes import ID, STATUS
from abathur.mcp.tool import Answer, Call, Json, Tool, listing, maybe, text, thing
from abathur.services import reviewing

MOST_ANSWER: Final = 4000
MOST_LISTED: Final = 500


async def questions(call: Call) -> Answer:
    found = await call.read(reviewing.select, task_id=None, also_decided=False)
    asked = [one for one in found if one.kind is ReviewKind.QUESTION]
    return {"questions": [_told(one) for one in asked[:MOST_LISTED]]}


def _told(review: Review) -> Json:
    return {
        "review_id": review.id,
        "task_id": review.task_id,
        "question": review.question,
        "context": review.data.get("context"),
        "asked_at": review.asked_at.isoformat(),
    }


async def answer(call: Call) -> Answer:
    done = await call.write(
        reviewing.answer,
        call.args["review_id"],
        call.args["answer"],
        actor=call.caller.actor,
        now=call.now,
    )
    return {
        "review_id": done.review.id,
        "task_id": done.task.id,
        "status": done.task.status.value,
    }


REVIEW_ID: Final = text("The question's id, or a unique beginning of it.", most=64, least=1)

LIST: Final = Tool(
    name="question_list",
    title="What agents ask",
    description="Questions of agents that wait for a person's answer, the oldest first.",
    takes={},
    gives=thing(
        {
            "questions": listing(
                thing(
                    {
                        "review_id": ID,
                        "task_id": ID,
                        "question": text("What is asked.", most=10**6),
                        "context": maybe(text("What the agent told besides.", most=10**6)),
                        "asked_at": text("ISO 8601.", most=40),
                    },
                    ("review_id", "task_id", "question"),
                ),
                "What is open.",
                MOST_LISTED,
            )
        },
        ("questions",),
    ),
    run=questions,
    only_reads=True,
    for_runs=False,
)

ANSWER: Final = Tool(
    name="question_answer",
    title="Answer an agent",
    description=(
        "Tell an agent what it has asked; `question_list` shows what is open. Say only what the"
        " person has said: the agent acts on it."
    ),
    takes={
        "review_id": REVIEW_ID,
        "answer": text("The person's words.", most=MOST_ANSWER, least=1),
    },
    needs=("review_id", "answer"),
    gives=thing(
        {"review_id": ID, "task_id": ID, "status": STATUS}, ("review_id", "task_id", "status")
    ),
    run=answer,
    for_runs=False,
)

TOOLS: Final = (LIST, ANSWER)
