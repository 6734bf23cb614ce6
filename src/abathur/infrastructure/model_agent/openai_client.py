"""What both of OpenAI's protocols need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from abathur.infrastructure.model_agent.plan import Plan

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def made_client(plan: Plan) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        # The SDK insists on one, and local servers don't look at it.
        api_key=plan.api_key or "none",
        base_url=plan.base_url,
        max_retries=0,
        timeout=plan.request_seconds,
        default_headers={"x-session-id": plan.session_id},
    )


def arguments(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
