"""Turns and candles for tests of signals: a market at 100 with a range of 0.4 %."""

from virtuoso.domain.history import Series
from virtuoso.domain.instruments import BYBIT, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Reason, Source
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.signals.turns import Turn
from virtuoso.testing.history_rows import parts

AT = Millis(1_763_596_800_000)
LIVE = Series(Source.BYBIT, BYBIT, Symbol("BTCUSDT"))
RANGE = 0.004
RISK = 1.5 * RANGE


def turn(
    after: Direction | None = Direction.BULLISH,
    at: int = AT,
    *,
    mid: float | None = 100.0,
    atr: float | Reason = RANGE,
    before: Direction | None = Direction.NEUTRAL,
) -> Turn:
    """A change of direction at a price of 100."""
    return Turn(
        Millis(at), before, after, 72.5, 71.0, 0.9, 0.4, "abcdef012345", parts(), mid, 0.5, atr
    )


def candle(minute: int, low: float, high: float, close: float, start: float = 100.0) -> Candle:
    """The one-minute candle so many minutes after the signal."""
    at = Millis(AT + minute * MINUTE)
    return Candle(Timeframe.M1, at, start, high, low, close, 1.0)


def quiet(first: int, count: int) -> list[Candle]:
    """Candles in which nothing happens."""
    return [candle(minute, 99.9, 100.1, 100.0) for minute in range(first, first + count)]
