"""Markets as they are after hours: what the benchmarks of a second are measured on."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from support.markets import NOW, event, listing_of, walk
from virtuoso.apps.scoring import components_of
from virtuoso.components.base.candle_sheet import CandleSheets
from virtuoso.components.base.stream_component import StreamComponent
from virtuoso.domain.instruments import BYBIT, Instrument, Listing, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    DerivativesLoaded,
    FormingCandle,
    FundingRate,
    LongShortRatio,
    MarketData,
    MarketEvent,
    OpenInterest,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
)
from virtuoso.domain.time import HOUR, SECOND, Millis, Timeframe
from virtuoso.engine.lane import Lane
from virtuoso.engine.pipeline import Pipeline
from virtuoso.indicators.stream_window import WindowState
from virtuoso.market.trades import ORDERS_NEEDED
from virtuoso.scoring.definition import Definition

LEVELS = 200
PRICE = 1_000.0
TICK = 0.01
WINDOW_VALUES = 3_600
"""Each stream window holds two to four hours, at one value in two seconds."""
STARTED = NOW - 400 * SECOND


def candles_until(end: int, seed: int = 1) -> Mapping[Timeframe, Sequence[Candle]]:
    """A thousand candles of every timeframe, the shortest last."""
    return {
        timeframe: walk(timeframe, 1_000, end - end % timeframe.ms, seed)
        for timeframe in reversed(Timeframe)
    }


def derivatives_of(instrument: Instrument, end: int, seed: int = 1) -> DerivativesLoaded:
    """Funding, open interest, account ratios, mark and index as they are fetched."""
    draw = np.random.default_rng(seed)
    hour = end - end % HOUR
    interest = 1e5 * np.exp(np.cumsum(draw.normal(0.0, 0.01, 200)))
    shares = draw.uniform(0.4, 0.6, 500)
    funding = draw.normal(1e-4, 5e-5, 200)
    return DerivativesLoaded(
        instrument,
        Millis(end),
        mark=walk(Timeframe.M1, 1_000, end, seed),
        index=walk(Timeframe.M1, 1_000, end, seed + 1),
        funding=[
            FundingRate(Millis(hour - (200 - i) * 8 * HOUR + 8 * HOUR), float(rate), 8.0)
            for i, rate in enumerate(funding)
        ],
        open_interest=[
            OpenInterest(Millis(hour - (199 - i) * HOUR), float(each))
            for i, each in enumerate(interest)
        ],
        ratio=[
            LongShortRatio(Millis(hour - (499 - i) * HOUR), float(each), float(1.0 - each))
            for i, each in enumerate(shares)
        ],
    )


def full_windows(component: StreamComponent, seed: int) -> None:
    """Fill a component's windows with what they hold after some hours."""
    draw = np.random.default_rng(seed)
    k = len(component.table)
    newest = (NOW - 10 * SECOND) // SECOND // 2 * 2
    seconds = newest - 2 * np.arange(WINDOW_VALUES)[::-1]
    component.restore(
        WindowState(
            steps=np.full(k, 2, dtype=np.int64),
            counts=np.full(k, WINDOW_VALUES, dtype=np.int64),
            seconds=np.tile(seconds, k).astype(np.uint32),
            values=np.round(draw.normal(0.0, 1.0, k * WINDOW_VALUES), 9),
        )
    )


class SteadyMarkets:
    """A pipeline of markets that have everything: six views of each, and windows that are full."""

    def __init__(self, count: int) -> None:
        self.instruments = [
            Instrument(BYBIT, Symbol(f"SYN{number:03}USDT")) for number in range(count)
        ]
        self._draw = np.random.default_rng(1)
        self._definition = Definition()
        self._sheets = CandleSheets()
        listings = [listing_of(each) for each in self.instruments]
        self.pipeline = Pipeline(self.instruments, listings, self._definition, self._lane)
        self._sequences = dict.fromkeys(self.instruments, 1)
        history = candles_until(NOW)
        derivatives = derivatives_of(self.instruments[0], NOW)
        for instrument in self.instruments:
            self._begin(instrument, history, derivatives)

    def _lane(self, instrument: Instrument, listing: Listing | None) -> Lane:
        components = components_of(self._definition, BYBIT, self._sheets)
        for seed, each in enumerate(components.values()):
            if isinstance(each, StreamComponent):
                full_windows(each, seed)
        return Lane(instrument, listing, components, self._definition)

    def _begin(
        self,
        instrument: Instrument,
        history: Mapping[Timeframe, Sequence[Candle]],
        derivatives: DerivativesLoaded,
    ) -> None:
        pipeline = self.pipeline
        pipeline.handle(CandlesLoaded(instrument, history, Millis(NOW)))
        pipeline.handle(
            DerivativesLoaded(
                instrument,
                Millis(NOW),
                mark=derivatives.mark,
                index=derivatives.index,
                funding=derivatives.funding,
                open_interest=derivatives.open_interest,
                ratio=derivatives.ratio,
            )
        )
        levels = [TICK * (i + 1) for i in range(LEVELS)]
        bids = [(round(PRICE - each, 2), 1.0 + each) for each in levels]
        asks = [(round(PRICE + each, 2), 1.0 + each) for each in levels]
        book = BookSnapshot(bids, asks, sequence=1, depth=LEVELS)
        for fact in (book, Quote(bids[0][0], 1.0, asks[0][0], 1.0, 1)):
            pipeline.handle(event(fact, STARTED, instrument))
        flow = pipeline.market(str(instrument.symbol)).trades
        flow.connected(Millis(STARTED))
        flow.second(Millis(STARTED))
        for number in range(ORDERS_NEEDED + 10):
            at = STARTED + number * 10
            trade = Trade(f"{number}", PRICE, 1.0 + number % 97, Side.BUY)
            flow.trade(MarketEvent(instrument, trade, Millis(at), Millis(at)))
        flow.second(Millis(STARTED + 30 * SECOND))  # the limit of a large order is known from here

    def stream(self, at: int) -> None:
        """Have every market hear of a quote, a trade, a book change and a ticker in second `at`."""
        draws = self._draw.random((len(self.instruments), 4)).tolist()
        for instrument, some in zip(self.instruments, draws, strict=True):
            for fact in self._facts(instrument, at, *some):
                self.pipeline.handle(event(fact, at - 100, instrument))

    def _facts(
        self, instrument: Instrument, at: int, a: float, b: float, c: float, d: float
    ) -> Iterator[MarketData]:
        before = self._sequences[instrument]
        self._sequences[instrument] = before + 1
        bid, ask = PRICE - TICK, PRICE + TICK
        deep = round(PRICE - TICK * int(2 + 190 * c), 2)
        yield BookDelta([(bid, 1.0 + a), (deep, 1.0 + d)], [(ask, 1.0 + b)], before, before + 1)
        yield Quote(bid, 1.0 + a, ask, 1.0 + b, before + 1)
        yield Trade(f"{at}", PRICE, 1.0 + 10.0 * c, Side.BUY if d > 0.5 else Side.SELL)
        minute = Timeframe.M1.floor(Millis(at - 1))
        high, low = PRICE * (1.0 + 1e-3 * a), PRICE * (1.0 - 1e-3 * b)
        yield FormingCandle(Timeframe.M1, minute, PRICE, high, low, PRICE, 10.0 * c)
        values = {
            TickerField.LAST_PRICE: PRICE,
            TickerField.MARK_PRICE: PRICE * (1.0 + 1e-4 * a),
            TickerField.INDEX_PRICE: PRICE,
            TickerField.CHANGE_24H: 0.01,
            TickerField.TURNOVER_24H: 1e8,
            TickerField.VOLUME_24H: 1e6,
            TickerField.OPEN_INTEREST: 1e5,
            TickerField.FUNDING_RATE: 1e-4,
        }
        yield Ticker(values, whole=True)
