"""Fetches the REST books that begin the order books, the most needed first.

One budget serves all instruments: after a mass reconnect their books come one after the other, in
the order of the universe.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog

from virtuoso.adapters.feed.binance.intake import Intake
from virtuoso.adapters.feed.connection import LARGEST_FRAME, describe_failure
from virtuoso.adapters.feed.limits import Priority, RequestBudget
from virtuoso.domain.errors import FeedError, VenueUnavailableError
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

LEVELS: Final = 500
"""Levels a side of a REST book; beyond its range only those are known that changed since.

The book itself keeps at most `market.order_book.MOST_LEVELS` (1,000) a side.
"""
_WEIGHT: Final = 10
"""What 500 levels cost of the venue's budget."""
_AT_ONCE: Final = 5
_SECONDS: Final = 10.0
_CHUNK: Final = 64 * 1024
_START: Final = 500
"""Bytes of a body in which a venue says what is wrong, if it does."""

_FIRST_PAUSE_MS: Final = 500
"""A REST book that was too old is asked for again after this."""
_LONGEST_PAUSE_MS: Final = 16 * SECOND
_REFUSED_PAUSE_MS: Final = SECOND
"""After the budget let us ask for no book one of them tries again after this."""
_ASKS_WITHOUT_HASTE: Final = 4
"""So many requests for one book within a minute may follow each other at the first pause."""


@dataclass(slots=True)
class _Wish:
    """A book that needs a REST book."""

    intake: Intake
    not_before_ms: int = 0
    asks: int = 0
    """Requests since it was last whole for a minute."""
    last_asked_ms: int = 0
    under_way: bool = False


class RestBooks:
    """The REST books of one feed."""

    def __init__(
        self,
        rest_url: str,
        budget: RequestBudget,
        session: aiohttp.ClientSession,
        clock: Clock,
        rank: Callable[[Instrument], int],
    ) -> None:
        """`rank` tells how much an instrument is needed: the lowest first."""
        self._url = f"{rest_url.rstrip('/')}/fapi/v1/depth"
        self._budget = budget
        self._session = session
        self._clock = clock
        self._rank = rank
        self._wishes: dict[Instrument, _Wish] = {}
        self._refused_until_ms: int | None = None
        """Until when the budget is not asked again; None: it gave the last turn that was wanted."""
        self._woken = asyncio.Event()

    def ask(self, intake: Intake, instrument: Instrument) -> None:
        """Have a REST book fetched, unless one is on its way. Returns at once."""
        wish = self._wishes.get(instrument)
        if wish is None or wish.intake is not intake:
            self._wishes[instrument] = _Wish(intake)
            self._woken.set()
        elif not wish.under_way and self._clock.monotonic_ms() >= wish.not_before_ms:
            self._woken.set()

    async def run(self) -> None:
        """Fetch what is asked for, for ever."""
        workers = [asyncio.ensure_future(self._work()) for _ in range(_AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            instrument, wish = await self._next()
            wish.under_way = True
            try:
                pause_ms = await self._serve(instrument, wish)
            finally:
                wish.under_way = False
            wish.not_before_ms = self._clock.monotonic_ms() + pause_ms

    async def _serve(self, instrument: Instrument, wish: _Wish) -> int:
        """Fetch one book; how many ms later it may be asked for again."""
        try:
            await self._budget.spend(_WEIGHT, Priority.BOOK)
        except FeedError as error:
            # nobody was asked, so the book need wait no longer than the venue; its budget is one
            # for all books, so that one refusal stands for them
            if self._refused_until_ms is None:
                _log.warning("rest_books_refused", reason=str(error))
            self._refused_until_ms = self._clock.monotonic_ms() + _REFUSED_PAUSE_MS
            return 0
        self._refused_until_ms = None
        now = self._clock.monotonic_ms()
        if now - wish.last_asked_ms > MINUTE:
            wish.asks = 0
        wish.asks += 1
        wish.last_asked_ms = now
        try:
            await wish.intake.take_rest_book(instrument, await self._fetch(instrument))
        except FeedError as error:
            _log.warning("rest_book_failed", symbol=instrument.symbol, reason=str(error))
        return _pause_ms(wish.asks)

    async def _next(self) -> tuple[Instrument, _Wish]:
        """Wait for the book that is needed most of those that may be asked for now."""
        while True:
            now = self._clock.monotonic_ms()
            refused_ms = (self._refused_until_ms or 0) - now
            if refused_ms > 0:
                await asyncio.sleep(refused_ms / SECOND)
                continue
            due = []
            pause = SECOND
            for instrument, wish in list(self._wishes.items()):
                bridge = wish.intake.bridge(instrument)
                if bridge is None:
                    del self._wishes[instrument]
                elif bridge.wants_rest_book and not wish.under_way:
                    if wish.not_before_ms <= now:
                        due.append(instrument)
                    else:
                        pause = min(pause, wish.not_before_ms - now)
            if due:
                most_needed = min(due, key=self._rank)
                return most_needed, self._wishes[most_needed]
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause / SECOND):
                    await self._woken.wait()

    async def _fetch(self, instrument: Instrument) -> bytes:
        """Ask for a REST book, of which the budget knows. Raises FeedError."""
        query: dict[str, str | int] = {"symbol": str(instrument.symbol), "limit": LEVELS}
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._session.get(self._url, params=query) as response,
            ):
                body = bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK):
                    body += chunk
                    if len(body) > LARGEST_FRAME:
                        msg = f"expected a book of {LARGEST_FRAME} bytes at most, found more"
                        self._budget.failed(msg)
                        raise VenueUnavailableError(msg)
                start = body[:_START].decode(errors="replace")
                self._budget.answered(response.status, response.headers, start)
                if response.status != 200:
                    msg = f"expected a book with status 200, found {response.status}"
                    raise VenueUnavailableError(msg)
                return bytes(body)
        except TimeoutError as error:
            msg = f"no book of {instrument.symbol} within {_SECONDS:g} s"
            self._budget.failed(msg)
            raise VenueUnavailableError(msg) from error
        except (aiohttp.ClientError, OSError) as error:
            msg = f"no book of {instrument.symbol}: {describe_failure(error)}"
            self._budget.failed(msg)
            raise VenueUnavailableError(msg) from error


def _pause_ms(asks: int) -> int:
    """How long after a request for a book the next one for it may follow."""
    if asks <= _ASKS_WITHOUT_HASTE:
        return _FIRST_PAUSE_MS
    doublings = min(asks - _ASKS_WITHOUT_HASTE, 10)
    return min(_LONGEST_PAUSE_MS, _FIRST_PAUSE_MS << doublings)
