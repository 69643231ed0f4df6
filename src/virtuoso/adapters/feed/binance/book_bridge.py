"""Joins a stream of book differences to the REST book, by the venue's own procedure.

Pure: the same class serves the live stream and recordings.
"""

from collections import deque
from typing import Final, TypeAlias

from virtuoso.adapters.feed.binance.frames import Depth, RestBook
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import BookDelta, BookSnapshot, MarketData, MarketEvent
from virtuoso.domain.time import SECOND, Millis

LONGEST_BUFFER: Final = 2_000
LONGEST_BUFFER_MS: Final = 10 * SECOND

Events: TypeAlias = list[MarketEvent[MarketData]]


class BookBridge:
    """The book stream of one instrument, before and after it meets a REST book.

    Before, differences are kept. The first one that counts brackets the REST book
    (`U <= lastUpdateId <= u`, equality is legal); after it each must name its predecessor in `pu`.
    A break is passed on, so that the door sees the gap, and another REST book is needed.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._buffer: deque[Depth] = deque()
        self._rest: RestBook | None = None
        """A REST book that the stream has not reached yet."""
        self._last: int | None = None
        """The last update passed on; None while there is no bridge."""
        self.dropped = 0
        """Differences older than the REST book, or lost with a full buffer."""
        self.breaks = 0
        """How often a difference did not follow the one before."""

    @property
    def bridged(self) -> bool:
        """Whether differences are passed on as they come."""
        return self._last is not None

    @property
    def wants_rest_book(self) -> bool:
        """Whether to ask for a REST book now: the stream runs, and there is none that fits."""
        return self._last is None and self._rest is None and bool(self._buffer)

    @property
    def newest(self) -> int | None:
        """The last update that came, passed on or kept; None before the first."""
        if self._last is not None:
            return self._last
        return self._buffer[-1].last if self._buffer else None

    def restart(self) -> None:
        """Forget the bridge; what comes is kept for the next REST book."""
        self._last = None
        self._rest = None
        self._buffer.clear()

    def offer(self, depth: Depth, receive_time: Millis) -> Events:
        """Take a difference; what can be passed on because of it."""
        if self._last is not None:
            if depth.previous == self._last:
                self._last = depth.last
                return [self._delta(depth, depth.previous, receive_time)]
            self.breaks += 1
            self.restart()
            self._buffer.append(depth)
            return [self._delta(depth, depth.previous, receive_time)]
        if self._buffer and (
            len(self._buffer) >= LONGEST_BUFFER
            or depth.event_time - self._buffer[0].event_time > LONGEST_BUFFER_MS
        ):
            self.dropped += len(self._buffer)
            self.restart()
        self._buffer.append(depth)
        return self._join(receive_time)

    def offer_rest_book(self, rest: RestBook, receive_time: Millis) -> Events:
        """Take a REST book; nothing comes of one that is older than what is kept."""
        if self._last is not None:
            return []
        self._rest = rest
        return self._join(receive_time)

    def _join(self, receive_time: Millis) -> Events:
        rest, buffer = self._rest, self._buffer
        if rest is None:
            return []
        while buffer and buffer[0].last < rest.last_update:
            buffer.popleft()
            self.dropped += 1
        if not buffer:
            return []  # the stream has yet to reach the REST book
        if buffer[0].first > rest.last_update:
            self._rest = None  # too old: the differences in between are lost
            return []
        at = rest.time or rest.event_time or buffer[0].time
        snapshot = BookSnapshot(rest.bids, rest.asks, rest.last_update)
        events: Events = [MarketEvent(self._instrument, snapshot, at, receive_time)]
        kept, previous = list(buffer), rest.last_update
        self.restart()
        for number, depth in enumerate(kept):
            if number and depth.previous != previous:
                self.breaks += 1
                self._buffer.extend(kept[number:])
                events.append(self._delta(depth, depth.previous, receive_time))
                return events
            before = previous if number == 0 else depth.previous
            events.append(self._delta(depth, before, receive_time))
            previous = depth.last
        self._last = previous
        return events

    def _delta(self, depth: Depth, previous: int, receive_time: Millis) -> MarketEvent[MarketData]:
        delta = BookDelta(depth.bids, depth.asks, previous, depth.last)
        return MarketEvent(self._instrument, delta, depth.time, receive_time)
