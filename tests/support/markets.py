"""Markets in a few lines: pipelines, histories and what streams of them."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from virtuoso.apps.scoring import lane_maker
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Listing, Symbol, Venue
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    CandlesLoaded,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, SECOND, Millis, Timeframe
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.view import CycleView
from virtuoso.scoring.definition import Definition

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
ETH = Instrument(BYBIT, Symbol("ETHUSDT"))
BTC_BINANCE = Instrument(BINANCE, Symbol("BTCUSDT"))

Seconds: TypeAlias = list[list[MarketEvent[MarketData]]]
"""What came in each grid second."""

NOW = 1_800_000_000_000 - 1_800_000_000_000 % (4 * HOUR)


def listing_of(instrument: Instrument, turnover: float | None = 1e6) -> Listing:
    """Make a listing of a plain contract."""
    base = str(instrument.symbol).removesuffix("USDT")
    return Listing(instrument, base, "USDT", 0.1, 0.001, turnover, 8.0)


def pipeline_of(*instruments: Instrument, venue: Venue = BYBIT) -> Pipeline:
    """Build a pipeline with the usual definition."""
    definition = Definition()
    listings = [listing_of(each) for each in instruments]
    make_lane = lane_maker(definition, venue, Source.BYBIT)
    return Pipeline(instruments, listings, definition, make_lane)


def walk(timeframe: Timeframe, count: int, end: int, seed: int = 1) -> list[Candle]:
    """Make a random walk of contiguous candles that closes at `end`."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, count)))
    opens = np.concatenate([[100.0], closes[:-1]])
    highs = np.maximum(opens, closes) * np.exp(rng.exponential(0.001, count))
    lows = np.minimum(opens, closes) * np.exp(-rng.exponential(0.001, count))
    volumes = rng.lognormal(3.0, 0.5, count)
    first = end - count * timeframe.ms
    return [
        Candle(
            timeframe,
            Millis(first + i * timeframe.ms),
            float(opens[i]),
            float(highs[i]),
            float(lows[i]),
            float(closes[i]),
            float(volumes[i]),
        )
        for i in range(count)
    ]


def history_of(
    end: int, minutes: Sequence[Candle] | None = None, instrument: Instrument = BTC
) -> CandlesLoaded:
    """Give a thousand candles of every timeframe up to `end`."""
    found = {
        timeframe: walk(timeframe, 1_000, end - end % timeframe.ms, seed=7)
        for timeframe in (Timeframe.H4, Timeframe.M30, Timeframe.M5)
    }
    found[Timeframe.M1] = list(minutes or walk(Timeframe.M1, 1_000, end))
    return CandlesLoaded(instrument, found, Millis(end))


def event(data: MarketData, at: int, instrument: Instrument = BTC) -> MarketEvent[MarketData]:
    """Wrap a fact that was received the moment it happened."""
    return MarketEvent(instrument, data, Millis(at), Millis(at))


def heard_of(
    instrument: Instrument, at: int, price: float = 100.0
) -> Iterable[MarketEvent[MarketData]]:
    """Everything that a healthy stream brings about one market in a moment."""
    bids = [(price * (1 - 0.001 * (i + 1)), 1.0) for i in range(50)]
    asks = [(price * (1 + 0.001 * (i + 1)), 1.0) for i in range(50)]
    values = {
        TickerField.LAST_PRICE: price,
        TickerField.MARK_PRICE: price,
        TickerField.CHANGE_24H: 0.01,
        TickerField.TURNOVER_24H: 1e6,
        TickerField.VOLUME_24H: 1e4,
    }
    facts: list[MarketData] = [
        BookSnapshot(bids, asks, sequence=at, depth=50),
        Quote(bids[0][0], 1.0, asks[0][0], 1.0, at),
        Trade(f"{instrument}{at}", price, 1.0, Side.BUY),
        Ticker(values, whole=True),
    ]
    return [event(fact, at, instrument) for fact in facts]


def drawn_seconds(count: int, instrument: Instrument = BTC, seed: int = 5) -> Seconds:
    """What a stream brings in each second: book, best quote, trade and ticker, at random."""
    draw = np.random.default_rng(seed)
    price = 100.0
    found: Seconds = []
    for second in range(count):
        at = NOW + second * SECOND
        price *= float(np.exp(draw.normal(0.0, 1e-4)))
        half = float(draw.uniform(0.005, 0.02))
        events = list(heard_of(instrument, at, price))
        quantities = draw.uniform(0.5, 2.0, 120).tolist()
        bids = [(price - half - 0.001 * i, quantities[i]) for i in range(60)]
        asks = [(price + half + 0.001 * i, quantities[60 + i]) for i in range(60)]
        events[0] = event(BookSnapshot(bids, asks, sequence=at, depth=60), at, instrument)
        side = Side.BUY if draw.random() < 0.5 else Side.SELL
        events[2] = event(Trade(str(at), price, float(draw.uniform(0, 9)), side), at, instrument)
        found.append(events)
    return found


def played(seconds: Seconds, *instruments: Instrument) -> tuple[Pipeline, CycleView]:
    """A pipeline that was given these seconds after a thousand candles."""
    pipeline = pipeline_of(*instruments)
    for instrument in instruments:
        pipeline.handle(history_of(NOW, instrument=instrument))
    for number, events in enumerate(seconds):
        for each in events:
            pipeline.handle(each)
        pipeline.second(Millis(NOW + number * SECOND))
    cycle = pipeline.view()
    assert cycle is not None
    return pipeline, cycle
