"""Trades, best quotes and liquidations of one market, in buckets of one grid second.

A grid second g covers what was received in (g - 1000, g] ms. Everything here is a sum or a count;
what it means is decided in `components.orderflow`. Formulas: section 3.4 of docs/scoring.md.
"""

from collections.abc import Mapping
from math import floor, log2
from typing import Final, NamedTuple

import numpy as np

from virtuoso.domain.market_data import (
    Liquidation,
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.indicators.window_sums import first_bin, window_sums
from virtuoso.market.large_trades import ORDERS_NEEDED as ORDERS_FOR_WHALES
from virtuoso.market.large_trades import PER_MILLE, LargeTrades
from virtuoso.market.liquidation_flow import LiquidationFlow

WINDOWS: Final = (1, 10, 60, 300)
"""Seconds over which the buckets are summed."""

HALF_LIFE_MS: Final = 300 * SECOND
"""Of the liquidation sums and of the depth at the best prices."""

BINS_PER_OCTAVE: Final = 16
BINS: Final = 36 * BINS_PER_OCTAVE
"""Order notionals from 1 to 2^36 in quote currency; smaller and larger ones in the end bins."""

HOURS: Final = 24
LARGE_SHARE_PERCENT: Final = 99
MINUTES_SUMMED: Final = 8
ORDERS_NEEDED: Final = 2_000
"""Orders counted before the large-order limit is known."""

_DEPTH_GAIN: Final[float] = 1.0 - 0.5 ** (SECOND / HALF_LIFE_MS)
_OFI, _FLOW, _VOLUME, _LARGE_FLOW, _LARGE_VOLUME = range(5)


class WindowSums(NamedTuple):
    """Sums over the last w grid seconds, all in base currency; flows are buys less sells."""

    ofi: float
    flow: float
    """Of taker orders below the large-order limit; of all while it is unknown."""
    volume: float
    large_flow: float
    large_volume: float


class TradeFlow:
    """What takers did and how the best quotes moved, over the last five minutes."""

    def __init__(self) -> None:
        self.last_price: float | None = None
        """Price of the newest market trade; one that comes late does not replace it."""
        self.last_price_at: Millis | None = None
        """Venue time of the last market trade."""
        self.trade_count = 0
        """Market trades taken; block and off-market trades are not among them."""
        self.set_aside_count = 0
        """Trades that were not market trades."""
        self.large_limit: float | None = None
        """Notional from which an order is large, as of the last grid second."""
        self.limit_since: Millis | None = None
        """From which grid second on orders were told large from small without a break."""
        self.order_count = 0
        """Taker orders of the last 24 hourly histograms."""
        self.depth: float | None = None
        """Mean of the two best quantities, averaged with a half-life of 300 s; base currency."""
        self.long_liquidated = 0.0
        self.short_liquidated = 0.0
        """Base volume of liquidated positions, decayed to the last grid second."""
        self.quotes_since: Millis | None = None
        """Receive time of the first quote since the start or since the last hole."""
        self.quotes_broken = False
        """Whether there was a hole in the quotes since the start."""
        self.quote_received: Millis | None = None
        self.quote_event_time: Millis | None = None
        """When the last quote came, by our clock and by the venue's."""
        self.trades_since: Millis | None = None
        """From when on all trades and liquidations were received."""
        self.trades_broken = False
        """Whether there was a hole in the trades since the start."""
        self.windows: Mapping[int, WindowSums] = {
            seconds: WindowSums(0.0, 0.0, 0.0, 0.0, 0.0) for seconds in WINDOWS
        }
        """Sums as of the last grid second, by window length in seconds."""

        self.whales = LargeTrades()
        """Orders that are rare for this symbol, as of the last grid second."""
        self.liquidated = LiquidationFlow()

        self._minute = -1
        self._minute_sums = [0.0, 0.0]
        self._minutes: dict[int, list[float]] = {}
        """Base volume by the minute of the venue's clock: of market trades, of all others."""
        self._quote: Quote | None = None
        self._bucket = [0.0] * 5
        self._buckets = np.zeros((WINDOWS[-1], 5))
        self._newest = 0
        self._at: Millis | None = None
        self._order_side: Side | None = None
        self._order_time: Millis | None = None
        self._order_quantity = 0.0
        self._order_notional = 0.0
        self._decayed_to: Millis | None = None
        self._hourly = np.zeros((HOURS, BINS), dtype=np.uint32)
        self._histogram = np.zeros(BINS, dtype=np.int64)
        self._hour: int | None = None
        self._lengths = np.array(WINDOWS, dtype=np.int64)
        self._sums = np.zeros((len(WINDOWS), 5))

    @property
    def best(self) -> Quote | None:
        """The last best quote; None before the first and after a hole."""
        return self._quote

    def connected(self, at: Millis) -> None:
        """Know that trades and liquidations are received from `at` on: silence is now a fact."""
        if self.trades_since is None:
            self.trades_since = at

    def quote(self, event: MarketEvent[Quote]) -> None:
        """Add a best quote's order flow; the first after a start or a reset adds 0."""
        quote, before = event.data, self._quote
        if before is None:
            self.quotes_since = event.receive_time
        else:
            change = 0.0
            if quote.bid >= before.bid:
                change += quote.bid_quantity
            if quote.bid <= before.bid:
                change -= before.bid_quantity
            if quote.ask <= before.ask:
                change -= quote.ask_quantity
            if quote.ask >= before.ask:
                change += before.ask_quantity
            self._bucket[_OFI] += change
        self._quote = quote
        self.quote_received = event.receive_time
        self.quote_event_time = event.event_time

    def trade(self, event: MarketEvent[Trade]) -> None:
        """Add a fill to the taker order it belongs to. Only market trades count."""
        trade = event.data
        self.connected(event.receive_time)
        if trade.kind is not TradeKind.MARKET:
            self.set_aside(event)
            return
        if trade.side is not self._order_side or event.event_time != self._order_time:
            self._flush_order()
            self._order_side, self._order_time = trade.side, event.event_time
        self._order_quantity += trade.quantity
        self._order_notional += trade.quantity * trade.price
        minute = event.event_time // MINUTE
        if minute != self._minute:
            self._turn_minute(minute)
        self._minute_sums[0] += trade.quantity
        if self.last_price_at is None or event.event_time >= self.last_price_at:
            self.last_price, self.last_price_at = trade.price, event.event_time
        self.trade_count += 1

    def set_aside(self, event: MarketEvent[Trade]) -> None:
        """Count a trade that was not a market trade; a candle's volume may hold it all the same."""
        self.set_aside_count += 1
        minute = event.event_time // MINUTE
        if minute != self._minute:
            self._turn_minute(minute)
        self._minute_sums[1] += event.data.quantity

    def correct(self, event: MarketEvent[Trade]) -> None:
        """Add a trade that was fetched after a cut: to what is history, not to the live flow."""
        minute = event.event_time // MINUTE
        if minute in self._minutes:
            self._minutes[minute][event.data.kind is not TradeKind.MARKET] += event.data.quantity
        newer = self.last_price_at is None or event.event_time > self.last_price_at
        if newer and event.data.kind is TradeKind.MARKET:
            self.last_price, self.last_price_at = event.data.price, event.event_time

    def minute_volume(self, open_time: Millis) -> tuple[float, float]:
        """Give the base volume of a minute's market trades, and of all others of it."""
        market, others = self._minutes.get(open_time // MINUTE, (0.0, 0.0))
        return market, others

    def liquidation(self, event: MarketEvent[Liquidation]) -> None:
        """Add a liquidated position."""
        self.connected(event.receive_time)
        self._decay(event.receive_time)
        if event.data.side is PositionSide.LONG:
            self.long_liquidated += event.data.quantity
        else:
            self.short_liquidated += event.data.quantity
        notional = event.data.quantity * event.data.price
        self.liquidated.take(event.receive_time, event.data.side, notional)

    def second(self, at: Millis) -> None:
        """Close the bucket of grid second `at` and sum the windows that end with it."""
        self._flush_order(at)
        self._advance(at)
        self._buckets[self._newest] = self._bucket
        self._bucket = [0.0] * 5
        window_sums(self._buckets, self._newest, self._lengths, self._sums)
        self.windows = {
            seconds: WindowSums(*row)
            for seconds, row in zip(WINDOWS, self._sums.tolist(), strict=True)
        }
        if self._quote is not None:
            depth = (self._quote.bid_quantity + self._quote.ask_quantity) / 2.0
            self.depth = (
                depth if self.depth is None else self.depth + _DEPTH_GAIN * (depth - self.depth)
            )
        self._decay(at)
        self._turn_hour(at)
        limit = self._find_limit()
        if limit is None:
            self.limit_since = None
        elif self.large_limit is None:
            self.limit_since = at
        self.large_limit = limit
        self.whales.second(at, self._limit_of(PER_MILLE, 1_000, ORDERS_FOR_WHALES))
        self.liquidated.second(at)

    def reset_quotes(self) -> None:
        """Forget the last quote: what happened since it is not known."""
        self._quote = None
        self.quotes_broken = self.quotes_broken or self.quotes_since is not None
        self.quotes_since = None

    def reset_trades(self) -> None:
        """Note a hole in trades and liquidations, such as a lost connection."""
        self._flush_order()
        self.trades_broken = self.trades_broken or self.trades_since is not None
        self.trades_since = None
        self.long_liquidated = self.short_liquidated = 0.0
        self.whales.forget()
        self.liquidated.forget()

    def _flush_order(self, at: Millis | None = None) -> None:
        """Book the order whose fills are complete as small or large, and count its notional.

        It is of grid second `at`; of the one that runs when none is given.
        """
        if self._order_side is None:
            return
        quantity, notional = self._order_quantity, self._order_notional
        signed = quantity if self._order_side is Side.BUY else -quantity
        large = self.large_limit is not None and notional >= self.large_limit
        self._bucket[_LARGE_FLOW if large else _FLOW] += signed
        self._bucket[_LARGE_VOLUME if large else _VOLUME] += quantity
        if self._hour is not None:
            place = _bin_of(notional)
            self._hourly[self._hour % HOURS, place] += 1
            self._histogram[place] += 1
            self.order_count += 1
            running = Millis((self._at or 0) + SECOND)
            self.whales.take(running if at is None else at, self._order_side, notional)
        self._order_side = self._order_time = None
        self._order_quantity = self._order_notional = 0.0

    def _turn_minute(self, minute: int) -> None:
        """Add to another minute from now on; the oldest is forgotten."""
        self._minute = minute
        if minute not in self._minutes:
            self._minutes[minute] = [0.0, 0.0]
            if len(self._minutes) > MINUTES_SUMMED:
                del self._minutes[min(self._minutes)]
        self._minute_sums = self._minutes.get(minute, [0.0, 0.0])

    def _advance(self, at: Millis) -> None:
        """Move to the bucket of `at`, to be written; seconds that were passed over hold nothing."""
        count = len(self._buckets)
        passed = 1 if self._at is None else max(1, (at - self._at) // SECOND)
        for _ in range(min(passed, count) - 1):
            self._newest = (self._newest + 1) % count
            self._buckets[self._newest] = 0.0
        self._newest = (self._newest + 1) % count
        self._at = at

    def _decay(self, at: Millis) -> None:
        """Let the liquidation sums fade to `at`."""
        if self._decayed_to is not None and at > self._decayed_to:
            kept = 0.5 ** ((at - self._decayed_to) / HALF_LIFE_MS)
            self.long_liquidated *= kept
            self.short_liquidated *= kept
        if self._decayed_to is None or at > self._decayed_to:
            self._decayed_to = at

    def _turn_hour(self, at: Millis) -> None:
        """Drop the hourly histograms that are 24 hours old."""
        hour = at // HOUR
        if self._hour is not None:
            for passed in range(self._hour + 1, min(hour, self._hour + HOURS) + 1):
                old = self._hourly[passed % HOURS]
                self._histogram -= old
                self.order_count -= int(old.sum())
                old[:] = 0
        self._hour = hour if self._hour is None else max(hour, self._hour)

    def _find_limit(self) -> float | None:
        """Give the notional that 99 % of the orders do not pass."""
        return self._limit_of(LARGE_SHARE_PERCENT, 100, ORDERS_NEEDED)

    def _limit_of(self, share: int, whole: int, orders: int) -> float | None:
        """Give the upper edge of the first bin with a cumulated share or more."""
        if self.order_count < orders:
            return None
        needed = -(-share * self.order_count // whole)
        place = first_bin(self._histogram, needed)
        return float(2.0 ** ((place + 1) / BINS_PER_OCTAVE))


def _bin_of(notional: float) -> int:
    """Give the histogram bin of an order's notional in quote currency."""
    if notional < 1.0:
        return 0
    return min(floor(log2(notional) * BINS_PER_OCTAVE), BINS - 1)
