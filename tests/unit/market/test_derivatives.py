"""The ticker is merged with its times; slow series keep their order and their holes."""

import pytest

from support.stream_events import START, ticker
from virtuoso.domain.market_data import (
    Candle,
    FundingRate,
    LongShortRatio,
    OpenInterest,
    TickerField,
)
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.market.derivatives import Derivatives, MarkAndIndex, Series

MARK, INDEX = TickerField.MARK_PRICE, TickerField.INDEX_PRICE
VOLUME = TickerField.VOLUME_24H


def test_a_missing_field_is_confirmed_and_an_empty_one_replaces_the_value() -> None:
    """Changed and confirmed are two times; None is the venue's word for no value."""
    derivatives = Derivatives()
    derivatives.take_ticker(ticker(START, {MARK: 100.0, VOLUME: 5.0}))
    derivatives.take_ticker(ticker(START + 100, {MARK: None}, whole=False))
    assert derivatives.value(MARK) is None
    assert derivatives.ticker[MARK].changed_at == START + 100
    assert derivatives.value(VOLUME) == 5.0
    assert derivatives.ticker[VOLUME].changed_at == START
    assert derivatives.ticker[VOLUME].confirmed_at == START + 100
    assert derivatives.ticker[VOLUME].received_at == START + 100


def test_a_message_whole_by_itself_speaks_only_of_its_fields() -> None:
    """A mark price stream says nothing of the volume."""
    derivatives = Derivatives()
    derivatives.take_ticker(ticker(START, {VOLUME: 5.0}))
    derivatives.take_ticker(ticker(START + 100, {MARK: 100.0}))
    assert derivatives.ticker[VOLUME].confirmed_at == START


def test_a_change_without_a_whole_ticker_means_nothing() -> None:
    """Neither at the start nor after the connection was lost."""
    derivatives = Derivatives()
    assert not derivatives.take_ticker(ticker(START, {MARK: 100.0}, whole=False))
    assert derivatives.ticker == {}
    assert derivatives.take_ticker(ticker(START, {MARK: 100.0}))
    derivatives.forget_ticker()
    assert derivatives.value(MARK) is None
    assert not derivatives.take_ticker(ticker(START, {MARK: 100.0}, whole=False))


def test_a_series_appends_keeps_the_first_word_and_tells_when_its_past_changed() -> None:
    """Whoever follows it sees by the version that it must start anew."""
    series: Series[float] = Series(3)
    series.add([(Millis(1), 1.0), (Millis(3), 3.0)])
    series.add([(Millis(3), 9.0), (Millis(4), 4.0)])
    assert list(series) == [(1, 1.0), (3, 3.0), (4, 4.0)]
    assert series.version == 0
    assert series.after(Millis(1)) == [(3, 3.0), (4, 4.0)]
    assert series.after(Millis(4)) == []
    series.add([(Millis(2), 2.0)])
    assert series.version == 1
    assert list(series) == [(2, 2.0), (3, 3.0), (4, 4.0)]
    series.add([(Millis(1), 1.0)])
    assert series.version == 1
    assert (series.last_at, series.last, series.at(Millis(3)), len(series)) == (4, 4.0, 3.0, 3)


def test_funding_without_an_interval_takes_the_distance_to_the_rate_before() -> None:
    """A hole is not taken for a long interval; the first of all stays out."""
    derivatives = Derivatives()
    hours = [0, 8, 16, 32, 36]
    derivatives.add_funding([FundingRate(Millis(START + h * HOUR), 0.01, None) for h in hours])
    found = [(at - START, rate.interval_hours) for at, rate in derivatives.funding]
    assert found == [(8 * HOUR, 8.0), (16 * HOUR, 8.0), (32 * HOUR, 8.0), (36 * HOUR, 4.0)]
    derivatives.add_funding([FundingRate(Millis(START + 37 * HOUR), 0.01, 1.0)])
    last = derivatives.funding.last
    assert last is not None
    assert last.interval_hours == 1.0


def test_only_full_hours_enter_the_hourly_series() -> None:
    """Five-minute observations say how fresh the feed is, not another hour."""
    derivatives = Derivatives()
    every = 5 * MINUTE
    times = [Millis(START + i * every) for i in range(14)]
    derivatives.add_open_interest([OpenInterest(at, 10.0) for at in times], every)
    derivatives.add_ratios([LongShortRatio(at, 0.6, 0.4) for at in times], every)
    assert [at for at, _ in derivatives.open_interest] == [START, START + HOUR]
    assert [at for at, _ in derivatives.ratios] == [START, START + HOUR]
    assert derivatives.open_interest_at == times[-1]
    assert derivatives.ratio is not None
    assert derivatives.ratio.at == times[-1]
    assert derivatives.ratio_every == derivatives.open_interest_every == every


def minute(at: int, price: float) -> Candle:
    """A closed 1m candle that opened at `at`."""
    return Candle(Timeframe.M1, Millis(at), price, price, price, price, 0.0)


def test_basis_goes_on_from_the_candles_with_the_ticker_at_each_full_minute() -> None:
    """Only a fresh mark and index make a minute; a missed one is missing."""
    derivatives = Derivatives()
    opens = [START + i * MINUTE for i in range(3)]
    derivatives.add_basis(
        [minute(at, 100.0) for at in opens], [minute(at, 99.0) for at in opens[1:]]
    )
    derivatives.take_ticker(ticker(START + 239_000, {MARK: 101.0, INDEX: 100.0}))
    derivatives.second(Millis(START + 239_000))
    derivatives.second(Millis(START + 240_000))
    derivatives.second(Millis(START + 300_000))
    assert list(derivatives.basis) == [
        (START + 120_000, MarkAndIndex(100.0, 99.0)),
        (START + 180_000, MarkAndIndex(100.0, 99.0)),
        (START + 240_000, MarkAndIndex(101.0, 100.0)),
    ]


@pytest.mark.parametrize("missing", [MARK, INDEX])
def test_a_minute_without_mark_or_index_is_missing(missing: TickerField) -> None:
    """Nothing is carried forward."""
    derivatives = Derivatives()
    derivatives.take_ticker(ticker(START + 59_000, {MARK: 101.0, INDEX: 100.0, missing: None}))
    derivatives.second(Millis(START + 60_000))
    assert len(derivatives.basis) == 0
