"""What can be made to go wrong, on request, so that clients can be tested against it.

`POST /simulator/faults` with a JSON object, or with a list of them that say `at` how many seconds
each begins; from this machine only. `GET` lists what there is and changes nothing.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from virtuoso.simulator.directory import Directory, Entry
from virtuoso.simulator.garbage import GARBAGE

FaultName: TypeAlias = Literal[
    "drop_connection",
    "refuse_connections",
    "half_open",
    "delay",
    "burst",
    "garbage",
    "book_gap",
    "book_old",
    "book_repeat",
    "book_reorder",
    "book_restart",
    "book_delta_one",
    "delta_first",
    "crossed_book",
    "locked_book",
    "one_sided_book",
    "empty_book",
    "old_snapshot",
    "freeze",
    "unfreeze",
    "freeze_symbol",
    "freeze_topic",
    "refuse_topic",
    "lose_trades",
    "repeat_trades",
    "late_trades",
    "shuffle_trades",
    "price_jump",
    "rest_down",
    "ban",
    "rate_limit",
    "maintenance",
    "error_code",
    "slow_rest",
    "silent_rest",
    "drip_rest",
    "cut_rest",
    "wrong_length",
    "gzip_bomb",
    "huge_body",
    "list_symbol",
    "delist_symbol",
    "new_tick",
    "announce_maintenance",
    "clear",
]
VenueName: TypeAlias = Literal["bybit", "binance"]

FAULTS: Final[Mapping[str, str]] = {
    "drop_connection": 'end every stream; "how": "close" (default) or "reset"',
    "refuse_connections": "end every stream and answer new ones with 503",
    "half_open": "keep the streams open, read and write nothing; while it lasts new ones as well",
    "delay": 'push everything "delay" seconds late, up to "jitter" seconds more, in order',
    "burst": 'push "factor" times as many messages: more quotes and trades, all of them true',
    "garbage": 'send one malformed frame to everybody; "variant": one of those listed',
    "book_gap": 'leave out the next update of the deep books of "symbol"',
    "book_old": 'push the update before the next one of "symbol" once more, after it',
    "book_repeat": 'push the next update of the deep books of "symbol" twice',
    "book_reorder": 'push the next two updates of the deep books of "symbol" in the wrong order',
    "book_restart": 'send a snapshot with u = 1 to the deep books of "symbol", as after a restart '
    "(Bybit)",
    "book_delta_one": 'push a delta with u = 1 to the deep books of "symbol" (Bybit)',
    "delta_first": 'begin the next subscriptions to the books of "symbol" with a delta (Bybit)',
    "crossed_book": 'cross the deep books of "symbol" with one false update',
    "locked_book": 'let bid and ask of the deep books of "symbol" be equal, by one false update',
    "one_sided_book": 'show the books of "symbol" without asks, or without "side"',
    "empty_book": 'show the books of "symbol" without any level',
    "old_snapshot": 'answer requests for the book of "symbol" with that of the moment it began',
    "freeze": 'push nothing any more; answers to pings go on unless "pongs" is false',
    "unfreeze": "push again; what was not pushed is lost, so the books have a gap",
    "freeze_symbol": 'push nothing of "symbol"',
    "freeze_topic": 'push nothing of "topic"',
    "refuse_topic": 'answer the next subscriptions to "topic" with an error',
    "lose_trades": 'push only some of the trades: "share" of them are lost',
    "repeat_trades": "push every message of trades twice",
    "late_trades": 'push trades "delay" seconds late, while everything else is in time',
    "shuffle_trades": 'push the messages of trades of each symbol in groups of "count", shuffled',
    "price_jump": 'move the price of "symbol" by "size" (0.25: up a quarter); "how": "once" is '
    'one trade, "lasting" (default) all that follows; with a "venue" on that one only',
    "rest_down": 'answer every REST request with "status" (503)',
    "ban": "answer every REST request with 403: access too frequent (Binance: 418, Retry-After)",
    "rate_limit": "answer every REST request with retCode 10006 (Binance: 429, Retry-After)",
    "maintenance": "answer every REST request with 200 and a page of HTML",
    "error_code": 'answer every REST request with retCode "code" (10016; Binance: 400 and -1001)',
    "slow_rest": 'answer every REST request "delay" seconds late',
    "silent_rest": "take every REST request and never answer",
    "drip_rest": 'send the body of every REST answer byte by byte, one in "delay" seconds',
    "cut_rest": "end the connection in the middle of the body of every REST answer",
    "wrong_length": "say that every REST body is longer than it is, and keep the connection open",
    "gzip_bomb": 'answer every REST request with "megabytes" (100) of zeros, packed',
    "huge_body": 'answer every REST request with a list of "megabytes" (100)',
    "list_symbol": 'let "symbol", kept back until now, begin to trade',
    "delist_symbol": 'announce the end of "symbol" in "delay" seconds; then its status changes, '
    "and its topics fall silent",
    "new_tick": 'announce a tick for "symbol" that is finer by "factor"',
    "announce_maintenance": 'announce maintenance in "delay" seconds, for "seconds" (600); nothing '
    "else happens (Bybit)",
    "clear": "end all faults",
}
"""What each does. A lasting one ends after "seconds", if given, or with "clear". "venue" (bybit or
binance) limits one to that venue, "path" one of REST to paths that contain it."""

LASTING: Final = frozenset(
    {
        "refuse_connections",
        "half_open",
        "delay",
        "burst",
        "delta_first",
        "one_sided_book",
        "empty_book",
        "old_snapshot",
        "freeze",
        "freeze_symbol",
        "freeze_topic",
        "refuse_topic",
        "lose_trades",
        "repeat_trades",
        "late_trades",
        "shuffle_trades",
    }
)
REST_FAULTS: Final = frozenset(
    {
        "rest_down",
        "ban",
        "rate_limit",
        "maintenance",
        "error_code",
        "slow_rest",
        "silent_rest",
        "drip_rest",
        "cut_rest",
        "wrong_length",
        "gzip_bomb",
        "huge_body",
    }
)
_SYMBOL_NEEDED: Final = frozenset(
    {
        "book_gap",
        "book_old",
        "book_repeat",
        "book_reorder",
        "book_restart",
        "book_delta_one",
        "delta_first",
        "crossed_book",
        "locked_book",
        "one_sided_book",
        "empty_book",
        "old_snapshot",
        "freeze_symbol",
        "price_jump",
        "list_symbol",
        "delist_symbol",
        "new_tick",
    }
)
_TOPIC_NEEDED: Final = frozenset({"freeze_topic", "refuse_topic"})

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)]


class FaultRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What a tester asks for."""

    fault: FaultName
    at: _Seconds = 0.0
    """In a script: when it begins, in seconds after the script did."""
    venue: VenueName | None = None
    symbol: str = ""
    topic: str = ""
    path: str = ""
    how: Literal["close", "reset", "once", "lasting"] | None = None
    side: Literal["bids", "asks"] = "asks"
    variant: str = "cut_json"
    pongs: bool = True
    share: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.01
    delay: _Seconds = 3.0
    jitter: _Seconds = 0.0
    factor: Annotated[float, msgspec.Meta(gt=1.0, le=1_000.0)] = 10.0
    size: Annotated[float, msgspec.Meta(gt=-1.0, le=100.0)] = 0.25
    count: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 5
    status: Annotated[int, msgspec.Meta(ge=500, le=599)] = 503
    code: int | None = None
    retry_after: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 120
    megabytes: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    seconds: _Seconds | None = None

    def concerns(self, venue: VenueName) -> bool:
        """Tell whether it is about a venue."""
        return self.venue is None or self.venue == venue

    def describe(self) -> str:
        """Say in one line what it is about."""
        about = self.symbol or self.topic or self.path
        return " ".join(part for part in (self.fault, about, self.venue or "") if part)


def read_script(text: bytes | str) -> list[FaultRequest]:
    """Read one fault or a list of them. Raises ValueError saying what was expected."""
    try:
        value = msgspec.json.decode(text, type=FaultRequest | list[FaultRequest])
    except (msgspec.MsgspecError, RecursionError) as error:
        message = f"expected a fault, or a list of faults with the times they begin: {error}"
        raise ValueError(message) from error
    return [value] if isinstance(value, FaultRequest) else value


@dataclass(slots=True)
class _Quiet:
    """What is not pushed on one venue."""

    everything: bool = False
    numbers: set[int] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)


class Faults:
    """The faults that last: the streams and the REST sides ask it before they answer."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._active: dict[tuple[str, str, str], FaultRequest] = {}
        self._ends: dict[tuple[str, str, str], asyncio.TimerHandle] = {}
        self._quiet: dict[VenueName, _Quiet] = {}
        self._trades_seen = 0
        self._random = random.Random(1)  # noqa: S311 - a jitter, not a secret
        self.ended: list[Callable[[FaultRequest], None]] = []
        """Who is told of the end of a fault that lasted."""

    def check(self, request: FaultRequest) -> None:
        """Raise ValueError, saying what was expected, when a detail is wrong."""
        name = request.fault
        if name in _SYMBOL_NEEDED and not request.symbol:
            message = f"expected a symbol for {name}, found none"
        elif name in _TOPIC_NEEDED and not request.topic:
            message = f"expected a topic for {name}, found none"
        elif request.symbol and self._directory.number_of(request.symbol) is None:
            message = f"expected a symbol that is listed, found {request.symbol[:40]!r}"
        elif name == "garbage" and request.variant not in GARBAGE:
            message = f"expected a variant of {', '.join(GARBAGE)}, found {request.variant[:40]!r}"
        elif name == "list_symbol" and self._entry(request).listed:
            message = f"expected a symbol that is kept back, found {request.symbol!r}, listed"
        elif name not in {"drop_connection", "price_jump"} and request.how is not None:
            message = f"expected no how for {name}, found {request.how!r}"
        elif name == "drop_connection" and request.how not in {None, "close", "reset"}:
            message = f"expected close or reset for {name}, found {request.how!r}"
        elif name == "price_jump" and request.how not in {None, "once", "lasting"}:
            message = f"expected once or lasting for {name}, found {request.how!r}"
        else:
            return
        raise ValueError(message)

    def begin(self, request: FaultRequest) -> None:
        """Start a fault that lasts, or end some. Raises ValueError when a detail is wrong."""
        self.check(request)
        if request.fault == "clear":
            self._end(lambda _: True)
        elif request.fault == "unfreeze":
            self._end(lambda name: name.startswith("freeze"))
        elif request.fault in LASTING | REST_FAULTS:
            about = request.symbol or request.topic or request.path
            key = (request.fault, about, request.venue or "")
            self._active[key] = request
            if key in self._ends:
                self._ends.pop(key).cancel()
            if request.seconds is not None:
                loop = asyncio.get_running_loop()
                self._ends[key] = loop.call_later(request.seconds, self._expire, key)
            self._look()

    def active(self) -> list[str]:
        """Return the names of the faults that last, with what they are about."""
        return [request.describe() for request in self._active.values()]

    def lasting(
        self, name: FaultName, venue: VenueName, number: int | None = None
    ) -> FaultRequest | None:
        """Return a fault that lasts, is about a venue, and about a listing if it names one."""
        for request in self._active.values():
            if request.fault != name or not request.concerns(venue):
                continue
            named = self._directory.number_of(request.symbol)
            if number is None or named is None or named == number:
                return request
        return None

    def silences(self, venue: VenueName, number: int, topic: str) -> bool:
        """Tell whether pushes of this topic are held back."""
        if not self._quiet:
            return False
        quiet = self._quiet.get(venue)
        return quiet is not None and (
            quiet.everything or number in quiet.numbers or topic in quiet.topics
        )

    def silences_pongs(self, venue: VenueName) -> bool:
        """Tell whether pings are left unanswered."""
        freeze = self.lasting("freeze", venue)
        return freeze is not None and not freeze.pongs

    def refuses_topic(self, venue: VenueName, topic: str) -> bool:
        """Tell whether subscriptions to this topic are refused."""
        return any(
            request.fault == "refuse_topic" and request.topic == topic and request.concerns(venue)
            for request in self._active.values()
        )

    def push_delay(self, venue: VenueName) -> float:
        """Return how late the next push is, in seconds."""
        if not self._active:
            return 0.0
        request = self.lasting("delay", venue)
        if request is None:
            return 0.0
        return request.delay + request.jitter * self._random.random()

    def loses_next_trade(self, venue: VenueName) -> bool:
        """Tell whether the next trade is lost: every hundredth one at a share of 0.01."""
        if not self._active:
            return False
        request = self.lasting("lose_trades", venue)
        if request is None or request.share <= 0:
            return False
        before = math.floor(self._trades_seen * request.share)
        self._trades_seen += 1
        return math.floor(self._trades_seen * request.share) > before

    def rest(self, venue: VenueName, path: str) -> FaultRequest | None:
        """Return the fault that a REST request meets, if any."""
        for request in self._active.values():
            if request.fault in REST_FAULTS and request.concerns(venue) and request.path in path:
                return request
        return None

    def _entry(self, request: FaultRequest) -> Entry:
        number = self._directory.number_of(request.symbol)
        return self._directory.entries[number or 0]

    def _look(self) -> None:
        """Note what is to be silent, so that each push need not look through all faults."""
        self._quiet = {}
        for request in self._active.values():
            if not request.fault.startswith("freeze"):
                continue
            for venue in ("bybit", "binance"):
                if request.concerns(venue):
                    quiet = self._quiet.setdefault(venue, _Quiet())
                    quiet.everything |= request.fault == "freeze"
                    number = self._directory.number_of(request.symbol)
                    if request.fault == "freeze_symbol" and number is not None:
                        quiet.numbers.add(number)
                    if request.fault == "freeze_topic":
                        quiet.topics.add(request.topic)

    def _expire(self, key: tuple[str, str, str]) -> None:
        request = self._active.pop(key, None)
        timer = self._ends.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._look()
        if request is not None:
            for tell in self.ended:
                tell(request)

    def _end(self, which: Callable[[str], bool]) -> None:
        for key in [key for key in self._active if which(key[0])]:
            self._expire(key)
