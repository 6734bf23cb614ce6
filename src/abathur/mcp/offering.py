"""Resources, prompts and subscriptions in the words of the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import event_to_notification

from abathur.domain.errors import AbathurError, NotFoundError
from abathur.mcp import resources, watching
from abathur.mcp.tool import Call

Context = ServerRequestContext[Any, Any]
CallOf = Callable[[Context], Call]

MOST_LISTENERS: Final = 200
RESOURCE_NOT_FOUND: Final = -32602


class Offer:
    """The handlers of one server. `call_of` says who asks."""

    def __init__(self, call_of: CallOf) -> None:
        self._call_of = call_of
        self._listeners = 0

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
        text = await _told(resources.read(self._call_of(ctx), uri), uri)
        content = types.TextResourceContents(uri=uri, mime_type=resources.JSON, text=text)
        return types.ReadResourceResult(contents=[content])

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Until the client hangs up, which cancels this."""
        if self._listeners >= MOST_LISTENERS or ctx.request_id is None:
            raise MCPError(types.INVALID_REQUEST, "too many listen already; try again later")
        uris = list(params.notifications.resource_subscriptions or ())[: watching.MOST_URIS]
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        self._listeners += 1
        try:
            await ctx.session.send_notification(
                types.SubscriptionsAcknowledgedNotification(
                    params=types.SubscriptionsAcknowledgedNotificationParams(
                        notifications=types.SubscriptionFilter(resource_subscriptions=uris),
                        _meta=meta,
                    )
                ),
                related_request_id=ctx.request_id,
            )

            async def tell(uri: str) -> None:
                news = event_to_notification(ResourceUpdated(uri=uri), meta)
                await ctx.session.send_notification(news, related_request_id=ctx.request_id)

            await watching.watch(self._call_of(ctx), uris, tell)
        finally:
            self._listeners -= 1
        return types.SubscriptionsListenResult(_meta=meta)

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


async def _told(reading: Awaitable[str], uri: str) -> str:
    try:
        return await reading
    except NotFoundError as error:
        raise MCPError(
            RESOURCE_NOT_FOUND, " ".join(str(error).split()), {"uri": uri[:1000]}
        ) from error
    except AbathurError as error:
        raise MCPError(types.INVALID_REQUEST, " ".join(str(error).split())) from error
