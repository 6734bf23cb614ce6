"""One run of the loop, from its plan to the last word."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from abathur.infrastructure.model_agent import mcp_tools
from abathur.infrastructure.model_agent.instructions import system_prompt
from abathur.infrastructure.model_agent.loop import End, Loop
from abathur.infrastructure.model_agent.permissions import Permissions
from abathur.infrastructure.model_agent.places import Places
from abathur.infrastructure.model_agent.plan import Plan, Protocol
from abathur.infrastructure.model_agent.talk import Entry, Model, Session, SessionRefusedError
from abathur.infrastructure.model_agent.telling import tell
from abathur.infrastructure.model_agent.tools import OwnTools


async def run_plan(plan: Plan) -> bool:
    """Tells all that happens, the end too; whether it ended well. Cancelled, it ends commands."""
    session = Session(Path(plan.session_file), plan.protocol)
    try:
        if plan.resume:
            session.load()
        else:
            session.begin()
    except SessionRefusedError as error:
        tell("end", str(error), ok=False, not_resumed=True)
        return False
    tell("started", plan.model, session_id=plan.session_id, model=plan.model, resumed=plan.resume)
    session.add(Entry(user=plan.prompt))
    async with AsyncExitStack() as stack:
        places = Places(Path(plan.worktree), tuple(map(Path, plan.add_dirs)))
        tools = OwnTools(places, plan.hidden_variables, plan.tool_seconds).all()
        tools |= await mcp_tools.connect(plan.mcp_servers, stack, plan.tool_seconds)
        model = _model(plan)
        stack.push_async_callback(model.close)
        permissions = Permissions(plan.tools, plan.denied_tools, plan.allowed)
        loop = Loop(plan, model, tools, permissions, session)
        end = await loop.run(system_prompt(plan))
    _tell_end(end, loop)
    return end.failure is None


def _model(plan: Plan) -> Model:
    match plan.protocol:
        case Protocol.MESSAGES:
            from abathur.infrastructure.model_agent.messages_model import MessagesModel

            return MessagesModel(plan)
        case Protocol.RESPONSES:
            from abathur.infrastructure.model_agent.responses_model import ResponsesModel

            return ResponsesModel(plan)
        case Protocol.CHAT:
            from abathur.infrastructure.model_agent.chat_model import ChatModel

            return ChatModel(plan)


def _tell_end(end: End, loop: Loop) -> None:
    facts = {
        "class": end.failure,
        "status": end.status,
        "retry_after_seconds": end.retry_after_seconds,
        "denied": loop.denied,
    }
    told = {name: value for name, value in facts.items() if value}
    tell("end", end.text, ok=end.failure is None, **told)
