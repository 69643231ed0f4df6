"""Candles of every interval from the four that are kept."""

from datetime import UTC, datetime

import numpy as np
import pytest

from virtuoso.simulator.candles import (
    CLOSE,
    HOUR,
    INTERVALS,
    KEPT,
    MINUTE,
    Candles,
    CandleSeries,
    closing_of,
    merged,
    opening_of,
)
from virtuoso.simulator.factors import Integers


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def _minutes(count: int) -> Integers:
    rows = np.zeros((count, 1, 6), dtype=np.int64)
    closes = 100 + np.arange(count) % 7
    rows[:, 0] = np.stack(
        [np.append(100, closes[:-1]), closes + 3, closes - 8, closes, closes, closes * closes],
        axis=1,
    )
    return rows


def _candles(minutes: int, now: int) -> Candles:
    rows = _minutes(minutes)
    starts = now - np.arange(minutes, 0, -1) * MINUTE
    series = []
    for length in KEPT:
        openings = starts // length * length
        firsts = np.flatnonzero(np.diff(openings, prepend=-1))
        whole = (openings[firsts] + length <= now) & (openings[firsts] == starts[firsts])
        series.append(
            CandleSeries(length, openings[firsts][whole], merged(rows, firsts)[whole], 5_000)
        )
    return Candles(tuple(series), now)


NOW = _ms("2025-11-21T05:38:00")


@pytest.mark.parametrize(
    ("interval", "at", "opens", "closes"),
    [
        ("1", "2025-11-21T05:38:20", "2025-11-21T05:38", "2025-11-21T05:39"),
        ("240", "2025-11-21T05:38:20", "2025-11-21T04:00", "2025-11-21T08:00"),
        ("360", "2025-11-21T05:38:20", "2025-11-21T00:00", "2025-11-21T06:00"),
        ("D", "2025-11-21T05:38:20", "2025-11-21T00:00", "2025-11-22T00:00"),
        ("W", "2025-11-21T05:38:20", "2025-11-17T00:00", "2025-11-24T00:00"),
        ("W", "2025-11-17T00:00:00", "2025-11-17T00:00", "2025-11-24T00:00"),
        ("M", "2025-12-31T23:59:59", "2025-12-01T00:00", "2026-01-01T00:00"),
    ],
)
def test_an_interval_opens_and_closes_on_the_venues_grid(
    interval: str, at: str, opens: str, closes: str
) -> None:
    """Weeks begin on Monday, months on the first, all in UTC."""
    opening = int(opening_of(interval, np.array([_ms(at)]))[0])
    assert opening == _ms(opens)
    assert closing_of(interval, opening) == _ms(closes)


@pytest.mark.parametrize("interval", ["1", "3", "5", "15", "30", "60", "120", "240", "360", "720"])
def test_every_interval_is_the_exact_sum_of_its_minutes(interval: str) -> None:
    """Open, high, low, close, volume and turnover, the forming candle included."""
    candles = _candles(3_000, NOW)
    candles.add_trade(0, 111, 5)
    minutes = np.append(candles.series(MINUTE).rows[:, 0], [candles.forming[0]], axis=0)
    starts = np.append(candles.series(MINUTE).starts, candles.minute)
    openings, rows = candles.page(0, interval, None, None, 20)
    assert openings[-1] == opening_of(interval, np.array([NOW]))[0]
    for opening, row in zip(openings.tolist(), rows, strict=True):
        own = minutes[(starts >= opening) & (starts < closing_of(interval, opening))]
        expected = [
            own[0, 0],
            own[:, 1].max(),
            own[:, 2].min(),
            own[-1, 3],
            own[:, 4].sum(),
            own[:, 5].sum(),
        ]
        assert row.tolist() == expected


def test_a_page_from_a_start_alone_gives_the_first_candles_from_there() -> None:
    """The candle that contains the start is the first, and the limit counts from it."""
    candles = _candles(600, NOW)
    start = NOW - 100 * MINUTE + 20_000
    openings, _ = candles.page(0, "1", start, None, 10)
    assert openings.tolist() == [NOW + (k - 100) * MINUTE for k in range(10)]


def test_a_page_from_start_to_end_gives_the_last_candles_up_to_there() -> None:
    """Both ends are included; with more candles than the limit the latest are returned."""
    candles = _candles(600, NOW)
    begin, end = NOW - 100 * MINUTE, NOW - 50 * MINUTE
    openings, _ = candles.page(0, "1", begin, end, 1_000)
    assert (openings[0], openings[-1], len(openings)) == (begin, end, 51)
    openings, _ = candles.page(0, "1", begin, end, 10)
    assert (openings[-1], len(openings)) == (end, 10)


def test_a_page_outside_of_what_is_kept_is_empty() -> None:
    """Neither the time before the first candle nor the future has any."""
    candles = _candles(600, NOW)
    assert len(candles.page(0, "1", None, NOW - 10_000 * MINUTE, 5)[0]) == 0
    assert len(candles.page(0, "5", NOW + HOUR, NOW + 2 * HOUR, 5)[0]) == 0


def test_closing_the_minute_before_a_boundary_closes_all_that_end_there() -> None:
    """At 08:00 a 1, 5, 30 and 240 minute candle close, and the new minute opens at the close."""
    candles = _candles(600, _ms("2025-11-21T07:59:00"))
    counts = {length: len(candles.series(length).starts) for length in KEPT}
    candles.add_trade(0, 123, 1)
    candles.close_minute()
    for length in KEPT:
        series = candles.series(length)
        assert len(series.starts) == counts[length] + 1
        assert series.starts[-1] == candles.minute - length
        assert series.rows[-1, 0, CLOSE] == 123
    assert candles.forming == [[123, 123, 123, 123, 0, 0]]
    closed = [interval for interval in INTERVALS if candles.closing_now(0, interval)]
    assert closed == ["1", "3", "5", "15", "30", "60", "120", "240"]


def test_the_oldest_candles_are_let_go() -> None:
    """What is kept is bounded: between the wanted number and twice of it."""
    series = CandleSeries(MINUTE, np.arange(10) * MINUTE, _minutes(10), 10)
    for at in range(10, 100):
        series.append(at * MINUTE, _minutes(1)[0])
    assert 10 <= len(series.starts) <= 20
    assert series.starts[-1] == 99 * MINUTE
    assert np.all(np.diff(series.starts) == MINUTE)
