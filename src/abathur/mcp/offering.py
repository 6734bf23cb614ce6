"""Resources and prompts in the words of the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from abathur.domain.errors import AbathurError, NotFoundError
from abathur.mcp import resources
from abathur.mcp.advice import for_model
from abathur.mcp.tool import Call

Context = ServerRequestContext[Any, Any]
CallOf = Callable[[Context], Call]

RESOURCE_NOT_FOUND: Final = -32602


class Offer:
    """The handlers of one server. `call_of` says who asks."""

    def __init__(self, call_of: CallOf) -> None:
        self._call_of = call_of

    async def resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        queue = types.Resource(
            uri=resources.QUEUE,
            name="queue",
            title="The queue",
            description="As `task_queue_status` tells it.",
            mime_type=resources.JSON,
        )
        return types.ListResourcesResult(resources=[queue])

    async def templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        found = [
            types.ResourceTemplate(
                uri_template=one.uri,
                name=one.name,
                title=one.title,
                description=one.description,
                mime_type=resources.JSON,
            )
            for one in resources.TEMPLATES
        ]
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def read(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        text = await told(resources.read(self._call_of(ctx), uri), uri)
        content = types.TextResourceContents(uri=uri, mime_type=resources.JSON, text=text)
        return types.ReadResourceResult(contents=[content])

    async def prompts(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        found = [
            types.Prompt(
                name=one.name,
                title=one.title,
                description=one.description,
                arguments=[
                    types.PromptArgument(name=name, description=what, required=True)
                    for name, what in one.takes.items()
                ],
            )
            for one in resources.PROMPTS
        ]
        return types.ListPromptsResult(prompts=found)

    async def prompt(
        self, ctx: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        try:
            found, text = resources.filled(params.name, params.arguments or {})
        except AbathurError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        content = types.TextContent(type="text", text=text)
        message = types.PromptMessage(role="user", content=content)
        return types.GetPromptResult(description=found.description, messages=[message])


async def told(reading: Awaitable[str], uri: str) -> str:
    """With its errors in the protocol's words: raises `MCPError`."""
    try:
        return await reading
    except NotFoundError as error:
        raise MCPError(
            RESOURCE_NOT_FOUND, for_model(" ".join(str(error).split())), {"uri": uri[:1000]}
        ) from error
    except AbathurError as error:
        problem = for_model(" ".join(str(error).split()))
        raise MCPError(types.INVALID_REQUEST, problem) from error
