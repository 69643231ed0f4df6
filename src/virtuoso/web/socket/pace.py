"""A rhythm: its clients are served when there is news, and not again before its period is over."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from virtuoso.web.socket.client import Client

SLICE: Final = 250
"""Clients served in one turn of the loop."""


class Pace:
    """Clients of one rhythm. The first news after a pause goes out at once, the rest conflated."""

    def __init__(
        self,
        period_s: float,
        serve: Callable[[Collection[Client]], bool],
        delivered: Callable[[float], None],
    ) -> None:
        """`serve` says whether somebody could not take all; `delivered` is told how long it took.

        That is from the first news, or from when the rhythm allowed it to go out, to the last byte
        handed over, in seconds: what the clients asked to wait is not counted.
        """
        self.clients: set[Client] = set()
        self._period_s = period_s
        self._serve = serve
        self._delivered = delivered
        self._served_at = float("-inf")
        self._news_at: float | None = None
        self._timer: asyncio.Handle | None = None

    def poke(self) -> None:
        """There is news."""
        if not self.clients:
            return
        loop = asyncio.get_running_loop()
        if self._news_at is None:
            self._news_at = loop.time()
        if self._timer is None:
            due = self._served_at + self._period_s
            # not now: what comes in the same turn of the loop goes out together
            in_time = due <= loop.time()
            self._timer = loop.call_soon(self._run) if in_time else loop.call_at(due, self._run)

    def stop(self) -> None:
        """Serve nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        allowed_at = self._served_at + self._period_s
        self._served_at = asyncio.get_running_loop().time()
        due = None if self._news_at is None else max(self._news_at, allowed_at)
        self._news_at = None
        self._run_slice(list(self.clients), due, behind=False)

    def _run_slice(self, left: list[Client], due: float | None, *, behind: bool) -> None:
        loop = asyncio.get_running_loop()
        now, later = left[:SLICE], left[SLICE:]
        behind |= self._serve(now)
        if later:
            self._timer = loop.call_soon(lambda: self._run_slice(later, due, behind=behind))
            return
        if due is not None:
            self._delivered(loop.time() - due)
        self._timer = None
        if behind or self._news_at is not None:
            self._timer = loop.call_at(self._served_at + self._period_s, self._run)
