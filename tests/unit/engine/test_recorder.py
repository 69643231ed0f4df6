"""What is written down of what the engine says, and how holes are told."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from support.editions import content_of, running_pipeline
from support.markets import BTC, ETH, NOW
from virtuoso.domain.history import (
    Gap,
    GapKind,
    GapReason,
    HistoryRow,
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptScore,
    Newest,
    Series,
)
from virtuoso.domain.scores import ComponentName, Reason, Source
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.recorder import Recorder
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_store import FakeStore

SERIES: Final = Series(Source.BYBIT, BTC.venue, BTC.symbol)
OTHER: Final = Series(Source.BYBIT, ETH.venue, ETH.symbol)
STEP: Final = 30 * SECOND
FIRST: Final = Millis(NOW - NOW % HOUR + HOUR)
NOTHING: Final = Newest({}, {}, {}, None, ())


def content_at(pipeline: Pipeline, at: int, score: float | None = 60.0) -> Content:
    """Everything that one cycle says, with these scores at this second."""
    said = content_of(pipeline)
    reason = Reason.GAP if score is None else None
    shown = [
        replace(
            each,
            view=each.view._replace(score=each.view.score._replace(score=score, reason=reason)),
        )
        for each in said.shown
    ]
    return replace(said, shown=shown, second=Millis(at))


class Bench:
    """A recorder over a store in memory."""

    def __init__(self, newest: Newest = NOTHING) -> None:
        self.store = FakeStore(newest)
        self.clock = FakeClock(NOW)
        self.pipeline = running_pipeline()
        self.recorder = Recorder(self.store, self.clock, Source.BYBIT)
        self.recorder.goes_on_from(newest)
        self.say(FIRST - SECOND)

    def say(self, at: int, score: float | None = 60.0) -> None:
        """Let the engine say this at that second."""
        for _ in self.recorder.taking(content_at(self.pipeline, at, score)):
            pass

    def scores(self, series: Series = SERIES) -> Sequence[KeptScore]:
        """The score rows of one market."""
        return [
            each
            for each in self.store.rows
            if isinstance(each, KeptScore) and each.series == series
        ]

    def gaps(self, series: Series = SERIES) -> Sequence[Gap]:
        """The holes of one market, in the order in which they were told."""
        return [
            each
            for each in self.store.rows
            if isinstance(each, Gap) and each.series == series and each.kind is GapKind.SCORES
        ]

    def of(self, kind: type[HistoryRow]) -> int:
        """How many rows of a kind."""
        return sum(isinstance(each, kind) for each in self.store.rows)


def test_each_half_minute_has_a_row_of_every_symbol_on_the_grid() -> None:
    """And one of the market as a whole; the second asked about twice is written once."""
    bench = Bench()
    for at in range(FIRST, FIRST + 2 * MINUTE, SECOND):
        bench.say(at)
    assert [each.at for each in bench.scores()] == [FIRST + n * STEP for n in range(4)]
    assert [each.at for each in bench.scores(OTHER)] == [each.at for each in bench.scores()]
    assert (bench.of(KeptOverview), bench.of(KeptDerivatives)) == (4, 2)
    assert bench.gaps() == []


def test_a_row_says_everything_that_a_label_or_a_board_will_need() -> None:
    """Score, parts with what they added or why they are absent, definition, middle and price."""
    bench = Bench()
    bench.say(FIRST)
    row = bench.scores()[0]
    view = content_at(bench.pipeline, FIRST).shown[0].view
    assert row.score == 60.0
    assert (row.coverage, row.definition) == (view.score.coverage, view.score.definition)
    assert row.components is not None
    assert set(row.components) == set(ComponentName)
    for part in row.components.values():
        assert (part.score is None) == (part.reason is not None)
    assert row.price == view.price.value
    assert bench.store.definitions.keys() == {row.definition}


def test_a_market_without_a_score_is_a_row_with_its_reason_and_a_hole_with_two_ends() -> None:
    """The hole is told when it begins, and again when it ends."""
    bench = Bench()
    for number, score in enumerate((60.0, None, None, 61.0)):
        bench.say(FIRST + number * STEP, score)
    assert [each.score for each in bench.scores()] == [60.0, None, None, 61.0]
    assert bench.scores()[1].reason is Reason.GAP
    began = Gap(SERIES, GapKind.SCORES, Millis(FIRST + STEP), None, GapReason.NO_SCORE, "gap")
    assert bench.gaps() == [began, began._replace(end=Millis(FIRST + 3 * STEP))]


def test_the_time_without_an_engine_is_a_hole() -> None:
    """From the first row that is missing to the first that is there again; an open hole ends."""
    last = Millis(FIRST - HOUR)
    still = Gap(SERIES, GapKind.SCORES, Millis(last - STEP), None, GapReason.NO_SCORE, "stale")
    bench = Bench(Newest({SERIES: last, OTHER: Millis(FIRST - STEP)}, {}, {}, None, (still,)))
    bench.say(FIRST)
    away = Gap(SERIES, GapKind.SCORES, Millis(last + STEP), FIRST, GapReason.AWAY)
    assert bench.gaps() == [away, still._replace(end=Millis(last + STEP))]
    assert bench.gaps(OTHER) == []


def test_what_the_store_could_not_take_is_a_hole_once_it_can() -> None:
    """Nothing waits for it meanwhile, and health says what was lost."""
    bench = Bench()
    bench.say(FIRST)
    bench.store.full = True
    bench.say(FIRST + STEP)
    bench.say(FIRST + 2 * STEP)
    assert len(bench.scores()) == 1
    assert bench.recorder.part().status == "warn"
    assert "were lost" in bench.recorder.part().text
    bench.store.full = False
    bench.say(FIRST + 3 * STEP)
    missing = (Millis(FIRST + STEP), Millis(FIRST + 3 * STEP))
    assert bench.gaps() == [Gap(SERIES, GapKind.SCORES, *missing, GapReason.NOT_STORED)]
    bench.say(FIRST + 4 * STEP)
    assert len(bench.gaps()) == 1


def test_a_store_that_cannot_write_fails_in_health_with_its_reason() -> None:
    """The part says what the store said, and heals with it."""
    bench = Bench()
    bench.store.error = "database or disk is full"
    part = bench.recorder.part()
    assert (part.name, part.status) == ("history", "fail")
    assert "disk is full" in part.text
    bench.store.error = None
    assert bench.recorder.part().status == "pass"


def test_closed_candles_are_written_once_and_fetched_ones_are_marked() -> None:
    """All four timeframes; after a restart only what is newer; a hole between is told."""
    bench = Bench()
    bench.say(FIRST)
    kept = [each for each in bench.store.rows if isinstance(each, KeptCandle)]
    lane = bench.pipeline.lane(BTC)
    assert lane is not None
    minutes = lane.market.candles[Timeframe.M1].closed
    ours = [each.candle for each in kept if each.series == SERIES]
    assert [each for each in ours if each.timeframe is Timeframe.M1] == list(minutes)
    assert {each.timeframe for each in ours} == set(Timeframe)
    assert all(each.backfilled for each in kept)
    count = len(kept)
    bench.say(FIRST + SECOND)
    assert bench.of(KeptCandle) == count
    known = {(SERIES, Timeframe.M1): minutes[-3].close_time}
    again = Bench(replace_candles(known))
    again.say(FIRST)
    rows = [
        each.candle
        for each in again.store.rows
        if isinstance(each, KeptCandle)
        and each.series == SERIES
        and each.candle.timeframe is Timeframe.M1
    ]
    assert rows == list(minutes[-2:])
    far = Bench(replace_candles({(SERIES, Timeframe.M1): Millis(minutes[0].open_time - HOUR)}))
    holes = [each for each in far.store.rows if isinstance(each, Gap)]
    start = Millis(minutes[0].open_time - HOUR)
    end = minutes[0].open_time
    assert holes == [Gap(SERIES, GapKind.CANDLES, start, end, GapReason.AWAY, "1m")]


def replace_candles(known: dict[tuple[Series, Timeframe], Millis]) -> Newest:
    """A store that holds candles up to there."""
    return NOTHING._replace(candles=known)


def test_rows_of_a_simulator_say_so(  # the source is part of every key
) -> None:
    """A row's series begins with its source."""
    bench = Bench()
    content = content_at(bench.pipeline, FIRST)
    simulated = replace(content, sources=MappingProxyType({"bybit": Source.SIMULATOR}))
    for _ in bench.recorder.taking(simulated):
        pass
    found = [each.series.source for each in bench.store.rows if isinstance(each, KeptScore)]
    assert set(found) == {Source.SIMULATOR}
