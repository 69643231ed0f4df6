"""A Discord that answers as a test tells it, and notes everything it took."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Respond = Callable[[int], tuple[int, dict[str, str], object]]


@dataclass
class FakeDiscord:
    """`respond` gives status, headers and JSON of each request by its number, from 0 on."""

    url: str = ""
    respond: Respond = lambda _number: (200, {}, {"id": "1"})
    payloads: list[dict[str, object]] = field(default_factory=list)
    """Of the requests that were answered with 200."""
    requests: int = 0
    queries: list[str] = field(default_factory=list)
    pictures: int = 0

    def told(self) -> list[str]:
        """Ids of the alerts in the order in which they were taken."""
        found: list[str] = []
        for payload in self.payloads:
            embeds = payload["embeds"]
            assert isinstance(embeds, list)
            found += embeds[0]["footer"]["text"].rsplit("| ", 1)[1].split()
        return found

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        number, self.requests = self.requests, self.requests + 1
        self.queries.append(request.query_string)
        try:
            form = await request.post()
        except ConnectionResetError:
            # whoever asked was killed while it spoke
            return web.Response(status=400)
        status, headers, body = self.respond(number)
        if status == 200:
            given = form["payload_json"]
            text = bytes(given) if isinstance(given, bytes | bytearray) else str(given)
            self.payloads.append(json.loads(text))
            self.pictures += "files[0]" in form
        return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def fake_discord(respond: Respond | None = None) -> AsyncIterator[FakeDiscord]:
    """Listen on a free port of this computer."""
    found = FakeDiscord() if respond is None else FakeDiscord(respond=respond)
    app = web.Application()
    app.router.add_post("/api/webhooks/1/token", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found.url = f"http://127.0.0.1:{port}/api/webhooks/1/token"
    try:
        yield found
    finally:
        await runner.cleanup()
