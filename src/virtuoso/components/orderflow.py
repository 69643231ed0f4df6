"""Who takes: moves of the best quotes, taker volume, large orders, forced orders.

Section 3.4 of docs/scoring.md. Horizons: the next move, 1 s, 10 s, 60 s.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from virtuoso.components.base.component import (
    DUE_BOOK,
    DUE_TICKER,
    DUE_TRADES,
    Member,
    due_candle,
)
from virtuoso.components.base.stream_component import (
    Fact,
    Feed,
    StreamComponent,
    both,
    feed_at,
    filling,
)
from virtuoso.domain.market_data import TickerField, Topic
from virtuoso.domain.scores import ComponentName, Reason
from virtuoso.domain.time import DAY, SECOND, Millis, Timeframe
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.market import Market
from virtuoso.market.trades import ORDERS_NEEDED

OFI_SECONDS: Final = (1, 10, 60)
FLOW_SECONDS: Final = (10, 60, 300)
LARGE_SECONDS: Final = 300
LIQUIDATION_SECONDS: Final = 300
"""Half-life of the liquidation sums, and how long they must have run to be believed."""

LIQUIDATIONS: Final = "liquidations"

DAY_SECONDS: Final = DAY // SECOND
QUOTE_DUE_MS: Final = SECOND
ALIVE_DUE_MS: Final = SECOND
TICKER_DUE_MS: Final = 2 * SECOND
CANDLE_DUE_MS: Final = 5 * SECOND

_OUR_VOLUME: Final = (Timeframe.M5, Timeframe.M30, Timeframe.H4)
"""Series that can cover 24 hours, finest first."""


class Orderflow(StreamComponent):
    """Pressure of those who trade at once, measured against the market's usual volume."""

    name: ClassVar[ComponentName] = ComponentName.ORDERFLOW
    rho: ClassVar[float] = 0.20
    table: ClassVar[Sequence[Member]] = (
        *(Member(f"ofi@{w}s", "ofi", 0.40 / len(OFI_SECONDS)) for w in OFI_SECONDS),
        *(Member(f"taker_flow@{w}s", "taker_flow", 0.30 / len(FLOW_SECONDS)) for w in FLOW_SECONDS),
        Member(f"large_orders@{LARGE_SECONDS}s", "large_orders", 0.15),
        Member(LIQUIDATIONS, LIQUIDATIONS, 0.15),
    )

    def __init__(
        self,
        not_offered: frozenset[str] = frozenset(),
        limits: StreamLimits | None = None,
    ) -> None:
        """`not_offered`: families for which the venue has no stream (`liquidations`)."""
        super().__init__(limits)
        self._not_offered = not_offered
        self._candle_volume: tuple[tuple[Timeframe, Millis], float] | None = None
        self._book_as_of: Millis | None = None
        self._quote_stood: Millis | None = None
        self._deaf_until: Millis | None = None
        """When liquidations were last known to be withheld, while trades came."""

    def facts(self, at: Millis, market: Market) -> Sequence[Fact]:
        """Give x of every member at grid second `at`."""
        trades = self._trades_feed(at, market)
        volume, volume_feed = self._volume_24h(at, market)
        flow_feed = both(trades, volume_feed)
        return (
            *self._ofi(at, market),
            *self._taker_flow(at, market, flow_feed, volume),
            self._large_orders(at, market, flow_feed, volume),
            self._liquidations(at, market, flow_feed, volume),
        )

    def _ofi(self, at: Millis, market: Market) -> list[Fact]:
        flow = market.trades
        since, received = flow.quotes_since, flow.quote_received
        if since is None or received is None:
            feed = Feed(reason=Reason.GAP if flow.quotes_broken else Reason.NO_FEED)
            return [Fact(feed)] * len(OFI_SECONDS)
        stood, as_of = received, flow.quote_event_time
        if self._book_confirms(market):
            self._quote_stood = at
        if self._quote_stood is not None and self._quote_stood > received:
            stood, as_of = self._quote_stood, self._book_as_of
        feed = feed_at(at, stood + QUOTE_DUE_MS, DUE_BOOK, as_of)
        facts = []
        for seconds in OFI_SECONDS:
            if feed.reason:
                facts.append(Fact(feed))
            elif fact := filling(feed, at, since, seconds, broken=flow.quotes_broken):
                facts.append(fact)
            elif not flow.depth:
                facts.append(Fact(feed, reason=Reason.TOO_FEW))
            else:
                facts.append(Fact(feed, flow.windows[seconds].ofi / flow.depth))
        return facts

    def _book_confirms(self, market: Market) -> bool:
        """Whether a book update of this second shows the last quote still standing.

        A quiet pair of best prices is not repeated by every venue; changes behind it prove it.
        """
        book, quote = market.book, market.trades.best
        if book.as_of is None or book.as_of == self._book_as_of:
            return False
        self._book_as_of = book.as_of
        best = book.best()
        return (
            best is not None
            and quote is not None
            and best.bid == quote.bid
            and best.ask == quote.ask
            and best.bid_quantity == quote.bid_quantity
            and best.ask_quantity == quote.ask_quantity
        )

    def _taker_flow(
        self, at: Millis, market: Market, feed: Feed, volume: float | None
    ) -> list[Fact]:
        facts = []
        for seconds in FLOW_SECONDS:
            fact = self._not_ready(at, market, feed, seconds)
            if fact is None:
                flow = market.trades.windows[seconds].flow
                fact = _against_volume(feed, flow, volume, seconds)
            facts.append(fact)
        return facts

    def _large_orders(self, at: Millis, market: Market, feed: Feed, volume: float | None) -> Fact:
        flow = market.trades
        fact = self._not_ready(at, market, feed, LARGE_SECONDS)
        if fact is not None:
            return fact
        if flow.large_limit is None or flow.limit_since is None:
            have = min(flow.order_count, ORDERS_NEEDED)
            return Fact(feed, None, Reason.WARMING_UP, have, ORDERS_NEEDED)
        # orders of before the limit was known were not told apart: their part of the sum is not 0
        fact = filling(feed, at, flow.limit_since, LARGE_SECONDS, broken=False)
        if fact is not None:
            return fact
        return _against_volume(feed, flow.windows[LARGE_SECONDS].large_flow, volume, LARGE_SECONDS)

    def _liquidations(self, at: Millis, market: Market, feed: Feed, volume: float | None) -> Fact:
        if LIQUIDATIONS in self._not_offered:
            return Fact(Feed(reason=Reason.NOT_APPLICABLE))
        if Topic.LIQUIDATIONS in market.silent:
            self._deaf_until = at  # trades go on: they say nothing of who was liquidated
            return Fact(Feed(reason=Reason.NO_FEED))
        fact = self._not_ready(at, market, feed, LIQUIDATION_SECONDS)
        if fact is None and self._deaf_until is not None:
            fact = filling(feed, at, self._deaf_until, LIQUIDATION_SECONDS, broken=True)
        if fact is not None:
            return fact
        forced = market.trades.short_liquidated - market.trades.long_liquidated
        return _against_volume(feed, forced, volume, LIQUIDATION_SECONDS)

    def _not_ready(self, at: Millis, market: Market, feed: Feed, seconds: int) -> Fact | None:
        """Say why a window over the trades has no sum yet; None when it has one."""
        since = market.trades.trades_since
        if feed.reason or since is None:
            return Fact(feed)
        return filling(feed, at, since, seconds, broken=market.trades.trades_broken)

    def _trades_feed(self, at: Millis, market: Market) -> Feed:
        """Judge the connection: with a sign of life, no trade means that nobody traded."""
        alive = market.alive_at
        if alive is None or market.trades.trades_since is None:
            return Feed(reason=Reason.GAP if market.trades.trades_broken else Reason.NO_FEED)
        return feed_at(at, alive + ALIVE_DUE_MS, DUE_TRADES, alive)

    def _volume_24h(self, at: Millis, market: Market) -> tuple[float | None, Feed]:
        """Give the base volume of the last 24 hours: the ticker's, else that of closed candles."""
        known = market.derivatives.ticker.get(TickerField.VOLUME_24H)
        if known is not None and known.value is not None:
            feed = feed_at(at, known.received_at + TICKER_DUE_MS, DUE_TICKER, known.confirmed_at)
            return known.value, feed
        for timeframe in _OUR_VOLUME:
            series, needed = market.candles[timeframe], DAY // timeframe.ms
            end = series.last_close
            if series.gap or end is None or len(series.closed) < needed:
                continue
            key = (timeframe, end)
            if self._candle_volume is None or self._candle_volume[0] != key:
                total = sum(each.volume for each in series.closed[-needed:])
                self._candle_volume = (key, total)
            due_at = end + timeframe.ms + CANDLE_DUE_MS
            return self._candle_volume[1], feed_at(at, due_at, due_candle(timeframe), end)
        return None, Feed(reason=Reason.NO_FEED)


def _against_volume(feed: Feed, amount: float, volume: float | None, seconds: int) -> Fact:
    """Give an amount as a multiple of the base volume that so many seconds usually have."""
    if not volume:
        return Fact(feed, reason=Reason.TOO_FEW)
    return Fact(feed, amount / (volume * seconds / DAY_SECONDS))
