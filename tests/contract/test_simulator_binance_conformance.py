"""The simulator writes what Binance writes: held against frames and answers as captured."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.simulated_binance import binance_get, binance_stream
from support.simulated_venue import Frame, Venue, running_venue

pytestmark = pytest.mark.recorded

NEWEST = "conformance/cryptofeed/recorded_frames_2026-08-08.jsonl"
CAPTURED = "conformance/mini_fintickstreams"
STREAMS = "conformance/nautilus_trader/binance_futures_rust"
REST = "conformance/nautilus_trader/binance_futures_py"


def _kinds(value: object, path: str = "$") -> dict[str, str]:
    """From the path of each value to its type; rows of a list share a path."""
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, each in value.items():
            found |= _kinds(each, f"{path}.{key}")
        return found
    if isinstance(value, list):
        found = {}
        for each in value:
            found |= _kinds(each, f"{path}[]")
        return found
    return {path: type(value).__name__}


def _assert_same(
    ours: object, theirs: object, *, newer: frozenset[str] = frozenset(), old: str = ""
) -> None:
    """Compare keys and types. `newer`: keys that the sample is too old for; `old`: since gone."""
    our_kinds, their_kinds = _kinds(ours), _kinds(theirs)
    extra = {path for path in our_kinds if path.rpartition(".")[2] not in newer}
    missing = {path for path in their_kinds if path.rpartition(".")[2] not in old.split()}
    assert extra <= set(their_kinds), extra - set(their_kinds)
    assert missing <= set(our_kinds), missing - set(our_kinds)
    for path in set(our_kinds) & set(their_kinds):
        assert our_kinds[path] == their_kinds[path], path


@pytest.fixture(scope="module")
def frames() -> dict[str, list[Frame]]:
    """Return combined frames of every kind of stream, some minutes of three symbols."""
    return asyncio.run(_collected())


async def _collected() -> dict[str, list[Frame]]:
    kinds = ("aggTrade", "trade", "kline_1m", "markPrice@1s", "ticker", "forceOrder")
    found: dict[str, list[Frame]] = {}

    def enough(frame: Frame) -> bool:
        found.setdefault(frame["stream"].partition("@")[2], []).append(frame)
        closed = [each["data"]["k"]["x"] for each in found.get("kline_1m", [])]
        return set(kinds) <= found.keys() and any(closed)

    async with running_venue(symbols=10, speed=60) as venue:
        names = (await _symbols(venue))[:10]
        streams = "/".join(f"{name}@{kind}" for name in names for kind in kinds)
        async with binance_stream(venue, f"/market/stream?streams={streams}") as subscriber:
            await subscriber.frames(enough, seconds=60)
        public = "btcusdt@depth@100ms/btcusdt@bookTicker"
        async with binance_stream(venue, f"/public/stream?streams={public}") as subscriber:
            for frame in await subscriber.collect(1.0):
                found.setdefault(frame["stream"].partition("@")[2], []).append(frame)
    return found


async def _symbols(venue: Venue) -> list[str]:
    info = await binance_get(venue, "/fapi/v1/exchangeInfo")
    return [row["symbol"].lower() for row in info["symbols"]]


def _newest(recordings: Path) -> dict[str, Frame]:
    lines = (recordings / NEWEST).read_text().splitlines()
    return {frame["data"]["e"]: frame for frame in map(json.loads, lines)}


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        ("aggTrade", "aggTrade"),
        ("markPriceUpdate", "markPrice@1s"),
        ("kline", "kline_1m"),
        ("forceOrder", "forceOrder"),
    ],
)
def test_frames_are_as_captured_in_august_2026(
    recordings: Path, frames: Mapping[str, list[Frame]], event: str, stream: str
) -> None:
    """Keys and types, envelope included."""
    theirs = _newest(recordings)[event]
    for ours in frames[stream][:200]:
        _assert_same(ours, theirs)
        assert list(ours["data"]) == list(theirs["data"])


@pytest.mark.parametrize(
    ("file", "stream"),
    [
        ("agg_trade_stream.json", "aggTrade"),
        ("book_ticker_stream.json", "bookTicker"),
        ("depth_update_stream.json", "depth@100ms"),
        ("kline_stream_open.json", "kline_1m"),
        ("liquidation_stream.json", "forceOrder"),
        ("mark_price_stream.json", "markPrice@1s"),
        ("ticker_stream.json", "ticker"),
    ],
)
def test_frames_are_as_documented(
    recordings: Path, frames: Mapping[str, list[Frame]], file: str, stream: str
) -> None:
    """The documentation's examples, which may lack the newest keys."""
    theirs = json.loads((recordings / STREAMS / file).read_text())
    newer = frozenset({"nq", "ap", "ps", "st"})
    for ours in frames[stream][:200]:
        _assert_same(ours["data"], theirs, newer=newer)


def test_trades_are_as_recorded_in_2024(
    recordings: Path, frames: Mapping[str, list[Frame]]
) -> None:
    """Single fills, of the market."""
    path = recordings / "replay/binance_usdm/btcusdt_20240808.gz"
    with gzip.open(path, "rt") as file:
        line = next(line for line in file if "@trade" in line)
    theirs = json.loads(line.partition(" ")[2])
    for ours in frames["trade"][:200]:
        _assert_same(ours, theirs)
        assert list(ours["data"]) == list(theirs["data"])


def test_forms_of_numbers_are_as_captured(
    recordings: Path, frames: Mapping[str, list[Frame]]
) -> None:
    """As many decimals of bitcoin's price, quantity, mark price and rate."""
    newest = _newest(recordings)
    for event, stream, names in (
        ("aggTrade", "aggTrade", "p q nq"),
        ("markPriceUpdate", "markPrice@1s", "p P i r"),
    ):
        ours = next(f["data"] for f in frames[stream] if f["data"]["s"] == "BTCUSDT")
        theirs = newest[event]["data"]
        for name in names.split():
            assert _decimals(ours[name]) == _decimals(theirs[name]), name
    ours = next(f["data"]["k"] for f in frames["kline_1m"] if f["data"]["s"] == "BTCUSDT")
    for name in ["o", "h", "l", "c", "v", "q", "V", "Q"]:
        assert _decimals(ours[name]) == _decimals(newest["kline"]["data"]["k"][name]), name


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


SYMBOL = {"symbol": "BTCUSDT"}
FIVE = {**SYMBOL, "period": "5m", "limit": 5}
REST_CASES: tuple[tuple[str, dict[str, Any], str, str, str], ...] = (
    ("/fapi/v1/time", {}, f"{CAPTURED}/BinanceLinearServerTimeSnapshot.json", "", ""),
    ("/fapi/v1/ping", {}, f"{CAPTURED}/BinanceLinearPingSnapshot.json", "", ""),
    ("/fapi/v1/depth", SYMBOL, f"{CAPTURED}/BinanceLinearDepthSnapshot.json", "", ""),
    ("/fapi/v1/fundingRate", SYMBOL, f"{CAPTURED}/BinanceLinearFundingRateSnapshot.json", "", ""),
    ("/fapi/v1/openInterest", SYMBOL, f"{CAPTURED}/BinanceLinearOpenInterestSnapshot.json", "", ""),
    ("/fapi/v1/aggTrades", SYMBOL, f"{REST}/http_futures_market_agg_trades.json", "", ""),
    ("/fapi/v1/trades", SYMBOL, f"{REST}/http_futures_market_trades.json", "", ""),
    ("/fapi/v1/premiumIndex", SYMBOL, f"{REST}/http_futures_market_premium_index.json", "", ""),
    ("/fapi/v1/ticker/24hr", SYMBOL, f"{REST}/http_futures_market_ticker_24hr.json", "", ""),
    (
        "/futures/data/openInterestHist",
        FIVE,
        f"{REST}/http_futures_market_open_interest_historical.json",
        "timestamp",
        "timestamp",
    ),
    (
        "/futures/data/globalLongShortAccountRatio",
        FIVE,
        f"{REST}/http_futures_market_global_long_short_account_ratio.json",
        "timestamp",
        "timestamp",
    ),
)


@pytest.mark.parametrize(("path", "query", "file", "newer", "old"), REST_CASES)
async def test_rest_answers_are_as_captured(
    recordings: Path, path: str, query: dict[str, Any], file: str, newer: str, old: str
) -> None:
    """Keys and types; times of series are numbers, whatever the old examples show."""
    theirs = json.loads((recordings / file).read_text())
    async with running_venue(symbols=1) as venue:
        ours = await binance_get(venue, path, **query)
    if newer:
        for row in theirs:
            row["timestamp"] = int(row["timestamp"])
    _assert_same(ours, theirs)
    assert old == newer


@pytest.mark.parametrize(
    ("path", "query", "file"),
    [
        ("klines", SYMBOL, "http_futures_market_klines.json"),
        ("markPriceKlines", SYMBOL, "http_futures_market_mark_price_klines.json"),
        ("indexPriceKlines", {"pair": "BTCUSDT"}, "http_futures_market_index_price_klines.json"),
    ],
)
async def test_candle_rows_are_as_documented(
    recordings: Path, path: str, query: dict[str, str], file: str
) -> None:
    """Twelve values, of the same types in the same order."""
    theirs = json.loads((recordings / REST / file).read_text())[0]
    async with running_venue(symbols=1) as venue:
        ours = await binance_get(venue, f"/fapi/v1/{path}", **query, interval="1m", limit=20)
    for row in ours:
        assert [type(each) for each in row] == [type(each) for each in theirs]


async def test_the_catalogue_is_as_captured(recordings: Path) -> None:
    """Every key of bitcoin's row in its order, and the filters, key by key."""
    file = recordings / CAPTURED / "BinanceLinearExchangeInfoSnapshot.json"
    theirs = json.loads(file.read_text())
    async with running_venue(symbols=1) as venue:
        ours = await binance_get(venue, "/fapi/v1/exchangeInfo")
    assert list(ours) == list(theirs)
    our_row = ours["symbols"][0]
    their_row = next(row for row in theirs["symbols"] if row["symbol"] == "BTCUSDT")
    assert list(our_row) == list(their_row)
    for name in ("symbol", "baseAsset", "pricePrecision", "quantityPrecision", "deliveryDate"):
        assert our_row[name] == their_row[name]
    our_filters = {each["filterType"]: each for each in our_row["filters"]}
    their_filters = {each["filterType"]: each for each in their_row["filters"]}
    assert list(our_filters) == list(their_filters)
    for kind, each in our_filters.items():
        assert sorted(each) == sorted(their_filters[kind]), kind
    assert our_filters["PRICE_FILTER"]["tickSize"] == their_filters["PRICE_FILTER"]["tickSize"]
