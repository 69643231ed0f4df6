"""Candles of one market: log arrays, aggregation from minutes, gaps, the forming one."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.candles import MIDNIGHT, random_candles, read_candles
from virtuoso.domain.market_data import Candle, FormingCandle
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.market.candles import KEPT, Candles, bars_of

LONGER: list[Timeframe] = [timeframe for timeframe in Timeframe if timeframe is not Timeframe.M1]


def minutes(count: int, start: int = MIDNIGHT, seed: int = 1) -> list[Candle]:
    """Minutes of which a quarter was bought by takers."""
    return [
        replace(each, taker_buy_volume=each.volume / 4)
        for each in random_candles(seed, count, Timeframe.M1, start)
    ]


def whole(parts: list[Candle], timeframe: Timeframe) -> Candle:
    """The longer candle that minutes make, spelled out."""
    return Candle(
        timeframe,
        parts[0].open_time,
        open=parts[0].open,
        high=max(each.high for each in parts),
        low=min(each.low for each in parts),
        close=parts[-1].close,
        volume=sum(each.volume for each in parts),
        taker_buy_volume=sum(each.taker_buy_volume or 0.0 for each in parts),
    )


def forming(candle: Candle) -> FormingCandle:
    """The same numbers, not closed yet."""
    return FormingCandle(
        candle.timeframe,
        candle.open_time,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
    )


def loaded(minute_count: int = 300) -> Candles:
    """All timeframes up to MIDNIGHT, joined."""
    candles = Candles()
    for timeframe in Timeframe:
        start = MIDNIGHT - minute_count * timeframe.ms
        candles.replace(timeframe, random_candles(2, minute_count, timeframe, start))
    candles.join()
    return candles


def test_bars_are_log_prices_with_the_bits_of_one_candle_whatever_their_number() -> None:
    """One candle at a time or a thousand at once: the same arrays."""
    candles = random_candles(3, 1_000)
    bars = bars_of(candles)
    assert len(bars) == 1_000
    single = [bars_of([each]) for each in candles]
    for name in ("open", "high", "low", "close", "volume", "close_time"):
        column = getattr(bars, name)
        assert column.flags.c_contiguous
        assert np.array_equal(column, np.concatenate([getattr(each, name) for each in single]))
    assert bars.close[7] == math.log(candles[7].close)
    assert bars.close_time[7] == candles[7].close_time
    assert bars.between(3, 5).volume.tolist() == [each.volume for each in candles[3:5]]


def test_no_candles_are_bars_of_length_zero() -> None:
    """Nothing in, nothing out."""
    assert len(bars_of([])) == 0


@pytest.mark.parametrize("timeframe", LONGER)
def test_minutes_make_the_longer_candles(timeframe: Timeframe) -> None:
    """Each longer candle is exactly what its minutes say, at the minute that ends it."""
    candles, parts = loaded(), minutes(480)
    count = timeframe.ms // MINUTE
    for i, minute in enumerate(parts):
        closed = candles.close_minute(minute)
        assert closed[0] is Timeframe.M1
        assert (timeframe in closed) == ((i + 1) % count == 0)
    expected = [whole(parts[i : i + count], timeframe) for i in range(0, 480, count)]
    found = candles[timeframe].closed[-len(expected) :]
    for ours, theirs in zip(found, expected, strict=True):
        assert replace(ours, volume=0.0, taker_buy_volume=0.0) == replace(
            theirs, volume=0.0, taker_buy_volume=0.0
        )
        assert ours.volume == pytest.approx(theirs.volume, rel=1e-12)
        assert ours.taker_buy_volume == pytest.approx(theirs.taker_buy_volume, rel=1e-12)
    assert not candles[timeframe].gap


def test_all_timeframes_close_together_shortest_first() -> None:
    """The last minute of four hours closes four candles."""
    candles = loaded()
    for minute in minutes(239):
        candles.close_minute(minute)
    assert candles.close_minute(minutes(240)[-1]) == list(Timeframe)


def test_without_taker_volume_in_one_minute_the_longer_candle_has_none() -> None:
    """A sum with an unknown part is unknown."""
    candles, parts = loaded(), minutes(5)
    parts[2] = replace(parts[2], taker_buy_volume=None)
    for minute in parts:
        candles.close_minute(minute)
    assert candles[Timeframe.M5].closed[-1].taker_buy_volume is None


def test_a_repeated_or_older_minute_changes_nothing() -> None:
    """The venue may send a closed candle twice."""
    candles, parts = loaded(), minutes(3)
    for minute in parts:
        candles.close_minute(minute)
    assert candles.close_minute(parts[2]) == []
    assert candles.close_minute(parts[0]) == []
    assert candles[Timeframe.M1].last_close == parts[2].close_time
    assert not any(candles[timeframe].gap for timeframe in Timeframe)


def test_a_missing_minute_is_a_gap_in_every_timeframe_until_history_fills_it() -> None:
    """Nothing is appended behind a hole; replacing and joining heals it."""
    candles, parts = loaded(), minutes(12)
    for minute in parts[:6]:
        candles.close_minute(minute)
    assert candles.close_minute(parts[7]) == []
    assert all(candles[timeframe].gap for timeframe in Timeframe)
    assert candles[Timeframe.M1].last_close == parts[5].close_time
    assert candles.forming.get(Timeframe.M5) is None
    assert candles.forming.get(Timeframe.M1) is None
    history = candles[Timeframe.M1].closed + parts[6:9]
    candles.replace(Timeframe.M1, history)
    candles.join()
    assert not any(candles[timeframe].gap for timeframe in Timeframe)
    for minute in parts[9:]:
        candles.close_minute(minute)
    assert candles[Timeframe.M5].closed[-1] == whole(parts[5:10], Timeframe.M5)


def test_a_history_that_ends_inside_an_interval_is_joined_from_its_minutes() -> None:
    """Minutes since the last longer close are carried into the open interval."""
    candles, parts = Candles(), minutes(40)
    candles.replace(Timeframe.M1, parts[:37])
    for timeframe in LONGER:
        start = MIDNIGHT - 10 * timeframe.ms
        candles.replace(timeframe, random_candles(2, 10, timeframe, start))
    candles.join()
    # the 5m and 30m intervals that ended meanwhile are closed by the join
    assert candles[Timeframe.M5].last_close == MIDNIGHT + 35 * MINUTE
    assert candles[Timeframe.M30].closed[-1] == whole(parts[:30], Timeframe.M30)
    assert candles[Timeframe.H4].last_close == MIDNIGHT
    assert not any(candles[timeframe].gap for timeframe in Timeframe)
    for minute in parts[37:]:
        candles.close_minute(minute)
    assert candles[Timeframe.M5].closed[-1] == whole(parts[35:40], Timeframe.M5)


def test_minutes_that_do_not_reach_back_to_a_longer_close_leave_a_gap() -> None:
    """What happened between is not known."""
    candles = Candles()
    candles.replace(Timeframe.M1, minutes(10, MIDNIGHT + 2 * MINUTE))
    candles.replace(Timeframe.M5, random_candles(2, 5, Timeframe.M5, MIDNIGHT - 25 * MINUTE))
    candles.replace(Timeframe.M30, random_candles(2, 5, Timeframe.M30, MIDNIGHT - 148 * MINUTE))
    candles.join()
    assert candles[Timeframe.M5].gap
    assert not candles[Timeframe.M30].gap


def test_a_longer_candle_that_was_fetched_is_not_made_again_from_late_minutes() -> None:
    """The stream may still be minutes behind the history."""
    candles, parts = Candles(), minutes(10)
    candles.replace(Timeframe.M1, parts[:3])
    candles.replace(Timeframe.M5, [*random_candles(2, 3, Timeframe.M5, MIDNIGHT - 15 * MINUTE)])
    candles[Timeframe.M5].append(whole(parts[:5], Timeframe.M5))
    candles.join()
    for minute in parts[3:]:
        candles.close_minute(minute)
    assert not candles[Timeframe.M5].gap
    assert candles[Timeframe.M5].closed[-2:] == [
        whole(parts[:5], Timeframe.M5),
        whole(parts[5:], Timeframe.M5),
    ]


def test_a_series_without_history_begins_with_the_first_whole_interval() -> None:
    """A young listing has no 4h candles yet; half an interval never becomes one."""
    candles, parts = Candles(), minutes(15, MIDNIGHT + 2 * MINUTE)
    candles.join()
    candles.replace(Timeframe.M1, parts[:4])
    candles.join()
    for minute in parts[4:]:
        candles.close_minute(minute)
    assert candles[Timeframe.M5].closed == [
        whole(parts[3:8], Timeframe.M5),
        whole(parts[8:13], Timeframe.M5),
    ]
    assert candles[Timeframe.H4].closed == []
    assert not any(candles[timeframe].gap for timeframe in Timeframe)


def test_at_most_a_thousand_candles_are_kept() -> None:
    """The buffer is bounded; the count of all goes on."""
    candles = Candles()
    for minute in minutes(KEPT + 20):
        candles.close_minute(minute)
    series = candles[Timeframe.M1]
    assert (len(series.closed), series.total) == (KEPT, KEPT + 20)
    series.replace(minutes(KEPT + 5))
    assert (len(series.closed), series.total) == (KEPT, KEPT + 5)


@pytest.mark.parametrize("count", [0, 1, 7, 29])
def test_the_forming_candle_is_its_closed_minutes_and_the_forming_one(count: int) -> None:
    """At any moment, what the venue would show for the open interval."""
    candles, parts = loaded(), minutes(count + 1)
    for minute in parts[:count]:
        candles.close_minute(minute)
    candles[Timeframe.M1].forming = forming(parts[count])
    assert candles.forming.get(Timeframe.M1) == forming(parts[count])
    for timeframe in LONGER:
        own = parts[count - count % (timeframe.ms // MINUTE) :]
        expected = forming(whole(own, timeframe))
        found = candles.forming.get(timeframe)
        assert found is not None
        assert replace(found, volume=0.0) == replace(expected, volume=0.0)
        assert found.volume == pytest.approx(expected.volume, rel=1e-12)


def test_a_closed_minute_ends_its_forming_candle() -> None:
    """What has closed forms no more."""
    candles, parts = loaded(), minutes(2)
    candles[Timeframe.M1].forming = forming(parts[0])
    candles.close_minute(parts[0])
    assert candles.forming.get(Timeframe.M1) is None
    found = candles.forming.get(Timeframe.M5)
    assert found is not None
    assert found.close == parts[0].close


def test_a_forming_minute_that_does_not_follow_is_left_out() -> None:
    """The close of the minute before it has not arrived: it cannot be added up."""
    candles, parts = loaded(), minutes(4)
    candles.close_minute(parts[0])
    candles[Timeframe.M1].forming = forming(parts[2])
    found = candles.forming.get(Timeframe.M5)
    assert found is not None
    assert (found.close, found.volume) == (parts[0].close, parts[0].volume)
    assert candles.forming.get(Timeframe.M1) is None


def test_nothing_forms_before_there_is_a_history() -> None:
    """It would follow nothing."""
    candles = Candles()
    candles[Timeframe.M1].forming = forming(minutes(1)[0])
    assert [candles.forming.get(timeframe) for timeframe in Timeframe] == [None] * 4


@pytest.mark.recorded
def test_recorded_minutes_add_up_to_the_venues_own_longer_candles(recordings: Path) -> None:
    """SOLUSDT of Binance: minutes against its 5m candles, and those added up to 30m and 4h."""
    folder = recordings / "candles"
    path = folder / "binance_usdm_1m/SOLUSDT-1m-from-2025-05-04.csv.gz"
    parts = read_candles(path, Timeframe.M1, 3_000)
    path = folder / "binance_usdm_5m/SOLUSDT-5m.csv.gz"
    fives = {each.open_time: each for each in read_candles(path, Timeframe.M5, 20_000)}
    candles = Candles()
    compared: dict[Timeframe, int] = dict.fromkeys(LONGER, 0)
    for minute in parts:
        for timeframe in candles.close_minute(minute)[1:]:
            ours = candles[timeframe].closed[-1]
            steps = range(ours.open_time, ours.close_time, Timeframe.M5.ms)
            theirs = [fives[Millis(at)] for at in steps]
            assert (ours.open, ours.close) == (theirs[0].open, theirs[-1].close)
            assert ours.high == max(each.high for each in theirs)
            assert ours.low == min(each.low for each in theirs)
            assert ours.volume == pytest.approx(sum(each.volume for each in theirs), rel=1e-9)
            compared[timeframe] += 1
    for timeframe, count in compared.items():
        first = -(-parts[0].open_time // timeframe.ms)
        assert count == parts[-1].close_time // timeframe.ms - first > 10
