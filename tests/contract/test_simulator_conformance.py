"""The simulator writes what the venue writes: held against frames and answers as captured.

A difference of values means nothing; keys, their order, types and forms of text must agree.
"""

import asyncio
import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from support.simulated_venue import Frame, Venue, running_venue

pytestmark = pytest.mark.recorded

CAPTURED = "conformance/mini_fintickstreams"
DOCUMENTED = "conformance/bybit_docs"
COLLECTED = "conformance/nautilus_trader/bybit"

Shape = dict[str, set[str]]
"""From the path of a value to the kinds of value seen there."""


def _objects(file: Path) -> list[Frame]:
    """Read objects that are written one after another, over several lines."""
    decoder, text, at, found = json.JSONDecoder(), file.read_text(), 0, []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def _kind(value: object) -> str:
    """Name the type of a value, and the form of a text."""
    if not isinstance(value, str):
        return {bool: "bool", int: "int", float: "float", type(None): "null"}[type(value)]
    if value == "":
        return "empty"
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "number"
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return "uuid"
    return "quoted" if "%" in value else "text"


def _walk(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield path, "keys " + " ".join(value)
        for key, each in value.items():
            yield from _walk(each, f"{path}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, f"{path}[]")
    else:
        yield path, _kind(value)


def _shape(values: list[Frame]) -> Shape:
    shape: Shape = {}
    for value in values:
        for path, kind in _walk(value, "$"):
            shape.setdefault(path, set()).add(str(kind))
    return shape


def _assert_same(
    ours: list[Frame],
    theirs: list[Frame],
    *,
    more: frozenset[str] = frozenset(),
    other: frozenset[str] = frozenset(),
    ordered: bool = True,
) -> None:
    """Compare keys, their order, and kinds of values.

    `more` are keys that only we have, `other` keys whose values may be of another kind.
    """
    assert ours
    assert theirs
    our_shape, their_shape = _shape(ours), _shape(theirs)
    for path, kinds in our_shape.items():
        if path.rpartition(".")[2] in more | other:
            continue
        expected = their_shape.get(path, set())
        for kind in kinds:
            if kind.startswith("keys "):
                known = [name for name in kind.split() if name not in more]
                variants = [each.split() for each in expected]
            else:
                known, variants = [kind], [[each] for each in expected]
            if not ordered:
                known, variants = sorted(known), [sorted(each) for each in variants]
            assert known in variants, f"{path}: {known} is none of {variants}"


@pytest.fixture(scope="module")
def frames() -> dict[str, list[Frame]]:
    """Return frames of every topic kind, some minutes of three symbols, and the answers."""
    return asyncio.run(_collected())


async def _collected() -> dict[str, list[Frame]]:
    wanted = {
        "orderbook.1",
        "orderbook.50",
        "orderbook.200",
        "publicTrade",
        "tickers",
        "kline.5",
        "allLiquidation",
    }
    found: dict[str, list[Frame]] = {}
    async with running_venue(speed=60) as venue:
        subscriber = await venue.connect()
        symbols = [
            venue.server._venues.stream._market.listings[at].symbol
            for at in venue.server.directory.listed()
        ]
        topics = [f"{kind}.{symbol}" for kind in sorted(wanted) for symbol in symbols]
        found["answers"] = [await subscriber.subscribe(*topics)]
        await subscriber.send({"op": "ping"})

        def enough(frame: Frame) -> bool:
            kind = frame["topic"].rpartition(".")[0] if "topic" in frame else "answers"
            found.setdefault(kind, []).append(frame)
            closed = [each["data"][0]["confirm"] for each in found.get("kline.5", [])]
            return wanted <= found.keys() and len(closed) > 100 and any(closed)

        await subscriber.frames(enough, seconds=60)
    return found


@pytest.fixture
async def venue_() -> Any:  # noqa: ANN401 - an async generator to pytest, a Venue to tests
    """Return a running venue with two symbols."""
    async with running_venue(symbols=2) as venue:
        yield venue


def test_the_captured_files_are_the_ones_that_were_checked(recordings: Path) -> None:
    """Size and hash of each file used here are those of the manifest."""
    with (recordings / "MANIFEST.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    used = [
        path
        for path in rows
        if path.startswith((f"{CAPTURED}/Bybit", f"{DOCUMENTED}/", f"{COLLECTED}/"))
    ]
    assert len(used) > 50
    for path in used:
        content = (recordings / path).read_bytes()
        assert len(content) == int(rows[path]["bytes"])
        assert hashlib.sha256(content).hexdigest() == rows[path]["sha256"]


def test_answers_and_pongs_are_as_captured(
    recordings: Path, frames: Mapping[str, list[Frame]]
) -> None:
    """An acknowledgement, and a pong whose `op` is "ping"."""
    theirs = _objects(recordings / CAPTURED / "BybitLinearWsLiquidation.jsonl")
    pongs = [frame for frame in theirs if frame["ret_msg"] == "pong"]
    our_pong = next(frame for frame in frames["answers"] if frame["ret_msg"] == "pong")
    our_ack = next(frame for frame in frames["answers"] if frame["op"] == "subscribe")
    _assert_same([our_pong], pongs)
    assert {**our_pong, "conn_id": ""} == {**pongs[0], "conn_id": ""}
    _assert_same([our_ack], [frame for frame in theirs if frame["op"] == "subscribe"])


@pytest.mark.parametrize("depth", [50, 200])
def test_book_frames_are_as_captured(
    recordings: Path, frames: Mapping[str, list[Frame]], depth: int
) -> None:
    """Snapshot and deltas, with `cts` beside the data."""
    theirs = _objects(recordings / CAPTURED / "BybitLinearWsDepthUpdate.jsonl")
    theirs = [frame for frame in theirs if "topic" in frame]
    ours = frames[f"orderbook.{depth}"]
    assert {frame["type"] for frame in ours} == {"snapshot", "delta"}
    _assert_same(ours, theirs)
    bitcoin = [frame for frame in ours if frame["data"]["s"] == "BTCUSDT"]
    assert _decimals(bitcoin, "b") == _decimals(theirs, "b") == {(2, 3), (2, 0)}


def _decimals(frames: list[Frame], side: str) -> set[tuple[int, int]]:
    return {
        (len(price.partition(".")[2]), len(size.partition(".")[2]))
        for frame in frames
        for price, size in frame["data"][side]
    }


def test_the_best_level_comes_as_snapshots_only(
    recordings: Path, frames: Mapping[str, list[Frame]]
) -> None:
    """Level 1 has the form of any book frame, and no deltas."""
    theirs = _objects(recordings / CAPTURED / "BybitLinearWsDepthUpdate.jsonl")
    ours = frames["orderbook.1"]
    _assert_same(ours, [frame for frame in theirs if frame.get("type") == "snapshot"])
    assert {frame["type"] for frame in ours} == {"snapshot"}
    assert all(len(frame["data"][side]) == 1 for frame in ours for side in "ba")


def test_trade_frames_are_as_captured(recordings: Path, frames: Mapping[str, list[Frame]]) -> None:
    """Keys, order, the four tick directions, ids in the form of a UUID."""
    theirs = _objects(recordings / CAPTURED / "BybitLinearWsTrade.jsonl")
    theirs = [frame for frame in theirs if "topic" in frame]
    ours = frames["publicTrade"]
    _assert_same(ours, theirs)
    directions = {row["L"] for frame in ours for row in frame["data"]}
    assert directions == {"PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"}
    documented = _objects(recordings / DOCUMENTED / "websocket_public_trade.1.json")
    _assert_same(ours, documented, more=frozenset({"RPI"}))


def test_ticker_frames_are_as_captured(recordings: Path, frames: Mapping[str, list[Frame]]) -> None:
    """A whole snapshot, deltas with some of its keys, and as many decimals to each number."""
    theirs = _objects(recordings / CAPTURED / "BybitLinearWsOIFundingUpdate.jsonl")
    ours = frames["tickers"]
    snapshots = [frame for frame in ours if frame["type"] == "snapshot"]
    their_snapshot = theirs[0]
    _assert_same(snapshots, [their_snapshot])
    deltas = [frame for frame in ours if frame["type"] == "delta"]
    names = list(their_snapshot["data"])
    for frame in deltas:
        assert list(frame) == list(theirs[1])
        keys = list(frame["data"])
        assert keys[0] == "symbol"
        assert sorted(keys, key=names.index) == keys or set(keys) <= set(names)
        assert len(keys) < len(names)
    bitcoin = next(frame for frame in snapshots if frame["data"]["symbol"] == "BTCUSDT")
    for name, text in their_snapshot["data"].items():
        if name not in {"symbol", "tickDirection", "fundingRate"}:
            ours_text = bitcoin["data"][name]
            assert len(ours_text.partition(".")[2]) == len(text.partition(".")[2]), name
    documented = _objects(recordings / DOCUMENTED / "websocket_public_ticker.linear.1.multi.json")
    _assert_same(snapshots, documented[:1])


@pytest.mark.parametrize(
    "file", [f"{DOCUMENTED}/websocket_public_kline.1.json", f"{COLLECTED}/ws_kline.json"]
)
def test_candle_frames_are_as_documented(
    recordings: Path, frames: Mapping[str, list[Frame]], file: str
) -> None:
    """Forming and closed candles have one form."""
    ours = frames["kline.5"]
    _assert_same(ours, _objects(recordings / file))
    assert {frame["data"][0]["confirm"] for frame in ours} == {True, False}
    for frame in ours:
        row = frame["data"][0]
        assert row["end"] - row["start"] == 299_999


def test_liquidation_frames_are_as_documented(
    recordings: Path, frames: Mapping[str, list[Frame]]
) -> None:
    """The position's side, its size and its bankruptcy price."""
    theirs = _objects(recordings / DOCUMENTED / "websocket_public_all-liquidation.1.json")
    _assert_same(frames["allLiquidation"], theirs)


REST_CASES = (
    ("time", "", f"{CAPTURED}/BybitLinearServerTimeSnapshot.json"),
    ("instruments-info", "limit=1", f"{CAPTURED}/BybitLinearExchangeInfoSnapshot.json"),
    ("orderbook", "symbol=BTCUSDT&limit=200", f"{CAPTURED}/BybitLinearDepthSnapshot.json"),
    ("kline", "symbol=BTCUSDT&interval=60", f"{DOCUMENTED}/market_kline.1.json"),
    ("mark-price-kline", "symbol=BTCUSDT&interval=1", f"{DOCUMENTED}/market_mark-kline.1.json"),
    ("index-price-kline", "symbol=BTCUSDT&interval=1", f"{DOCUMENTED}/market_index-kline.1.json"),
    ("tickers", "symbol=BTCUSDT", f"{DOCUMENTED}/market_tickers.inverse.1.json"),
    ("recent-trade", "symbol=BTCUSDT", f"{DOCUMENTED}/market_recent-trade.1.json"),
    (
        "open-interest",
        "symbol=BTCUSDT&intervalTime=5min&limit=5",
        f"{DOCUMENTED}/market_open-interest.1.json",
    ),
    ("funding/history", "symbol=BTCUSDT", f"{DOCUMENTED}/market_history-fund-rate.1.json"),
    (
        "account-ratio",
        "symbol=BTCUSDT&period=1h&limit=2",
        f"{DOCUMENTED}/market_long-short-ratio.1.json",
    ),
)
UNORDERED = frozenset({"orderbook", "tickers"})
"""Here the documentation itself does not keep one order of keys."""


@pytest.mark.parametrize(("path", "query", "file"), REST_CASES)
async def test_rest_answers_are_as_captured(
    recordings: Path, venue_: Venue, path: str, query: str, file: str
) -> None:
    """The envelope, the result, and each row in it."""
    ours = await venue_.get(path, category="linear", **dict(parse_qsl(query)))
    # the documentation shows a spot trade, whose id is a number
    other = frozenset({"execId"})
    _assert_same([ours], _objects(recordings / file), other=other, ordered=path not in UNORDERED)


async def test_candles_and_trades_are_as_others_collected_them(
    recordings: Path, venue_: Venue
) -> None:
    """Rows of 7 texts; trades of linear contracts have ids in the form of a UUID."""
    ours = await venue_.result("kline", symbol="BTCUSDT", interval="1")
    theirs = _objects(recordings / COLLECTED / "http_get_klines_linear.json")[0]["result"]
    _assert_same([ours], [theirs], ordered=False)
    assert {len(row) for row in ours["list"]} == {len(theirs["list"][0])}
    ours = await venue_.result("recent-trade", symbol="BTCUSDT")
    theirs = _objects(recordings / COLLECTED / "http_get_trades_recent.json")[0]["result"]
    _assert_same([ours], [theirs], more=frozenset({"isRPITrade", "seq"}))
