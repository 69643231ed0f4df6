"""What can be made to go wrong, on request, so that clients can be tested against it.

`POST /simulator/faults` with a JSON object, from this machine only; `GET` lists what there is.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

FaultName: TypeAlias = Literal[
    "drop_connection",
    "refuse_connections",
    "garbage",
    "book_gap",
    "book_restart",
    "crossed_book",
    "freeze",
    "unfreeze",
    "freeze_symbol",
    "freeze_topic",
    "refuse_topic",
    "lose_trades",
    "rest_down",
    "ban",
    "rate_limit",
    "maintenance",
    "slow_rest",
    "clear",
]

FAULTS: Final[Mapping[str, str]] = {
    "drop_connection": 'end every stream; "how": "close" (default) or "reset"',
    "refuse_connections": "end every stream and answer new ones with 503",
    "garbage": 'send one malformed frame to everybody; "variant": one of those listed',
    "book_gap": 'leave out the next update of the deep books of "symbol"',
    "book_restart": 'send a snapshot with u = 1 to the deep books of "symbol", as after a restart',
    "crossed_book": 'cross the deep books of "symbol" with one false update',
    "freeze": 'push nothing any more; answers to pings go on unless "pongs" is false',
    "unfreeze": "push again; what was not pushed is lost, so the books have a gap",
    "freeze_symbol": 'push nothing of "symbol"',
    "freeze_topic": 'push nothing of "topic"',
    "refuse_topic": 'answer the next subscriptions to "topic" with an error',
    "lose_trades": 'push only some of the trades: "share" of them are lost',
    "rest_down": "answer every REST request with 503",
    "ban": "answer every REST request with 403: access too frequent",
    "rate_limit": "answer every REST request with retCode 10006",
    "maintenance": "answer every REST request with 200 and a page of HTML",
    "slow_rest": 'answer every REST request "delay" seconds late',
    "clear": "end all faults",
}
"""What each does. A lasting one ends after "seconds", if given, or with "clear"."""

_ONCE = frozenset(
    {"drop_connection", "garbage", "book_gap", "book_restart", "crossed_book", "unfreeze", "clear"}
)
_REST = frozenset({"rest_down", "ban", "rate_limit", "maintenance", "slow_rest"})
_NEEDS: Final[Mapping[str, str]] = {
    "book_gap": "symbol",
    "book_restart": "symbol",
    "crossed_book": "symbol",
    "freeze_symbol": "symbol",
    "freeze_topic": "topic",
    "refuse_topic": "topic",
}


def _pushed(symbol: str, prices: str) -> bytes:
    data = f'{{"s":"{symbol}","b":{prices},"a":[],"u":2,"seq":2}}'
    topic = f"orderbook.200.{symbol}"
    return f'{{"topic":"{topic}","type":"delta","ts":1,"data":{data},"cts":1}}'.encode()


GARBAGE: Final[Mapping[str, Callable[[str], bytes]]] = {
    "cut_json": lambda symbol: _pushed(symbol, '[["1.0","2.0"]]')[:60],
    "price_is_text": lambda symbol: _pushed(symbol, '[["abc","1"]]'),
    "price_is_nan": lambda symbol: _pushed(symbol, '[["NaN","1"]]'),
    "price_is_infinite": lambda symbol: _pushed(symbol, '[["1e999","1"]]'),
    "price_is_object": lambda symbol: _pushed(symbol, '[[{"p":1},"1"]]'),
    "null_row": lambda symbol: _pushed(symbol, "[null]"),
    "null_data": lambda symbol: (
        b'{"topic":"tickers.%s","type":"delta","data":null,"cs":1,"ts":1}' % symbol.encode()
    ),
    "deep_nesting": lambda _: b"[" * 20_000 + b"]" * 20_000,
    "invalid_utf8": lambda _: b'{"topic":"\xff\xfe"}',
    "plain_text": lambda _: b"upstream connect error",
    "list": lambda _: b"[1,2,3]",
    "number": lambda _: b"42",
    "empty": lambda _: b"",
    "numeric_topic": lambda _: b'{"topic":7,"type":"delta","data":{}}',
    "unknown_symbol": lambda _: _pushed("NOSUCHUSDT", '[["1.0","2.0"]]'),
    "five_megabytes": lambda _: b'{"topic":"' + b"x" * 5_000_000 + b'"}',
}
"""Malformed frames, made for a symbol."""


class FaultRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a tester asks for."""

    fault: FaultName
    symbol: str = ""
    topic: str = ""
    how: Literal["close", "reset"] = "close"
    variant: str = "cut_json"
    pongs: bool = True
    share: float = 0.01
    delay: float = 3.0
    seconds: float | None = None


class Faults:
    """The faults that last: the stream and the REST side ask it before they answer."""

    def __init__(self, symbols: frozenset[str]) -> None:
        self._symbols = symbols
        self._active: dict[tuple[str, str], FaultRequest] = {}
        self._ends: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._trades_seen = 0

    def begin(self, request: FaultRequest) -> None:
        """Start a fault that lasts, or end some. Raises ValueError when a detail is wrong."""
        needed = _NEEDS.get(request.fault)
        if needed and not getattr(request, needed):
            message = f"expected a {needed} for {request.fault}, found none"
            raise ValueError(message)
        if request.symbol and request.symbol not in self._symbols:
            message = f"expected a symbol that is listed, found {request.symbol!r}"
            raise ValueError(message)
        if request.fault == "garbage" and request.variant not in GARBAGE:
            message = f"expected a variant of {', '.join(GARBAGE)}, found {request.variant!r}"
            raise ValueError(message)
        if request.fault == "clear":
            self._end(lambda _: True)
        elif request.fault == "unfreeze":
            self._end(lambda name: name.startswith("freeze"))
        elif request.fault not in _ONCE:
            key = (request.fault, request.symbol or request.topic)
            self._active[key] = request
            if key in self._ends:
                self._ends.pop(key).cancel()
            if request.seconds is not None:
                loop = asyncio.get_running_loop()
                self._ends[key] = loop.call_later(request.seconds, self._expire, key)

    def active(self) -> list[str]:
        """Return the names of the faults that last, with what they are about."""
        return [f"{name} {about}".strip() for name, about in self._active]

    def silences(self, topic: str) -> bool:
        """Tell whether pushes of this topic are held back."""
        if not self._active:
            return False
        symbol = topic.rpartition(".")[2]
        return (
            ("freeze", "") in self._active
            or ("freeze_symbol", symbol) in self._active
            or ("freeze_topic", topic) in self._active
        )

    def silences_pongs(self) -> bool:
        """Tell whether pings are left unanswered."""
        freeze = self._active.get(("freeze", ""))
        return freeze is not None and not freeze.pongs

    def refuses_topic(self, topic: str) -> bool:
        """Tell whether subscriptions to this topic are refused."""
        return ("refuse_topic", topic) in self._active

    def refuses_connections(self) -> bool:
        """Tell whether new streams are refused."""
        return ("refuse_connections", "") in self._active

    def loses_next_trade(self) -> bool:
        """Tell whether the next trade is lost: every hundredth one at a share of 0.01."""
        request = self._active.get(("lose_trades", ""))
        if request is None or request.share <= 0:
            return False
        before = int(self._trades_seen * request.share)
        self._trades_seen += 1
        return int(self._trades_seen * request.share) > before

    def rest(self) -> FaultRequest | None:
        """Return the fault that REST requests meet, if any."""
        for (name, _), request in self._active.items():
            if name in _REST:
                return request
        return None

    def _expire(self, key: tuple[str, str]) -> None:
        self._active.pop(key, None)
        self._ends.pop(key, None)

    def _end(self, which: Callable[[str], bool]) -> None:
        for key in [key for key in self._active if which(key[0])]:
            self._expire_now(key)

    def _expire_now(self, key: tuple[str, str]) -> None:
        timer = self._ends.get(key)
        if timer is not None:
            timer.cancel()
        self._expire(key)
