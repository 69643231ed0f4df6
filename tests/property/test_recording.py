"""Whatever goes into a recording comes out of it again, in its order, whatever happens to it."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.feed.recording.events import pack_events, unpack_events
from virtuoso.adapters.feed.recording.format import (
    SUFFIX,
    DamagedRecordingError,
    Kind,
    Record,
    pack_record,
    unpack_records,
)
from virtuoso.adapters.feed.recording.reader import faults_of, open_tape, records_of
from virtuoso.adapters.feed.recording.writer import Recorder, RecorderSettings
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import BYBIT, Instrument, Listing, Symbol, Venue
from virtuoso.domain.market_data import (
    Alive,
    BookDelta,
    BookPolled,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    DefinitionChosen,
    DerivativesLoaded,
    Disconnected,
    FeedEnded,
    FeedEvent,
    FormingCandle,
    FrameRefused,
    FundingRate,
    Liquidation,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    PositionSide,
    PriceConfirmed,
    Quote,
    Side,
    Tick,
    Ticker,
    TickerField,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    Trade,
    TradeKind,
    TradesLoaded,
    TradesMissing,
    UniverseChosen,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.testing.fake_clock import FakeClock

TIMES = st.integers(0, 9_999_999_999_999).map(Millis)
NUMBERS = st.floats(allow_nan=False)
COUNTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=30)
VENUES = st.sampled_from([BYBIT, Venue("binance"), Venue("okx")])
INSTRUMENTS = st.builds(
    Instrument, VENUES, st.sampled_from(["BTCUSDT", "1000PEPEUSDT", "BTC/USDT:USDT"]).map(Symbol)
)
GROUPS = st.frozensets(INSTRUMENTS, max_size=4)
LEVELS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4).map(tuple)
MAYBE = st.none() | NUMBERS
MAYBE_COUNT = st.none() | COUNTS
TOPICS = st.sampled_from(Topic)


def candles(timeframe: Timeframe) -> st.SearchStrategy[Candle]:
    """Candles of a timeframe."""
    prices = [NUMBERS] * 5
    return st.builds(Candle, st.just(timeframe), TIMES, *prices, MAYBE)


ANY_CANDLES = st.sampled_from(Timeframe).flatmap(candles)
SNAPSHOTS = st.builds(BookSnapshot, LEVELS, LEVELS, COUNTS, MAYBE_COUNT, MAYBE_COUNT)
TRADES = st.builds(
    Trade, TEXTS, NUMBERS, NUMBERS, st.sampled_from(Side), st.sampled_from(TradeKind)
)
FACTS = st.one_of(
    TRADES,
    SNAPSHOTS,
    st.builds(BookDelta, LEVELS, LEVELS, COUNTS, COUNTS, MAYBE_COUNT, st.booleans()),
    st.builds(Quote, NUMBERS, NUMBERS, NUMBERS, NUMBERS, COUNTS),
    st.builds(Ticker, st.dictionaries(st.sampled_from(TickerField), MAYBE), st.booleans()),
    ANY_CANDLES,
    st.builds(FormingCandle, st.sampled_from(Timeframe), TIMES, *[NUMBERS] * 5),
    st.builds(Liquidation, st.sampled_from(PositionSide), NUMBERS, NUMBERS),
)


def listed(row: tuple[Instrument, str, str, float, float, float | None, float | None]) -> Listing:
    """A listing from its fields."""
    return Listing(*row)


LISTINGS = st.tuples(INSTRUMENTS, TEXTS, TEXTS, NUMBERS, NUMBERS, MAYBE, MAYBE).map(listed)
LOADED = st.dictionaries(st.sampled_from(Timeframe), st.none(), max_size=4).flatmap(
    lambda kinds: st.fixed_dictionaries(
        {kind: st.lists(candles(kind), max_size=3).map(tuple) for kind in kinds}
    )
)


def some(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    """A few of these."""
    return st.lists(strategy, max_size=3).map(tuple)


EVENTS: st.SearchStrategy[FeedEvent] = st.one_of(
    st.builds(MarketEvent, INSTRUMENTS, FACTS, TIMES, TIMES),
    st.builds(Connected, VENUES, GROUPS, TIMES),
    st.builds(Disconnected, VENUES, GROUPS, TEXTS, TIMES),
    st.builds(Alive, VENUES, GROUPS, TIMES),
    st.builds(FrameRefused, VENUES, TEXTS, st.binary(max_size=30), st.booleans(), TIMES),
    st.builds(TopicRefused, INSTRUMENTS, TOPICS, TEXTS, TIMES),
    st.builds(TopicSilent, INSTRUMENTS, TOPICS, TEXTS, TIMES),
    st.builds(TopicRestored, INSTRUMENTS, TOPICS, TIMES),
    st.builds(TradesMissing, INSTRUMENTS, COUNTS, TIMES),
    st.builds(UniverseChosen, VENUES, some(LISTINGS), TIMES),
    st.builds(DefinitionChosen, TEXTS, TIMES),
    st.builds(CandlesLoaded, INSTRUMENTS, LOADED, TIMES),
    st.builds(
        DerivativesLoaded,
        INSTRUMENTS,
        TIMES,
        some(ANY_CANDLES),
        some(ANY_CANDLES),
        some(st.builds(FundingRate, TIMES, NUMBERS, MAYBE)),
        some(st.builds(OpenInterest, TIMES, NUMBERS)),
        some(st.builds(LongShortRatio, TIMES, NUMBERS, NUMBERS)),
    ),
    st.builds(
        TradesLoaded,
        INSTRUMENTS,
        some(st.builds(MarketEvent, INSTRUMENTS, TRADES, TIMES, TIMES)),
        TIMES,
    ),
    st.builds(
        BookPolled,
        st.just(Instrument(BYBIT, Symbol("BTCUSDT"))),
        st.builds(
            MarketEvent, st.just(Instrument(BYBIT, Symbol("BTCUSDT"))), SNAPSHOTS, TIMES, TIMES
        ),
        TIMES,
    ),
    st.builds(PriceConfirmed, INSTRUMENTS, NUMBERS, TIMES),
    st.builds(Tick, TIMES),
    st.builds(FeedEnded, TIMES),
)
FRAMES = st.tuples(
    st.sampled_from(["", "rest_book:BTCUSDT"]), TIMES, st.text(max_size=80) | st.binary(max_size=80)
)
ENTRIES = st.lists(FRAMES | st.lists(EVENTS, min_size=1, max_size=3), max_size=30)
RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from(Kind),
        st.text("abc:é", max_size=20),
        st.integers(-(2**63), 2**63 - 1).map(Millis),
        st.binary(max_size=40),
    ),
    max_size=20,
)

Entry = tuple[str, Millis, str | bytes] | list[FeedEvent]


@given(st.lists(st.builds(MarketEvent, INSTRUMENTS, FACTS, TIMES, TIMES), min_size=5, max_size=20))
@settings(deadline=None)
def test_facts_come_back_as_they_were(batch: Sequence[FeedEvent]) -> None:
    """Of every kind, with every field."""
    assert unpack_events(pack_events(batch)) == batch


@given(st.lists(EVENTS, min_size=3, max_size=12))
@settings(deadline=None)
def test_events_come_back_as_they_were(batch: Sequence[FeedEvent]) -> None:
    """Every kind that a line may carry, to the bit and in its order."""
    back = unpack_events(pack_events(batch))
    assert back == list(batch)
    for event, again in zip(batch, back, strict=True):
        assert type(event) is type(again)
        if isinstance(event, CandlesLoaded) and isinstance(again, CandlesLoaded):
            assert list(event.candles) == list(again.candles)


@given(RECORDS)
def test_records_come_back_as_they_were(records: Sequence[Record]) -> None:
    """Whatever their bodies."""
    raw = b"".join(pack_record(*record[:2], record[2], record[3]) for record in records)
    assert list(unpack_records(raw)) == records


@given(ENTRIES, st.integers(1, 4_000))
@settings(deadline=None, max_examples=40)
def test_what_is_recorded_is_read_back_equal(entries: Sequence[Entry], part_bytes: int) -> None:
    """Over as many parts as it takes, each of them whole."""
    with TemporaryDirectory() as folder:
        paths = record(Path(folder), entries, part_bytes)
        found = []
        for path in paths:
            tape = open_tape(path)
            assert faults_of(tape) == []
            found += list(records_of(tape))
        assert [read_back(each) for each in found] == [as_kept(each) for each in entries]


@pytest.mark.parametrize("change", [1, 16, 128])
def test_damage_is_never_read_over(change: int) -> None:
    """Any one byte changed, or the file cut anywhere: what is read is how it began, and told."""
    entries: list[Entry] = [("", Millis(at), f'{{"number": {at}}}') for at in range(60)]
    with TemporaryDirectory() as folder:
        (path,) = record(Path(folder), entries, 1_000_000)
        whole = path.read_bytes()
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= change
            for data in (damaged, whole[:place]):
                path.write_bytes(data)
                found, told = read_all(path)
                assert told
                assert found == [as_kept(each) for each in entries[: len(found)]]


def read_all(path: Path) -> tuple[list[object], list[str]]:
    """What can be read of a file, and what is said to be wrong with it."""
    found: list[object] = []
    told: list[str] = []
    try:
        tape = open_tape(path)
        told = faults_of(tape)
        found.extend(read_back(each) for each in records_of(tape))
    except RecordingError as error:
        told.append(str(error))
    return found, told


def record(folder: Path, entries: Sequence[Entry], part_bytes: int) -> list[Path]:
    """Write entries down and give the files."""
    settings = RecorderSettings(folder=folder, part_bytes=part_bytes, free_bytes=0)
    recorder = Recorder(settings, BYBIT, Source.SIMULATOR, "0.1.0", FakeClock())
    recorder.start()
    for entry in entries:
        if isinstance(entry, tuple):
            recorder.frame(*entry)
        else:
            recorder.events(entry)
    recorder.close()
    state = recorder.state()
    assert (state.stopped, state.lost, state.records) == (None, 0, len(entries))
    paths = sorted(folder.iterdir())
    assert all(os.fspath(path).endswith(SUFFIX) for path in paths)
    return paths


def as_kept(entry: Entry) -> object:
    """What is kept of an entry."""
    if isinstance(entry, list):
        return entry
    route, at, frame = entry
    return route, at, frame.encode() if isinstance(frame, str) else frame


def read_back(record: Record) -> object:
    """What a record says."""
    if record.kind is Kind.EVENTS:
        return unpack_events(record.body)
    if record.kind is Kind.FRAME:
        return record.route, record.receive_time, record.body
    msg = "expected nothing to be lost"
    raise DamagedRecordingError(msg)
