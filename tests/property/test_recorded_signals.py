"""Ranges and scans on recorded markets: the published range, and how rare each scan is."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.market.bitcoin_beta import WINDOW, bitcoin_betas, short_betas
from virtuoso.patterns.scans import PatternName, of_bitcoin
from virtuoso.signals.levels import range_of

pytestmark = pytest.mark.recorded

FOLDER = Path("candles") / "bybit_linear_5m"
SYMBOLS = ("BTCUSDT", "ADAUSDT", "AVAXUSDT", "BNBUSDT", "ETHUSDT", "SOLUSDT")
STEP = 288
"""Five-minute candles between two looks: a day."""
MOST = {
    PatternName.CORRELATION_BREAKDOWN: 0.03,
    PatternName.BETA_EXPANSION: 0.02,
    PatternName.BETA_COMPRESSION: 0.05,
    PatternName.RESIDUAL_BREAKOUT: 0.03,
}
"""Share of looks at which each may be found, and still be called rare."""


def rows(folder: Path, symbol: str) -> list[list[str]]:
    """The recorded candles of a symbol: time, open, high, low, close, volume."""
    with gzip.open(folder / FOLDER / f"{symbol}-5m.csv.gz", "rt") as file:
        return list(csv.reader(file))[1:]


def test_the_range_is_the_one_of_the_specification(recordings: Path) -> None:
    """ATR14 on logs of the first 600 candles of BTCUSDT: .001649767, as docs/scoring.md has it."""
    candles = [
        Candle(Timeframe.M5, Millis(int(row[0])), *(float(each) for each in row[1:6]))
        for row in rows(recordings, "BTCUSDT")[:600]
    ]
    found = range_of(candles, candles[-1].close_time, gap=False)
    assert found == pytest.approx(0.001649767, abs=1e-9)


def returns(folder: Path) -> dict[str, Floats]:
    """Log returns of every symbol: the files are of one grid."""
    found = {}
    times = set()
    for symbol in SYMBOLS:
        kept = rows(folder, symbol)
        times.add((kept[0][0], kept[-1][0], len(kept)))
        found[symbol] = np.diff(np.log([float(row[4]) for row in kept]))
    assert len(times) == 1
    return found


def test_scans_are_rare_on_recorded_markets(recordings: Path) -> None:
    """A pattern that is always found says nothing."""
    whole = returns(recordings)
    found: Counter[PatternName] = Counter()
    looks = 0
    for end in range(WINDOW, len(whole["BTCUSDT"]), STEP):
        window = {symbol: each[end - WINDOW : end] for symbol, each in whole.items()}
        long, short = bitcoin_betas(window, "BTCUSDT"), short_betas(window, "BTCUSDT")
        for symbol in SYMBOLS[1:]:
            looks += 1
            found.update(
                each.name for each in of_bitcoin(long[symbol], short[symbol]) if each.found
            )
    assert looks > 600
    shares = {name: found[name] / looks for name in MOST}
    assert all(shares[name] <= most for name, most in MOST.items()), shares
    assert sum(found.values()) > 0
