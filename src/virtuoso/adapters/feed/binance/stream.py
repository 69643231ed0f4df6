"""BinanceFeed: two connections a group of instruments, and the REST books that begin the books."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec
import structlog

from virtuoso.adapters.feed.binance import frames
from virtuoso.adapters.feed.binance.book_bridge import BookBridge
from virtuoso.adapters.feed.binance.parse import read_data, read_envelope, read_rest_book
from virtuoso.adapters.feed.connection import (
    LARGEST_SAMPLE,
    SEND_SECONDS,
    Batch,
    Connection,
    ConversationEndedError,
    Outbox,
    Socket,
    Strikes,
    drain,
    open_session,
    open_socket,
    until_one_ends,
)
from virtuoso.adapters.feed.limits import RequestBudget, pause_of
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import FeedError, SettingsError, VenueUnavailableError
from virtuoso.domain.instruments import BINANCE, Instrument, Venue
from virtuoso.domain.market_data import (
    Alive,
    Connected,
    FrameRefused,
    Topic,
    TopicRefused,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_STREAMS_A_CONNECTION: Final = 180
_STREAMS_A_REQUEST: Final = 60
_REQUEST_PAUSE_SECONDS: Final = 0.2
"""Half the rate at which the venue cuts a connection off."""
_ANSWER_SECONDS: Final = 5.0
_WATCH_SECONDS: Final = 0.25
_SILENCE_MS: Final = 4 * SECOND
_LIFE_MS: Final = 23 * HOUR
"""The venue ends a connection after 24 hours."""
_REST_SECONDS: Final = 10.0
_REST_PAUSE_MS: Final = 500
_REST_AT_ONCE: Final = 5
_BOOK_LIMIT: Final = 500
_BOOK_WEIGHT: Final = 10

_PUBLIC: Final[Mapping[str, Topic]] = {"depth@100ms": Topic.BOOK, "bookTicker": Topic.QUOTE}
_MARKET: Final[Mapping[str, Topic]] = {
    "aggTrade": Topic.TRADES,
    "markPrice@1s": Topic.TICKER,
    "ticker": Topic.TICKER,
    "kline_1m": Topic.CANDLES,
    "forceOrder": Topic.LIQUIDATIONS,
}
_INSTRUMENTS_A_GROUP: Final = _STREAMS_A_CONNECTION // max(len(_PUBLIC), len(_MARKET))
_STREAM_IN_FRAME: Final = re.compile(rb'"stream"\s*:\s*"([^"\\]{1,60})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceSettings:
    """Where the streams and the REST books are."""

    stream_url: str = "wss://fstream.binance.com"
    rest_url: str = "https://fapi.binance.com"


def streams_of(instrument: Instrument, kinds: Mapping[str, Topic]) -> dict[str, Topic]:
    """The names of an instrument's streams, in the venue's lower case."""
    return {f"{instrument.symbol.lower()}@{kind}": topic for kind, topic in kinds.items()}


class BinanceFeed:
    """The public streams of Binance's USD-M perpetuals.

    One instrument's streams lie on two connections; when one of the two is lost, both begin anew,
    so that an instrument is either connected or not.
    """

    def __init__(
        self,
        settings: BinanceSettings,
        budget: RequestBudget,
        clock: Clock,
        rng: random.Random,
        source: Source = Source.BINANCE,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._source = source
        self._groups: dict[Instrument, Group] = {}

    @property
    def venue(self) -> Venue:
        """Binance."""
        return BINANCE

    @property
    def source(self) -> Source:
        """Binance, or the simulator."""
        return self._source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Connect, subscribe and yield a batch a frame, for ever. Raises SettingsError."""
        strangers = [each.symbol for each in instruments if each.venue != BINANCE]
        if strangers or not instruments:
            msg = f"expected instruments of binance, found {strangers or 'none'}"
            raise SettingsError(msg)
        outbox = Outbox()
        ordered = sorted(instruments)
        async with open_session() as session:
            groups = [
                Group(
                    ordered[first : first + _INSTRUMENTS_A_GROUP],
                    self._settings,
                    self._budget,
                    session,
                    Connection(
                        BINANCE,
                        ordered[first : first + _INSTRUMENTS_A_GROUP],
                        outbox,
                        self._clock,
                        self._rng,
                    ),
                )
                for first in range(0, len(ordered), _INSTRUMENTS_A_GROUP)
            ]
            self._groups = {each: group for group in groups for each in group.instruments}
            batches = drain(outbox, [group.run() for group in groups])
            try:
                async for batch in batches:
                    yield batch
            finally:
                self._groups = {}
                await batches.aclose()

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Begin a book anew with a REST book; for other topics, recycle."""
        group = self._groups.get(instrument)
        if group is not None:
            group.renew(instrument, topic)

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connections that carry this instrument."""
        group = self._groups.get(instrument)
        if group is not None:
            group.kept.recycle(reason)


class Group:
    """Instruments that share a pair of connections."""

    def __init__(
        self,
        instruments: Collection[Instrument],
        settings: BinanceSettings,
        budget: RequestBudget,
        session: aiohttp.ClientSession,
        kept: Connection,
    ) -> None:
        self.instruments: Final = frozenset(instruments)
        self.by_symbol: Final[Mapping[str, Instrument]] = {
            str(each.symbol): each for each in instruments
        }
        self.kept: Final = kept
        self.strikes: Final = Strikes(kept.clock)
        self._settings = settings
        self._budget = budget
        self._session = session
        self.bridges: Final = {str(each.symbol): BookBridge(each) for each in instruments}

    async def run(self) -> None:
        """Keep the connections, for ever."""
        await self.kept.run(self._converse)

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Ask for a new REST book, unless one is awaited; for other topics, recycle."""
        if topic is not Topic.BOOK:
            self.kept.recycle(f"{topic} of {instrument.symbol} had to be renewed")
            return
        bridge = self.bridges[str(instrument.symbol)]
        if bridge.bridged:
            bridge.restart()

    async def fetch_book(self, symbol: str) -> frames.RestBook:
        """Ask for a REST book. Raises FeedError."""
        await self._budget.spend(_BOOK_WEIGHT)
        url = f"{self._settings.rest_url}/fapi/v1/depth"
        query: dict[str, str | int] = {"symbol": symbol, "limit": _BOOK_LIMIT}
        try:
            async with (
                asyncio.timeout(_REST_SECONDS),
                self._session.get(url, params=query) as response,
            ):
                pause = pause_of(response.status, response.headers.get("Retry-After"))
                if pause is not None:
                    self._budget.pause(pause)
                if response.status != 200:
                    msg = f"expected a book with status 200, found {response.status}"
                    raise VenueUnavailableError(msg)
                return read_rest_book(await response.read())
        except (aiohttp.ClientError, OSError) as error:
            msg = f"no book of {symbol}: {error}"[:200]
            raise VenueUnavailableError(msg) from error

    async def _converse(self) -> None:
        base = self._settings.stream_url
        for bridge in self.bridges.values():
            bridge.restart()
        async with (
            open_socket(self._session, f"{base}/public/stream") as public,
            open_socket(self._session, f"{base}/market/stream") as market,
        ):
            connected = Connected(BINANCE, self.instruments, self.kept.clock.now())
            await self.kept.outbox.put([connected])
            sides = [Conversation(self, public, _PUBLIC), Conversation(self, market, _MARKET)]
            await until_one_ends(
                *(side.read() for side in sides),
                *(side.subscribe() for side in sides),
                *(side.watch() for side in sides),
                self._begin_books(),
                self._grow_old(),
                self.kept.recycled(),
            )

    async def _begin_books(self) -> None:
        """Fetch a REST book wherever a stream of differences waits for one."""
        asked: dict[str, int] = {}
        while True:
            now = self.kept.clock.monotonic_ms()
            wanting = [
                symbol
                for symbol, bridge in self.bridges.items()
                if bridge.wants_rest_book
                and now - asked.get(symbol, -_REST_PAUSE_MS) >= _REST_PAUSE_MS
            ][:_REST_AT_ONCE]
            asked.update(dict.fromkeys(wanting, now))
            await asyncio.gather(*(self._begin_book(symbol) for symbol in wanting))
            await asyncio.sleep(0.05 if wanting else _WATCH_SECONDS)

    async def _begin_book(self, symbol: str) -> None:
        try:
            rest = await self.fetch_book(symbol)
        except (FeedError, TimeoutError) as error:
            _log.warning("rest_book_failed", symbol=symbol, error=str(error))
            await asyncio.sleep(1)
            return
        events = self.bridges[symbol].offer_rest_book(rest, self.kept.clock.now())
        if events:
            await self.kept.outbox.put(events)

    async def _grow_old(self) -> None:
        await asyncio.sleep(_LIFE_MS / SECOND)
        msg = "renewed after 23 hours, before the venue would end it"
        raise ConversationEndedError(msg)


class Conversation:
    """What is said over one of the two websockets of a group."""

    def __init__(self, group: Group, ws: Socket, kinds: Mapping[str, Topic]) -> None:
        self._group = group
        self._ws = ws
        self._clock = group.kept.clock
        self._outbox = group.kept.outbox
        self._streams = {
            stream: (instrument, topic)
            for instrument in sorted(group.instruments)
            for stream, topic in streams_of(instrument, kinds).items()
            if not group.strikes.is_set_aside(stream)
        }
        self._requests = 0
        self._answers: dict[int, asyncio.Future[frames.Envelope]] = {}
        self._last_data_ms: int | None = None

    async def subscribe(self) -> None:
        """Subscribe to everything; a stream that is refused is set aside."""
        names = list(self._streams)
        waiting = [
            names[first : first + _STREAMS_A_REQUEST]
            for first in range(0, len(names), _STREAMS_A_REQUEST)
        ]
        while waiting:
            batch = waiting.pop(0)
            answer = await self._request("SUBSCRIBE", batch)
            if answer.code is None and not bytes(answer.error):
                if self._last_data_ms is None:
                    self._last_data_ms = self._clock.monotonic_ms()
            elif len(batch) == 1:
                await self._refuse_topic(batch[0], answer.msg or bytes(answer.error).decode())
            else:  # the answer does not name the culprit: find out by halves
                half = len(batch) // 2
                waiting += [batch[:half], batch[half:]]
            await asyncio.sleep(_REQUEST_PAUSE_SECONDS)
        await asyncio.Event().wait()  # the other jobs decide when it is over

    async def read(self) -> None:
        """Take frames until the venue closes, or sends what cannot be read."""
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.ERROR:
                await self._refuse(b"", f"unreadable websocket message: {message.data}")
            await self._take(message.data)
        reason = "the venue closed the connection"
        if (error := self._ws.exception()) is not None:
            reason = f"{type(error).__name__}: {error}"[:200]
        raise ConversationEndedError(reason)

    async def watch(self) -> None:
        """End the conversation when no data come although they should."""
        before = self._clock.monotonic_ms()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = self._clock.monotonic_ms()
            if now - before > SECOND or self._outbox.waiting_readers:
                # it was this process that stood still: what lies in the socket is not read yet
                self._last_data_ms = None if self._last_data_ms is None else now
            before = now
            if self._last_data_ms is not None and now - self._last_data_ms > _SILENCE_MS:
                msg = f"no data for {(now - self._last_data_ms) / SECOND:.1f} s"
                raise ConversationEndedError(msg)

    async def _request(self, method: str, streams: list[str]) -> frames.Envelope:
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[frames.Envelope] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = {"method": method, "params": streams, "id": number}
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._ws.send_str(msgspec.json.encode(request).decode())
                return await answer
        except TimeoutError as error:
            msg = f"no answer to {method} within {_ANSWER_SECONDS:g} s"
            raise ConversationEndedError(msg) from error
        finally:
            del self._answers[number]

    async def _take(self, frame: str | bytes) -> None:
        """Read one frame and hand on what is in it."""
        receive_time = self._clock.now()
        group = self._group
        try:
            envelope = read_envelope(frame)
            if envelope.stream is None:
                await self._take_answer(envelope)
                return
            parsed = read_data(envelope, group.by_symbol, receive_time)
        except UnreadableFrameError as error:
            await self._refuse(_sample(frame), str(error))
            return
        now = self._clock.monotonic_ms()
        self._last_data_ms = now
        if group.kept.first_data_ms is None:
            group.kept.first_data_ms = now
        if parsed is None:
            await self._note_unknown(frame, envelope.stream)
        elif isinstance(parsed, frames.Depth):
            events = group.bridges[parsed.symbol].offer(parsed, receive_time)
            if events:
                await self._outbox.put(events)
        else:
            await self._outbox.put([parsed])

    async def _take_answer(self, envelope: frames.Envelope) -> None:
        if envelope.id is None and envelope.code is None and not bytes(envelope.error):
            msg = "expected a stream or the id of a request, found neither"
            raise UnreadableFrameError(msg)
        waiting = None if envelope.id is None else self._answers.get(envelope.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(envelope)
        alive = Alive(BINANCE, self._group.instruments, self._clock.now())
        await self._outbox.put([alive])

    async def _refuse_topic(self, stream: str, reason: str) -> None:
        known = self._streams.get(stream)
        _log.warning("topic_refused", topic=stream, reason=reason)
        if known is not None:
            refused = TopicRefused(*known, reason[:200], self._clock.now())
            await self._outbox.put([refused])

    async def _note_unknown(self, frame: str | bytes, stream: str) -> None:
        refused = FrameRefused(
            BINANCE,
            f"unknown stream {stream:.60}",
            _sample(frame),
            recycled=False,
            receive_time=self._clock.now(),
        )
        await self._outbox.put([refused])

    async def _refuse(self, sample: bytes, reason: str) -> None:
        """Report a frame that cannot be read, and end the conversation."""
        refused = FrameRefused(
            BINANCE, reason, sample, recycled=True, receive_time=self._clock.now()
        )
        await self._outbox.put([refused])
        if (found := _STREAM_IN_FRAME.search(sample)) is not None:
            stream = found[1].decode(errors="replace")
            if stream in self._streams and self._group.strikes.add(stream):
                await self._refuse_topic(stream, "unreadable frames, time and again")
        msg = f"unreadable frame: {reason}"[:200]
        raise ConversationEndedError(msg)


def _sample(frame: str | bytes) -> bytes:
    return (frame.encode() if isinstance(frame, str) else frame)[:LARGEST_SAMPLE]
