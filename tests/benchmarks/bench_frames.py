"""P1: a frame through adapter, door and book, against CCXT's own handlers on the same frames.

The frames are those of a recording, transcoded to the form of Bybit's stream; without the
recordings, of the simulator. Run: python tests/benchmarks/bench_frames.py
"""

import asyncio
import gc
import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time_ns
from typing import Any

import msgspec
from ccxt.pro.bybit import bybit

from benchmarks.report import Row
from virtuoso.adapters.feed.bybit.parse import DataFrame, read_frame
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.time import Millis
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action

ROUNDS = 15
DEPTH = 200
BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
RECORDING = "replay/binance_usdm/btcusdt_20230404.dat.gz"
DEFAULT_RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
LINES = 13_000
RECEIVED = 1_680_652_705_000
"""A moment within the recording; the door allows for a minute."""
PUSH_MS = 100
"""What the venue gathers between two pushes of the book of this depth."""

Json = dict[str, Any]
Handle = Callable[[Sequence[bytes]], None]


def transcoded(recording: Path) -> dict[str, list[bytes]]:
    """Frames of a recorded stream as Bybit would have written them, by kind.

    The book is followed and its best 200 levels a side are told, as the topic of that depth does.
    """
    frames: dict[str, list[bytes]] = {"book": [], "trades": [], "tickers": []}
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    shown: tuple[dict[str, str], dict[str, str]] = ({}, {})
    update = pushed = 0
    prints: list[Json] = []
    with gzip.open(recording, "rb") as file:
        for number, line in enumerate(file):
            if number == LINES:
                break
            frame = msgspec.json.decode(line.partition(b" ")[2])
            data = frame.get("data", frame)
            kind = frame.get("stream", "@book").partition("@")[2]
            if kind == "trade":
                if prints and prints[0]["E"] != data["E"]:
                    frames["trades"].append(trade_frame(prints))
                    prints = []
                prints.append(data)
            elif kind == "bookTicker":
                frames["tickers"].append(ticker_frame(data, first=not frames["tickers"]))
            elif kind == "book" or kind.startswith("depth"):
                for side, levels in zip(
                    sides,
                    (data.get("b", data.get("bids")), data.get("a", data.get("asks"))),
                    strict=True,
                ):
                    for price, quantity in levels:
                        if float(quantity):
                            side[price] = quantity
                        else:
                            side.pop(price, None)
                if not update and kind != "book":
                    continue
                if data["E"] - pushed < PUSH_MS:
                    continue
                pushed = data["E"]
                update += 1
                best = tuple(
                    dict(sorted(side.items(), key=lambda row: float(row[0]), reverse=down)[:DEPTH])
                    for side, down in zip(sides, (True, False), strict=True)
                )
                changes = [list(changed(old, new)) for old, new in zip(shown, best, strict=True)]
                shown = (best[0], best[1])
                frames["book"].append(book_frame(changes, update, data["E"]))
    return frames


def changed(old: dict[str, str], new: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The levels that differ; quantity 0 for those that are gone."""
    for price, quantity in new.items():
        if old.get(price) != quantity:
            yield price, quantity
    for price in old.keys() - new.keys():
        yield price, "0"


def book_frame(changes: Sequence[object], update: int, at: int) -> bytes:
    """A frame of the book topic."""
    return msgspec.json.encode(
        {
            "topic": f"orderbook.{DEPTH}.BTCUSDT",
            "type": "snapshot" if update == 1 else "delta",
            "ts": at,
            "data": {
                "s": "BTCUSDT",
                "b": changes[0],
                "a": changes[1],
                "u": update,
                "seq": update * 10,
            },
            "cts": at - 3,
        }
    )


def trade_frame(prints: Sequence[Json]) -> bytes:
    """A frame of the trade topic: what was pushed at one instant."""
    rows = [
        {
            "T": data["T"],
            "s": "BTCUSDT",
            "S": "Sell" if data["m"] else "Buy",
            "v": data["q"],
            "p": data["p"],
            "L": "PlusTick",
            "i": f"{data['t']:08x}-95df-5f17-887b-956ab0bf8fbe",
            "BT": False,
            "RPI": False,
            "seq": data["t"],
        }
        for data in prints
    ]
    topic, at = "publicTrade.BTCUSDT", prints[0]["E"]
    return msgspec.json.encode({"topic": topic, "type": "snapshot", "ts": at, "data": rows})


def ticker_frame(data: Json, *, first: bool) -> bytes:
    """A frame of the ticker topic: whole the first time, then what changes most often."""
    fields = {
        "symbol": "BTCUSDT",
        "bid1Price": data["b"],
        "bid1Size": data["B"],
        "ask1Price": data["a"],
        "ask1Size": data["A"],
        "markPrice": data["b"],
        "indexPrice": data["a"],
        "openInterestValue": "3264416850.42",
    }
    if first:
        fields |= {
            "lastPrice": data["b"],
            "price24hPcnt": "0.047175",
            "openInterest": "47287.191",
            "turnover24h": "6000301466.6387",
            "volume24h": "88962.4010",
            "fundingIntervalHour": "8",
            "nextFundingTime": "1771027200000",
            "fundingRate": "-0.00003737",
        }
    kind = "snapshot" if first else "delta"
    return msgspec.json.encode(
        {
            "topic": "tickers.BTCUSDT",
            "type": kind,
            "data": fields,
            "cs": data["u"],
            "ts": data["E"],
        }
    )


class Ours:
    """Our way of a frame: read, judged, applied."""

    def __init__(self) -> None:
        self._topics = {name.text: name for name in topics_of(BTC, BybitSettings(book_depth=DEPTH))}
        self._door = Door([BTC])
        self._book = OrderBook()
        self.refused = 0

    def handle(self, frames: Sequence[bytes]) -> None:
        """Take frames one after the other."""
        topics, door, book = self._topics, self._door, self._book
        accept, received = Action.ACCEPT, Millis(RECEIVED)
        for frame in frames:
            read = read_frame(frame, topics, received)
            assert isinstance(read, DataFrame)
            for event in read.events:
                if door.judge(event, book).action is not accept:
                    self.refused += 1


class Client:
    """What CCXT's handlers ask of a connection."""

    url = "wss://stream.bybit.com/v5/public/linear"

    def __init__(self) -> None:
        self.subscriptions: Json = {}
        self.futures: Json = {}

    def resolve(self, result: object, _hash: str) -> object:
        """Wake nobody: nobody waits."""
        return result

    def reject(self, result: object, _hash: str | None = None) -> object:
        """Report what a handler could not do."""
        raise AssertionError(result)


class Theirs:
    """CCXT's way of a frame: parsed as JSON, handed to its own handler."""

    def __init__(self) -> None:
        self._library = bybit({"options": {"tradesLimit": 1_000}})
        self._library.set_markets([market()])
        self._client: Any = Client()

    def handle(self, frames: Sequence[bytes]) -> None:
        """Take frames one after the other."""
        library, client = self._library, self._client
        for frame in frames:
            library.handle_message(client, library.parse_json(frame.decode()))

    def book(self) -> Json:
        """Its book."""
        found: Json = self._library.orderbooks["BTC/USDT:USDT"]
        return found


def market() -> Json:
    """The one market that the handlers need to know."""
    return {
        "id": "BTCUSDT",
        "symbol": "BTC/USDT:USDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "baseId": "BTC",
        "quoteId": "USDT",
        "settleId": "USDT",
        "type": "swap",
        "spot": False,
        "margin": False,
        "swap": True,
        "future": False,
        "option": False,
        "active": True,
        "contract": True,
        "linear": True,
        "inverse": False,
        "contractSize": 1.0,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {},
        "info": {},
    }


def cost_ns(handle: Handle, frames: Sequence[bytes]) -> int:
    """CPU time of handling frames; as timeit does, without what collecting old garbage takes."""
    gc.collect()
    gc.disable()
    try:
        begin = process_time_ns()
        handle(frames)
        return process_time_ns() - begin
    finally:
        gc.enable()


def rounds(frames: Sequence[bytes], count: int) -> list[float]:
    """Ratios of both ways on the same frames, interleaved, each round in the other order."""
    ratios = []
    for number in range(count):
        ours, theirs = Ours(), Theirs()
        if number % 2:
            b = cost_ns(theirs.handle, frames)
            a = cost_ns(ours.handle, frames)
        else:
            a = cost_ns(ours.handle, frames)
            b = cost_ns(theirs.handle, frames)
        assert ours.refused == 0
        ratios.append(a / b)
    return ratios


async def _measure(recordings: Path, count: int) -> list[Row]:
    frames = transcoded(recordings / RECORDING)
    targets = {"book": "<= 0.30", "trades": "<= 0.12", "tickers": "<= 0.12"}
    rows = []
    for kind, target in targets.items():
        ratios = rounds(frames[kind], count)
        size = sum(map(len, frames[kind])) // len(frames[kind])
        rows.append(
            Row(
                name=f"P1 {kind}",
                what=f"{len(frames[kind])} frames of {size} B: adapter, door, book",
                reference="CCXT's handlers on the same frames",
                ratio=median(ratios),
                target=target,
                spread=f"{min(ratios):.3f} to {max(ratios):.3f}",
            )
        )
    return rows


def measure(rounds_: int = ROUNDS) -> list[Row]:
    """One row each for books, trades and tickers."""
    recordings = Path(os.environ.get("VIRTUOSO_RECORDINGS") or DEFAULT_RECORDINGS)
    # a library that belongs to asyncio needs a loop to be made in
    return asyncio.run(_measure(recordings, rounds_))


if __name__ == "__main__":
    for row in measure():
        print(  # noqa: T201 - a report
            f"{row.name:12} {row.ratio:6.3f} {row.target:8} ({row.spread}) {row.what}"
        )
