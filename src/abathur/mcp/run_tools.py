"""Tools with which an agent at work tells of itself, and `task_wait`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from abathur.bootstrap import serving
from abathur.domain import questions
from abathur.domain.delegation import RunKey
from abathur.domain.results import ResultCheck
from abathur.domain.tasks import Task
from abathur.mcp.enqueueing import own_task
from abathur.mcp.task_shapes import ID, STATUS
from abathur.mcp.tool import (
    TASK_ID,
    Answer,
    Call,
    Json,
    Tool,
    free_object,
    listing,
    maybe,
    number,
    text,
    thing,
    truth,
    whole,
)
from abathur.ports.stores import Stores
from abathur.services import delegating
from abathur.services.noting import ask_person, note_progress
from abathur.services.results import report_result

MOST_BUSY_SECONDS: Final = 86_400
MOST_WAIT_SECONDS: Final = 600
BEAT_SECONDS: Final = 10.0
"""So often a waiting client is told that nothing has changed: some give up on silence."""
MOST_QUESTION: Final = 1000
MOST_CONTEXT: Final = 2000
ANSWERED: Final = "this is what the person said; act on it"
UNANSWERED: Final = (
    "go on with what doesn't need the answer. Call `task_ask` with the same question, or `task_why`"
    " for your own task, to see whether it is answered. When you can do nothing without it, report"
    " FAILURE by `task_report` and end: your task then waits, which costs it no retry, and the next"
    " attempt is told the answer"
)
SECTIONS: Final = ("execution_status", "deliverables", "orchestration_context")


def _run(call: Call) -> RunKey:
    run = call.caller.run
    assert run is not None  # these tools are offered to runs alone
    return run


async def report(call: Call) -> Answer:
    run, own = _run(call), await own_task(call)
    assert own is not None
    content = {name: call.args[name] for name in SECTIONS if name in call.args}
    if isinstance(content["execution_status"], str):
        content["execution_status"] = {"status": content["execution_status"]}
    schema = serving.result_schema(call.host.project, own.agent_type)
    done = await call.write(
        report_result,
        run.task_id,
        content,
        attempt=run.attempt,
        schema=schema,
        actor=call.caller.actor,
        now=call.now,
    )
    is_valid = done.check is not ResultCheck.INVALID
    return {"accepted": is_valid, "check": done.check.value, "problem": done.problem}


async def extend(call: Call) -> Answer:
    await own_task(call)
    seconds = call.args["seconds"]
    serving.declare_busy(call.host.project, _run(call), seconds)
    longest = call.host.project.settings.silence.longest_seconds
    return {
        "busy_until": (call.now + timedelta(seconds=seconds)).isoformat(),
        "believed_seconds": int(min(seconds, longest)),
    }


async def progress(call: Call) -> Answer:
    run = _run(call)
    left = await call.write(
        note_progress,
        run,
        call.args["note"],
        call.get("percent"),
        actor=call.caller.actor,
        now=call.now,
    )
    serving.show_life(call.host.project, run, call.now)
    return {"noted": True, "notes_left": left}


async def ask(call: Call) -> Answer:
    review = await call.write(
        ask_person,
        _run(call),
        call.args["question"],
        call.get("context", ""),
        review_id=call.host.new_id(),
        actor=call.caller.actor,
        now=call.now,
    )
    answer = questions.answer(review)
    return {
        "review_id": review.id,
        "state": review.state.value,
        "answer": answer,
        "next": ANSWERED if answer is not None else UNANSWERED,
    }


async def wait(call: Call) -> Answer:
    own, seconds = await own_task(call), call.get("timeout_seconds", 60)
    ids = await call.read(_resolved, own, call.args["task_ids"])
    over_at = call.now + timedelta(seconds=seconds)
    seen: dict[str, str] = {}
    async with call.host.open_wakeups() as wakeups:
        while True:
            tasks = await call.read(lambda stores: stores.tasks.get_many(ids))
            now_seen = {task.id: task.status.value for task in tasks}
            ended = sum(task.status.is_final for task in tasks)
            left = (over_at - call.now).total_seconds()
            if ended == len(tasks) or left <= 0:
                return _waited(tasks)
            await call.progress(ended, len(tasks), _news(seen, now_seen))
            seen = now_seen
            await wakeups.wait(min(left, BEAT_SECONDS))


def _resolved(stores: Stores, own: Task | None, texts: Sequence[str]) -> list[str]:
    found = [delegating.stores_task(stores, own, one).id for one in texts]
    return list(dict.fromkeys(found))


def _news(before: dict[str, str], now: dict[str, str]) -> str:
    changes = [f"{one} is {status}" for one, status in now.items() if before.get(one) != status]
    return "; ".join(changes) or "nothing has changed"


def _waited(tasks: Sequence[Task]) -> Json:
    told: list[Any] = [
        {
            "task_id": task.id,
            "status": task.status.value,
            "error_message": task.error_message,
            "result_data": None if task.result_data is None else dict(task.result_data),
        }
        for task in tasks
    ]
    return {"finished": all(task.status.is_final for task in tasks), "tasks": told}


REPORT: Final = Tool(
    name="task_report",
    title="Report the result",
    description=(
        "Hand over the result of your task, before you end. A later report takes the place of an"
        " earlier one. FAILURE gives the task up; what is done in part is PARTIAL. Tasks that wait"
        " for yours are given what stands in it."
    ),
    takes={
        "execution_status": {
            "type": ["object", "string"],
            "description": "Your verdict: `SUCCESS`, `PARTIAL` or `FAILURE`, alone or as `status`"
            " of an object.",
        },
        "deliverables": free_object("What you made, by name."),
        "orchestration_context": free_object("What should come next."),
    },
    needs=("execution_status",),
    gives=thing(
        {
            "accepted": truth(
                "False: it is kept, but doesn't fit what your agent type must hand"
                " over; report once more."
            ),
            "check": text("`valid`, `unchecked` or `invalid`."),
            "problem": maybe(text("What is wrong with it.", most=10**6)),
        },
        ("accepted", "check"),
    ),
    run=report,
    is_idempotent=True,
    for_runs=True,
)

EXTEND: Final = Tool(
    name="task_extend",
    title="Declare a long operation",
    description=(
        "Say that you will be silent for a while, because something takes long: a build, a test"
        " suite. A run that says nothing is ended otherwise. 0 takes it back."
    ),
    takes={
        "seconds": whole("From now on.", 0, MOST_BUSY_SECONDS),
        "reason": text("What takes so long.", most=500),
    },
    needs=("seconds",),
    gives=thing(
        {
            "busy_until": text("ISO 8601.", most=40),
            "believed_seconds": whole("For so long it is believed without a sign.", 0, 10**9),
        },
        ("busy_until", "believed_seconds"),
    ),
    run=extend,
    is_idempotent=True,
    for_runs=True,
)

PROGRESS: Final = Tool(
    name="task_progress",
    title="Tell of progress",
    description=(
        "Say in a line how far you are, at each bigger step of long work. A person sees it, and the"
        " swarm knows that you are at work. It ends nothing and takes no report's place."
    ),
    takes={
        "note": text("One line: what is done, what comes next.", most=500, least=1),
        "percent": number("How much of your task is done.", 0, 100),
    },
    needs=("note",),
    gives=thing(
        {
            "noted": truth("It is kept."),
            "notes_left": whole("So many more notes of this attempt are kept.", 0, 10**6),
        },
        ("noted", "notes_left"),
    ),
    run=progress,
    for_runs=True,
)

ASK: Final = Tool(
    name="task_ask",
    title="Ask a person",
    description=(
        "Ask a person what neither the task nor the repository tells and what you mustn't guess."
        " Nobody may be there for hours: you don't get the answer at once. `task_ask` with the same"
        " question again, and `task_why` for your own task, show whether it is there; the next"
        " attempt is told it anyway. If you end with FAILURE while it is open, your task waits for"
        " the answer."
    ),
    takes={
        "question": text("One line that a person understands alone.", most=MOST_QUESTION, least=1),
        "context": text("What they should know to answer; choices.", most=MOST_CONTEXT),
    },
    needs=("question",),
    gives=thing(
        {
            "review_id": ID,
            "state": text("`open`, `approved` (answered) or `rejected` (answered with no)."),
            "answer": maybe(text("What the person said; null while nobody has.", most=10**6)),
            "next": text("What to do now."),
        },
        ("review_id", "state", "answer", "next"),
    ),
    run=ask,
    is_idempotent=True,
    for_runs=True,
)

WAIT: Final = Tool(
    name="task_wait",
    title="Wait for tasks",
    description=(
        "Wait until tasks have ended, at most so long; progress is told meanwhile. An agent that"
        " waits keeps its place in the swarm: for tasks that follow yours, use prerequisites"
        " instead, and end."
    ),
    takes={
        "task_ids": listing(TASK_ID, "Which tasks.", 100) | {"minItems": 1},
        "timeout_seconds": whole("At most so long.", 0, MOST_WAIT_SECONDS, default=60),
    },
    needs=("task_ids",),
    gives=thing(
        {
            "finished": truth("Whether all of them have ended."),
            "tasks": listing(
                thing(
                    {
                        "task_id": ID,
                        "status": STATUS,
                        "error_message": maybe(text("What went wrong.", most=10**6)),
                        "result_data": maybe(free_object("What was reported.")),
                    }
                ),
                "Each of them.",
                100,
            ),
        },
        ("finished", "tasks"),
    ),
    run=wait,
    only_reads=True,
    waits=True,
)

TOOLS: Final = (REPORT, PROGRESS, ASK, EXTEND, WAIT)
