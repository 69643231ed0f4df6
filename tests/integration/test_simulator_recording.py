"""A recording served on both protocols: as received on one, made from it on the other."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from support.reference_book import ReferenceBook
from support.simulated_binance import BinanceBook, binance_get, binance_stream
from support.simulated_venue import Venue
from virtuoso.simulator.recording import Recording, RecordingError
from virtuoso.simulator.server import ExchangeServer
from virtuoso.simulator.settings import ExchangeSettings

BITCOIN = "replay/binance_usdm/btcusdt_20240808.gz"
ETHER = "replay/binance_usdm/ethusdt_20240808.gz"
WITH_MARK = "replay/binance_usdm/btcusdt_20230404.dat.gz"


@asynccontextmanager
async def _playing(path: str, speed: float) -> AsyncIterator[Venue]:
    server = ExchangeServer(ExchangeSettings(port=0), recording=Recording.open(path, speed))
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Venue(server, port, session)
    finally:
        await server.stop()


@pytest.mark.recorded
async def test_binance_is_told_what_was_received_byte_for_byte(recordings: Path) -> None:
    """Depth, trades and best prices in their order; the book of REST and stream has no break."""
    with gzip.open(recordings / BITCOIN, "rt") as file:
        lines = [line.partition(" ")[2].rstrip("\n") for line in file if "lastUpdateId" not in line]
    recorded = {line.partition('"data":')[2][:-1] for line in lines}
    streams = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
    book = BinanceBook()
    async with (
        _playing(str(recordings / BITCOIN), 20.0) as venue,
        binance_stream(venue, f"/public/stream?streams={streams}") as subscriber,
    ):
        rest = {"lastUpdateId": 0}
        async with asyncio.timeout(40):
            while not rest["lastUpdateId"]:
                early = await subscriber.frames(lambda f: f["stream"].endswith("@depth@100ms"))
                rest = await binance_get(venue, "/fapi/v1/depth", symbol="BTCUSDT", limit=1_000)
        book.begin(rest)
        for frame in early:
            if "depth" in frame["stream"]:
                book.apply(frame["data"])
        kinds = set()
        for _ in range(3_000):
            text = (await subscriber.ws.receive(timeout=40)).data
            frame = json.loads(text)
            assert text.partition('"data":')[2][:-1] in recorded
            kinds.add(frame["stream"].partition("@")[2])
            if "depth" in frame["stream"]:
                book.apply(frame["data"])
        assert kinds == {"depth@100ms", "bookTicker", "trade"}
        assert book.breaks == 0
        assert book.update is not None


@pytest.mark.recorded
async def test_bybits_frames_are_made_from_it(recordings: Path) -> None:
    """Books by Bybit's rules that equal Binance's, trades of the market, two symbols at once."""
    both = f"{recordings / BITCOIN},{recordings / ETHER}"
    async with _playing(both, 20.0) as venue:
        assert [row["symbol"] for row in (await venue.result("instruments-info"))["list"]] == [
            "BTCUSDT",
            "ETHUSDT",
        ]
        subscriber = await venue.connect()
        books = {"BTCUSDT": ReferenceBook(), "ETHUSDT": ReferenceBook()}
        topics = [f"orderbook.200.{symbol}" for symbol in books]
        trades = [f"publicTrade.{symbol}" for symbol in books]
        assert (await subscriber.subscribe(*topics, *trades, "kline.1.BTCUSDT"))["success"]
        seen: set[str] = set()
        deltas = 0
        async with asyncio.timeout(60):
            while deltas < 600 or len(seen) < 4:
                frame = (await subscriber.receive()).json()
                seen.add(frame["topic"])
                if frame["topic"] in topics:
                    book = books[frame["data"]["s"]]
                    book.apply(frame)
                    deltas += frame["type"] == "delta"
                    assert max(book.bids) < min(book.asks)
                    assert len(book.bids) <= 200
                else:
                    assert {row["S"] for row in frame["data"]} <= {"Buy", "Sell"}
        assert seen == {*topics, *trades}
        assert [book.gaps for book in books.values()] == [0, 0]
        compared = 0
        async with asyncio.timeout(30):
            while compared < 3:
                rest = await venue.result("orderbook", symbol="BTCUSDT", limit=200)
                book = books["BTCUSDT"]
                while book.sequence < rest["seq"]:
                    frame = (await subscriber.receive()).json()
                    if frame["topic"] in topics:
                        books[frame["data"]["s"]].apply(frame)
                if book.sequence == rest["seq"]:
                    best = [(float(price), float(size)) for price, size in rest["b"]]
                    assert book.best(200)[0] == best
                    compared += 1


@pytest.mark.recorded
async def test_mark_prices_are_told_where_there_are_some_and_the_rest_is_empty(
    recordings: Path,
) -> None:
    """Labelled as a recording and transcoded; what was not recorded is an empty list."""
    async with _playing(str(recordings / WITH_MARK), 10.0) as venue:
        async with venue.session.get(f"{venue.url}/simulator") as response:
            about = await response.json()
        assert (about["market"], about["transcoded"]) == ("recording", True)
        subscriber = await venue.connect()
        await subscriber.subscribe("tickers.BTCUSDT")
        frames = await subscriber.frames(lambda frame: "markPrice" in frame.get("data", {}))
        names = {name for frame in frames if "data" in frame for name in frame["data"]}
        assert names <= {
            "symbol",
            "lastPrice",
            "bid1Price",
            "bid1Size",
            "ask1Price",
            "ask1Size",
            "markPrice",
            "indexPrice",
            "fundingRate",
            "nextFundingTime",
        }
        for path in ("kline", "open-interest", "account-ratio", "funding/history"):
            assert (await venue.result(path, symbol="BTCUSDT"))["list"] == []
        for path in ("/fapi/v1/klines", "/futures/data/openInterestHist"):
            assert await binance_get(venue, path, symbol="BTCUSDT") == []
        premium = await binance_get(venue, "/fapi/v1/premiumIndex", symbol="BTCUSDT")
        assert float(premium["markPrice"]) > 0
        assert await venue.inject(fault="price_jump", symbol="BTCUSDT") == 400
        assert await venue.inject(fault="book_gap", symbol="BTCUSDT") == 200


@pytest.mark.parametrize("content", [b"", b"hello\n", b'1680652700423 {"stream":"x"}\n'])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    """With what was expected; so is a path where there is none."""
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="expected"):
        Recording.open(str(path))
    with pytest.raises(RecordingError, match="found nothing"):
        Recording.open(str(tmp_path / "nowhere"))
