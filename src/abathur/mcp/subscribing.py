"""Listening to resources, as either era of the protocol has it.

Since 2026-07-28 a client opens a stream that lives as long as it listens; before, it subscribes to
one resource after another, and is told on its session's own stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import event_to_notification

from abathur.domain.errors import RefusedError
from abathur.mcp import resources
from abathur.mcp.offering import told
from abathur.mcp.tool import Call
from abathur.mcp.watching import MOST_URIS, Watch

Context = ServerRequestContext[Any, Any]
CallOf = Callable[[Context], Call]

MOST_LISTENERS: Final = 200
WATCH: Final = "abathur.watch"
"""Where the state of a connection keeps what it listens to."""


class Subscriptions:
    """The handlers of one server. `call_of` says who asks."""

    def __init__(self, call_of: CallOf) -> None:
        self._call_of = call_of
        self._listeners = 0

    def _enter(self) -> None:
        if self._listeners >= MOST_LISTENERS:
            raise MCPError(types.INVALID_REQUEST, "too many listen already; try again later")
        self._listeners += 1

    def _leave(self) -> None:
        self._listeners -= 1

    async def listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Until the client hangs up, which cancels this."""
        if ctx.request_id is None:
            raise MCPError(types.INVALID_REQUEST, "listening needs a request with an id")
        uris = list(params.notifications.resource_subscriptions or ())[:MOST_URIS]
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        self._enter()
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

            watch = Watch(self._call_of(ctx), tell)
            await watch.add(uris)
            await watch.run()
        finally:
            self._leave()
        return types.SubscriptionsListenResult(_meta=meta)

    async def subscribe(
        self, ctx: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """Until the client unsubscribes, or its connection ends."""
        uri = str(params.uri)
        await told(resources.read(self._call_of(ctx), uri), uri)
        try:
            await self._watch_of(ctx).add([uri])
        except RefusedError as error:
            raise MCPError(types.INVALID_REQUEST, str(error)) from error
        return types.EmptyResult()

    async def unsubscribe(
        self, ctx: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        watch: Watch | None = _connection(ctx).state.get(WATCH)
        if watch is not None:
            watch.remove(str(params.uri))
        return types.EmptyResult()

    def _watch_of(self, ctx: Context) -> Watch:
        connection, session = _connection(ctx), ctx.session
        found: Watch | None = connection.state.get(WATCH)
        if found is not None:
            return found
        self._enter()
        watch = Watch(self._call_of(ctx), session.send_resource_updated)
        running = asyncio.create_task(watch.run())

        async def end() -> None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            self._leave()

        connection.exit_stack.push_async_callback(end)
        connection.state[WATCH] = watch
        return watch


def _connection(ctx: Context) -> Connection:
    """What ends when the client is gone: the SDK's contexts for handlers only hold it privately."""
    return ctx.session._connection
