"""Frames of both venues: generated ones in a row that fits together, and recorded ones."""

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from virtuoso.adapters.feed.binance.intake import REST_BOOK, RESTART_BOOK
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.time import MINUTE

SYMBOL: Final = "BTCUSDT"
DEPTH: Final = 50
LEVELS: Final = 20
REMEMBERED: Final = 5_000
STEP_MS: Final = 25
RECORDED_FRAMES: Final = 400

Side = dict[int, int]
"""Quantity in steps by price in ticks."""


class Frame(NamedTuple):
    """A frame and how it is to be read."""

    route: str
    """As in a recording: empty for the stream, else a REST book or its beginning anew."""
    body: bytes


class Tape:
    """One market that moves, told in a venue's words; the book of every update is remembered."""

    def __init__(self, venue: Venue, seed: int, now: int) -> None:
        self.venue = venue
        self.now = now
        self._random = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
        self._middle = 1_000_000
        self._update = 1_000
        self._trade = 0
        self.bids: Side = {}
        self.asks: Side = {}
        self.truth: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
        """Both sides after each of the last updates."""
        self._candle = [self._middle] * 4 + [0]
        self._move()
        self._first_ticker = True
        self._rest_is_due = False

    def step(self) -> list[Frame]:
        """Let a fortieth of a second pass; what is pushed about it."""
        before = self.now
        self.now += STEP_MS
        draw = self._random
        old = self.bids, self.asks
        previous = self._update
        self._move()
        frames = [self._book(previous, *old), self._quote()]
        if self._rest_is_due:
            self._rest_is_due = False
            frames.insert(1, self._rest_book())
        frames += [self._trades() for _ in range(draw.randrange(3))]
        if draw.random() < 0.3:
            frames.append(self._ticker())
        if draw.random() < 0.1:
            frames.append(self._kline(closed=False))
        if draw.random() < 0.02:
            frames.append(self._liquidation())
        if before // MINUTE != self.now // MINUTE:
            frames.append(self._kline(closed=True))
        return frames

    def begin_book(self) -> list[Frame]:
        """What makes a book whole again."""
        self._first_ticker = True
        if self.venue == BYBIT:
            return [self._bybit_book("snapshot", self.bids, self.asks)]
        self._rest_is_due = True  # it comes after the difference that it lies in
        return [Frame(RESTART_BOOK + SYMBOL, b"")]

    def _rest_book(self) -> Frame:
        rest = {
            "lastUpdateId": self._update,
            "E": self.now,
            "T": self.now,
            "bids": _rows(self.bids, reverse=True),
            "asks": _rows(self.asks),
        }
        return Frame(REST_BOOK + SYMBOL, _json(rest))

    def _move(self) -> None:
        draw = self._random
        self._middle += draw.choice((-1, 0, 0, 0, 1)) * draw.randrange(1, 4)
        self._update += 1 if self.venue == BYBIT else draw.randrange(1, 9)
        self.bids = self._side(self.bids, -1)
        self.asks = self._side(self.asks, 1)
        price = self._middle
        opened, high, low, _, volume = self._candle
        self._candle = [opened, max(high, price), min(low, price), price, volume]
        self.truth[self._update] = _floats(self.bids), _floats(self.asks)
        if len(self.truth) > REMEMBERED:
            del self.truth[next(iter(self.truth))]

    def _side(self, known: Side, direction: int) -> Side:
        draw = self._random
        side = {}
        for number in range(1, LEVELS + 1):
            price = self._middle + direction * number
            kept = known.get(price)
            if draw.random() < 0.85 or number == 1:
                changes = kept is None or draw.random() < 0.1
                side[price] = draw.randrange(1, 5_000) if changes else kept or 1
        return side

    def _book(self, previous: int, bids: Side, asks: Side) -> Frame:
        changed_bids, changed_asks = _changes(bids, self.bids), _changes(asks, self.asks)
        if self.venue == BYBIT:
            return self._bybit_book("delta", changed_bids, changed_asks)
        data = {
            "e": "depthUpdate",
            "E": self.now,
            "T": self.now - 3,
            "s": SYMBOL,
            "U": previous + 1,
            "u": self._update,
            "pu": previous,
            "b": _rows(changed_bids),
            "a": _rows(changed_asks),
            "st": 1,
        }
        return _stream("depth@100ms", data)

    def _bybit_book(self, kind: str, bids: Side, asks: Side) -> Frame:
        data = {
            "s": SYMBOL,
            "b": _rows(bids, reverse=True),
            "a": _rows(asks),
            "u": self._update,
            "seq": 7 * self._update,
        }
        whole = {"topic": f"orderbook.{DEPTH}.{SYMBOL}", "type": kind, "ts": self.now, "data": data}
        return Frame("", _json(whole | {"cts": self.now - 3}))

    def _quote(self) -> Frame:
        bid, ask = max(self.bids), min(self.asks)
        best = (_price(bid), _quantity(self.bids[bid])), (_price(ask), _quantity(self.asks[ask]))
        if self.venue == BYBIT:
            data: Any = {"s": SYMBOL, "b": [best[0]], "a": [best[1]], "u": self._update}
            data["seq"] = 7 * self._update
            frame = {"topic": f"orderbook.1.{SYMBOL}", "type": "snapshot", "ts": self.now}
            return Frame("", _json(frame | {"data": data, "cts": self.now - 3}))
        data = {"e": "bookTicker", "u": self._update, "s": SYMBOL, "st": 1}
        data |= dict(zip("bBaA", (*best[0], *best[1]), strict=True))
        return _stream("bookTicker", data | {"T": self.now - 3, "E": self.now})

    def _trades(self) -> Frame:
        draw = self._random
        rows: list[tuple[str, bool, str, str]] = []
        for _ in range(1 if self.venue == BINANCE else draw.randrange(1, 4)):
            self._trade += 1
            steps = draw.randrange(1, 3_000)
            self._candle[4] += steps
            price = self._middle + draw.choice((-1, 1))
            rows.append(
                (str(self._trade), draw.random() < 0.5, _price(price), _quantity(steps)),
            )
        at = self.now - draw.randrange(80)
        if self.venue == BYBIT:
            data = [
                {
                    "T": at,
                    "s": SYMBOL,
                    "S": "Buy" if buys else "Sell",
                    "v": quantity,
                    "p": price,
                    "L": "PlusTick",
                    "i": number,
                    "BT": False,
                    "RPI": False,
                }
                for number, buys, price, quantity in rows
            ]
            frame = {"topic": f"publicTrade.{SYMBOL}", "type": "snapshot", "ts": self.now}
            return Frame("", _json(frame | {"data": data}))
        number, buys, paid, quantity = rows[0]
        return _stream(
            "aggTrade",
            {
                "e": "aggTrade",
                "E": self.now,
                "a": int(number),
                "s": SYMBOL,
                "p": paid,
                "q": quantity,
                "f": int(number),
                "l": int(number),
                "T": at,
                "m": not buys,
                "st": 1,
            },
        )

    def _ticker(self) -> Frame:
        price, next_funding = _price(self._middle), self.now - self.now % (8 * 3_600_000)
        next_funding += 8 * 3_600_000
        if self.venue == BINANCE:
            if self._random.random() < 0.5:
                data = {"e": "24hrTicker", "E": self.now, "s": SYMBOL, "P": "1.25", "c": price}
                return _stream("ticker", data | {"v": "91000.5", "q": "9100000000.1", "st": 1})
            data = {"e": "markPriceUpdate", "E": self.now, "s": SYMBOL, "p": price, "i": price}
            return _stream("markPrice@1s", data | {"r": "0.0001", "T": next_funding, "st": 1})
        fields = {"lastPrice": price, "markPrice": price, "indexPrice": price}
        kind = "snapshot" if self._first_ticker else "delta"
        if self._first_ticker:
            fields |= {
                "price24hPcnt": "0.0125",
                "volume24h": "91000.5",
                "turnover24h": "9100000000.1",
                "openInterest": "55000.1",
                "fundingRate": "0.0001",
                "nextFundingTime": str(next_funding),
                "fundingIntervalHour": "8",
            }
            self._first_ticker = False
        frame = {"topic": f"tickers.{SYMBOL}", "type": kind, "data": {"symbol": SYMBOL, **fields}}
        return Frame("", _json(frame | {"cs": 7, "ts": self.now}))

    def _kline(self, *, closed: bool) -> Frame:
        opened, high, low, close, volume = self._candle
        start = self.now - self.now % MINUTE - (MINUTE if closed else 0)
        if closed:
            self._candle = [self._middle] * 4 + [0]
        prices = [_price(each) for each in (opened, high, low, close)]
        if self.venue == BYBIT:
            data = {"start": start, "end": start + MINUTE - 1, "interval": "1"}
            data |= dict(zip(("open", "high", "low", "close"), prices, strict=True))
            data |= {"volume": _quantity(volume), "turnover": "1", "confirm": closed}
            frame = {"topic": f"kline.1.{SYMBOL}", "data": [data | {"timestamp": self.now}]}
            return Frame("", _json(frame | {"ts": self.now, "type": "snapshot"}))
        row: dict[str, Any] = {"t": start, "T": start + MINUTE - 1, "s": SYMBOL, "i": "1m"}
        row |= dict(zip("ohlc", prices, strict=True))
        row |= {"v": _quantity(volume), "V": _quantity(volume // 2), "x": closed}
        return _stream("kline_1m", {"e": "kline", "E": self.now, "s": SYMBOL, "k": row, "st": 1})

    def _liquidation(self) -> Frame:
        side, price, at = self._random.choice(("Buy", "Sell")), _price(self._middle), self.now - 5
        if self.venue == BYBIT:
            data = [{"T": at, "s": SYMBOL, "S": side, "v": "0.5", "p": price}]
            frame = {"topic": f"allLiquidation.{SYMBOL}", "type": "snapshot", "ts": self.now}
            return Frame("", _json(frame | {"data": data}))
        order = {"s": SYMBOL, "S": side.upper(), "ap": price, "z": "0.5", "T": at, "st": 1}
        return _stream("forceOrder", {"e": "forceOrder", "E": self.now, "o": order})


def generated(venue: Venue, seed: int, count: int = 300) -> list[Frame]:
    """Well-formed frames of every kind."""
    tape = Tape(venue, seed, 1_763_700_000_000)
    frames = tape.begin_book() if venue == BYBIT else []
    while len(frames) < count:
        frames += tape.step()
    if venue == BINANCE:
        frames.append(tape._rest_book())
    frames += [tape._kline(closed=True), tape._liquidation(), tape._ticker()]
    if venue == BYBIT:
        answer = b'{"success":true,"ret_msg":"pong","conn_id":"0","req_id":"9","op":"ping"}'
        frames.append(Frame("", answer))
    else:
        frames.append(Frame("", b'{"result":null,"id":1}'))
        frames.append(Frame("", b'{"error":{"code":2,"msg":"Invalid request"},"id":2}'))
    return frames


def recorded(venue: Venue, folder: Path) -> list[Frame]:
    """Frames as the venue wrote them; none where there are no recordings."""
    found: list[Frame] = []
    for path in sorted((folder / "conformance").glob("**/*.json*")):
        found += [frame for value in _values(path) if (frame := _frame_of(value, venue))]
    if venue == BINANCE:
        path = folder / "replay" / "binance_usdm" / "btcusdt_20240808.gz"
        if path.is_file():
            with gzip.open(path, "rb") as file:
                for _ in range(RECORDED_FRAMES):
                    body = file.readline().partition(b" ")[2].strip()
                    if body.startswith(b'{"stream"'):
                        found.append(Frame("", body))
    return found


def _values(path: Path) -> Iterator[Any]:
    """Every JSON value of a file, which may hold several one after another."""
    text, at = path.read_text("utf-8", "replace").strip(), 0
    decoder = json.JSONDecoder()
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return
        yield value
        at = end
        while at < len(text) and text[at].isspace():
            at += 1


_STREAMS: Final = {
    "depthUpdate": "depth@100ms",
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "trade": "trade",
    "markPriceUpdate": "markPrice@1s",
    "24hrTicker": "ticker",
    "kline": "kline_1m",
    "forceOrder": "forceOrder",
}


def _frame_of(value: object, venue: Venue) -> Frame | None:
    if not isinstance(value, dict):
        return None
    if venue == BYBIT:
        return Frame("", _json(value)) if "topic" in value or "op" in value else None
    if "stream" in value:
        return Frame("", _json(value))
    stream = _STREAMS.get(str(value.get("e")))
    return None if stream is None else _stream(stream, value)


def _stream(name: str, data: object) -> Frame:
    return Frame("", _json({"stream": f"{SYMBOL.lower()}@{name}", "data": data}))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _price(ticks: int) -> str:
    return f"{ticks // 10}.{ticks % 10}"


def _quantity(steps: int) -> str:
    return f"{steps / 1_000:.3f}"


def _rows(side: Side, *, reverse: bool = False) -> Sequence[tuple[str, str]]:
    ordered = sorted(side.items(), reverse=reverse)
    return [(_price(price), _quantity(steps) if steps else "0") for price, steps in ordered]


def _changes(before: Side, after: Side) -> Side:
    gone = dict.fromkeys(before.keys() - after.keys(), 0)
    return gone | {price: steps for price, steps in after.items() if before.get(price) != steps}


def _floats(side: Side) -> dict[float, float]:
    return {float(_price(price)): float(_quantity(steps)) for price, steps in side.items()}
