"""The protocol's side of the tools: a server of the SDK over our catalogue.

Importing this takes the SDK, which is slow: front doors do it when they serve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from abathur import __version__
from abathur.domain.delegation import Caller
from abathur.mcp.calling import Log, Reply, call
from abathur.mcp.catalogue import NAMES, is_for, tools_of
from abathur.mcp.offering import Offer
from abathur.mcp.subscribing import Subscriptions
from abathur.mcp.tool import Call, Host, Progress, Tool

Context = ServerRequestContext[Any, Any]

INSTRUCTIONS = (
    "Abathur keeps a queue of tasks on a git repository; a swarm of agents does them and merges the"
    " work. Split work with task_enqueue_many, look with task_list and task_get, ask"
    " why something waits with task_why."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a server needs to answer: where things are, and who asks."""

    host: Host
    caller_of: Callable[[Context], Caller]
    log: Log


async def answered(
    desk: Desk, tool: Tool, given: Mapping[str, Any] | None, caller: Caller, progress: Progress
) -> Reply:
    return await call(tool, given, host=desk.host, caller=caller, progress=progress, log=desk.log)


def make_server(desk: Desk, only: str | None = None) -> Server[Any]:
    """A server with the tools of one part, or all."""
    tools = tools_of(only)
    described = [(tool, _described(tool)) for tool in tools.values()]

    async def list_tools(
        ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        caller = desk.caller_of(ctx)
        shown = [one for tool, one in described if is_for(tool, caller)]
        return types.ListToolsResult(tools=shown)

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        caller, tool = desk.caller_of(ctx), tools.get(params.name)
        if tool is None or not is_for(tool, caller):
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name[:100]}")
        reply = await answered(desk, tool, params.arguments, caller, _progress(ctx))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=reply.text)],
            structured_content=None if reply.is_error else reply.structured,
            is_error=reply.is_error,
        )

    def call_of(ctx: Context) -> Call:
        caller = desk.caller_of(ctx)
        return Call(host=desk.host, caller=caller, args={}, progress=_progress(ctx))

    offer, subscriptions = Offer(call_of), Subscriptions(call_of)
    server: Server[Any] = Server(
        NAMES[only],
        version=__version__,
        title="Abathur",
        instructions=INSTRUCTIONS,
        # No parameter is repeated in a header. Left out, the SDK would list all tools at each call.
        get_tool_input_schema=lambda _: None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=offer.resources,
        on_list_resource_templates=offer.templates,
        on_read_resource=offer.read,
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=offer.prompts,
        on_get_prompt=offer.prompt,
    )
    server.middleware.clear()  # spans for a tracer that nothing here installs
    return server


def _progress(ctx: Context) -> Progress:
    async def tell(done: float, total: float | None, message: str) -> None:
        await ctx.session.report_progress(done, total, message)

    return tell


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.only_reads,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.is_idempotent or tool.only_reads,
            open_world_hint=False,
        ),
    )
