"""Messages between the parts of one process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self
from weakref import WeakSet


class Subscription:
    """One subscriber's bounded queue. Dropping the object ends the subscription."""

    def __init__(self, waiting: int) -> None:
        self._messages: deque[bytes] = deque(maxlen=waiting)
        self._news = asyncio.Event()
        self._ended = False

    def put(self, message: bytes) -> None:
        """Queue a message; when the queue is full the oldest is lost."""
        self._messages.append(message)
        self._news.set()

    def end(self) -> None:
        """Let the subscriber take what is queued, and stop."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()


class MemoryBroker:
    """Hands every message to every subscriber of its channel, and waits for none of them."""

    def __init__(self, waiting: int = 256) -> None:
        if waiting < 1:
            message = f"expected room for at least 1 waiting message, found {waiting}"
            raise ValueError(message)
        self._waiting = waiting
        self._channels: dict[str, WeakSet[Subscription]] = {}
        self._closed = False

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand a message to every subscriber of now; after `close` to nobody."""
        for subscription in tuple(self._channels.get(channel, ())):
            subscription.put(message)

    def subscribe(self, channel: str) -> AsyncIterator[bytes]:
        """Messages published from now on, even before the first one is asked for."""
        subscription = Subscription(self._waiting)
        if self._closed:
            subscription.end()
        else:
            self._channels.setdefault(channel, WeakSet()).add(subscription)
        return subscription

    async def close(self) -> None:
        """End every subscription, and let nobody subscribe any more."""
        self._closed = True
        for subscriptions in self._channels.values():
            for subscription in tuple(subscriptions):
                subscription.end()
        self._channels.clear()
