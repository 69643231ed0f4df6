"""P3: a candle that closes on all timeframes, scored, against recomputing its indicators.

Run: python tests/benchmarks/bench_scoring.py
"""

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time_ns
from types import SimpleNamespace
from typing import cast

import numpy as np
import talib

from benchmarks.report import Row
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import ComponentScore
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.market.candles import Candles, bars_of, closing_of
from virtuoso.market.market import Market

WARM_UP = 1_000
ROUNDS = 200
REFERENCE_CANDLES = 500


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


def rows() -> Sequence[Row]:
    """Measure P3, interleaved, and give the ratio of CPU medians."""
    candles = {
        timeframe: random_candles(timeframe, WARM_UP + ROUNDS + 10, seed)
        for seed, timeframe in enumerate(Timeframe)
    }
    store = Candles()
    market = cast("Market", SimpleNamespace(candles=store))
    components: tuple[CandleComponent, ...] = (Technical(), Volume(), PriceStructure())
    for timeframe, history in candles.items():
        store.replace(timeframe, history[:WARM_UP])
        for component in components:
            component.close(timeframe, bars_of(history[:WARM_UP]))
    arrays = [
        tuple(
            np.array([getattr(each, field) for each in history[:REFERENCE_CANDLES]])
            for field in ("high", "low", "close", "volume")
        )
        for history in candles.values()
    ]

    def ours(i: int) -> None:
        closing = closing_of([history[i] for history in candles.values()])
        for component in components:
            component.close_all(closing)
        for component in components:
            # one instant for all: what is measured is a close on four timeframes at once
            result = component.score(candles[Timeframe.M1][i].close_time, market)
            assert isinstance(result, ComponentScore)

    def reference() -> None:
        for columns in arrays:
            recompute(*columns)

    mine, theirs = [], []
    for i in range(WARM_UP, WARM_UP + ROUNDS + 10):
        mine.append(cpu_ns(lambda i=i: ours(i)))  # type: ignore[misc]
        theirs.append(cpu_ns(reference))
    mine, theirs = mine[10:], theirs[10:]
    parts = [median(mine[i : i + 20]) / median(theirs[i : i + 20]) for i in range(0, ROUNDS, 20)]
    return [
        Row(
            name="P3",
            what=f"closed candle on 4 timeframes, 17 members each: {median(mine) / 1e3:.0f} us",
            reference=f"TA-Lib, 21 calls x 500 candles x 4: {median(theirs) / 1e3:.0f} us",
            ratio=median(mine) / median(theirs),
            target="<= 0.50",
            spread=f"{min(parts):.2f}..{max(parts):.2f}",
        )
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201 - a benchmark prints
