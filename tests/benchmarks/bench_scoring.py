"""P3, P4, P6: candles that close, of one market and of many, and a thousand at once at the start.

P3 and P4 are measured against recomputing as many indicators, P6 against parsing the candles.

Run: cd tests && python -m benchmarks.bench_scoring
"""

import json
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import process_time_ns
from types import SimpleNamespace
from typing import TypeAlias, cast

import numpy as np
import talib

from benchmarks.report import Row
from virtuoso.apps.scoring import lane_maker
from virtuoso.components.base.candle_component import CandleComponent, CandleSettings, place_of
from virtuoso.components.base.candle_sheet import CandleSheets
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Candle, CandlesLoaded
from virtuoso.domain.scores import ComponentScore, Source
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.market.candles import Candles, bars_of, closing_of
from virtuoso.market.market import Market
from virtuoso.scoring.definition import Definition

WARM_UP = 1_000
ROUNDS = 200
REFERENCE_CANDLES = 500
MARKETS = 100
INSTANTS = 12
WARM_UPS = 20
INSTRUMENT = Instrument(BYBIT, Symbol("BTCUSDT"))


def random_candles(timeframe: Timeframe, count: int, seed: int) -> list[Candle]:
    """A random walk as candles, ending at one instant whatever the timeframe."""
    draw = np.random.default_rng(seed)
    close = 60_000.0 * np.exp(np.cumsum(draw.normal(0.0, 1e-3, count)))
    opening = np.concatenate(([60_000.0], close[:-1]))
    high = np.maximum(opening, close) * (1.0 + draw.exponential(5e-4, count))
    low = np.minimum(opening, close) * (1.0 - draw.exponential(5e-4, count))
    volume = draw.lognormal(3.0, 1.0, count)
    start = 1_700_006_400_000 - WARM_UP * timeframe.ms
    return [
        Candle(timeframe, Millis(start + i * timeframe.ms), *map(float, numbers))
        for i, numbers in enumerate(zip(opening, high, low, close, volume, strict=True))
    ]


def recompute(high: Floats, low: Floats, close: Floats, volume: Floats) -> None:
    """Ask TA-Lib for the indicators that the 17 members rest on, as far as it has them.

    It has no swing structure, fair value gap, volume profile or exponentially weighted volatility;
    rolling extremes, deviation and sums stand for them, one call for each of the 17 and no more.
    """
    talib.MOM(close, 48)  # tsmom48
    talib.EMA(close, 20)  # ema20_50
    talib.EMA(close, 50)
    talib.ADX(high, low, close, 14)  # adx_dir
    talib.PLUS_DI(high, low, close, 14)
    talib.MINUS_DI(high, low, close, 14)
    talib.RSI(close, 14)  # rsi14
    talib.MACD(close, 12, 26, 9)  # macd_hist
    talib.BBANDS(close, 20)  # boll_z
    talib.RSI(close, 2)  # rsi2
    talib.STDDEV(close, 50)  # ret1
    talib.AD(high, low, close, volume)  # cmf20
    talib.OBV(close, volume)  # signed_volume20
    talib.SUM(volume, 20)  # volume_lean20
    talib.SMA(volume, 100)  # volume_surge
    talib.MAX(high, 100)  # donchian100
    talib.MIN(low, 100)
    talib.MAX(high, 5)  # structure
    talib.ATR(high, low, close, 14)  # fvg24
    talib.TYPPRICE(high, low, close)  # poc100
    talib.BOP(close, high, low, close)  # close_location


def cpu_ns(work: Callable[[], object]) -> int:
    """CPU time of one call."""
    start = process_time_ns()
    work()
    return process_time_ns() - start


Histories: TypeAlias = Mapping[Timeframe, Sequence[Candle]]


class Scored:
    """The candle components of one market, warmed up."""

    def __init__(self, candles: Histories, sheets: CandleSheets | None = None) -> None:
        store = Candles()
        self._market = cast("Market", SimpleNamespace(candles=store))
        place = place_of(sheets or CandleSheets(places=1), CandleSettings())
        self._components: Sequence[CandleComponent] = [
            kind(None, place) for kind in (Technical, Volume, PriceStructure)
        ]
        for timeframe, history in candles.items():
            store.replace(timeframe, history[:WARM_UP])
            for component in self._components:
                component.close(timeframe, bars_of(history[:WARM_UP]))

    def close(self, candles: Sequence[Candle]) -> None:
        """Take candles of all timeframes."""
        closing = closing_of(candles)
        for component in self._components:
            component.close_all(closing)

    def score(self, at: Millis) -> None:
        """Read what they make, as the next second does."""
        for component in self._components:
            # one instant for all: what is measured is a close on four timeframes at once
            result = component.score(at, self._market)
            assert isinstance(result, ComponentScore)


def histories() -> Histories:
    """A history for each timeframe, and what closes after it."""
    return {
        timeframe: random_candles(timeframe, WARM_UP + ROUNDS + 10, seed)
        for seed, timeframe in enumerate(Timeframe)
    }


def recomputing(candles: Histories) -> Callable[[], None]:
    """Give what asks TA-Lib for the indicators of all timeframes."""
    arrays = [
        tuple(
            np.array([getattr(each, field) for each in history[:REFERENCE_CANDLES]])
            for field in ("high", "low", "close", "volume")
        )
        for history in candles.values()
    ]

    def recompute_all() -> None:
        for columns in arrays:
            recompute(*columns)

    return recompute_all


def rows() -> Sequence[Row]:
    """Measure P3, P4 and P6, each interleaved with its reference."""
    candles = histories()
    return [one_market(candles), many_markets(candles), warm_up(candles)]


def one_market(candles: Histories) -> Row:
    """P3: the ratio of CPU medians."""
    scored, reference = Scored(candles), recomputing(candles)

    def ours(i: int) -> None:
        newest = [history[i] for history in candles.values()]
        scored.close(newest)
        scored.score(newest[0].close_time)

    mine, theirs = [], []
    for i in range(WARM_UP, WARM_UP + ROUNDS + 10):
        mine.append(cpu_ns(lambda i=i: ours(i)))  # type: ignore[misc]
        theirs.append(cpu_ns(reference))
    mine, theirs = mine[10:], theirs[10:]
    parts = [median(mine[i : i + 20]) / median(theirs[i : i + 20]) for i in range(0, ROUNDS, 20)]
    return Row(
        name="P3",
        what=f"closed candle on 4 timeframes, 17 members each: {median(mine) / 1e3:.0f} us",
        reference=f"TA-Lib, 21 calls x 500 candles x 4: {median(theirs) / 1e3:.0f} us",
        ratio=median(mine) / median(theirs),
        target="<= 0.25",
        spread=f"{min(parts):.2f}..{max(parts):.2f}",
    )


def many_markets(candles: Histories) -> Row:
    """P4: all markets at one instant, so that none finds its numbers in the processor's cache.

    As in the engine, whose markets share sheets: all candles arrive, then the second is scored.
    """
    sheets = CandleSheets()
    markets = [Scored(candles, sheets) for _ in range(MARKETS)]
    reference = recomputing(candles)

    def ours(i: int) -> None:
        for market in markets:
            market.close([history[i] for history in candles.values()])
        at = candles[Timeframe.M1][i].close_time
        for market in markets:
            market.score(at)

    def theirs() -> None:
        for _ in markets:
            reference()

    pairs = [
        (cpu_ns(lambda i=i: ours(i)), cpu_ns(theirs))  # type: ignore[misc]
        for i in range(WARM_UP, WARM_UP + INSTANTS)
    ]
    ratios = [mine / other for mine, other in pairs]
    each = median(mine for mine, _ in pairs) / 1e3 / MARKETS
    return Row(
        name="P4",
        what=f"the same, {MARKETS} markets at one instant: {each:.0f} us each",
        reference="the same for each market",
        ratio=median(ratios),
        target="<= 0.05",
        spread=f"{min(ratios):.2f}..{max(ratios):.2f}",
    )


def as_answered(candle: Candle) -> list[str]:
    """A candle as Bybit's REST writes it: time, prices, volume and turnover, all as text."""
    prices = candle.open, candle.high, candle.low, candle.close
    turnover = candle.volume * candle.close
    return [str(each) for each in (candle.open_time, *prices, candle.volume, turnover)]


def warm_up(candles: Histories) -> Row:
    """P6: a thousand candles of four timeframes into a market, against parsing a venue's answer."""
    found = {timeframe: candles[timeframe][:WARM_UP] for timeframe in reversed(Timeframe)}
    answers = [json.dumps([as_answered(each) for each in history]) for history in found.values()]
    definition = Definition()

    def ours() -> None:
        lane = lane_maker(definition, BYBIT, Source.BYBIT)(INSTRUMENT, None)
        for _ in lane.load_candles(CandlesLoaded(INSTRUMENT, found, Millis(0))):
            pass

    def reference() -> None:
        for answer in answers:
            json.loads(answer)

    pairs = [(cpu_ns(ours), cpu_ns(reference)) for _ in range(WARM_UPS)]
    ratios = [mine / other for mine, other in pairs]
    mine, other = (median(each) / 1e6 for each in zip(*pairs, strict=True))
    return Row(
        name="P6",
        what=f"warm-up of a market with 4 x 1,000 candles: {mine:.1f} ms",
        reference=f"json.loads of these candles: {other:.1f} ms",
        ratio=median(ratios),
        target="<= 10",
        spread=f"{min(ratios):.1f}..{max(ratios):.1f}",
    )


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201 - a benchmark prints
