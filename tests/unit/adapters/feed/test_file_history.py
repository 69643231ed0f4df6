"""Candles from files: closed ones only, and never one from the future."""

import gzip
from pathlib import Path

import pytest

from virtuoso.adapters.feed.file_history import FileHistory
from virtuoso.domain.errors import NotOfferedError, RecordingError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.ports import CandleKind

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
START = Timeframe.H4.floor(1_763_700_000_000)


def write(folder: Path, name: str = "BTCUSDT-1m.csv.gz", rows: int = 60, step: int = 1) -> Path:
    """A file of candles, each with a volume of 1 and prices that rise by 1."""
    lines = ["ts,open,high,low,close,volume"]
    for row in range(rows):
        at, price = START + row * step * MINUTE, 100 + row
        lines.append(f"{at},{price},{price + 2},{price - 1},{price + 1},1.0")
    content = ("\n".join(lines) + "\n").encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def opened(path: Path | str, minutes: float) -> FileHistory:
    """A history as of some minutes after the start of the files."""
    return FileHistory.open(str(path), BINANCE, lambda: Millis(int(START + minutes * MINUTE)))


async def test_only_closed_candles_are_given(tmp_path: Path) -> None:
    """The one that closes this instant is closed, the one of a millisecond later is not."""
    write(tmp_path)
    just = await opened(tmp_path, 10).candles(BTC, Timeframe.M1, 3)
    assert [candle.open_time for candle in just] == [START + at * MINUTE for at in (7, 8, 9)]
    before = await opened(tmp_path, 10 - 1 / 60_000).candles(BTC, Timeframe.M1, 3)
    assert [candle.open_time for candle in before] == [START + at * MINUTE for at in (6, 7, 8)]
    assert await opened(tmp_path, 0.5).candles(BTC, Timeframe.M1, 3) == []
    assert await opened(tmp_path, 10).candles(BTC, Timeframe.M1, 0) == []


async def test_longer_candles_are_made_of_complete_parts(tmp_path: Path) -> None:
    """First open, highest high, lowest low, last close, sum of volumes; no part missing."""
    write(tmp_path)
    candles = await opened(tmp_path, 14).candles(BTC, Timeframe.M5, 10)
    assert candles == [
        Candle(Timeframe.M5, START, 100.0, 106.0, 99.0, 105.0, 5.0),
        Candle(Timeframe.M5, Millis(START + 5 * MINUTE), 105.0, 111.0, 104.0, 110.0, 5.0),
    ]
    path = write(tmp_path)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(lines[:4] + lines[5:]).encode()))
    holed = await opened(tmp_path, 14).candles(BTC, Timeframe.M5, 10)
    assert [candle.open_time for candle in holed] == [START + 5 * MINUTE]


async def test_a_file_of_the_same_length_goes_before_aggregation(tmp_path: Path) -> None:
    """And the last `limit` are the last ones."""
    write(tmp_path)
    write(tmp_path, "BTCUSDT-5m.csv", rows=30, step=5)
    candles = await opened(tmp_path, 150).candles(BTC, Timeframe.M5, 2)
    assert [candle.close for candle in candles] == [129.0, 130.0]
    thirty = await opened(tmp_path, 60).candles(BTC, Timeframe.M30, 9)
    assert [candle.volume for candle in thirty] == [30.0, 30.0]


async def test_what_the_files_do_not_hold_is_not_offered(tmp_path: Path) -> None:
    """Another symbol, venue, kind or finer timeframe, and every other series."""
    write(tmp_path, "BTCUSDT-5m.csv", step=5)
    history = opened(tmp_path, 100)
    for instrument, timeframe, kind in (
        (BTC, Timeframe.M1, CandleKind.TRADE),
        (BTC, Timeframe.M5, CandleKind.MARK),
        (Instrument(BINANCE, Symbol("ETHUSDT")), Timeframe.M5, CandleKind.TRADE),
        (Instrument(BYBIT, Symbol("BTCUSDT")), Timeframe.M5, CandleKind.TRADE),
    ):
        with pytest.raises(NotOfferedError, match=r"found only BTCUSDT-5m\.csv"):
            await history.candles(instrument, timeframe, 5, kind)
    for call in (history.funding, history.open_interest, history.long_short_ratio):
        with pytest.raises(NotOfferedError):
            await call(BTC, 5)
    with pytest.raises(NotOfferedError):
        await history.listings()
    await history.close()


async def test_files_that_are_no_candles_say_what_was_expected(tmp_path: Path) -> None:
    """Wrong name, wrong columns, cut short, out of order, impossible."""
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RecordingError, match=r"named like BTCUSDT-1m\.csv\.gz"):
            opened(path, 1)
    path = write(tmp_path)
    whole = path.read_bytes()
    text = gzip.decompress(whole).decode()
    lines = text.splitlines(keepends=True)
    broken = {
        "expected a whole file": whole[:-30],
        "expected numbers in columns ts": gzip.compress(text.replace("open", "first").encode()),
        "found: could not convert": gzip.compress(text.replace("100,", "abc,", 1).encode()),
        "in order": gzip.compress("".join([lines[0], lines[2], lines[1]]).encode()),
        "sound candles": gzip.compress(text.replace(",1.0", ",nan", 1).encode()),
    }
    for message, content in broken.items():
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=message):
            await opened(path, 30).candles(BTC, Timeframe.M1, 5)
