"""What a store of history promises, on SQLite and on PostgreSQL alike."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.stores import Opened, opened
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import Place, place_of
from virtuoso.domain.errors import StoreUnavailableError
from virtuoso.domain.history import Gap, GapKind, GapReason, Retention, Series
from virtuoso.domain.instruments import BINANCE, Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import (
    BITCOIN,
    ETHER,
    LIVE,
    kept_candle,
    kept_derivatives,
    kept_overview,
    kept_score,
)

SIMULATED = (Source.SIMULATOR,)
BTC = Symbol("BTCUSDT")
STEP = 30 * SECOND


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database."""
    if request.param == "sqlite":
        return place_of("", tmp_path / "state")
    return place_of(request.getfixturevalue("postgres_server").new_database(), tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    """Stands at START."""
    return FakeClock()


@pytest.fixture
async def kept(place: Place, clock: FakeClock) -> AsyncIterator[Opened]:
    """A store with nothing in it."""
    async with opened(place, clock) as found:
        yield found


async def test_a_score_row_comes_back_as_it_was_said(kept: Opened) -> None:
    """Every field, the components with what they added or why they are absent, nulls as nulls."""
    rows = [kept_score(), kept_score(START + STEP, score=None), kept_score(START, ETHER, 40.125)]
    assert kept.store.put(rows)
    await kept.store.flush()
    found = await kept.archive.scores(BTC, SIMULATED, START, START + HOUR, components=True)
    assert list(found) == rows[:2]
    bare = await kept.archive.scores(BTC, SIMULATED, START, START + HOUR)
    assert [each.components for each in bare] == [None, None]
    assert [each.score for each in bare] == [61.5, None]


async def test_candles_derivatives_overview_and_gaps_come_back_as_they_were(kept: Opened) -> None:
    """The other kinds of rows, with the flag of what was fetched afterwards."""
    hole = Gap(BITCOIN, GapKind.SCORES, Millis(START), None, GapReason.NO_SCORE, "warming_up")
    candles = [kept_candle(START), kept_candle(START + MINUTE, backfilled=True)]
    five = kept_candle(START, timeframe=Timeframe.M5)
    market, beside = kept_overview(), kept_derivatives()
    assert kept.store.put([*candles, five, market, beside, hole])
    await kept.store.flush()
    end = Millis(START + HOUR)
    archive = kept.archive
    assert list(await archive.candles(BITCOIN, Timeframe.M1, START, end)) == candles
    assert list(await archive.candles(BITCOIN, Timeframe.M1, START, end, 1)) == candles[1:]
    assert list(await archive.candles(BITCOIN, Timeframe.M5, START, end)) == [five]
    assert list(await archive.derivatives(BTC, SIMULATED, START, end)) == [beside]
    assert list(await archive.overview(SIMULATED, START, end)) == [market]
    assert list(await archive.gaps(BTC, SIMULATED, START, end)) == [hole]
    closed = hole._replace(end=Millis(START + MINUTE))
    assert kept.store.put([closed])
    await kept.store.flush()
    assert list(await archive.gaps(None, SIMULATED, START, end)) == [closed]
    assert list(await archive.gaps(None, SIMULATED, START + MINUTE, end)) == []


async def test_what_was_said_is_never_changed(kept: Opened) -> None:
    """A second row of the same series and instant leaves the first one as it is."""
    kept.store.put([kept_score(score=61.5)])
    kept.store.put([kept_score(score=12.0), kept_candle(close=91_000.0)])
    kept.store.put([kept_candle(close=91_005.0)])
    await kept.store.flush()
    found = await kept.archive.marks(BTC, SIMULATED, START, START + 1)
    assert list(found) == [(START, 61.5, "abcdef012345")]
    candles = await kept.archive.candles(BITCOIN, Timeframe.M1, START, START + 1)
    assert [each.candle.close for each in candles] == [91_000.0]


async def test_simulated_rows_never_mix_with_live_ones(kept: Opened) -> None:
    """The same symbol of two sources is two series, on every way to read."""
    kept.store.put([kept_score(score=61.5), kept_score(START, LIVE, 33.0), kept_candle()])
    kept.store.put([kept_overview(), kept_overview(source=Source.BYBIT)])
    await kept.store.flush()
    end = Millis(START + HOUR)
    for sources, score, market in (
        (SIMULATED, 61.5, Source.SIMULATOR),
        ((Source.BYBIT, Source.BINANCE), 33.0, Source.BYBIT),
    ):
        found = await kept.archive.scores(BTC, sources, START, end)
        assert [each.score for each in found] == [score]
        board = await kept.archive.board(Millis(START), sources, MINUTE)
        assert [each.score for each in board] == [score]
        assert [each.source for each in await kept.archive.overview(sources, START, end)] == [
            market
        ]
    assert await kept.archive.candles(LIVE, Timeframe.M1, START, end) == []
    assert await kept.archive.series(SIMULATED) == [BITCOIN]
    assert set(await kept.archive.series()) == {BITCOIN, LIVE}


async def test_a_resolution_gives_the_first_row_of_each_interval(kept: Opened) -> None:
    """Rows as they were said, none averaged, and of several venues one a interval."""
    stand_in = Series(Source.SIMULATOR, BINANCE, BTC)
    first = START - START % HOUR
    kept.store.put([kept_score(first + n * STEP, score=float(n)) for n in range(1, 25)])
    kept.store.put([kept_score(first + n * STEP, stand_in, 90.0) for n in range(25, 31)])
    await kept.store.flush()
    found = await kept.archive.marks(BTC, SIMULATED, first, first + HOUR, 5 * MINUTE)
    assert [(at - first, score) for at, score, _ in found] == [
        (STEP, 1.0),
        (300_000, 10.0),
        (600_000, 20.0),
        (900_000, 90.0),
    ]
    rows = await kept.archive.scores(BTC, SIMULATED, first, first + HOUR, step_ms=5 * MINUTE)
    assert [each.score for each in rows] == [1.0, 10.0, 20.0, 90.0]
    assert [each.series.venue for each in rows] == ["bybit", "bybit", "bybit", "binance"]


async def test_the_board_of_an_instant_is_the_newest_row_of_each_symbol(kept: Opened) -> None:
    """At or before it, none older than asked, of two venues the one that spoke last."""
    kept.store.put([kept_score(START + n * STEP, score=float(n)) for n in range(5)])
    kept.store.put([kept_score(START, ETHER, 44.0)])
    await kept.store.flush()
    at = Millis(START + 2 * STEP + 7_000)
    board = {each.series: each for each in await kept.archive.board(at, SIMULATED, 5 * MINUTE)}
    assert {series: each.score for series, each in board.items()} == {BITCOIN: 2.0, ETHER: 44.0}
    assert board[BITCOIN].components is not None
    recent = await kept.archive.board(at, SIMULATED, MINUTE)
    assert [each.series for each in recent] == [BITCOIN]


async def test_it_says_up_to_where_it_holds_rows(kept: Opened) -> None:
    """Recording goes on from there after a start."""
    open_gap = Gap(ETHER, GapKind.SCORES, Millis(START), None, GapReason.NO_SCORE)
    rows = [kept_score(START + n * STEP) for n in range(3)]
    kept.store.put([*rows, kept_score(START, LIVE), kept_candle(), kept_derivatives()])
    kept.store.put([kept_overview(START + STEP), open_gap])
    await kept.store.flush()
    newest = await kept.store.newest(SIMULATED)
    assert newest.scores == {BITCOIN: START + 2 * STEP}
    assert newest.candles == {(BITCOIN, Timeframe.M1): START + MINUTE}
    assert newest.derivatives == {BITCOIN: START}
    assert newest.overview == START + STEP
    assert newest.open_gaps == (open_gap,)


async def test_old_rows_are_thinned_by_tier_and_the_chart_stays_the_same(
    place: Place, clock: FakeClock
) -> None:
    """30 s rows for 7 days, one each 5 minutes for 90, one an hour for ever; twice is as once."""
    async with opened(place, clock, Retention(), room=1_000_000) as kept:
        hour = START - START % HOUR
        ages = {"fine": 6 * DAY, "middle": 30 * DAY, "coarse": 100 * DAY}
        for age in ages.values():
            began = hour - age
            rows = [kept_score(began + n * STEP, score=n / 4) for n in range(1, 241)]
            assert kept.store.put(rows)
            assert kept.store.put([kept_overview(began + n * STEP) for n in range(1, 241)])
            assert kept.store.put([kept_candle(began + n * MINUTE) for n in range(10)])
        await kept.store.flush()

        async def chart(age: int, step: int) -> list[tuple[Millis, float | None, str]]:
            start = hour - age
            return list(await kept.archive.marks(BTC, SIMULATED, start, start + 3 * HOUR, step))

        before = {name: await chart(age, HOUR) for name, age in ages.items()}
        fives = await chart(ages["middle"], 5 * MINUTE)
        assert await kept.store.compact() > 0
        assert len(await chart(ages["fine"], 0)) == 240
        assert await chart(ages["middle"], 0) == fives
        assert await chart(ages["coarse"], 0) == before["coarse"]
        assert {name: await chart(age, HOUR) for name, age in ages.items()} == before
        market = await kept.archive.overview(SIMULATED, hour - 100 * DAY, hour - 99 * DAY)
        assert len(market) == 3
        minutes = await kept.archive.candles(BITCOIN, Timeframe.M1, 0, clock.now())
        assert len(minutes) == 20
        assert await kept.store.compact() == 0
        clock.advance(2 * DAY)
        assert await kept.store.compact() > 0
        assert len(await chart(ages["fine"], 0)) == 25


async def test_no_more_waits_than_there_is_room_for_and_what_is_lost_is_counted(
    place: Place, clock: FakeClock
) -> None:
    """All of a hand-over or none; the caller is told at once."""
    async with opened(place, clock, room=10) as kept:
        assert not kept.store.put([kept_score(START + n) for n in range(11)])
        assert kept.store.state.lost == 11
        assert kept.store.put([kept_score(START + n) for n in range(10)])
        await kept.store.flush()
        assert (kept.store.state.written, kept.store.state.waiting) == (10, 0)
        assert kept.store.state.error is None


async def test_what_waits_is_written_before_it_closes(place: Place, clock: FakeClock) -> None:
    """A clean stop loses nothing."""
    async with opened(place, clock) as kept:
        kept.store.put([kept_score(START + n) for n in range(5_000)])
        kept.store.define("abcdef012345", '{"profile":"equal"}')
        kept.store.put([kept_score(START + 5_000)])
    async with opened(place, clock) as again:
        found = await again.archive.marks(BTC, SIMULATED, START, START + DAY)
        assert len(found) == 5_001
        assert await again.archive.definition("abcdef012345") == '{"profile":"equal"}'
        assert await again.archive.definition("nobody") is None


async def test_the_last_good_documents_are_kept_per_source(kept: Opened) -> None:
    """The newest replaces the one before; who does not say which gets the newest of all."""
    assert await kept.archive.snapshot(None) is None
    await kept.store.keep_snapshot("simulator", START, b"one")
    await kept.store.keep_snapshot("simulator", START + 1, b"two")
    await kept.store.keep_snapshot("bybit", START, b"three")
    for source, value in (("simulator", b"two"), ("bybit", b"three"), (None, b"two")):
        found = await kept.archive.snapshot(source)
        assert found is not None
        assert found.value == value


async def test_a_reader_of_a_database_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    """It opens, and says at each question that there is nothing yet."""
    archive = SqlArchive(place_of("", tmp_path / "nowhere"))
    with pytest.raises(StoreUnavailableError, match="an engine makes it"):
        await archive.series()
    assert not (tmp_path / "nowhere").exists()
    await archive.close()
