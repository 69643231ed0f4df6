"""A client of the socket that keeps everything it is told, with the time at which it came."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Record = dict[str, Any]

FALSE_LIVE_MS = 3_500
"""A price that is called live is at most 2 s old, and what is shown is made once a second."""


class Seen(NamedTuple):
    """One record of a symbol as it came."""

    at: float
    """Monotonic seconds."""
    record: Record


def component(record: Record, name: str) -> float | None:
    """A component's score; None while it is absent."""
    value: float | None = record["components"][name]
    return value


def reason_of(record: Record, name: str) -> str | None:
    """Why a component is absent; None while it is there."""
    quality = record["quality"].get(f"components.{name}")
    return None if quality is None else str(quality["reason"])


def price_state(record: Record) -> str:
    """The state of the price."""
    return str(record["quality"]["price"]["state"])


class Watch:
    """Listens in a thread of its own; `when` tells how long it took until something was shown."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._changed = threading.Condition()
        self._seen: dict[str, list[Seen]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.records = 0
        self.untruths: list[str] = []
        """Records that no reader should have been shown: a number nobody vouches for."""
        self.notices: set[str] = set()
        """Texts of all notices so far."""
        self.ended: str | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._thread.join(5)

    def when(
        self, symbol: str, is_so: Callable[[Record], object], after: float, limit: float
    ) -> float:
        """Seconds from `after` (monotonic) until a record of a symbol was shown that is so."""
        found = self._first(symbol, is_so, after, limit)
        if found is None:
            newest = self._seen.get(symbol, [])[-1:]
            msg = f"{symbol}: waited {limit:g} s in vain; {self.ended or newest}"
            raise AssertionError(msg)
        return found.at - after

    def never(self, symbol: str, is_so: Callable[[Record], object], after: float) -> bool:
        """Whether nothing of the kind was shown since then."""
        return not any(is_so(each.record) for each in self.since(symbol, after))

    def since(self, symbol: str, after: float) -> Sequence[Seen]:
        """What was shown of a symbol since then."""
        with self._changed:
            return [each for each in self._seen.get(symbol, []) if each.at >= after]

    def newest(self, symbol: str) -> Record | None:
        """The record of a symbol that holds now."""
        with self._changed:
            seen = self._seen.get(symbol)
            return seen[-1].record if seen else None

    def _first(
        self, symbol: str, is_so: Callable[[Record], object], after: float, limit: float
    ) -> Seen | None:
        deadline = time.monotonic() + limit
        begin = 0
        with self._changed:
            while True:
                seen = self._seen.get(symbol, [])
                for each in seen[begin:]:
                    if each.at >= after and is_so(each.record):
                        return each
                begin = len(seen)
                left = deadline - time.monotonic()
                if left <= 0 or self.ended is not None:
                    return None
                self._changed.wait(left)

    def _listen(self) -> None:
        try:
            with connect(self._address, max_size=None, proxy=None) as socket:
                socket.send(json.dumps({"type": "subscribe", "form": "records", "hz": 20}))
                while not self._stopping.is_set():
                    try:
                        self._take(socket.recv(timeout=0.5), time.monotonic())
                    except TimeoutError:
                        continue
        except (ConnectionClosed, OSError) as error:
            self.ended = f"the socket ended: {error}"
        finally:
            with self._changed:
                self._changed.notify_all()

    def _take(self, text: str | bytes, at: float) -> None:
        message = msgspec.json.decode(text)
        self.notices.update(each["text"] for each in message.get("notices") or ())
        if message["type"] != "market_update":
            return
        record: Record = message["data"]
        untruth = _untruth(record, message["timestamp"])
        with self._changed:
            self.records += 1
            if untruth is not None:
                self.untruths.append(f"{record['symbol']}: {untruth}")
            self._seen.setdefault(record["symbol"], []).append(Seen(at, record))
            self._changed.notify_all()


def _untruth(record: Record, timestamp: str) -> str | None:
    """What is wrong with a record, if anything."""
    score, quality = record["confluence_score"], record["quality"]
    if score is None and not record["reason"]:
        return "no score and no reason"
    if score is not None and not 0 <= score <= 100:
        return f"a score of {score}"
    for name, value in record["components"].items():
        if value is None and not quality[f"components.{name}"]["reason"]:
            return f"{name} is null without a reason"
        if value is not None and not 0 <= value <= 100:
            return f"{name} is {value}"
    price = quality["price"]
    if record["price"] is not None and not record["price"] > 0:
        return f"a price of {record['price']}"
    if price["state"] == "live":
        age = _milliseconds(timestamp) - price["as_of"]
        if age > FALSE_LIVE_MS:
            return f"a live price that is {age} ms old"
    return None


def _milliseconds(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1_000)
