"""The simulated venue over real sockets: both doors, its faults, and a library that knows it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
import pytest_asyncio
from ccxt.async_support.bybit import bybit
from ccxt.base.errors import BadRequest

from support.reference_book import ReferenceBook
from support.simulated_venue import Frame, Subscriber, Venue, running_venue
from virtuoso.simulator.faults import FAULTS
from virtuoso.simulator.garbage import GARBAGE
from virtuoso.simulator.server import ExchangeServer, serve
from virtuoso.simulator.settings import ExchangeSettings

DEEP = "orderbook.200.BTCUSDT"


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with three symbols."""
    async with running_venue() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Venue]:
    """Return one venue for all tests that break nothing of it: making its past takes a second."""
    async with running_venue() as running:
        yield running


def _is(topic: str) -> Callable[[Frame], bool]:
    """Return a test for frames of one topic, or kind of topic."""
    return lambda frame: str(frame.get("topic", "")).startswith(topic)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_answer_to_a_subscription_comes_before_its_snapshot(shared: Venue) -> None:
    """The request id is echoed, then books and tickers begin with a snapshot."""
    subscriber = await shared.connect()
    answer = await subscriber.subscribe(DEEP, "tickers.BTCUSDT", "orderbook.1.BTCUSDT")
    connection = answer.pop("conn_id")
    assert connection
    assert answer == {"success": True, "ret_msg": "", "req_id": "test-7", "op": "subscribe"}
    first = [await subscriber.receive() for _ in range(3)]
    assert [frame.json()["type"] for frame in first] == ["snapshot"] * 3
    assert len(first[0].json()["data"]["b"]) == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_a_topic_that_is_already_subscribed_refuses_the_whole_request(shared: Venue) -> None:
    """The good topic beside it is not subscribed either, and can be afterwards."""
    subscriber = await shared.connect()
    await subscriber.subscribe("tickers.BTCUSDT")
    answer = await subscriber.subscribe("tickers.ETHUSDT", "tickers.BTCUSDT")
    assert answer["success"] is False
    assert answer["ret_msg"] == "error:already subscribed,topic:tickers.BTCUSDT"
    assert (await subscriber.subscribe("tickers.ETHUSDT"))["success"] is True


@pytest.mark.parametrize(
    "topic",
    [
        "tickers.NOSUCHUSDT",
        "orderbook.500.BTCUSDT",
        "kline.7.BTCUSDT",
        "kline.BTCUSDT",
        "trades.BTCUSDT",
        "tickers.1.BTCUSDT",
        "BTCUSDT",
        "",
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_unknown_topic_refuses_the_whole_request(shared: Venue, topic: str) -> None:
    """The answer names the topic."""
    subscriber = await shared.connect()
    answer = await subscriber.subscribe("tickers.ETHUSDT", topic)
    assert answer["success"] is False
    assert answer["ret_msg"] == f"error:handler not found,topic:{topic}"
    assert (await subscriber.subscribe("tickers.ETHUSDT"))["success"] is True


@pytest.mark.asyncio(loop_scope="module")
async def test_a_renewed_topic_begins_with_a_new_snapshot(shared: Venue) -> None:
    """Unsubscribing is acknowledged, ends the pushes, and allows to subscribe again."""
    subscriber = await shared.connect()
    await subscriber.subscribe(DEEP)
    await subscriber.send({"op": "unsubscribe", "req_id": "8", "args": [DEEP]})
    answer = (await subscriber.frames(lambda frame: "op" in frame))[-1]
    assert (answer["success"], answer["op"], answer["req_id"]) == (True, "unsubscribe", "8")
    assert await subscriber.collect(0.5) == []
    await subscriber.subscribe(DEEP)
    assert (await subscriber.receive()).json()["type"] == "snapshot"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_ping_is_answered_with_op_ping_and_message_pong(shared: Venue) -> None:
    """With and without a request id."""
    subscriber = await shared.connect()
    for request_id in ("", "99"):
        await subscriber.send({"op": "ping", "req_id": request_id})
        pong = (await subscriber.receive()).json()
        assert (pong["op"], pong["ret_msg"], pong["success"]) == ("ping", "pong", True)
        assert pong["req_id"] == request_id


@pytest.mark.parametrize("request_", ["{", "[]", "42", '{"op":"dance"}', '{"op":7}', "[" * 50_000])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_request_that_makes_no_sense_is_answered_and_the_stream_lives_on(
    shared: Venue, request_: str
) -> None:
    """A client's mistake ends nothing."""
    subscriber = await shared.connect()
    await subscriber.ws.send_str(request_)
    assert (await subscriber.receive()).json()["success"] is False
    assert (await subscriber.subscribe("tickers.BTCUSDT"))["success"] is True


async def test_a_subscribers_book_equals_the_rest_book_at_the_same_sequence(venue: Venue) -> None:
    """Snapshot and deltas, applied by the documented rules alone, give the venue's book."""
    subscriber, book = await venue.connect(), ReferenceBook()
    await subscriber.subscribe(DEEP)
    compared: set[int] = set()
    deadline = time.monotonic() + 20
    while len(compared) < 5:
        assert time.monotonic() < deadline
        rest = await venue.result("orderbook", symbol="BTCUSDT", limit=200)
        while book.sequence < rest["seq"]:
            book.apply((await subscriber.receive()).json())
            crossed = max(book.bids) >= min(book.asks)
            assert not crossed
        if book.sequence == rest["seq"]:
            levels = tuple(
                [(float(price), float(size)) for price, size in rest[side]] for side in "ba"
            )
            assert book.best(200) == levels
            compared.add(book.sequence)
    assert book.gaps == 0


async def test_trades_of_a_minute_add_up_to_the_candle_that_closes_once() -> None:
    """Sum, extremes and close of the pushed trades; REST then shows the same candle."""
    async with running_venue(speed=20) as venue:
        subscriber = await venue.connect()
        await subscriber.subscribe("publicTrade.ETHUSDT", "kline.1.ETHUSDT", "kline.5.ETHUSDT")

        def third_close(frame: Frame) -> bool:
            closed.extend(row for row in _candles(frame, "1") if row["confirm"])
            return len(closed) == 3

        closed: list[Frame] = []
        frames = await subscriber.frames(third_close, seconds=60)
        trades = [row for frame in frames if _is("publicTrade")(frame) for row in frame["data"]]
        assert [row["start"] for row in closed[1:]] == [row["end"] + 1 for row in closed[:-1]]
        for row in closed[1:]:
            own = [each for each in trades if row["start"] <= each["T"] <= row["end"]]
            prices = [float(each["p"]) for each in own]
            opened = float(row["open"])
            assert float(row["close"]) == prices[-1]
            assert float(row["high"]) == max([opened, *prices])
            assert float(row["low"]) == min([opened, *prices])
            assert float(row["volume"]) == pytest.approx(sum(float(each["v"]) for each in own))
            turnover = sum(float(each["v"]) * float(each["p"]) for each in own)
            assert float(row["turnover"]) == pytest.approx(turnover)
        rest = await venue.result("kline", symbol="ETHUSDT", interval="1", limit=200)
        names = ("start", "open", "high", "low", "close", "volume", "turnover")
        for row in closed:
            assert [str(row[name]) for name in names] in rest["list"]
        forming = [row for frame in frames for row in _candles(frame, "5") if not row["confirm"]]
        assert len(forming) > 50


def _candles(frame: Frame, interval: str) -> list[Frame]:
    if not _is(f"kline.{interval}.")(frame):
        return []
    rows: list[Frame] = frame["data"]
    return rows


async def test_two_clients_are_told_the_same(venue: Venue) -> None:
    """Every frame reaches each of them, and one that leaves does not disturb the other."""
    one, two = await venue.connect(), await venue.connect()
    for subscriber in (one, two):
        await subscriber.subscribe("publicTrade.BTCUSDT", "tickers.BTCUSDT")
    first, second = await asyncio.gather(one.collect(2.0), two.collect(2.5))
    shared = [frame for frame in first if frame.get("type") == "delta"]
    assert len(shared) > 2
    assert all(frame in second for frame in shared[1:])
    await one.ws.close()
    assert len(await two.frames(_is("publicTrade"))) >= 1


async def test_a_client_that_never_reads_is_cut_off_and_the_others_go_on() -> None:
    """What waits for one client is bounded; its connection ends, nobody else notices."""
    async with running_venue(speed=40, client_buffer_bytes=300_000) as venue:
        topics = [
            f"orderbook.{depth}.{symbol}"
            for depth in (50, 200)
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        ]
        lazy = socket.socket()
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        lazy.connect(("127.0.0.1", venue.port))
        lazy.settimeout(0)
        _reader, writer = await asyncio.open_connection(sock=lazy, limit=1_024)
        writer.write(_handshake(venue.port) + _masked(_subscription(topics)))
        await writer.drain()
        awake = await venue.connect()
        await awake.subscribe(*topics)
        async with asyncio.timeout(30):
            while len(venue.server.stream.hub.clients) > 1:
                await asyncio.wait_for(awake.ws.receive(), 5)
        assert len(await awake.frames(_is(DEEP))) >= 1
        writer.close()


def _handshake(port: int) -> bytes:
    return (
        f"GET /v5/public/linear HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _subscription(topics: list[str]) -> bytes:
    listed = ",".join(f'"{topic}"' for topic in topics)
    return f'{{"op":"subscribe","args":[{listed}]}}'.encode()


def _masked(payload: bytes) -> bytes:
    """Write a client's text frame; a mask of zeros changes nothing."""
    return b"\x81" + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("kline", {"symbol": "BTCUSDT", "interval": "1"}),
        ("kline", {"category": "linear", "interval": "1"}),
        ("kline", {"category": "linear", "symbol": "NOSUCH", "interval": "1"}),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "7"}),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "1", "limit": "x"}),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "1", "limit": "0"}),
        ("kline", {"category": "linear", "symbol": "BTCUSDT", "interval": "1", "start": "-1"}),
        ("kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "1"}),
        ("tickers", {}),
        ("tickers", {"category": "linear", "symbol": "NOSUCH"}),
        ("instruments-info", {"category": "nonsense"}),
        ("orderbook", {"category": "linear"}),
        ("open-interest", {"category": "linear", "symbol": "BTCUSDT"}),
        ("open-interest", {"category": "linear", "symbol": "BTCUSDT", "intervalTime": "7min"}),
        ("account-ratio", {"category": "linear", "symbol": "BTCUSDT", "period": "5m"}),
        ("funding/history", {"category": "linear", "symbol": "BTCUSDT", "startTime": "1"}),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_parameter_is_answered_with_code_10001(
    shared: Venue, path: str, query: dict[str, str]
) -> None:
    """HTTP 200, a code, a message: as on the shared."""
    answer = await shared.get(path, **query)
    assert answer["retCode"] == 10001
    assert answer["retMsg"]
    assert answer["result"] == {}
    assert set(answer) == {"retCode", "retMsg", "result", "retExtInfo", "time"}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_unknown_path_is_not_found(shared: Venue) -> None:
    """HTTP 404 and a code."""
    async with shared.session.get(f"{shared.url}/v5/market/weather") as response:
        assert response.status == 404
        assert (await response.json())["retCode"] == 10017


@pytest.mark.parametrize("category", ["spot", "inverse", "option"])
@pytest.mark.asyncio(loop_scope="module")
async def test_other_categories_have_empty_lists(shared: Venue, category: str) -> None:
    """Nothing but linear contracts is listed here."""
    for path in ("instruments-info", "tickers"):
        answer = await shared.get(path, category=category)
        assert answer["result"]["list"] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_instruments_come_in_pages(shared: Venue) -> None:
    """The cursor leads on, whether a client sends it as it came or decoded."""
    first = await shared.result("instruments-info", limit=2)
    assert [row["symbol"] for row in first["list"]] == ["BTCUSDT", "ETHUSDT"]
    cursor = first["nextPageCursor"]
    for sent in (cursor, unquote(cursor)):
        second = await shared.result("instruments-info", limit=2, cursor=sent)
        assert [row["symbol"] for row in second["list"]] == ["SOLUSDT"]
        assert second["nextPageCursor"] == ""
    assert (await shared.result("instruments-info", status="PreLaunch"))["list"] == []
    only = await shared.result("instruments-info", symbol="ETHUSDT")
    assert [row["baseCoin"] for row in only["list"]] == ["ETH"]


@pytest.mark.parametrize(
    ("path", "period", "limit", "wanted"),
    [("open-interest", "intervalTime", 200, 500), ("account-ratio", "period", 500, 500)],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_series_are_paged_without_hole_or_repetition(
    shared: Venue, path: str, period: str, limit: int, wanted: int
) -> None:
    """Newest first, one period apart, from page to page."""
    times: list[int] = []
    cursor = ""
    while True:
        page = await shared.result(
            path, symbol="BTCUSDT", limit=limit, cursor=cursor, **{period: "1h"}
        )
        times += [int(row["timestamp"]) for row in page["list"]]
        cursor = page["nextPageCursor"]
        if not cursor:
            break
    assert len(times) >= wanted
    assert {late - early for late, early in pairwise(times)} == {3_600_000}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_range_of_a_series_has_both_its_ends(shared: Venue) -> None:
    """From startTime to endTime; a start without an end is ignored, as on the shared."""
    query = {"symbol": "BTCUSDT", "intervalTime": "5min"}
    rows = (await shared.result("open-interest", **query, limit=10))["list"]
    newest, oldest = rows[2]["timestamp"], rows[6]["timestamp"]
    part = await shared.result("open-interest", **query, startTime=oldest, endTime=newest)
    assert part["list"] == rows[2:7]
    alone = await shared.result("open-interest", **query, startTime=newest, limit=10)
    assert alone["list"] == rows


@pytest.mark.asyncio(loop_scope="module")
async def test_the_first_candle_of_an_answer_is_still_open(shared: Venue) -> None:
    """Newest first, and a thousand of them on each timeframe."""
    for interval, minutes in (("1", 1), ("5", 5), ("30", 30), ("240", 240)):
        for path in ("kline", "mark-price-kline", "index-price-kline"):
            rows = (await shared.result(path, symbol="SOLUSDT", interval=interval, limit=1_000))[
                "list"
            ]
            assert len(rows) == 1_000
            starts = [int(row[0]) for row in rows]
            assert starts[0] + minutes * 60_000 > time.time() * 1_000 - 1_000
            assert {a - b for a, b in pairwise(starts)} == {minutes * 60_000}
            assert all(a[1] == b[4] for a, b in pairwise(rows))


@pytest.mark.asyncio(loop_scope="module")
async def test_ccxt_reads_all_of_it(shared: Venue) -> None:
    """The library that knows the real venue finds what it looks for."""
    exchange: Any = bybit({"options": {"defaultType": "swap"}})
    exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], shared.url)
    symbol = "BTC/USDT:USDT"
    try:
        markets = await exchange.load_markets()
        assert sorted(markets) == [symbol, "ETH/USDT:USDT", "SOL/USDT:USDT"]
        market = markets[symbol]
        assert (market["swap"], market["linear"], market["active"]) == (True, True, True)
        assert market["precision"] == {"amount": 0.001, "price": 0.1} | {
            key: None for key in market["precision"] if key not in {"amount", "price"}
        }
        hour = 3_600_000
        for params in ({}, {"price": "mark"}, {"price": "index"}):
            candles = await exchange.fetch_ohlcv(symbol, "5m", limit=1_000, params=params)
            assert len(candles) == 1_000
            assert [row[0] for row in candles] == sorted(row[0] for row in candles)
            since = candles[10][0]
            some = await exchange.fetch_ohlcv(symbol, "5m", since=since, limit=3, params=params)
            assert [row[0] for row in some] == [since, since + 300_000, since + 600_000]
        rates = await exchange.fetch_funding_rate_history(symbol, limit=200)
        assert len(rates) == 200
        since = rates[50]["timestamp"]
        later = await exchange.fetch_funding_rate_history(symbol, since=since, limit=10)
        # it asks up to the end of the tenth interval, and the venue gives the last ten
        assert [row["timestamp"] for row in later] == [row["timestamp"] for row in rates[51:61]]
        interest = await exchange.fetch_open_interest_history(symbol, "1h", limit=200)
        assert len(interest) == 200
        assert all(row["openInterestAmount"] > 0 for row in interest)
        since = interest[100]["timestamp"]
        later = await exchange.fetch_open_interest_history(symbol, "1h", since=since, limit=5)
        assert [row["timestamp"] for row in later] == [since + hour * k for k in range(1, 6)]
        ratios = await exchange.fetch_long_short_ratio_history(symbol, "5min", limit=500)
        assert len(ratios) == 500
        assert all(0.1 < row["longShortRatio"] < 10 for row in ratios)
        tickers = await exchange.fetch_tickers()
        assert sorted(tickers) == sorted(markets)
        ticker = tickers[symbol]
        assert ticker["bid"] < ticker["ask"]
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
        assert ticker["quoteVolume"] == pytest.approx(ticker["baseVolume"] * ticker["vwap"])
        book = await exchange.fetch_order_book(symbol, limit=50)
        assert len(book["bids"]) == len(book["asks"]) == 50
        trades = await exchange.fetch_trades(symbol, limit=10)
        assert {trade["side"] for trade in trades} <= {"buy", "sell"}
        funding = await exchange.fetch_funding_rate(symbol)
        assert funding["fundingTimestamp"] > time.time() * 1_000
        assert abs(await exchange.fetch_time() - time.time() * 1_000) < 1_000
        with pytest.raises(BadRequest):
            await exchange.public_get_v5_market_kline({"category": "linear", "symbol": "X"})
    finally:
        await exchange.close()


async def test_the_faults_can_be_listed(venue: Venue) -> None:
    """Names, explanations, and what is going on now."""
    assert await venue.inject(fault="freeze_symbol", symbol="BTCUSDT") == 200
    async with venue.session.get(f"{venue.url}/simulator/faults") as response:
        answer = await response.json()
    assert answer["faults"] == dict(FAULTS)
    assert answer["garbage_variants"] == list(GARBAGE)
    assert answer["active"] == ["freeze_symbol BTCUSDT"]


@pytest.mark.parametrize(
    "fault", [{"fault": "earthquake"}, {"fault": "book_gap"}, {"fault": "freeze", "mood": "bad"}]
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_fault_that_makes_no_sense_is_refused(
    shared: Venue, fault: dict[str, object]
) -> None:
    """HTTP 400; nothing happens."""
    assert await shared.inject(**fault) == 400


@pytest.mark.asyncio(loop_scope="module")
async def test_faults_are_not_taken_from_a_web_page(shared: Venue) -> None:
    """A form on some page can send text to this machine, but not JSON."""
    url = f"{shared.url}/simulator/faults"
    async with shared.session.post(url, data=b'{"fault":"freeze"}') as response:
        assert response.status == 415


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_dropped_connections_can_be_opened_again(venue: Venue, how: str) -> None:
    """All streams end; a new one begins with snapshots."""
    subscribers = [await venue.connect() for _ in range(2)]
    await venue.inject(fault="drop_connection", how=how)
    for subscriber in subscribers:
        async with asyncio.timeout(40):
            while not subscriber.ws.closed:
                await subscriber.ws.receive()
    again = await venue.connect()
    assert (await again.subscribe(DEEP))["success"] is True


async def test_connections_are_refused_until_the_fault_ends(venue: Venue) -> None:
    """503 to the handshake."""
    await venue.inject(fault="refuse_connections")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await venue.connect()
    await venue.inject(fault="clear")
    await venue.connect()


@pytest.mark.parametrize("variant", list(GARBAGE))
@pytest.mark.asyncio(loop_scope="module")
async def test_garbage_reaches_everybody_once(shared: Venue, variant: str) -> None:
    """One malformed frame; then the stream goes on, if the client can."""
    subscriber = await shared.connect()
    await shared.inject(fault="garbage", variant=variant)
    message = await subscriber.receive()
    if variant == "invalid_utf8":
        assert message.type in {aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}
        return
    assert message.data.encode() == GARBAGE[variant]("BTCUSDT")
    assert (await subscriber.subscribe("tickers.BTCUSDT"))["success"] is True


async def test_a_book_gap_is_one_missing_update(venue: Venue) -> None:
    """A subscriber who counts notices; a new snapshot heals."""
    subscriber, book = await venue.connect(), ReferenceBook()
    await subscriber.subscribe(DEEP)
    await venue.inject(fault="book_gap", symbol="BTCUSDT")
    async with asyncio.timeout(40):
        while not book.gaps:
            book.apply((await subscriber.receive()).json())
    await subscriber.send({"op": "unsubscribe", "args": [DEEP]})
    await subscriber.frames(lambda frame: "op" in frame)
    await subscriber.subscribe(DEEP)
    for frame in await subscriber.collect(1.5):
        book.apply(frame)
    assert book.gaps == 1
    assert book.update_id is not None


async def test_a_restarted_book_counts_from_one(venue: Venue) -> None:
    """A snapshot with u = 1 that was not asked for, then u = 2."""
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP)
    await venue.inject(fault="book_restart", symbol="BTCUSDT")
    frames = await subscriber.frames(lambda frame: frame["data"]["u"] == 3)
    assert [(each["type"], each["data"]["u"]) for each in frames[-3:]] == [
        ("snapshot", 1),
        ("delta", 2),
        ("delta", 3),
    ]


async def test_a_crossed_book_comes_in_the_right_order(venue: Venue) -> None:
    """The false update has the next number, so that only its content is wrong."""
    subscriber, book = await venue.connect(), ReferenceBook()
    await subscriber.subscribe(DEEP)
    await venue.inject(fault="crossed_book", symbol="BTCUSDT")
    async with asyncio.timeout(40):
        while not book.bids or max(book.bids) < min(book.asks):
            book.apply((await subscriber.receive()).json())
    assert book.gaps == 0


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_frozen_stream_is_silent_and_may_answer_pings(venue: Venue, pongs: bool) -> None:  # noqa: FBT001
    """The half-dead connection: open, without data, with or without pongs; REST lives on."""
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP, "tickers.ETHUSDT")
    await venue.inject(fault="freeze", pongs=pongs)
    await subscriber.send({"op": "ping"})
    frames = await subscriber.collect(1.0)
    answered = [frame for frame in frames if "op" in frame]
    assert len(answered) == pongs
    assert await subscriber.collect(0.5) == []
    assert (await venue.get("time"))["retCode"] == 0
    await venue.inject(fault="unfreeze")
    assert (await subscriber.frames(_is(DEEP)))[-1]["type"] == "delta"


async def test_one_symbol_or_topic_can_be_frozen_while_the_others_move(venue: Venue) -> None:
    """Neighbours keep on pushing."""
    subscriber = await venue.connect()
    await subscriber.subscribe(
        "tickers.BTCUSDT", "publicTrade.BTCUSDT", "tickers.ETHUSDT", "publicTrade.ETHUSDT"
    )
    await venue.inject(fault="freeze_symbol", symbol="BTCUSDT")
    await venue.inject(fault="freeze_topic", topic="publicTrade.ETHUSDT")
    await subscriber.send({"op": "ping"})
    await subscriber.frames(lambda frame: "op" in frame)
    assert {frame["topic"] for frame in await subscriber.collect(1.5)} == {"tickers.ETHUSDT"}


async def test_a_topic_can_be_refused(venue: Venue) -> None:
    """A symbol that the venue knows and yet has no feed for."""
    await venue.inject(fault="refuse_topic", topic="tickers.ETHUSDT")
    subscriber = await venue.connect()
    answer = await subscriber.subscribe("tickers.BTCUSDT", "tickers.ETHUSDT")
    assert answer["ret_msg"] == "error:handler not found,topic:tickers.ETHUSDT"


async def test_lost_trades_are_in_the_candle_all_the_same() -> None:
    """The share of pushed volume falls, the candle's does not."""
    async with running_venue(speed=20) as venue:
        subscriber = await venue.connect()
        await venue.inject(fault="lose_trades", share=0.5)
        await subscriber.subscribe("publicTrade.ETHUSDT", "kline.1.ETHUSDT")
        closed: list[Frame] = []

        def second_close(frame: Frame) -> bool:
            closed.extend(row for row in _candles(frame, "1") if row["confirm"])
            return len(closed) == 2

        frames = await subscriber.frames(second_close, seconds=60)
        pushed = sum(
            float(row["v"])
            for frame in frames
            if _is("publicTrade")(frame)
            for row in frame["data"]
            if row["T"] >= closed[1]["start"]
        )
        assert pushed < 0.9 * float(closed[1]["volume"])


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rest_down", 503, None),
        ("ban", 403, None),
        ("maintenance", 200, None),
        ("rate_limit", 200, 10006),
    ],
)
async def test_rest_can_fail_while_the_stream_lives(
    venue: Venue, fault: str, status: int, code: int | None
) -> None:
    """Each in the venue's own way, until it is cleared."""
    await venue.inject(fault=fault)
    async with venue.session.get(f"{venue.url}/v5/market/time") as response:
        assert response.status == status
        if code is None:
            assert response.content_type != "application/json"
        else:
            assert (await response.json())["retCode"] == code
            assert "X-Bapi-Limit-Reset-Timestamp" in response.headers
    subscriber = await venue.connect()
    assert (await subscriber.subscribe("tickers.BTCUSDT"))["success"] is True
    await venue.inject(fault="clear")
    assert (await venue.get("time"))["retCode"] == 0


async def test_rest_can_be_slow(venue: Venue) -> None:
    """The answer comes, late."""
    await venue.inject(fault="slow_rest", delay=0.3)
    begin = time.monotonic()
    assert (await venue.get("time"))["retCode"] == 0
    assert time.monotonic() - begin >= 0.3


async def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    """OSError, before any work is done."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ExchangeServer(ExchangeSettings(port=taken.getsockname()[1], symbols=2))
        begin = time.monotonic()
        with pytest.raises(OSError, match="in use"):
            await server.start()
        assert time.monotonic() - begin < 0.5
        await server.stop()


async def test_stopping_ends_connections_and_frees_the_port() -> None:
    """In less than two seconds, also with clients that do not answer the farewell."""
    server = ExchangeServer(ExchangeSettings(port=0, symbols=2))
    port = await server.start()
    async with aiohttp.ClientSession() as session:
        url = f"ws://127.0.0.1:{port}/v5/public/linear"
        streams = [Subscriber(await session.ws_connect(url)) for _ in range(3)]
        await streams[0].subscribe(DEEP, "publicTrade.BTCUSDT")
        begin = time.monotonic()
        await server.stop()
        assert time.monotonic() - begin < 2.0
    again = ExchangeServer(ExchangeSettings(port=port, symbols=2))
    assert await again.start() == port
    await again.stop()


async def test_serving_lasts_until_it_is_cancelled() -> None:
    """What the command line runs: it says when it is ready, and cleans up."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(ExchangeSettings(port=0, symbols=2), ready.set_result))
    async with asyncio.timeout(40):
        port = await ready
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/v5/market/time") as response,
    ):
        assert response.status == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_number_of_symbols_that_is_not_listed_is_refused() -> None:
    """There are five hundred."""
    with pytest.raises(ValueError, match="expected 1 to 500 symbols, found 501"):
        ExchangeSettings(symbols=501)
