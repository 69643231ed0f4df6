"""Faults on the wire of both venues: each does what it says, and ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import aiohttp
import msgspec
import pytest

from support.reference_book import ReferenceBook
from support.simulated_binance import BinanceBook, binance_get, binance_stream
from support.simulated_venue import Frame, Venue, running_venue
from virtuoso.simulator.garbage import BINANCE_GARBAGE

DEEP = "orderbook.200.BTCUSDT"
DEPTH = "btcusdt@depth@100ms"


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with two symbols, at ten times the speed."""
    async with running_venue(symbols=2, speed=10) as running:
        yield running


async def _updates(venue: Venue, fault: str) -> list[int]:
    """Subscribe to a deep book, ask for a fault, return the numbers around where it shows."""
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP)
    await subscriber.frames(lambda frame: frame.get("type") == "delta")
    assert await venue.inject(fault=fault, symbol="BTCUSDT") == 200
    numbers: list[int] = []
    after = 5
    async with asyncio.timeout(40):
        while after:
            numbers.append((await subscriber.receive()).json()["data"]["u"])
            broken = any(two != one + 1 for one, two in pairwise(numbers))
            after -= broken
    return numbers[-10:]


async def test_an_old_update_comes_after_its_successor(venue: Venue) -> None:
    """u, u + 1, then u once more."""
    numbers = await _updates(venue, "book_old")
    falls = [at for at in range(1, len(numbers)) if numbers[at] < numbers[at - 1]]
    assert len(falls) == 1
    assert numbers[falls[0]] == numbers[falls[0] - 1] - 1
    assert len(set(numbers)) == len(numbers) - 1


async def test_an_update_is_repeated(venue: Venue) -> None:
    """The same number twice in a row."""
    numbers = await _updates(venue, "book_repeat")
    assert sum(one == two for one, two in pairwise(numbers)) == 1


async def test_two_updates_change_places(venue: Venue) -> None:
    """U + 1 before u, and nothing is lost."""
    numbers = await _updates(venue, "book_reorder")
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(min(numbers), min(numbers) + len(numbers)))


async def test_a_delta_with_number_one_says_that_the_service_restarted(venue: Venue) -> None:
    """Then the numbers go on as if nothing had been."""
    numbers = await _updates(venue, "book_delta_one")
    assert numbers.count(1) == 1
    rest = [number for number in numbers if number != 1]
    assert rest == list(range(rest[0], rest[0] + len(rest)))


async def test_a_subscription_can_begin_with_a_delta(venue: Venue) -> None:
    """The snapshot comes second."""
    await venue.inject(fault="delta_first", symbol="BTCUSDT")
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP)
    kinds = [(await subscriber.receive()).json()["type"] for _ in range(2)]
    assert kinds == ["delta", "snapshot"]


@pytest.mark.parametrize(("fault", "crossed"), [("crossed_book", True), ("locked_book", False)])
async def test_books_cross_or_lock_on_both_venues(
    venue: Venue,
    fault: str,
    crossed: bool,  # noqa: FBT001
) -> None:
    """The numbers are right; only the content is wrong."""
    subscriber, book = await venue.connect(), ReferenceBook()
    await subscriber.subscribe(DEEP)
    async with binance_stream(venue, f"/public/stream?streams={DEPTH}") as other:
        await other.frames(lambda frame: frame.get("stream") == DEPTH)
        theirs = BinanceBook()
        theirs.begin(await binance_get(venue, "/fapi/v1/depth", symbol="BTCUSDT", limit=1_000))
        await venue.inject(fault=fault, symbol="BTCUSDT")
        async with asyncio.timeout(40):
            while not book.bids or max(book.bids) < min(book.asks):
                book.apply((await subscriber.receive()).json())
            assert (max(book.bids) > min(book.asks)) is crossed
            while max(theirs.bids) < min(theirs.asks):
                theirs.apply((await other.ws.receive()).json()["data"])
            assert (max(theirs.bids) > min(theirs.asks)) is crossed
        assert book.gaps == theirs.breaks == 0


@pytest.mark.parametrize(
    ("fault", "empty"), [("one_sided_book", {"a"}), ("empty_book", {"a", "b"})]
)
async def test_sides_vanish_and_come_back_on_both_venues(
    venue: Venue, fault: str, empty: set[str]
) -> None:
    """Bybit sends a snapshot without them, Binance removes the levels; both return in the end."""
    subscriber, book, theirs = await venue.connect(), ReferenceBook(), BinanceBook()
    await subscriber.subscribe(DEEP)
    async with binance_stream(venue, f"/public/stream?streams={DEPTH}") as other:
        await other.frames(lambda frame: frame.get("stream") == DEPTH)
        theirs.begin(await binance_get(venue, "/fapi/v1/depth", symbol="BTCUSDT", limit=1_000))
        await venue.inject(fault=fault, symbol="BTCUSDT")
        rest = await binance_get(venue, "/fapi/v1/depth", symbol="BTCUSDT")
        assert {side[0] for side in ("bids", "asks") if not rest[side]} == empty
        hidden = (await subscriber.frames(_has_no("a")))[-1]["data"]
        assert {side for side in "ab" if not hidden[side]} == empty
        async with asyncio.timeout(40):
            while theirs.asks:
                theirs.apply((await other.ws.receive()).json()["data"])
        await venue.inject(fault="clear")
        whole = await subscriber.frames(
            lambda frame: frame["type"] == "snapshot" and bool(frame["data"]["a"])
        )
        book.apply(whole[-1])
        assert len(book.bids) == len(book.asks) == 200
        async with asyncio.timeout(40):
            while len(theirs.asks) < 900:
                theirs.apply((await other.ws.receive()).json()["data"])
        assert theirs.breaks == 0
        assert len(theirs.bids) > 900


def _has_no(side: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["type"] == "snapshot" and not frame["data"][side]


async def test_pushes_are_late_and_stay_in_order(venue: Venue) -> None:
    """Half a second and some jitter; the numbers still count by one."""
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP)
    await subscriber.frames(lambda frame: frame.get("type") == "delta")
    await venue.inject(fault="delay", delay=0.5, jitter=0.2)
    begin = time.monotonic()
    await subscriber.send({"op": "ping"})
    before = await subscriber.frames(lambda frame: "op" in frame)
    assert time.monotonic() - begin >= 0.5
    after = await subscriber.frames(lambda frame: frame.get("type") == "delta")
    numbers = [frame["data"]["u"] for frame in (*before[:-1], *after)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_half_open_connection_says_nothing_and_takes_nothing(venue: Venue) -> None:
    """It stays open; new ones are the same while it lasts; afterwards new ones live."""
    subscriber = await venue.connect()
    await subscriber.subscribe(DEEP)
    await venue.inject(fault="half_open", seconds=1.5)
    await subscriber.collect(0.2)
    await subscriber.send({"op": "ping"})
    assert await subscriber.collect(0.5) == []
    assert not subscriber.ws.closed
    another = await venue.connect()
    await another.send({"op": "ping"})
    assert await another.collect(0.3) == []
    async with asyncio.timeout(40):
        while True:
            if not await _active(venue):
                break
            await asyncio.sleep(0.05)
    third = await venue.connect()
    assert (await third.subscribe(DEEP))["success"] is True
    assert await subscriber.collect(0.2) == []


async def _active(venue: Venue) -> list[str]:
    async with venue.session.get(f"{venue.url}/simulator/faults") as response:
        active: list[str] = (await response.json())["active"]
        return active


@pytest.mark.parametrize("fault", ["repeat_trades", "late_trades", "shuffle_trades"])
async def test_trades_come_twice_late_or_shuffled_on_both_venues(venue: Venue, fault: str) -> None:
    """None is lost; what else there is comes in time."""
    await venue.inject(fault=fault, delay=0.3, count=4)
    subscriber = await venue.connect()
    await subscriber.subscribe("publicTrade.BTCUSDT")
    async with binance_stream(venue, "/market/stream?streams=btcusdt@aggTrade") as other:
        ours = [
            row
            for frame in await subscriber.collect(2.5)
            if "data" in frame
            for row in frame["data"]
        ]
        theirs = [frame["data"]["a"] for frame in await other.collect(1.0)]
    numbers = [row["seq"] for row in ours]
    if fault == "repeat_trades":
        assert len({row["i"] for row in ours}) <= len(ours) / 2 + 3
        assert len(set(theirs)) <= len(theirs) / 2 + 1
    elif fault == "shuffle_trades":
        assert numbers != sorted(numbers)
        assert theirs != sorted(theirs)
    else:
        assert numbers == sorted(numbers)
    assert ours
    assert theirs


async def test_one_odd_price_is_a_trade_like_any_other(venue: Venue) -> None:
    """A quarter away, in the trades, the candle and nowhere else."""
    subscriber = await venue.connect()
    await subscriber.subscribe("publicTrade.BTCUSDT")
    first = (await subscriber.frames(lambda frame: "data" in frame))[-1]["data"][0]
    await venue.inject(fault="price_jump", symbol="BTCUSDT", size=0.25, how="once", venue="bybit")
    odd = await subscriber.frames(
        lambda frame: float(frame["data"][0]["p"]) > 1.2 * float(first["p"])
    )
    after = (await subscriber.frames(lambda frame: "data" in frame))[-1]
    assert float(after["data"][0]["p"]) < 1.1 * float(first["p"])
    row = (await venue.result("kline", symbol="BTCUSDT", interval="5", limit=1))["list"][0]
    assert float(row[2]) >= float(odd[-1]["data"][0]["p"])
    ticker = await binance_get(venue, "/fapi/v1/ticker/24hr", symbol="BTCUSDT")
    assert float(ticker["highPrice"]) < 1.2 * float(first["p"])


@pytest.mark.parametrize("where", [None, "bybit", "binance"])
async def test_a_lasting_jump_moves_one_venue_or_both(venue: Venue, where: str | None) -> None:
    """The one that is named goes, the other stays."""

    async def prices() -> list[float]:
        book = await venue.result("orderbook", symbol="ETHUSDT", limit=1)
        other = await binance_get(venue, "/fapi/v1/depth", symbol="ETHUSDT", limit=5)
        return [float(book["b"][0][0]), float(other["bids"][0][0])]

    before = await prices()
    fault: dict[str, object] = {"fault": "price_jump", "symbol": "ETHUSDT", "size": -0.3}
    await venue.inject(**fault, **({"venue": where} if where else {}))
    moved = [where != "binance", where != "bybit"]
    async with asyncio.timeout(40):
        while True:
            after = await prices()
            gone = [now < 0.75 * then for now, then in zip(after, before, strict=True)]
            if gone == moved:
                break
            await asyncio.sleep(0.05)
    stayed = [now for now, moves in zip(after, moved, strict=True) if not moves]
    assert all(price > 0.95 * min(before) for price in stayed)


async def test_a_burst_multiplies_the_messages() -> None:
    """Ten times as many, books and trades still right."""
    async with running_venue(symbols=2) as venue:
        subscriber, book = await venue.connect(), ReferenceBook()
        await subscriber.subscribe(DEEP, "orderbook.1.BTCUSDT", "publicTrade.BTCUSDT")
        usual = len(await subscriber.collect(2.0))
        await venue.inject(fault="burst", factor=20.0, seconds=2.0)
        frames = await subscriber.collect(2.0)
        assert len(frames) > 8 * usual
        again = await venue.connect()
        await again.subscribe(DEEP)
        for frame in await again.collect(1.0):
            book.apply(frame)
            assert max(book.bids) < min(book.asks)
        assert book.gaps == 0


@pytest.mark.parametrize("variant", list(BINANCE_GARBAGE))
async def test_garbage_in_binances_words_reaches_everybody(venue: Venue, variant: str) -> None:
    """One malformed frame; the stream goes on."""
    async with binance_stream(venue, "/market/stream") as subscriber:
        assert (await subscriber.ask("LIST_SUBSCRIPTIONS"))["result"] == []
        await venue.inject(fault="garbage", variant=variant, venue="binance")
        message = await subscriber.ws.receive(timeout=40)
        if variant == "invalid_utf8":
            assert message.type in {aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}
            return
        assert message.data.encode() == BINANCE_GARBAGE[variant]("BTCUSDT")
        await subscriber.ask("SUBSCRIBE", "btcusdt@aggTrade")


async def _fetch(venue: Venue, path: str) -> tuple[int, dict[str, str], bytes]:
    timeout = aiohttp.ClientTimeout(total=2.0)
    async with venue.session.get(f"{venue.url}{path}", timeout=timeout) as response:
        return (
            response.status,
            {str(k): v for k, v in response.headers.items()},
            await response.read(),
        )


BYBIT, BINANCE = "/v5/market/time", "/fapi/v1/time"


@pytest.mark.parametrize(
    ("fault", "path", "status", "header", "code"),
    [
        ({"fault": "ban"}, BINANCE, 418, ("Retry-After", "120"), -1003),
        ({"fault": "rate_limit", "retry_after": 7}, BINANCE, 429, ("Retry-After", "7"), -1003),
        ({"fault": "error_code"}, BINANCE, 400, None, -1001),
        ({"fault": "error_code", "code": 10016}, BYBIT, 200, None, 10016),
        ({"fault": "rest_down", "status": 502}, BINANCE, 502, None, None),
        ({"fault": "maintenance"}, BINANCE, 200, None, None),
    ],
)
async def test_each_venue_refuses_in_its_own_way(
    venue: Venue,
    fault: dict[str, object],
    path: str,
    status: int,
    header: tuple[str, str] | None,
    code: int | None,
) -> None:
    """Status, header and code; the other venue answers as ever."""
    name = "bybit" if path == BYBIT else "binance"
    assert await venue.inject(**fault, venue=name) == 200
    got, headers, body = await _fetch(venue, path)
    assert got == status
    if header is not None:
        assert headers[header[0]] == header[1]
    if code is not None:
        answer: Frame = msgspec.json.decode(body)
        assert answer.get("retCode", answer.get("code")) == code
    assert (await _fetch(venue, BINANCE if path == BYBIT else BYBIT))[0] == 200


@pytest.mark.parametrize("fault", ["silent_rest", "drip_rest", "wrong_length", "cut_rest"])
async def test_rest_bodies_that_never_end_or_end_too_soon(venue: Venue, fault: str) -> None:
    """A client with a deadline gets an error, never a body."""
    await venue.inject(fault=fault, path="/fapi/v1/exchangeInfo", delay=0.5)
    with pytest.raises((TimeoutError, aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
        await _fetch(venue, "/fapi/v1/exchangeInfo")
    assert (await _fetch(venue, BINANCE))[0] == 200


@pytest.mark.parametrize("fault", ["gzip_bomb", "huge_body"])
async def test_rest_bodies_that_are_too_big(venue: Venue, fault: str) -> None:
    """Some megabytes; a bomb is small until it is unpacked."""
    await venue.inject(fault=fault, megabytes=3)
    status, headers, body = await _fetch(venue, BYBIT)
    assert status == 200
    assert len(body) >= 3_000_000
    if fault == "gzip_bomb":
        assert int(headers["Content-Length"]) < 10_000


async def test_an_old_rest_book_is_older_than_the_stream(venue: Venue) -> None:
    """Its number stays while the stream's goes on."""
    await venue.inject(fault="old_snapshot", symbol="BTCUSDT")
    query: dict[str, str | int] = {"symbol": "BTCUSDT", "limit": 5}
    first = await binance_get(venue, "/fapi/v1/depth", **query)
    async with binance_stream(venue, f"/public/stream?streams={DEPTH}") as subscriber:
        await subscriber.frames(lambda frame: frame["data"]["U"] > first["lastUpdateId"])
        assert await binance_get(venue, "/fapi/v1/depth", **query) == first
        await venue.inject(fault="clear")
        later = await binance_get(venue, "/fapi/v1/depth", **query)
        assert later["lastUpdateId"] > first["lastUpdateId"]


async def test_a_coin_is_listed_and_another_one_delisted(venue: Venue) -> None:
    """Known to the catalogues of both venues, without a past; then the other falls silent."""
    assert "SOLUSDT" not in await _names(venue)
    assert await venue.inject(fault="list_symbol", symbol="SOLUSDT") == 200
    assert "SOLUSDT" in await _names(venue)
    rows = (await venue.result("kline", symbol="SOLUSDT", interval="1"))["list"]
    assert len(rows) <= 2
    subscriber = await venue.connect()
    await subscriber.subscribe("tickers.SOLUSDT", "tickers.ETHUSDT")
    await subscriber.frames(lambda frame: frame.get("topic") == "tickers.SOLUSDT")
    await venue.inject(fault="delist_symbol", symbol="ETHUSDT", delay=5.0)
    row = (await venue.result("instruments-info", symbol="ETHUSDT"))["list"][0]
    assert row["status"] == "Trading"
    assert int(row["deliveryTime"]) > 0
    async with asyncio.timeout(40):
        while True:
            row = (await venue.result("instruments-info", symbol="ETHUSDT"))["list"][0]
            if row["status"] != "Trading":
                break
            await asyncio.sleep(0.05)
    end = int(row["deliveryTime"])
    # on a busy machine the market's steps come after their time; each frame says when it was
    frames = await subscriber.frames(
        lambda frame: frame["topic"] == "tickers.SOLUSDT" and frame["ts"] > end + 500
    )
    late = [each for each in frames if each["ts"] > end]
    assert {frame["topic"] for frame in late} == {"tickers.SOLUSDT"}
    info = await binance_get(venue, "/fapi/v1/exchangeInfo")
    assert {row["symbol"]: row["status"] for row in info["symbols"]}["ETHUSDT"] == "SETTLING"
    assert await venue.inject(fault="list_symbol", symbol="SOLUSDT") == 400


async def _names(venue: Venue) -> set[str]:
    bybit = {row["symbol"] for row in (await venue.result("instruments-info"))["list"]}
    info = await binance_get(venue, "/fapi/v1/exchangeInfo")
    assert {row["symbol"] for row in info["symbols"]} == bybit
    return bybit


async def test_a_new_tick_is_announced_on_both_venues(venue: Venue) -> None:
    """Ten times finer."""
    await venue.inject(fault="new_tick", symbol="BTCUSDT", factor=10)
    row = (await venue.result("instruments-info", symbol="BTCUSDT"))["list"][0]
    assert float(row["priceFilter"]["tickSize"]) == pytest.approx(0.01)
    info = await binance_get(venue, "/fapi/v1/exchangeInfo")
    filters = info["symbols"][0]["filters"]
    assert float(filters[0]["tickSize"]) == pytest.approx(0.01)


async def test_a_script_of_faults_runs_in_its_time(venue: Venue) -> None:
    """Each begins at its second; asking what is active changes nothing."""
    url = f"{venue.url}/simulator/faults"
    script = [
        {"fault": "rest_down", "venue": "binance", "seconds": 0.4},
        {"at": 0.2, "fault": "ban", "venue": "bybit", "seconds": 0.4},
        {"at": 0.8, "fault": "freeze"},
    ]
    async with venue.session.post(url, json=script) as response:
        answer = await response.json()
    assert answer["active"] == ["rest_down binance"]
    assert answer["scheduled"] == 2
    seen = set()
    async with asyncio.timeout(40):
        while "freeze" not in seen:
            seen.update(await _active(venue))
            await asyncio.sleep(0.02)
    assert seen == {"rest_down binance", "ban bybit", "freeze"}
    assert await _active(venue) == ["freeze"]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([{"fault": "freeze", "mood": 1}], "unknown field `mood`"),
        ([{"fault": "freeze"}, {"fault": "earthquake"}], "Invalid enum value 'earthquake'"),
        ([{"at": -1, "fault": "freeze"}], "at"),
        ({"fault": "price_jump", "symbol": "BTCUSDT", "how": "close"}, "expected once or lasting"),
        ({"fault": "freeze", "how": "once"}, "expected no how for freeze"),
        ("freeze", "expected a fault, or a list of faults"),
    ],
)
async def test_a_script_that_makes_no_sense_is_refused_in_a_sentence(
    venue: Venue, script: object, sentence: str
) -> None:
    """Nothing of it happens."""
    url = f"{venue.url}/simulator/faults"
    async with venue.session.post(url, json=script) as response:
        assert response.status == 400
        assert sentence in await response.text()
    assert await _active(venue) == []
