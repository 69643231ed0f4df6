"""Passes websocket messages of a venue on, and can say something of its own in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from support.processes import free_port


@dataclass
class FrameRelay:
    """Stands between one feed and the venue at `target` (HOST:PORT)."""

    target: str
    port: int = 0
    clients: list[web.WebSocketResponse] = field(default_factory=list)

    async def say(self, frame: bytes) -> None:
        """Send these bytes to everybody as a text frame, whatever they are."""
        for client in list(self.clients):
            with suppress(ConnectionError):  # a client may be gone before it has all of it
                await client.send_frame(frame, aiohttp.WSMsgType.TEXT)

    async def pass_on(self, request: web.Request) -> web.WebSocketResponse:
        """Handle one connection until either end is gone."""
        client = web.WebSocketResponse(compress=False, max_msg_size=0)
        await client.prepare(request)
        url = f"ws://{self.target}{request.path_qs}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as venue,
        ):
            self.clients.append(client)
            back = asyncio.create_task(_pump(client, venue))
            try:
                await _pump(venue, client)
            finally:
                self.clients.remove(client)
                back.cancel()
        await client.close()
        return client


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for message in source:
        if target.closed:
            return
        await target.send_str(message.data)
    await target.close()


@asynccontextmanager
async def frame_relay(target: str) -> AsyncIterator[FrameRelay]:
    """A relay before a venue on this machine."""
    relay = FrameRelay(target)
    application = web.Application()
    application.router.add_get("/{path:.*}", relay.pass_on)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    relay.port = free_port()
    await web.TCPSite(runner, "127.0.0.1", relay.port).start()
    try:
        yield relay
    finally:
        for client in list(relay.clients):
            await client.close()
        await runner.cleanup()
