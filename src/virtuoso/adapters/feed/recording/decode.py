"""Turns recorded frames back into the events they brought, venue by venue."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Protocol

from virtuoso.adapters.feed.binance import frames
from virtuoso.adapters.feed.binance.book_bridge import BookBridge
from virtuoso.adapters.feed.binance.intake import REST_BOOK, RESTART_BOOK
from virtuoso.adapters.feed.binance.parse import read_data, read_envelope, read_rest_book
from virtuoso.adapters.feed.bybit.parse import DataFrame, TopicName, read_frame
from virtuoso.adapters.feed.connection import LARGEST_SAMPLE
from virtuoso.adapters.feed.recording.format import Kind, Record
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import FeedEvent, FrameRefused, Topic
from virtuoso.domain.time import Millis

Watched = Callable[[str], bool]
"""Whether an instrument is played, by the venue's name for it."""

_BYBIT_TOPIC: Final = re.compile(
    r"(?:orderbook\.(?P<depth>\d{1,4})|(?P<kind>publicTrade|tickers|allLiquidation)|kline\.\w{1,3})"
    r"\.(?P<symbol>[A-Z0-9-]{2,30})"
)
_BYBIT_KINDS: Final[Mapping[str, Topic]] = {
    "publicTrade": Topic.TRADES,
    "tickers": Topic.TICKER,
    "allLiquidation": Topic.LIQUIDATIONS,
}


class Decoder(Protocol):
    """Reads the frames of one line, in their order."""

    def frame(self, route: str, frame: bytes, receive_time: Millis) -> Sequence[FeedEvent]:
        """The events a frame brought. Raises UnreadableFrameError."""
        ...


def decoder_of(venue: Venue, watched: Watched) -> Decoder | None:
    """The decoder of a venue's frames; None where only events are recorded."""
    if venue == BYBIT:
        return BybitDecoder(watched)
    if venue == BINANCE:
        return BinanceDecoder(watched)
    return None


class BybitDecoder:
    """Bybit's frames name their topic, and nothing else is needed."""

    def __init__(self, watched: Watched) -> None:
        self._topics = _BybitTopics(watched)

    def frame(self, route: str, frame: bytes, receive_time: Millis) -> Sequence[FeedEvent]:
        """The events a frame brought. Raises UnreadableFrameError."""
        if route:
            msg = f"expected frames of bybit without a route, found {route!r:.40}"
            raise UnreadableFrameError(msg)
        read = read_frame(frame, self._topics, receive_time)
        return read.events if isinstance(read, DataFrame) else ()


class _BybitTopics(Mapping[str, TopicName]):
    """Every topic there can be, made when it is first asked for."""

    _KEPT: Final = 10_000

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._made: dict[str, TopicName | None] = {}

    def __getitem__(self, text: str) -> TopicName:
        found = self._made.get(text)
        if found is None and text not in self._made:
            found = self._make(text)
            if len(self._made) < self._KEPT:
                self._made[text] = found
        if found is None:
            raise KeyError(text)
        return found

    def _make(self, text: str) -> TopicName | None:
        match = _BYBIT_TOPIC.fullmatch(text)
        if match is None or not self._watched(match["symbol"]):
            return None
        instrument = Instrument(BYBIT, Symbol(match["symbol"]))
        if match["depth"] is not None:
            depth = int(match["depth"])
            return TopicName(text, Topic.QUOTE if depth == 1 else Topic.BOOK, instrument, depth)
        topic = Topic.CANDLES if match["kind"] is None else _BYBIT_KINDS[match["kind"]]
        return TopicName(text, topic, instrument)

    def __iter__(self) -> Iterator[str]:
        return (text for text, name in self._made.items() if name is not None)

    def __len__(self) -> int:
        return sum(name is not None for name in self._made.values())


class BinanceDecoder:
    """Binance's frames, and the bridges between differences and REST books."""

    def __init__(self, watched: Watched) -> None:
        self._instruments = _BinanceInstruments(watched)
        self._bridges: dict[str, BookBridge] = {}

    def frame(self, route: str, frame: bytes, receive_time: Millis) -> Sequence[FeedEvent]:
        """The events a frame brought. Raises UnreadableFrameError."""
        if route.startswith(REST_BOOK):
            return self.rest_book(route.removeprefix(REST_BOOK), frame, receive_time)
        if route.startswith(RESTART_BOOK):
            self._bridge(route.removeprefix(RESTART_BOOK)).restart()
            return ()
        return self.data(read_envelope(frame), receive_time)

    def data(self, envelope: frames.Envelope, receive_time: Millis) -> Sequence[FeedEvent]:
        """The events of a frame of a stream. Raises UnreadableFrameError."""
        parsed = read_data(envelope, self._instruments, receive_time)
        if parsed is None:
            return ()
        if isinstance(parsed, frames.Depth):
            return self._bridge(parsed.symbol).offer(parsed, receive_time)
        return (parsed,)

    def rest_book(self, symbol: str, body: bytes, receive_time: Millis) -> Sequence[FeedEvent]:
        """What a REST book makes possible. Raises UnreadableFrameError."""
        rest = read_rest_book(body)
        if symbol not in self._instruments:
            return ()
        return self._bridge(symbol).offer_rest_book(rest, receive_time)

    def _bridge(self, symbol: str) -> BookBridge:
        bridge = self._bridges.get(symbol)
        if bridge is None:
            bridge = BookBridge(Instrument(BINANCE, Symbol(symbol)))
            self._bridges[symbol] = bridge
        return bridge


class _BinanceInstruments(Mapping[str, Instrument]):
    """Every instrument that is played, made when it is first asked for."""

    _KEPT: Final = 10_000

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._made: dict[str, Instrument | None] = {}

    def __getitem__(self, symbol: str) -> Instrument:
        found = self._made.get(symbol)
        if found is None and symbol not in self._made:
            found = Instrument(BINANCE, Symbol(symbol)) if self._watched(symbol) else None
            if len(self._made) < self._KEPT:
                self._made[symbol] = found
        if found is None:
            raise KeyError(symbol)
        return found

    def __iter__(self) -> Iterator[str]:
        return (symbol for symbol, made in self._made.items() if made is not None)

    def __len__(self) -> int:
        return sum(made is not None for made in self._made.values())


_TOPIC: Final = re.compile(rb'"(?:topic|stream)"\s*:\s*"([^"\\]{1,60})"')


def topic_of(record: Record) -> str:
    """What a record is about, for counting: the topic of a frame, the route, or the kind."""
    if record.kind is not Kind.FRAME:
        return str(record.kind.name).lower()
    if record.route:
        return record.route
    match = _TOPIC.search(record.body, 0, 200) or _TOPIC.search(record.body)
    return "?" if match is None else match[1].decode(errors="replace")


def symbol_of(topic: str) -> str | None:
    """The instrument that a topic of `topic_of` is about."""
    if ":" in topic:
        return topic.rpartition(":")[2]
    if "@" in topic:
        return topic.partition("@")[0].upper()
    match = _BYBIT_TOPIC.fullmatch(topic)
    return None if match is None else match["symbol"]


def watched_of(instruments: Collection[Instrument]) -> Watched:
    """Say yes to these; to everything, when there are none."""
    symbols = frozenset(str(each.symbol) for each in instruments)
    return (lambda _: True) if not symbols else symbols.__contains__


def refused(venue: Venue, frame: bytes, reason: str, receive_time: Millis) -> FrameRefused:
    """Say that a record could not be played."""
    return FrameRefused(
        venue, reason, frame[:LARGEST_SAMPLE], recycled=False, receive_time=receive_time
    )
