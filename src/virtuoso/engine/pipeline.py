"""Events in, scores out: synchronous, without a clock, the same live, in replay and in research."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    Alive,
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketData,
    MarketEvent,
    Topic,
    TopicRefused,
)
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.engine.lane import SCORE_STEP_MS, Lane
from virtuoso.engine.view import CycleView, Value
from virtuoso.engine.warmup import CandleHistory, DerivativesHistory
from virtuoso.market.door import Action, Door
from virtuoso.market.market import Market
from virtuoso.market.overview import BARS, MarketSummary, Overview, overview
from virtuoso.scoring.definition import Definition

__all__ = [
    "SCORE_STEP_MS",
    "Backfill",
    "Pipeline",
    "Recycle",
    "Renew",
    "Request",
]


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask the feed for a topic anew."""

    instrument: Instrument
    topic: Topic


@dataclass(frozen=True, slots=True)
class Recycle:
    """Ask the feed to reopen the connection of an instrument."""

    instrument: Instrument
    reason: str


@dataclass(frozen=True, slots=True)
class Backfill:
    """Ask for an instrument's candles again: there is a hole."""

    instrument: Instrument


Request: TypeAlias = Renew | Recycle | Backfill


class Pipeline:
    """All markets of one venue behind one door."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        listings: Sequence[Listing],
        definition: Definition,
        make_lane: Callable[[Instrument, Listing | None], Lane],
    ) -> None:
        """`make_lane` builds the state and the components of one market."""
        by_instrument = {each.instrument: each for each in listings}
        self._definition = definition
        self._door = Door(instruments)
        self._lanes = {each: make_lane(each, by_instrument.get(each)) for each in instruments}
        self._by_symbol = {str(each.symbol): each for each in instruments}
        self._second: Millis | None = None
        self._events: dict[str, int] = {}
        self.seq = 0
        """Grid seconds computed so far."""
        self.last_event: Millis | None = None
        """Receive time of the newest market event."""

    @property
    def instruments(self) -> Sequence[Instrument]:
        """The monitored universe, in board order."""
        return tuple(self._lanes)

    @property
    def definition(self) -> str:
        """The hash every score carries."""
        return self._definition.hash

    @property
    def coverage_floor(self) -> float:
        """Under this coverage a score is null."""
        return self._definition.coverage_floor

    @property
    def counters(self) -> dict[str, int]:
        """What was refused at the door and by the decoder, by kind and reason."""
        refused = {
            f"door_{kind}_{reason}": count for (kind, reason), count in self._door.counters.items()
        }
        books = {
            "book_gaps": sum(lane.market.book.gaps for lane in self._lanes.values()),
            "book_resyncs": sum(lane.market.book.resyncs for lane in self._lanes.values()),
        }
        return refused | books | self._events

    def market(self, symbol: str) -> Market:
        """Give the state of one market. Raises UnknownSymbolError."""
        return self._lane(symbol).market

    def history(self, symbol: str) -> Sequence[tuple[Millis, float | None]]:
        """Give sampled scores of one market, oldest first. Raises UnknownSymbolError."""
        return self._lane(symbol).samples

    def _lane(self, symbol: str) -> Lane:
        try:
            return self._lanes[self._by_symbol[symbol]]
        except KeyError as error:
            msg = f"expected one of {len(self._lanes)} monitored symbols, found {symbol[:40]!r}"
            raise UnknownSymbolError(msg) from error

    def handle(self, event: FeedEvent) -> Sequence[Request]:
        """Take one event. Gives what the feed or the history must be asked for because of it."""
        if isinstance(event, MarketEvent):
            return self._take(event)
        match event:
            case (
                Alive(instruments=instruments, receive_time=at)
                | Connected(instruments=instruments, receive_time=at)
            ):
                for instrument in instruments:
                    if (lane := self._lanes.get(instrument)) is not None:
                        lane.market.alive_at = at
            case Disconnected(instruments=instruments):
                self._door.forget(instruments)
                for instrument in instruments:
                    if (lane := self._lanes.get(instrument)) is not None:
                        lane.disconnected()
            case FrameRefused(reason=reason):
                self._count(f"frame_refused_{reason}")
            case TopicRefused(instrument=instrument, topic=topic):
                self._count("topic_refused")
                if (lane := self._lanes.get(instrument)) is not None:
                    lane.refused(topic)
            case _:
                pass
        return ()

    def _count(self, name: str) -> None:
        self._events[name] = self._events.get(name, 0) + 1

    def _take(self, event: MarketEvent[MarketData]) -> Sequence[Request]:
        """Show the event to the door, store what it lets pass, carry its verdict back."""
        lane = self._lanes.get(event.instrument)
        if lane is None:
            self._count("not_subscribed")
            return ()
        self.last_event = event.receive_time
        lane.market.alive_at = event.receive_time
        verdict = self._door.judge(event, lane.market.book)
        for earlier in verdict.released:
            lane.take(earlier)
        match verdict.action:
            case Action.ACCEPT:
                hole = lane.take(verdict.replaced or event)
                return (Backfill(event.instrument),) if hole else ()
            case Action.RESYNC:
                lane.book_lost()
                return (Renew(event.instrument, Topic.BOOK),)
            case Action.RECYCLE:
                return (Recycle(event.instrument, verdict.reason),)
            case Action.DROP | Action.QUARANTINE:
                return ()

    def load_candles(self, instrument: Instrument, found: CandleHistory) -> None:
        """Replace an instrument's candles with fetched ones and compute them anew."""
        if (lane := self._lanes.get(instrument)) is not None:
            lane.load_candles(found)

    def load_derivatives(self, instrument: Instrument, found: DerivativesHistory) -> None:
        """Take fetched funding, open interest, ratios and basis."""
        if (lane := self._lanes.get(instrument)) is not None:
            lane.load_derivatives(found)

    def skipped(self) -> None:
        """Say that grid seconds were left out: what looks back over seconds starts again."""
        for lane in self._lanes.values():
            lane.book_lost()

    def second(self, at: Millis) -> None:
        """Close one grid second: compute every market from what was received up to it."""
        self._second = at
        self.seq += 1
        venue_now = self.venue_now(at)
        for lane in self._lanes.values():
            lane.second(at, venue_now)

    def outgrown_books(self) -> Sequence[Renew]:
        """Ask for the books whose price has left the range that is known to be complete."""
        return [
            Renew(instrument, Topic.BOOK)
            for instrument, lane in self._lanes.items()
            if lane.market.book.synced and None in lane.market.book.complete_to
        ]

    def venue_now(self, at: Millis) -> Millis:
        """Give the venue's clock at one of our instants."""
        return self._door.clock.venue_now(at) or at

    def view(self) -> CycleView | None:
        """Give the newest cycle; None before the first."""
        if self._second is None:
            return None
        now = self.venue_now(self._second)
        return CycleView(
            seq=self.seq,
            at=self._second,
            now=now,
            markets=tuple(lane.view(self._second, now) for lane in self._lanes.values()),
        )

    def overview(self) -> tuple[Overview, Value]:
        """Sum up the markets; with it the age and state of the tickers it rests on."""
        at = self._second or Millis(0)
        now = self.venue_now(at)
        summaries, tickers = [], []
        lanes = self._lanes if self._second is not None else {}
        for instrument, lane in lanes.items():
            view = lane.view(at, now)
            fresh = view.turnover_24h.state in {State.LIVE, State.DELAYED}
            if fresh:
                tickers.append(view.turnover_24h)
            series = lane.market.candles[Timeframe.M30]
            newest = [] if series.gap else series.closed[-BARS - 1 :]
            closes = [each.close for each in newest]
            summaries.append(
                MarketSummary(
                    symbol=str(instrument.symbol),
                    is_bitcoin=str(instrument.symbol).startswith("BTCUSD"),
                    change_24h=view.change_24h.value if fresh else None,
                    turnover_24h=view.turnover_24h.value if fresh else None,
                    closes_30m=np.log(np.array(closes, dtype=np.float64)),
                    last_close_30m=series.last_close,
                )
            )
        oldest = min((each.as_of for each in tickers if each.as_of is not None), default=None)
        late = any(each.state is State.DELAYED for each in tickers)
        state = State.DELAYED if late else State.LIVE if tickers else State.ABSENT
        reason = None if tickers else Reason.NO_FEED
        return overview(summaries), Value(None, oldest, state, reason)
