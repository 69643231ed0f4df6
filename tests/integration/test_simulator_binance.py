"""The simulator's Binance side over real sockets: streams, REST, limits, and how they agree."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from support.simulated_binance import BinanceBook, binance_get, binance_stream
from support.simulated_venue import Venue, running_venue
from virtuoso.simulator.server import ExchangeServer
from virtuoso.simulator.settings import ExchangeSettings

DEPTH = "btcusdt@depth@100ms"


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with two symbols."""
    async with running_venue(symbols=2) as running:
        yield running


@pytest.fixture
async def fast() -> AsyncIterator[Venue]:
    """Return one whose clock runs twenty times as fast."""
    async with running_venue(symbols=2, speed=20) as running:
        yield running


@pytest.mark.parametrize("stream", [DEPTH, "btcusdt@depth", "btcusdt@depth@500ms"])
async def test_a_book_from_rest_and_stream_equals_the_rest_book_later(
    fast: Venue, stream: str
) -> None:
    """Buffer, ask, bridge, apply: no break, and the same levels at the same number."""
    book, compared = BinanceBook(), set[int]()
    async with binance_stream(fast, f"/public/stream?streams={stream}") as subscriber:
        early = await subscriber.frames(lambda frame: frame["stream"] == stream)
        query: dict[str, str | int] = {"symbol": "BTCUSDT", "limit": 1_000}
        book.begin(await binance_get(fast, "/fapi/v1/depth", **query))
        for frame in early:
            book.apply(frame["data"])
        deadline = time.monotonic() + 30
        while len(compared) < 5:
            assert time.monotonic() < deadline
            rest = await binance_get(fast, "/fapi/v1/depth", **query)
            while book.update is not None and book.update < rest["lastUpdateId"]:
                book.apply((await subscriber.ws.receive()).json()["data"])
            if book.update == rest["lastUpdateId"]:
                for side, levels in (("bids", book.bids), ("asks", book.asks)):
                    assert levels == {float(price): float(size) for price, size in rest[side]}
                compared.add(rest["lastUpdateId"])
    assert book.breaks == 0


async def test_a_gap_breaks_the_chain_of_previous_numbers(fast: Venue) -> None:
    """One update is missing, and only then `pu` is not the `u` before."""
    async with binance_stream(fast, f"/public/stream?streams={DEPTH}") as subscriber:
        await subscriber.frames(lambda frame: frame["stream"] == DEPTH)
        await fast.inject(fault="book_gap", symbol="BTCUSDT", venue="binance")
        frames, breaks = [], 0
        async with asyncio.timeout(40):
            while not breaks:
                frames.append((await subscriber.ws.receive()).json()["data"])
                breaks = sum(one["u"] != two["pu"] for one, two in pairwise(frames))
        frames += [(await subscriber.ws.receive()).json()["data"] for _ in range(10)]
    assert sum(one["u"] != two["pu"] for one, two in pairwise(frames)) == 1


async def test_requests_are_answered_and_streams_can_be_left(venue: Venue) -> None:
    """SUBSCRIBE, LIST_SUBSCRIPTIONS, UNSUBSCRIBE, each with its id; nonsense gets an error."""
    async with binance_stream(venue, "/market/stream") as subscriber:
        streams = ("btcusdt@markPrice@1s", "ethusdt@markPrice@1s")
        assert await subscriber.ask("SUBSCRIBE", *streams) == {"result": None, "id": 1}
        assert (await subscriber.ask("LIST_SUBSCRIPTIONS"))["result"] == list(streams)
        await subscriber.ask("UNSUBSCRIBE", streams[0])
        assert (await subscriber.ask("LIST_SUBSCRIPTIONS"))["result"] == [streams[1]]
        names = {frame["stream"] for frame in await subscriber.collect(1.5)}
        assert names == {streams[1]}
        assert (await subscriber.ask("DANCE"))["error"]["code"] == 2
        await subscriber.ws.send_str("{")
        assert "error" in (await subscriber.ws.receive()).json()


@pytest.mark.parametrize(
    ("path", "silent"),
    [
        ("/public/stream?streams=btcusdt@markPrice@1s/btcusdt@aggTrade", True),
        ("/market/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker", True),
        ("/stream?streams=btcusdt@markPrice@1s", True),
        ("/ws/btcusdt@markPrice@1s", True),
        ("/market/stream?streams=nosuchusdt@aggTrade/nonsense", True),
        ("/market/stream?streams=btcusdt@markPrice@1s", False),
    ],
)
async def test_a_stream_of_another_category_or_path_stays_silent(
    venue: Venue,
    path: str,
    silent: bool,  # noqa: FBT001
) -> None:
    """It connects, it is listed, and nothing comes."""
    async with binance_stream(venue, path) as subscriber:
        assert (await subscriber.collect(1.3) == []) is silent
        assert (await subscriber.ask("LIST_SUBSCRIPTIONS"))["result"] != []


async def test_path_mode_has_no_envelope(venue: Venue) -> None:
    """The data alone, as in the combined frame."""
    async with binance_stream(venue, "/market/ws/btcusdt@markPrice@1s") as raw:
        frame = (await raw.ws.receive(timeout=40)).json()
        assert frame["e"] == "markPriceUpdate"
        assert frame["T"] > frame["E"]


async def test_more_than_ten_messages_a_second_end_the_connection(venue: Venue) -> None:
    """Ten are answered, the eleventh is a reason to leave."""
    async with binance_stream(venue, "/market/stream") as subscriber:
        for number in range(11):
            await subscriber.ws.send_json(
                {"method": "LIST_SUBSCRIPTIONS", "params": [], "id": number}
            )
        answers = 0
        while (message := await subscriber.ws.receive(timeout=40)).type is aiohttp.WSMsgType.TEXT:
            answers += 1
        assert answers == 10
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        assert subscriber.ws.close_code == 1_008


async def test_a_connection_lives_as_long_as_the_settings_say_and_is_pinged() -> None:
    """24 hours, here one second; a client that does not answer pings is cut off before."""
    settings = ExchangeSettings(
        port=0,
        symbols=1,
        binance_life_seconds=1.0,
        binance_ping_seconds=0.1,
        binance_pong_seconds=0.35,
    )
    server = ExchangeServer(settings)
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{port}/market/stream"
            begin = time.monotonic()
            async with session.ws_connect(url) as polite:
                message = await polite.receive(timeout=40)
                assert message.type is aiohttp.WSMsgType.CLOSE
                assert 0.9 < time.monotonic() - begin < 3
            begin = time.monotonic()
            async with session.ws_connect(url, autoping=False) as mute:
                kinds = []
                while not mute.closed:
                    kinds.append((await mute.receive(timeout=40)).type)
                assert aiohttp.WSMsgType.PING in kinds
                assert time.monotonic() - begin < 0.9
    finally:
        await server.stop()


async def test_a_minute_is_the_same_in_trades_stream_and_rest(fast: Venue) -> None:
    """The pushed trades add up to the closed candle, taker split and all; REST has it too."""
    path = "/market/stream?streams=ethusdt@aggTrade/ethusdt@kline_1m/ethusdt@trade"
    closed: list[dict[str, Any]] = []
    async with binance_stream(fast, path) as subscriber:

        def third(frame: dict[str, Any]) -> bool:
            if frame["stream"] == "ethusdt@kline_1m" and frame["data"]["k"]["x"]:
                closed.append(frame["data"]["k"])
            return len(closed) == 3

        frames = await subscriber.frames(third, seconds=60)
    for row in closed[1:]:
        for kind in ("aggTrade", "trade"):
            own = [
                frame["data"]
                for frame in frames
                if frame["stream"] == f"ethusdt@{kind}"
                and row["t"] <= frame["data"]["T"] <= row["T"]
            ]
            assert float(row["v"]) == pytest.approx(sum(float(each["q"]) for each in own))
            bought = sum(float(each["q"]) for each in own if not each["m"])
            assert float(row["V"]) == pytest.approx(bought)
            prices = [float(each["p"]) for each in own]
            assert float(row["c"]) == prices[-1]
            assert float(row["h"]) == max([float(row["o"]), *prices])
            if kind == "trade":
                assert row["n"] == len(own)
                assert (row["f"], row["L"]) == (own[0]["t"], own[-1]["t"])
    query = {"symbol": "ETHUSDT", "interval": "1m", "startTime": closed[1]["t"], "limit": 2}
    rest = await binance_get(fast, "/fapi/v1/klines", **query)
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    assert [row[:11] for row in rest] == [[row[name] for name in names] for row in closed[1:]]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/fapi/v1/klines", {"symbol": "NOSUCH", "interval": "1m"}, -1121),
        ("/fapi/v1/klines", {"interval": "1m"}, -1102),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1130),
        ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "x"}, -1100),
        ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, -4021),
        ("/fapi/v1/indexPriceKlines", {"symbol": "BTCUSDT", "interval": "1m"}, -1102),
        ("/fapi/v1/openInterest", {"symbol": "btcusdt"}, -1121),
        ("/futures/data/openInterestHist", {"symbol": "BTCUSDT", "period": "7m"}, -1130),
        ("/futures/data/globalLongShortAccountRatio", {"period": "5m"}, -1102),
    ],
)
async def test_a_bad_parameter_is_refused_in_binances_form(
    venue: Venue, path: str, query: dict[str, str], code: int
) -> None:
    """HTTP 400, a code below zero and a message."""
    async with venue.session.get(f"{venue.url}{path}", params=query) as response:
        assert response.status == 400
        answer = await response.json()
    assert set(answer) == {"code", "msg"}
    assert answer["code"] == code


async def test_weights_are_counted_and_too_many_are_refused() -> None:
    """As documented, in the header; beyond 2,400 a minute comes 429 with a time to wait."""
    # its clock begins 20 s before the next minute, in which weights would count from zero
    async with running_venue(symbols=2, speed=1) as venue:
        await _spend_too_much(venue)


async def _spend_too_much(venue: Venue) -> None:

    async def ask(path: str, **query: str | int) -> tuple[int, int, str | None]:
        async with venue.session.get(f"{venue.url}/fapi/v1/{path}", params=query) as response:
            used = int(response.headers["X-MBX-USED-WEIGHT-1M"])
            return response.status, used, response.headers.get("Retry-After")

    _, used, _ = await ask("ping")
    for path, query, weight in (
        ("depth", {"symbol": "BTCUSDT", "limit": 50}, 2),
        ("depth", {"symbol": "BTCUSDT", "limit": 1_000}, 20),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 99}, 1),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1_500}, 10),
        ("ticker/24hr", {}, 40),
        ("premiumIndex", {}, 10),
        ("aggTrades", {"symbol": "BTCUSDT"}, 20),
    ):
        before = used
        _, used, _ = await ask(path, **query)
        assert used - before == weight, path
    for _ in range(60):
        status, used, wait = await ask("ticker/24hr")
        if status != 200:
            break
    assert (status, used > 2_400) == (429, True)
    assert wait is not None
    assert 0 < int(wait) <= 60


async def test_history_is_paged_forwards_without_hole_or_repetition(venue: Venue) -> None:
    """From startTime on, oldest first, as the venue does it, on every timeframe."""
    for interval, minutes in (("1m", 1), ("5m", 5), ("30m", 30), ("4h", 240), ("8h", 480)):
        for path, name in (
            ("klines", "symbol"),
            ("markPriceKlines", "symbol"),
            ("indexPriceKlines", "pair"),
        ):
            query: dict[str, str | int] = {name: "ETHUSDT", "interval": interval}
            rows = await binance_get(venue, f"/fapi/v1/{path}", **query, limit=400)
            assert len(rows) == 400
            assert {b[0] - a[0] for a, b in pairwise(rows)} == {minutes * 60_000}
            assert all(a[4] == b[1] for a, b in pairwise(rows))
            start = rows[100][0]
            some = await binance_get(
                venue, f"/fapi/v1/{path}", **query, startTime=start - 1, limit=5
            )
            assert [row[0] for row in some] == [row[0] for row in rows[100:105]]


async def test_series_and_catalogue_hold_together(venue: Venue) -> None:
    """Open interest and ratios each 5 minutes; funding on its grid; both venues' coins."""
    query: dict[str, str | int] = {"symbol": "BTCUSDT", "period": "5m", "limit": 500}
    interest = await binance_get(venue, "/futures/data/openInterestHist", **query)
    ratios = await binance_get(venue, "/futures/data/globalLongShortAccountRatio", **query)
    for rows in (interest, ratios):
        assert len(rows) == 500
        assert {b["timestamp"] - a["timestamp"] for a, b in pairwise(rows)} == {300_000}
    for row in ratios:
        assert float(row["longAccount"]) + float(row["shortAccount"]) == pytest.approx(1)
    now = await binance_get(venue, "/fapi/v1/openInterest", symbol="BTCUSDT")
    assert float(now["openInterest"]) == pytest.approx(
        float(interest[-1]["sumOpenInterest"]), rel=0.05
    )
    funding = await binance_get(venue, "/fapi/v1/fundingRate", symbol="BTCUSDT", limit=100)
    assert len(funding) == 100
    assert all(row["fundingTime"] % (8 * 3_600_000) < 20 for row in funding)


async def test_the_simulator_says_what_it_is(venue: Venue) -> None:
    """Market, seed, symbols of both venues, protocols, time; asking changes nothing."""
    answers = []
    for _ in range(2):
        async with venue.session.get(f"{venue.url}/simulator") as response:
            answers.append(await response.json())
    first, second = answers
    assert first["market"] == "synthetic"
    assert first["protocols"] == ["bybit", "binance"]
    assert first["seed"] == 7
    assert first["symbols"]["binance"] == ["BTCUSDT", "ETHUSDT"]
    assert first["kept_back"] == ["SOLUSDT"]
    assert abs(first["time"] - time.time() * 1_000) < 2_000
    del first["time"], second["time"], first["market_time"], second["market_time"]
    assert first == second


@pytest.mark.parametrize("rate", [150.0, 3_000.0])
async def test_load_keeps_its_rate_and_stays_true(rate: float) -> None:
    """So many messages a second, and the book, the trades and the candle still agree."""
    server = ExchangeServer(ExchangeSettings(port=0, symbols=2, rate=rate))
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            topics = [f"{kind}.BTCUSDT" for kind in ("orderbook.1", "publicTrade", "orderbook.50")]
            async with session.ws_connect(f"ws://127.0.0.1:{port}/v5/public/linear") as ws:
                await ws.send_json({"op": "subscribe", "args": topics})
                venue = Venue(server, port, session)
                assert (await ws.receive()).json()["success"]
                await _count(ws, 0.5)
                begin = time.monotonic()
                count, sequence = await _count(ws, 3.0)
                reached = count / (time.monotonic() - begin)
                assert reached == pytest.approx(rate, rel=0.05)
                assert sequence == sorted(sequence)
                book = await venue.result("orderbook", symbol="BTCUSDT", limit=5)
                assert float(book["b"][0][0]) < float(book["a"][0][0])
    finally:
        await server.stop()


async def _count(ws: aiohttp.ClientWebSocketResponse, seconds: float) -> tuple[int, list[int]]:
    """Count messages, and return the sequence numbers of trades."""
    end = time.monotonic() + seconds
    count, sequence = 0, []
    while time.monotonic() < end:
        frame = (await ws.receive(timeout=40)).json()
        count += 1
        if frame.get("topic") == "publicTrade.BTCUSDT":
            sequence += [row["seq"] for row in frame["data"]]
    return count, sequence
