"""Why an agent is asked again, in words: what went wrong before, and what a person said."""

from __future__ import annotations

from abathur.domain import conflicts
from abathur.domain.loop_feedback import ITERATION, iteration_text
from abathur.domain.questions import ANSWER, answers_text
from abathur.domain.reviews import REJECTION, REWRITTEN
from abathur.domain.tasks import JsonObject


def feedback_text(feedback: JsonObject | None) -> str:
    """What went wrong with the attempt before, in words, from the facts of its landing."""
    if not feedback or feedback.get("kind") in {"permission", ANSWER}:
        return ""
    if feedback.get("kind") == ITERATION:
        return iteration_text(feedback)
    if feedback.get("kind") == REJECTION:
        return rejection_text(feedback)
    kept = f"The earlier work is kept at `{feedback.get('salvage_ref')}`."
    if feedback.get("kind") == "conflict":
        paths = ", ".join(f"`{path}`" for path in feedback.get("paths", ()))
        return (
            f"An earlier attempt of this task was finished, but couldn't be merged into "
            f"`{feedback.get('target')}`: others had changed the same places ({paths}). You start "
            f"from the newest state, without that work. {kept} Look at it with `git show`, and "
            "do the task again so that it fits what is there now, and keeps what others did.\n\n"
            f"{_said(feedback)}{conflicts.told(feedback)}"
        ).rstrip()
    if feedback.get("kind") == REWRITTEN:
        target = feedback.get("target")
        return (
            f"The branch `{target}` was moved back or rewritten after an earlier attempt of this "
            f"task had begun. You start from `{target}` as it is now, without that work: do the "
            f"task again, and don't bring back what was removed from `{target}`. {kept}\n\n"
            f"{_said(feedback)}"
        ).rstrip()
    gate = f"`{feedback['gate']}` " if feedback.get("gate") else ""
    return (
        f"The earlier work was merged with `{feedback.get('target')}` for a check, and the check "
        f"{gate}failed: it {feedback.get('how')}. You start from exactly that merged "
        f"state: find out why and mend it. {kept} The end of the check's output:\n\n"
        f"```\n{feedback.get('output', '')}\n```"
    )


def _said(feedback: JsonObject) -> str:
    comment = feedback.get("comment")
    return f"What a person said to it:\n\n```\n{comment}\n```\n\n" if comment else ""


def rejection_text(feedback: JsonObject) -> str:
    if not feedback.get("salvage_ref"):
        return (
            "A person rejected the earlier work, which the repository no longer has: you start "
            f"from the newest state. What the person said:\n\n```\n{feedback.get('comment')}\n```"
        )
    return (
        f"A person looked at the earlier work and rejected it. You start from exactly that work, "
        f"which is also kept at `{feedback.get('salvage_ref')}`. Change it so that it can be "
        f"approved. What the person said:\n\n```\n{feedback.get('comment')}\n```"
    )


def permissions_text(feedback: JsonObject | None) -> str:
    """What may and what may not be done, and what was answered to the agent's questions."""
    feedback = feedback or {}
    parts = _allowed_text(feedback.get("permissions")), answers_text(feedback.get("answers", ()))
    return "\n\n".join(part for part in parts if part)


def _allowed_text(permissions: JsonObject | None) -> str:
    if not permissions:
        return ""
    allowed = [f"- `{rule}` is allowed now" for rule in permissions.get("allowed", ())]
    refused = [
        f"- {', '.join(f'`{rule}`' for rule in one['rules'])} stays forbidden"
        + (f": {one['comment']}" if one.get("comment") else "")
        for one in permissions.get("refused", ())
    ]
    return "\n".join(
        ["An earlier attempt was denied something and ended.", *allowed, *refused]
        + (["Find a way without what is forbidden."] if refused else [])
    )
