"""The closes of all markets on one grid."""

import numpy as np

from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.closes import Closes

A, B = (Instrument(BYBIT, Symbol(name)) for name in ("AUSDT", "BUSDT"))
BAR = Timeframe.M5.ms
START = 1_700_000_100_000 // BAR * BAR


def candle(number: int, close: float) -> Candle:
    """The candle that opens so many bars after the start."""
    return Candle(
        Timeframe.M5, Millis(START + number * BAR), close, close, close, close, volume=1.0
    )


def test_markets_stand_on_one_grid() -> None:
    """Equal close times share a column; what one of them lacks is NaN."""
    closes = Closes(Timeframe.M5, 4)
    closes.replace(A, [candle(n, 100.0 + n) for n in range(6)])
    closes.replace(B, [candle(n, 50.0 + n) for n in (3, 5)])
    logs = closes.logs()
    assert np.array_equal(np.exp(logs[0]).round(9), [102.0, 103.0, 104.0, 105.0])
    assert np.array_equal(np.isnan(logs[1]), [True, False, True, False])
    assert closes.newest == START + 6 * BAR


def test_a_new_close_pushes_the_oldest_out() -> None:
    """Appending and loading give the same grid."""
    loaded, appended = Closes(Timeframe.M5, 4), Closes(Timeframe.M5, 4)
    rows = [candle(n, 100.0 + n) for n in range(9)]
    loaded.replace(A, rows)
    for row in rows:
        appended.append(A, row)
    assert np.array_equal(loaded.logs(), appended.logs())


def test_an_old_candle_does_not_overwrite_a_new_one() -> None:
    """What comes late and lies outside the window is left out."""
    closes = Closes(Timeframe.M5, 4)
    closes.replace(A, [candle(n, 100.0 + n) for n in range(6)])
    before = closes.logs()
    closes.append(A, candle(1, 7.0))
    assert np.array_equal(closes.logs(), before)


def test_markets_come_and_go() -> None:
    """A market that left the universe takes its row with it."""
    closes = Closes(Timeframe.M5, 4)
    many = [Instrument(BYBIT, Symbol(f"S{n}USDT")) for n in range(40)]
    for number, each in enumerate(many):
        closes.replace(each, [candle(n, 100.0 + number + n) for n in range(4)])
    closes.keep(many[5:8])
    assert closes.instruments == tuple(many[5:8])
    assert np.allclose(np.exp(closes.logs()[:, -1]), [108.0, 109.0, 110.0])
    closes.append(A, candle(3, 9.0))
    assert closes.instruments == (*many[5:8], A)
