"""Every connection of one venue: who is subscribed to what, and what is done to the pushes."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from virtuoso.simulator.client import Client, framed
from virtuoso.simulator.faults import Faults, VenueName
from virtuoso.simulator.settings import ExchangeSettings

LARGEST_REQUEST = 1_000_000
_FAREWELL_SECONDS = 0.5
_LATE_BOUND = 10_000
"""Messages of trades that may be held back."""


class Hub:
    """The connections of one venue."""

    def __init__(self, venue: VenueName, faults: Faults, settings: ExchangeSettings) -> None:
        self.venue = venue
        self.clients: set[Client] = set()
        self.subscribers: defaultdict[str, set[Client]] = defaultdict(set)
        self.version = 0
        """Counts the changes of who is subscribed to what."""
        self.pushed = 0
        """Messages given to clients so far, one for each client."""
        self._faults = faults
        self._settings = settings
        self._armed: dict[str, str] = {}
        """What is done to the next push of a topic."""
        self._held: dict[str, bytes] = {}
        self._groups: defaultdict[str, list[bytes]] = defaultdict(list)
        self._late = 0
        self._opened = 0
        self._random = random.Random(settings.seed)  # noqa: S311 - an order, not a secret

    async def accept(
        self, request: web.Request, serve: Callable[[Client], Awaitable[None]]
    ) -> web.StreamResponse:
        """Open a connection, which lasts as long as `serve` does."""
        if self._faults.lasting("refuse_connections", self.venue) or request.transport is None:
            return web.Response(status=503)
        ws = web.WebSocketResponse(compress=False, max_msg_size=LARGEST_REQUEST, autoping=False)
        try:
            await ws.prepare(request)
        except ConnectionResetError:  # the client went before it was let in: nobody reads this
            return web.Response(status=503)
        self._opened += 1
        client = Client(f"simulator-{self._opened:05d}", ws, request.transport, self._settings)
        self.clients.add(client)
        if self._faults.lasting("half_open", self.venue):
            client.go_half_open()
        try:
            await serve(client)
        finally:
            self._leave(client)
        return ws

    def subscribe(self, client: Client, topic: str) -> None:
        """Let a client have the pushes of a topic."""
        self.version += 1
        client.topics.add(topic)
        self.subscribers[topic].add(client)

    def unsubscribe(self, client: Client, topics: Iterable[str]) -> None:
        """Let a client have them no more."""
        for topic in client.topics.intersection(topics):
            client.topics.discard(topic)
            self._forget(client, topic)

    def wanted(self, number: int, topic: str) -> bool:
        """Tell whether somebody is to be told of a topic of a listing now."""
        return topic in self.subscribers and not self._faults.silences(self.venue, number, topic)

    def answer(self, client: Client, message: bytes) -> None:
        """Send a message to one client."""
        client.offer(framed(message), self._faults.push_delay(self.venue))

    def push(self, topic: str, message: bytes) -> None:
        """Send a message to all who are subscribed to its topic."""
        if self._armed and topic in self._armed:
            for each in self._tampered(topic, message):
                self.send(topic, each)
        else:
            self.send(topic, message)

    def push_trades(self, topic: str, message: bytes) -> None:
        """Send a message of trades, unless they are to be late, shuffled or repeated."""
        if self._faults.lasting("repeat_trades", self.venue):
            self.send(topic, message)
        late = self._faults.lasting("late_trades", self.venue)
        mixed = self._faults.lasting("shuffle_trades", self.venue)
        if mixed is not None:
            group = self._groups[topic]
            group.append(message)
            if len(group) >= mixed.count:
                self._random.shuffle(group)
                for each in group:
                    self.send(topic, each)
                group.clear()
        elif late is not None and self._late < _LATE_BOUND:
            self._late += 1
            asyncio.get_running_loop().call_later(late.delay, self._send_late, topic, message)
        else:
            self.send(topic, message)

    def send(self, topic: str, message: bytes) -> None:
        """Send a message as it is."""
        clients = self.subscribers.get(topic)
        if not clients:
            return
        frame = framed(message)
        delay = self._faults.push_delay(self.venue)
        for client in clients:
            client.offer(frame, delay)
        self.pushed += len(clients)

    def send_to_all(self, message: bytes) -> None:
        """Send a message to every connection."""
        frame = framed(message)
        for client in self.clients:
            client.offer(frame)

    def arm(self, topics: Iterable[str], what: str) -> None:
        """Let something be done to the next push of each topic."""
        self._armed |= {topic: what for topic in topics if self.subscribers.get(topic)}

    def go_half_open(self) -> None:
        """Fall silent on every connection, for good, in both directions."""
        for client in self.clients:
            client.go_half_open()

    async def close_all(self, *, reset: bool = False) -> None:
        """End every connection, in the orderly way as far as that is quickly done."""
        clients = list(self.clients)
        polite = [each for each in clients if not each.half_open]
        if not reset and polite:
            farewells = [asyncio.ensure_future(client.close()) for client in polite]
            _, late = await asyncio.wait(farewells, timeout=_FAREWELL_SECONDS)
            for farewell in late:
                farewell.cancel()
        for client in clients:
            client.cut(reset=reset)

    def _tampered(self, topic: str, message: bytes) -> list[bytes]:
        what = self._armed.pop(topic)
        if what == "gap":
            return []
        if what == "repeat":
            return [message, message]
        if what in {"old", "reorder"}:
            self._held[topic] = message
            self._armed[topic] = f"{what} again"
            return [message] if what == "old" else []
        # the second of two: the held one comes after it
        return [message, self._held.pop(topic)]

    def _send_late(self, topic: str, message: bytes) -> None:
        self._late -= 1
        self.send(topic, message)

    def _leave(self, client: Client) -> None:
        self.clients.discard(client)
        for topic in client.topics:
            self._forget(client, topic)

    def _forget(self, client: Client, topic: str) -> None:
        self.version += 1
        clients = self.subscribers.get(topic)
        if clients is not None:
            clients.discard(client)
            if not clients:
                del self.subscribers[topic]
                self._groups.pop(topic, None)
