"""A broker that can lose messages on purpose."""

import asyncio
from collections.abc import AsyncIterator


class FakeBroker:
    """Hands messages on in order. While `losing`, what is published is only noted."""

    def __init__(self) -> None:
        self._queues: dict[str, list[asyncio.Queue[bytes | None]]] = {}
        self.losing = False
        self.published: list[tuple[str, bytes]] = []

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand a message to every subscriber, or lose it."""
        self.published.append((channel, message))
        if self.losing:
            return
        for queue in self._queues.get(channel, ()):
            queue.put_nowait(message)

    def subscribe(self, channel: str) -> AsyncIterator[bytes]:
        """Messages published from now on."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues.setdefault(channel, []).append(queue)
        return self._read(queue)

    async def _read(self, queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        while (message := await queue.get()) is not None:
            yield message

    async def close(self) -> None:
        """End every subscription."""
        for queues in self._queues.values():
            for queue in queues:
                queue.put_nowait(None)
        self._queues.clear()
