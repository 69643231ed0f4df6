"""Reads one websocket, and knows whether what has arrived on it was read.

A deadline of ours says nothing of a venue while its answer may lie in the socket behind data that
this process had no time for. So whoever has waited long enough first has all of that read.
"""

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp

from virtuoso.adapters.feed.connection import Socket

if TYPE_CHECKING:
    from aiohttp._websocket.models import WSMessageNoDecodeText as Message

T = TypeVar("T")
_MOST_READS: Final = 32
"""A socket holds 6 MB at most, as systems are set up, and is read 256 KB at a time."""
_EMPTY_TURNS: Final = 3
"""Turns of the loop: the socket is looked at, what it gives is handed over, the reader takes it."""
_LOOK_SECONDS: Final = 0.005
_ENDS: Final = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}
)


class Reading:
    """Takes the messages of one websocket, one after the other."""

    def __init__(self, ws: Socket) -> None:
        self._ws = ws
        self._receive = ws.receive
        self._taken = 0
        self._is_waiting = False
        """Seen from another task: the reader has emptied the buffer and waits for the socket."""

    async def take(self) -> "Message | None":
        """Give the next message; None once the connection is closed."""
        self._is_waiting = True
        message = await self._receive()
        self._is_waiting = False
        self._taken += 1
        return None if message.type in _ENDS else message

    async def catch_up(self) -> None:
        """Return when everything that had arrived at the call was read, however long that takes.

        The reader waits and nothing comes while the loop turns: nothing is there. Or it came to
        wait so often meanwhile that more was read than a socket can have held.
        """
        reads, seen = 0, self._taken
        while reads < _MOST_READS:
            taken = self._taken
            for _ in range(_EMPTY_TURNS):
                await asyncio.sleep(0)
            if self._is_waiting and self._taken == taken:
                return
            await asyncio.sleep(_LOOK_SECONDS)
            if self._is_waiting and self._taken != seen:
                reads, seen = reads + 1, self._taken


async def until_answered(reading: Reading, answer: asyncio.Future[T], seconds: float) -> T:
    """Give the answer. Raises TimeoutError when it is not among what had arrived after so long."""
    await asyncio.wait([answer], timeout=seconds)
    if not answer.done():
        catching_up = asyncio.ensure_future(reading.catch_up())
        waited_for: list[asyncio.Future[T] | asyncio.Future[None]] = [answer, catching_up]
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            catching_up.cancel()
    if not answer.done():
        raise TimeoutError
    return answer.result()
