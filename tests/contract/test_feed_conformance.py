"""The feeds against frames as the venues wrote them: rows W1 to W15 of the wire facts."""

import csv
import json
import random
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from virtuoso.adapters.feed.binance import frames as binance_frames
from virtuoso.adapters.feed.binance import parse as binance
from virtuoso.adapters.feed.binance import rest as binance_rest
from virtuoso.adapters.feed.binance.book_bridge import BookBridge
from virtuoso.adapters.feed.bybit import parse as bybit
from virtuoso.adapters.feed.bybit import rest as bybit_rest
from virtuoso.adapters.feed.bybit.parse import TopicName
from virtuoso.adapters.feed.listings import Excluded
from virtuoso.adapters.feed.recording.replay import ReplayFeed
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Listing, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    FeedEnded,
    FormingCandle,
    Liquidation,
    MarketData,
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Ticker,
    TickerField,
    Topic,
    Trade,
    TradeKind,
)
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action

pytestmark = pytest.mark.recorded

NOW = Millis(1_771_012_600_000)
BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
B_BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
BY_SYMBOL = {"BTCUSDT": B_BTC}

Json = dict[str, Any]


@pytest.fixture
def conformance(recordings: Path) -> Path:
    """Return the folder of single frames and answers."""
    return recordings / "conformance"


def objects(path: Path) -> list[Json]:
    """Every object of a file of pretty-printed JSON, one after another."""
    text, decoder = path.read_text(), json.JSONDecoder()
    found, at = [], 0
    while at < len(text):
        one, at = decoder.raw_decode(text, at)
        found.append(one)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def topic_of(text: str) -> TopicName | None:
    """What a topic would be if it had been subscribed to; None for kinds that we do not take."""
    kind, _, rest = text.partition(".")
    parameter, _, symbol = rest.rpartition(".")
    kinds = {
        "publicTrade": Topic.TRADES,
        "tickers": Topic.TICKER,
        "kline": Topic.CANDLES,
        "allLiquidation": Topic.LIQUIDATIONS,
    }
    if kind == "orderbook" and parameter.isdigit():
        topic = Topic.QUOTE if parameter == "1" else Topic.BOOK
        return TopicName(text, topic, Instrument(BYBIT, Symbol(symbol)), int(parameter))
    if kind in kinds and (parameter == "" or kind == "kline"):
        return TopicName(text, kinds[kind], Instrument(BYBIT, Symbol(symbol)))
    return None


class EveryTopic(dict[str, TopicName]):
    """Every topic of the kinds that we take, as if all had been subscribed to."""

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401 - as dict's own
        """What a topic stands for."""
        return topic_of(key) or default


def read_bybit(frame: str | bytes) -> Sequence[MarketEvent[MarketData]]:
    """The events of a frame, whatever its topic."""
    read = bybit.read_frame(frame, EveryTopic(), NOW)
    return read.events if isinstance(read, bybit.DataFrame) else []


def answer_of(frame: str | bytes) -> bybit.Answer:
    """A frame that is an answer."""
    read = bybit.read_frame(frame, EveryTopic(), NOW)
    assert isinstance(read, bybit.Answer)
    return read


def read_binance(frame: str | bytes) -> binance.Parsed:
    """What a combined frame says of BTCUSDT."""
    return binance.read_data(binance.read_envelope(frame), BY_SYMBOL, NOW)


def data_of(event: object) -> MarketData:
    """The fact in an event."""
    assert isinstance(event, MarketEvent)
    data: MarketData = event.data
    return data


def test_the_recordings_are_the_ones_that_were_listed(recordings: Path) -> None:
    """Size and checksum of every file used here agree with the manifest."""
    with (recordings / "MANIFEST.csv").open() as manifest:
        rows = [
            row
            for row in csv.DictReader(manifest)
            if row["path"].startswith(("conformance/", "replay/binance_usdm"))
        ]
    assert len(rows) > 100
    for row in rows:
        content = (recordings / row["path"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (int(row["bytes"]), row["sha256"])


# W1: the golden book


@pytest.fixture
def golden(conformance: Path) -> list[MarketEvent[MarketData]]:
    """Return the snapshot and the four deltas."""
    folder = conformance / "mini_fintickstreams"
    frames = [
        one
        for one in objects(folder / "BybitLinearWsDepthUpdate.jsonl")
        if str(one.get("topic", "")).startswith("orderbook")
    ]
    events = [event for frame in frames for event in read_bybit(json.dumps(frame))]
    assert [type(event.data) for event in events] == [BookSnapshot, *[BookDelta] * 4]
    return events


def play(events: Sequence[MarketEvent[MarketData]]) -> tuple[OrderBook, list[str]]:
    """Judge events one after the other; the book after them and every resync asked for."""
    door, book, asked = Door([BTC]), OrderBook(), []
    for event in events:
        verdict = door.judge(event._replace(receive_time=event.event_time), book)
        if verdict.action is Action.RESYNC:
            asked.append(verdict.reason)
            assert book.levels(1) == ([], [])
    return book, asked


def test_w1_the_golden_book_equals_the_rest_book(
    conformance: Path, golden: list[MarketEvent[MarketData]]
) -> None:
    """All of 1000 x 1000 levels, compared as numbers, and the same cross sequence."""
    book, asked = play(golden)
    answer = json.loads(
        (conformance / "mini_fintickstreams" / "BybitLinearDepthSnapshot.json").read_text()
    )["result"]
    assert (book.sequence, book.cross_sequence, asked) == (answer["u"], answer["seq"], [])
    assert book.sequence == 13_616_591
    for side, name in ((book.bids, "b"), (book.asks, "a")):
        expected = [(float(price), float(quantity)) for price, quantity in answer[name]]
        assert len(expected) == 1_000
        assert list(side) == expected


@pytest.mark.parametrize(
    ("order", "asked", "reason"),
    [
        ([0, 1, 3, 4], ["gap"], Reason.GAP),
        ([0, 1, 2, 2, 3, 4], ["gap"], Reason.GAP),
        ([0, 2, 1, 3, 4], ["gap"], Reason.GAP),
        ([2, 0, 1, 3, 4], ["gap"], Reason.GAP),
        ([1, 2, 3, 4], [], Reason.WARMING_UP),
    ],
    ids=["removed", "repeated", "swapped", "put first", "no snapshot"],
)
def test_w1_a_golden_book_with_a_delta_out_of_place_is_absent(
    golden: list[MarketEvent[MarketData]], order: list[int], asked: list[str], reason: Reason
) -> None:
    """Unsynced at once, nothing published, one resync asked for."""
    book, resyncs = play([golden[at] for at in order])
    assert (resyncs, book.reason, book.levels(5)) == (asked, reason, ([], []))


def test_w1_an_update_id_of_one_is_a_restart(golden: list[MarketEvent[MarketData]]) -> None:
    """A delta with it is never merged."""
    frame = json.dumps(
        {
            "topic": "orderbook.1000.BTCUSDT",
            "type": "delta",
            "ts": golden[2].event_time,
            "cts": golden[2].event_time,
            "data": {"s": "BTCUSDT", "b": [], "a": [], "u": 1, "seq": 530_382_895_900},
        }
    )
    book, resyncs = play([*golden[:2], *read_bybit(frame), *golden[3:]])
    assert (resyncs, book.reason) == (["restart"], Reason.GAP)


def test_w1_fifty_messages_of_xrp_have_no_gap(conformance: Path) -> None:
    """`u` rises by one, no side beyond 500 levels, never crossed."""
    archive = zipfile.ZipFile(conformance / "nautilus_trader" / "xrpusdt-ob500.data.zip")
    lines = archive.read(archive.namelist()[0]).splitlines()
    book, judged = OrderBook(), 0
    for line in lines:
        for event in read_bybit(line):
            assert isinstance(event.data, (BookSnapshot, BookDelta))
            assert book.apply(event.data, event.event_time) is None
            assert book.synced
            judged += 1
    assert judged == 50
    assert max(len(book.bids), len(book.asks)) <= 500


# W2 to W8


def test_w2_trades_keep_their_order_and_their_ids(conformance: Path) -> None:
    """15 trades in 4 messages."""
    path = conformance / "mini_fintickstreams" / "BybitLinearWsTrade.jsonl"
    frames = objects(path)
    batches = [read_bybit(json.dumps(frame)) for frame in frames]
    events = [event for batch in batches for event in batch]
    raw = [row for frame in frames for row in frame.get("data", [])]
    trades = [event.data for event in events if isinstance(event.data, Trade)]
    assert sum(1 for batch in batches if batch) == 4
    assert [trade.id for trade in trades] == [row["i"] for row in raw]
    assert len({trade.id for trade in trades}) == 15
    assert [trade.side for trade in trades] == [
        Side.BUY if row["S"] == "Buy" else Side.SELL for row in raw
    ]
    assert [event.event_time for event in events] == [row["T"] for row in raw]
    assert all(trade.kind is TradeKind.MARKET for trade in trades)


def test_w3_tickers_say_what_changed_and_what_is_absent(conformance: Path) -> None:
    """Snapshot, then four deltas with only the keys that changed."""
    path = conformance / "mini_fintickstreams" / "BybitLinearWsOIFundingUpdate.jsonl"
    frames = [one for one in objects(path) if "topic" in one]
    tickers = [data_of(event) for one in frames for event in read_bybit(json.dumps(one))]
    merged: dict[TickerField, float | None] = {}
    for ticker in tickers:
        assert isinstance(ticker, Ticker)
        merged |= ticker.values
    assert [isinstance(each, Ticker) and each.whole for each in tickers] == [True] + [False] * 4
    assert merged[TickerField.LAST_PRICE] == 69_027.6
    assert merged[TickerField.OPEN_INTEREST] == 47_287.191
    assert merged[TickerField.INDEX_PRICE] == 69_070.47
    assert merged[TickerField.CHANGE_24H] == 0.047613
    frames[-1]["data"]["openInterest"] = ""
    (emptied,) = read_bybit(json.dumps(frames[-1]))
    assert isinstance(emptied.data, Ticker)
    assert emptied.data.values[TickerField.OPEN_INTEREST] is None


def test_w4_acknowledgements_and_pongs_are_no_liquidations(conformance: Path) -> None:
    """One acknowledgement, four pongs in the pong's own form."""
    path = conformance / "mini_fintickstreams" / "BybitLinearWsLiquidation.jsonl"
    lines = path.read_text().splitlines()
    answers = [answer_of(line) for line in lines]
    assert [answer.message for answer in answers] == ["", "pong", "pong", "pong", "pong"]
    assert [answer.op for answer in answers] == ["subscribe", *["ping"] * 4]
    assert all(not read_bybit(line) for line in lines)


def test_w5_the_catalogue_of_bybit_is_filtered(conformance: Path) -> None:
    """500 rows and a cursor; 476 perpetuals, 429 of them in USDT."""
    path = conformance / "mini_fintickstreams" / "BybitLinearExchangeInfoSnapshot.json"
    result = json.loads(path.read_text())["result"]
    found = bybit_rest.to_listings(result["list"], {"BTCUSDT": 1.5})
    assert (len(found), bool(result["nextPageCursor"])) == (500, True)
    reasons = Counter(each.reason for each in found if isinstance(each, Excluded))
    listings = {each.instrument.symbol: each for each in found if isinstance(each, Listing)}
    perpetual = 500 - reasons["it is a LinearFutures"]
    assert perpetual == 476
    assert perpetual - reasons["it is quoted in USDC"] == 429
    assert len(listings) + sum(reasons.values()) == 500
    assert len(listings) >= 400
    btc = listings[Symbol("BTCUSDT")]
    assert (btc.tick_size, btc.quantity_step, btc.turnover_24h) == (0.1, 0.001, 1.5)
    assert btc.funding_interval_hours == 8
    hours = Counter(each.funding_interval_hours for each in listings.values())
    assert set(hours) <= {1.0, 2.0, 4.0, 8.0}


def test_w6_samples_of_the_documentation_decode_or_are_refused(conformance: Path) -> None:
    """Our topics and endpoints decode, the others are refused without a crash."""
    read: dict[str, list[MarketData]] = {}
    for path in sorted((conformance / "bybit_docs").glob("websocket_public_*.json")):
        for one in objects(path):
            try:
                events = read_bybit(json.dumps(one))
            except UnreadableFrameError:
                continue
            if events:
                read.setdefault(path.name, []).extend(event.data for event in events)
    assert {name.removeprefix("websocket_public_") for name in read} >= {
        "all-liquidation.1.json",
        "kline.1.json",
        "orderbook.delta.2.json",
        "ticker.linear.1.multi.json",
        "trade.1.json",
    }
    (forced,) = read["websocket_public_all-liquidation.1.json"]
    assert forced == Liquidation(PositionSide.SHORT, 20_000.0, 0.04499)
    (delta,) = read["websocket_public_orderbook.delta.2.json"]
    assert isinstance(delta, BookDelta)
    assert delta.previous == delta.sequence - 1
    perpetual, dated = read["websocket_public_ticker.linear.1.multi.json"]
    assert isinstance(perpetual, Ticker)
    assert isinstance(dated, Ticker)
    assert perpetual.values[TickerField.FUNDING_RATE] == -0.005
    assert dated.values[TickerField.FUNDING_RATE] is None


def test_w6_rest_samples_of_the_documentation_decode(conformance: Path) -> None:
    """Open interest is that of both sides; the other endpoints give rows."""
    folder = conformance / "bybit_docs"

    def rows(name: str) -> list[Any]:
        found: list[Any] = json.loads((folder / name).read_text())["result"]["list"]
        return found

    interest = bybit_rest.to_open_interest(rows("market_open-interest.1.json"))
    assert [each.at for each in interest] == sorted(each.at for each in interest)
    assert interest[-1].contracts == 63_910_691.0
    assert bybit_rest.to_candles(rows("market_kline.1.json"), Timeframe.M1)
    assert bybit_rest.to_candles(rows("market_mark-kline.1.json"), Timeframe.M1)
    assert bybit_rest.to_candles(rows("market_index-kline.1.json"), Timeframe.M1)
    assert bybit_rest.to_funding(rows("market_history-fund-rate.1.json"))
    assert bybit_rest.to_ratios(rows("market_long-short-ratio.1.json")) is not None


def test_w7_a_failed_subscription_is_read_as_one(conformance: Path) -> None:
    """And the data samples that are true to the wire decode."""
    folder = conformance / "nautilus_trader" / "bybit"
    failure = answer_of((folder / "ws_subscription_failure.json").read_bytes())
    assert (failure.success, failure.op) == (False, "subscribe")
    assert answer_of((folder / "ws_subscription_ack.json").read_bytes()).success
    (formed,) = read_bybit((folder / "ws_kline.json").read_bytes())
    assert isinstance(formed.data, (Candle, FormingCandle))
    (ticker,) = read_bybit((folder / "ws_ticker_linear.json").read_bytes())
    assert isinstance(ticker.data, Ticker)
    assert read_bybit((folder / "ws_public_trade.json").read_bytes()) == []
    with pytest.raises(UnreadableFrameError, match="expected type snapshot"):
        read_bybit((folder / "ws_orderbook_delta.json").read_bytes())
    rows = json.loads((folder / "http_get_klines_linear.json").read_text())["result"]["list"]
    assert bybit_rest.to_candles(rows, Timeframe.M1)


def test_w8_retired_frames_are_unknown_and_old_ones_decode(conformance: Path) -> None:
    """Bybit v2 is dropped; of Binance only the perpetuals in dollars are taken."""
    folder = conformance / "crypto_msg_parser"
    for line in (folder / "bybit_linear_raw.jsonl").read_text().splitlines():
        raw = json.loads(line)["raw"]
        if "topic" in json.loads(raw):
            assert read_bybit(raw) == []
        else:  # an answer of the old REST side is no frame at all
            with pytest.raises(UnreadableFrameError, match="neither"):
                read_bybit(raw)
    taken: Counter[str] = Counter()
    instruments = {name: Instrument(BINANCE, Symbol(name)) for name in ("BTCUSDT", "ETHUSDT")}
    for line in (folder / "binance_linear_raw.jsonl").read_text().splitlines():
        case = json.loads(line)
        envelope = binance.read_envelope(case["raw"])
        if envelope.stream is None:
            continue
        parsed = binance.read_data(envelope, instruments, NOW)
        if parsed is not None:
            assert "future" not in case["case"]
            assert "inverse" not in case["case"]
            taken[type(getattr(parsed, "data", parsed)).__name__] += 1
    assert taken == {"Trade": 1, "Ticker": 2, "Depth": 1, "Quote": 1}


# W9 to W12


def cryptofeed_lines(path: Path) -> Iterator[tuple[float, str]]:
    """Receive time in seconds and frame, of a capture of cryptofeed."""
    with path.open() as file:
        for line in file:
            stamp, _, frame = line.partition(": ")
            if stamp.replace(".", "").isdigit():
                yield float(stamp), frame


def test_w9_four_symbols_bridge_without_a_break(conformance: Path) -> None:
    """3, 1, 3 and 5 events dropped before the bridge, none out of sequence after it."""
    folder = conformance / "cryptofeed"
    rests: list[tuple[float, str, str]] = []
    for line in (folder / "BINANCE_FUTURES.http.0.0").read_text().splitlines():
        url, _, rest = line.partition(" -> ")
        asked, _, body = rest.partition(": ")
        if "depth" in url:
            rests.append((float(asked), url.partition("symbol=")[2].partition("&")[0], body))
    names = [symbol for _, symbol, _ in rests]
    instruments = {name: Instrument(BINANCE, Symbol(name)) for name in names}
    bridges = {name: BookBridge(each) for name, each in instruments.items()}
    books = {name: OrderBook() for name in names}

    def apply(name: str, events: Sequence[MarketEvent[MarketData]]) -> None:
        for event in events:
            assert isinstance(event.data, (BookSnapshot, BookDelta))
            assert books[name].apply(event.data, event.event_time) is None

    for stamp, frame in cryptofeed_lines(folder / "BINANCE_FUTURES.ws.1.0"):
        while rests and rests[0][0] <= stamp:
            _, symbol, body = rests.pop(0)
            apply(symbol, bridges[symbol].offer_rest_book(binance.read_rest_book(body), NOW))
        envelope = binance.read_envelope(frame)
        if envelope.stream is None:
            continue
        parsed = binance.read_data(envelope, instruments, NOW)
        if isinstance(parsed, binance_frames.Depth):
            apply(parsed.symbol, bridges[parsed.symbol].offer(parsed, NOW))
    assert [bridges[name].dropped for name in names] == [3, 1, 3, 5]
    assert all(bridge.bridged and bridge.breaks == 0 for bridge in bridges.values())
    assert all(book.synced and book.gaps == 0 for book in books.values())


def test_w9_a_difference_that_does_not_bracket_the_rest_book_is_not_applied(
    conformance: Path,
) -> None:
    """The REST book is too old: another one is wanted."""
    folder = conformance / "mini_fintickstreams"
    rest = binance.read_rest_book((folder / "BinanceLinearDepthSnapshot.json").read_bytes())
    bridge = BookBridge(B_BTC)
    (frame,) = objects(folder / "BinanceLinearWsDepthUpdate.json")
    depth = binance.read_bare(json.dumps(frame), BY_SYMBOL, NOW)
    assert isinstance(depth, binance_frames.Depth)
    assert bridge.offer(depth, NOW) == []
    assert bridge.offer_rest_book(rest, NOW) == []
    assert bridge.wants_rest_book
    assert not bridge.bridged


def test_w10_the_newest_frames_decode(conformance: Path) -> None:
    """Unknown keys are ignored, a selling order liquidates a long at the average price."""
    path = conformance / "cryptofeed" / "recorded_frames_2026-08-08.jsonl"
    instruments = BY_SYMBOL | {"STGUSDT": Instrument(BINANCE, Symbol("STGUSDT"))}
    parsed = [
        data_of(binance.read_data(binance.read_envelope(line), instruments, NOW))
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    trade, mark, candle, forced = parsed
    assert trade == Trade("3404749954", 64_990.9, 0.002, Side.SELL)
    assert isinstance(mark, Ticker)
    assert mark.values == {
        TickerField.MARK_PRICE: 64_991.37858696,
        TickerField.INDEX_PRICE: 65_016.05673913,
        TickerField.FUNDING_RATE: 0.00003936,
        TickerField.NEXT_FUNDING_TIME: 1_786_176_000_000.0,
    }
    assert isinstance(candle, Candle)
    assert (candle.volume, candle.taker_buy_volume) == (9.09, 3.46)
    assert forced == Liquidation(PositionSide.LONG, 5.0, 0.1355)


def test_w11_the_catalogue_of_binance_is_filtered(conformance: Path) -> None:
    """649 rows, 531 trading perpetuals in USDT, 528 of them coins; a strange name is shown."""
    path = conformance / "mini_fintickstreams" / "BinanceLinearExchangeInfoSnapshot.json"
    rows = json.loads(path.read_text())["symbols"]
    found = binance_rest.to_listings(rows, {}, {"BTCUSDT": 4.0})
    excluded = [each for each in found if isinstance(each, Excluded)]
    listings = {each.instrument.symbol: each for each in found if isinstance(each, Listing)}
    strange = [each for each in excluded if not each.name.isascii()]
    not_coins = [
        each for each in excluded if each.reason.startswith("it is a ") and each.reason.isascii()
    ]
    assert len(found) == 649
    assert len(strange) == 1
    assert len(listings) + len(strange) == 528
    assert not_coins
    assert listings[Symbol("BTCUSDT")].funding_interval_hours == 4.0
    assert listings[Symbol("ETHUSDT")].funding_interval_hours == 8.0
    assert listings[Symbol("BTCUSDT")].tick_size == 0.1
    assert listings[Symbol("BTCUSDT")].quantity_step == 0.001


def test_w12_samples_of_market_frames_decode(conformance: Path) -> None:
    """An open candle is no Candle, and the ratio is computed from the shares."""
    folder = conformance / "nautilus_trader"
    instruments = BY_SYMBOL | {"BNBUSDT": Instrument(BINANCE, Symbol("BNBUSDT"))}

    def read(path: Path) -> object:
        parsed = binance.read_bare(path.read_bytes(), instruments, NOW)
        assert parsed is not None, path.name
        return getattr(parsed, "data", parsed)

    rust = folder / "binance_futures_rust"
    assert isinstance(read(rust / "kline_stream_open.json"), FormingCandle)
    assert isinstance(read(rust / "kline_stream_closed.json"), Candle)
    expected: dict[str, type] = {
        "agg_trade_stream.json": Trade,
        "book_ticker_stream.json": Quote,
        "depth_update_stream.json": binance_frames.Depth,
        "liquidation_stream.json": Liquidation,
        "mark_price_stream.json": Ticker,
        "ticker_stream.json": Ticker,
        "trade_stream.json": Trade,
    }
    for name, kind in expected.items():
        assert isinstance(read(rust / name), kind)
    python = folder / "binance_futures_py"
    for path in sorted(python.glob("ws_futures_*.json")):
        read(path)
    name = "http_futures_market_global_long_short_account_ratio.json"
    rows = json.loads((python / name).read_text())
    ratios = binance_rest.to_ratios(rows)
    assert [round(each.long_share / each.short_share, 2) for each in ratios] == [1.96]
    assert binance_rest.to_candles(
        json.loads((python / "http_futures_market_klines.json").read_text()), Timeframe.M1
    )


# W13 to W15


class Replayed:
    """A replay through the door, with everything counted."""

    def __init__(self) -> None:
        self.verdicts: Counter[tuple[str, str, str]] = Counter()
        self.agreements = 0
        self.next_funding: list[float | None] = []
        self.books: dict[Instrument, OrderBook] = {}
        self.offset_ms: int | None = None


async def replay(path: str) -> Replayed:
    """Play a recording as fast as it goes."""
    feed = ReplayFeed.open(path)
    seen = Replayed()
    seen.books = {instrument: OrderBook() for instrument in feed.instruments}
    door = Door(feed.instruments)
    quotes: dict[Instrument, Quote] = {}
    last: object = None
    async for batch in feed.events(feed.instruments):
        for event in batch:
            last = event
            if not isinstance(event, MarketEvent):
                continue
            book = seen.books[event.instrument]
            verdict = door.judge(event, book)
            data = event.data
            kind = type(data).__name__
            seen.verdicts[kind, verdict.action.value, verdict.reason] += 1
            if isinstance(data, Quote):
                quotes[event.instrument] = data
            if isinstance(data, Ticker):
                stored = event if verdict.replaced is None else verdict.replaced
                assert isinstance(stored.data, Ticker)
                seen.next_funding.append(stored.data.values[TickerField.NEXT_FUNDING_TIME])
            quote, best = quotes.get(event.instrument), book.best()
            if quote is not None and best is not None and quote.sequence == book.sequence:
                assert (best.bid, best.bid_quantity) == (quote.bid, quote.bid_quantity)
                assert (best.ask, best.ask_quantity) == (quote.ask, quote.ask_quantity)
                seen.agreements += 1
    assert isinstance(last, FeedEnded)
    assert last.receive_time == feed.recorded_to
    seen.offset_ms = door.clock.offset_ms
    return seen


async def test_w13_the_insurance_fund_print_is_refused_and_funding_rolls_over(
    recordings: Path,
) -> None:
    """One off-market trade of 12,935 is counted apart; a settlement that has passed is absent."""
    folder = recordings / "replay" / "binance_usdm"
    seen = await replay(f"{folder}/btcusdt_20230404.dat.gz,{folder}/btcusdt_20230405.dat.gz")
    trades = {key[1:]: count for key, count in seen.verdicts.items() if key[0] == "Trade"}
    assert trades == {("accept", ""): 12_934, ("drop", "off_market"): 1}
    assert seen.next_funding.count(None) == 1
    rolled = seen.next_funding.index(None)
    assert set(seen.next_funding[:rolled]) == {1_680_652_800_000.0}
    assert set(seen.next_funding[rolled + 1 :]) == {1_680_681_600_000.0}
    (book,) = seen.books.values()
    assert (book.synced, book.gaps) == (True, 0)
    assert seen.agreements > 500


async def test_w14_two_symbols_bridge_without_a_break_and_agree_with_the_quotes(
    recordings: Path,
) -> None:
    """A clock that is 1.27 s off drops nothing."""
    folder = recordings / "replay" / "binance_usdm"
    seen = await replay(f"{folder}/btcusdt_20240808.gz,{folder}/ethusdt_20240808.gz")
    assert {key[1:] for key in seen.verdicts} == {("accept", "")}
    kinds = Counter({key[0]: count for key, count in seen.verdicts.items()})
    assert (kinds["BookSnapshot"], kinds["Quote"], kinds["Trade"]) == (2, 120_081, 35_389)
    assert kinds["BookDelta"] == 6_551 + 6_586 - 9
    assert all(book.synced and book.gaps == 0 for book in seen.books.values())
    assert seen.agreements >= 206
    assert seen.offset_ms is not None
    assert -1_300 < seen.offset_ms < -1_200


def test_a_spot_recording_is_refused_with_a_reason(recordings: Path) -> None:
    """Its books follow another rule."""
    with pytest.raises(RecordingError, match="looks like spot"):
        ReplayFeed.open(str(recordings / "replay" / "binance_spot"))


def mutated(frames: list[bytes], rng: random.Random) -> list[bytes]:
    """Frames cut, doubled, shuffled, or with bytes flipped."""
    broken = []
    for frame in frames:
        draw = rng.random()
        if draw < 0.1:
            broken.append(frame[: rng.randrange(len(frame))])
        elif draw < 0.3:
            flipped = bytearray(frame)
            for _ in range(rng.randrange(1, 4)):
                flipped[rng.randrange(len(flipped))] = rng.choice(b'0123456789.-eEnN"[]{},:')
            broken.append(bytes(flipped))
        elif draw < 0.4:
            broken += [frame, frame]
        else:
            broken.append(frame)
    if rng.random() < 0.5:
        at = rng.randrange(len(broken))
        broken[at:] = rng.sample(broken[at:], len(broken) - at)
    return broken


@pytest.mark.parametrize("seed", range(12))
def test_w15_mutated_frames_neither_crash_nor_store_nonsense(conformance: Path, seed: int) -> None:
    """No exception but the one for unreadable frames; every book sorted, finite, not crossed."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    folder = conformance / "mini_fintickstreams"
    bybit_frames = [
        json.dumps(one).encode()
        for name in ("DepthUpdate", "Trade", "OIFundingUpdate")
        for one in objects(folder / f"BybitLinearWs{name}.jsonl")
    ]
    capture = conformance / "cryptofeed" / "BINANCE_FUTURES.ws.1.0"
    binance_raw = [frame.encode() for _, frame in cryptofeed_lines(capture)][:400]
    instruments = {
        f"{name}USDT": Instrument(BINANCE, Symbol(f"{name}USDT"))
        for name in ("SUSHI", "AKRO", "KEEP", "CTK")
    }
    bridges = {name: BookBridge(each) for name, each in instruments.items()}
    door = Door([BTC, *instruments.values()])
    books = {each: OrderBook() for each in (BTC, *instruments.values())}
    events: list[MarketEvent[MarketData]] = []
    refused = 0
    for frame in mutated(bybit_frames, rng):
        try:
            events += read_bybit(frame)
        except UnreadableFrameError:
            refused += 1
    for frame in mutated(binance_raw, rng):
        try:
            envelope = binance.read_envelope(frame)
            parsed = binance.read_data(envelope, instruments, NOW)
        except UnreadableFrameError:
            refused += 1
            continue
        if isinstance(parsed, binance_frames.Depth):
            events += bridges[parsed.symbol].offer(parsed, NOW)
        elif parsed is not None:
            events.append(parsed)
    assert refused > 0
    for event in events:
        book = books.get(event.instrument, OrderBook())
        door.judge(event._replace(receive_time=event.event_time), book)
        bids, asks = list(book.bids.prices), list(book.asks.prices)
        assert bids == sorted(set(bids))
        assert asks == sorted(set(asks))
        assert all(0 < price < 1e15 for price in bids + asks)
        assert all(0 < each < 1e15 for each in book.bids.quantities + book.asks.quantities)
        best = book.best()
        assert best is None or best.bid <= best.ask
