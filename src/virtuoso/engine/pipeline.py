"""Events in, scores out: synchronous, without a clock, the same live, in replay and in research."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from math import ceil

from virtuoso.domain.errors import SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    Alive,
    BookDelta,
    BookPolled,
    BookSnapshot,
    CandlesLoaded,
    Connected,
    DefinitionChosen,
    DerivativesLoaded,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketData,
    MarketEvent,
    PriceConfirmed,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    Trade,
    TradesLoaded,
    TradesMissing,
    UniverseChosen,
)
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.across import Across, is_bitcoin
from virtuoso.engine.lane import Lane
from virtuoso.engine.requests import (
    AskOtherVenue,
    Backfill,
    BackfillTrades,
    PollBook,
    Recover,
    Recycle,
    Renew,
    Request,
)
from virtuoso.engine.view import CycleView, Value
from virtuoso.market.door import Door
from virtuoso.market.market import Market
from virtuoso.market.overview import MarketSummary, Overview, overview
from virtuoso.market.verdict import ACCEPTED, LATE, Action, Sample, Verdict
from virtuoso.scoring.definition import Definition, read_definition

PEEKS_A_SECOND = 50
"""Of more markets than this, each one's forming candles are looked at every second, third, ..."""
PARKED = 20
"""Markets that were given up and are kept, in case they are watched again."""
KINDS_COUNTED = 200
"""Different counters; what venues say of their errors must not grow without end."""
TRADES_AT_ONCE = 100
"""Fetched trades taken before others get their turn."""


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
        self._next_definition = definition
        """What the next second will be computed by."""
        self._redefine = False
        """Whether a market may be scored by another definition than the next one."""
        self._make_lane = make_lane
        self._door = Door(instruments)
        self._lanes = {each: make_lane(each, by_instrument.get(each)) for each in instruments}
        self._by_symbol = {str(each.symbol): each for each in instruments}
        self._parked: OrderedDict[Instrument, Lane] = OrderedDict()
        self.across = Across()
        """What is computed across the markets."""
        self._second: Millis | None = None
        self._cycle: CycleView | None = None
        self._due: list[Request] = []
        self._cut: set[Instrument] = set()
        self._events: dict[str, int] = {}
        self.seq = 0
        """Cycles so far: one a grid second, and one whenever a book is lost between them."""
        self.amended: set[str] = set()
        """Symbols that lost their book since the last full cycle."""
        self.last_event: Millis | None = None
        """Receive time of the newest market event."""

    @property
    def instruments(self) -> Sequence[Instrument]:
        """The monitored universe, in board order."""
        return tuple(self._lanes)

    @property
    def definition(self) -> str:
        """The hash of what the newest cycle was computed by.

        A score carries that of its own symbol's definition, the same where no symbol has its own.
        """
        return self._definition.hash

    @property
    def next_definition(self) -> Definition:
        """What the next second will be computed by."""
        return self._next_definition

    @property
    def coverage_floor(self) -> float:
        """Under this coverage a score is null."""
        return self._definition.coverage_floor

    @property
    def counters(self) -> dict[str, int]:
        """What was refused at the door and by the decoder, by kind and reason."""
        venue = next((each.venue for each in self._lanes), "")
        refused = {
            f"door_refused_total{{venue={venue},kind={kind},reason={reason}}}": count
            for (kind, reason), count in self._door.counters.items()
        }
        lanes = self._lanes.values()
        books = {
            "book_gaps": sum(lane.market.book.gaps for lane in lanes),
            "book_resyncs": sum(lane.market.book.resyncs for lane in lanes),
            "books_distrusted": sum(lane.book_trust.distrusted_since is not None for lane in lanes),
        }
        return refused | books | self._events

    @property
    def refusals(self) -> Sequence[Sample]:
        """The last events and frames that were refused, oldest first."""
        return tuple(self._door.samples)

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Watch these, of which no catalogue says anything, from the beginning on."""
        self._lanes = {each: self._make_lane(each, None) for each in instruments}
        self._redefine = True
        self._by_symbol = {str(each.symbol): each for each in instruments}
        self._door.watch(instruments)

    def lane(self, instrument: Instrument) -> Lane | None:
        """Give what is kept of one instrument; None when it is not watched."""
        return self._lanes.get(instrument)

    def market(self, symbol: str) -> Market:
        """Give the state of one market. Raises UnknownSymbolError."""
        return self._lane(symbol).market

    def history(self, symbol: str) -> Sequence[tuple[Millis, float | None]]:
        """Give sampled scores of one market, oldest first. Raises UnknownSymbolError."""
        return self._lane(symbol).past.samples

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
        for _ in self.handling(event):
            pass
        return self.requests()

    def requests(self) -> Sequence[Request]:
        """Give what must be asked for, once."""
        due, self._due = self._due, []
        return due

    def handling(self, event: FeedEvent) -> Iterator[None]:
        """Take one event in parts, between which others may work but not touch this pipeline."""
        match event:
            case CandlesLoaded(instrument=instrument):
                if (lane := self._lanes.get(instrument)) is not None:
                    yield from lane.load_candles(event)
            case TradesLoaded(instrument=instrument):
                yield from self._load_trades(event)
            case UniverseChosen():
                yield from self._choose(event.listings)
            case DefinitionChosen(text=text):
                try:
                    self._next_definition = read_definition(text)
                    self._redefine = True
                except SettingsError:
                    self._count("definition_refused")
            case _:
                self._take_word(event)

    def _take_word(self, event: FeedEvent) -> None:
        """Take what a feed says of itself, and what was fetched for one market."""
        match event:
            case MarketEvent():
                self._due.extend(self._take(event))
            case Connected(instruments=instruments, receive_time=at):
                for instrument in self._watched(instruments):
                    self._lanes[instrument].connected(at)
                    if instrument in self._cut:
                        self._cut.discard(instrument)
                        self._due.append(Recover(instrument))
            case Alive(instruments=instruments, receive_time=at):
                for instrument in instruments:
                    if (lane := self._lanes.get(instrument)) is not None:
                        lane.heard(at)
            case Disconnected(instruments=instruments):
                self._door.forget(instruments)
                for instrument in self._watched(instruments):
                    self._lanes[instrument].disconnected()
                    self._cut.add(instrument)
                self._amend(instruments)
            case FrameRefused(reason=reason, sample=sample):
                self._count(f"frame_refused_{reason}")
                text = sample.decode(errors="replace")
                self._door.keep(Sample(event.receive_time, "frame", reason, text))
            case (
                TopicRefused(instrument=instrument, topic=topic)
                | TopicSilent(instrument=instrument, topic=topic)
            ):
                refused = isinstance(event, TopicRefused)
                self._count("topic_refused" if refused else "topic_silent")
                if (lane := self._lanes.get(instrument)) is not None:
                    lane.fell_silent(topic, refused=refused)
                    self._amend({instrument})
            case TopicRestored(instrument=instrument, topic=topic):
                if (lane := self._lanes.get(instrument)) is not None:
                    lane.speaks_again(topic)
                    if topic is Topic.TRADES:
                        self._due.append(BackfillTrades(instrument))
            case TradesMissing(instrument=instrument, count=count):
                self._count("trades_missing", count)
                if instrument in self._lanes:
                    self._due.append(BackfillTrades(instrument))
            case DerivativesLoaded(instrument=instrument):
                if (lane := self._lanes.get(instrument)) is not None:
                    lane.load_derivatives(event)
            case BookPolled(instrument=instrument, book=polled):
                lane = self._lanes.get(instrument)
                if lane is not None and lane.book_trust.distrusted_since is not None:
                    self._door.judge_polled(polled, lane.market.book)
            case PriceConfirmed(instrument=instrument, price=price):
                if (lane := self._lanes.get(instrument)) is not None:
                    for held in self._door.confirm(instrument, price, event.receive_time):
                        lane.take(held)
            case _:
                pass

    def _watched(self, instruments: Collection[Instrument]) -> Sequence[Instrument]:
        """Give those that are watched, in board order: the most traded are cared for first."""
        return [each for each in self._lanes if each in instruments]

    def _count(self, name: str, by: int = 1) -> None:
        if len(self._events) >= KINDS_COUNTED and name not in self._events:
            name = "others"
        self._events[name] = self._events.get(name, 0) + by

    def _take(self, event: MarketEvent[MarketData]) -> Sequence[Request]:
        """Show the event to the door, store what it lets pass, carry its verdict back."""
        lane = self._lanes.get(event.instrument)
        if lane is None:
            self._count("not_subscribed")
            return ()
        self.last_event = event.receive_time
        lane.heard(event.receive_time)
        if lane.book_trust.distrusted_since is not None and isinstance(
            event.data, BookDelta | BookSnapshot
        ):
            # polled books stand in for it: of the stream only its sequence is watched
            verdict = self._door.watch_sequence(event, lane.market.book)
        else:
            verdict = self._door.judge(event, lane.market.book)
        if verdict is ACCEPTED:  # as nearly all are
            return (Backfill(event.instrument),) if lane.take(event) else ()
        for earlier in verdict.released:
            lane.take(earlier)
        match verdict.action:
            case Action.ACCEPT if verdict is LATE:
                lane.correct([event])  # type: ignore[list-item] # only trades are late
                return ()
            case Action.ACCEPT:
                hole = lane.take(verdict.replaced or event)
                return (Backfill(event.instrument),) if hole else ()
            case Action.RESYNC:
                return self._resync(lane, event)
            case Action.RECYCLE:
                return (Recycle(event.instrument, verdict.reason),)
            case Action.QUARANTINE:
                return self._hold(event)
            case Action.DROP:
                self._note_drop(lane, event, verdict)
                return ()

    def _resync(self, lane: Lane, event: MarketEvent[MarketData]) -> Sequence[Request]:
        """Take the lost book out of the score at once, and ask for it anew."""
        asked: list[Request] = [Renew(event.instrument, Topic.BOOK)]
        if lane.book_lost(event.receive_time):
            self._count("book_distrusted")
            asked.append(PollBook(event.instrument, wanted=True))
        self._amend({event.instrument})
        return asked

    def _hold(self, event: MarketEvent[MarketData]) -> Sequence[Request]:
        data = event.data
        if not isinstance(data, Trade):
            return ()
        return (AskOtherVenue(event.instrument, data.price),)

    def _note_drop(self, lane: Lane, event: MarketEvent[MarketData], verdict: Verdict) -> None:
        """A candle's volume may hold trades that are none of the market's."""
        data = event.data
        if isinstance(data, Trade) and verdict.reason == data.kind:
            lane.market.trades.set_aside(event)  # type: ignore[arg-type] # narrowed by its data

    def _load_trades(self, loaded: TradesLoaded) -> Iterator[None]:
        """Add fetched trades that were not seen to the history; the live flow stays as it was."""
        lane = self._lanes.get(loaded.instrument)
        if lane is None:
            return
        for first in range(0, len(loaded.trades), TRADES_AT_ONCE):
            some = loaded.trades[first : first + TRADES_AT_ONCE]
            missed = [each for each in some if self._door.is_new(each)]
            lane.correct(missed)
            for _ in missed:
                self._count("trades_backfilled")
            yield

    def _choose(self, listings: Sequence[Listing]) -> Iterator[None]:
        """Watch these instruments from now on, in this order; give up the others."""
        before, lanes = dict(self._lanes), dict[Instrument, Lane]()
        for listing in listings:
            instrument = listing.instrument
            lane = before.pop(instrument, None)
            if lane is None:
                lane = self._parked.pop(instrument, None)
                if lane is not None:
                    lane.resume()
                    self._due.append(Recover(instrument))
            if lane is None:
                lane = self._make_lane(instrument, listing)
                yield
            lane.list_as(listing)
            lanes[instrument] = lane
        self._lanes = lanes
        self._redefine = True
        for instrument, lane in before.items():
            lane.disconnected()
            self._cut.discard(instrument)
            self._parked[instrument] = lane
            self._door.forget([instrument])
            if lane.book_trust.distrusted_since is not None:
                self._due.append(PollBook(instrument, wanted=False))
        while len(self._parked) > PARKED:
            self._parked.popitem(last=False)
        self._by_symbol = {str(each.symbol): each for each in self._lanes}
        self._door.watch([*self._lanes, *self._parked])
        self.across.keep(self._lanes)
        if before and self._cycle is not None:
            kept = tuple(each for each in self._cycle.markets if each.instrument in self._lanes)
            self.seq += 1
            self._cycle = CycleView(self.seq, self._cycle.at, self._cycle.now, kept)

    def _amend(self, instruments: Iterable[Instrument]) -> None:
        """Put the newest state of these markets into the newest cycle."""
        cycle = self._cycle
        if cycle is None:
            return
        changed = {each for each in instruments if each in self._lanes}
        markets = tuple(
            self._lanes[each.instrument].view(cycle.at, cycle.now)
            if each.instrument in changed
            else each
            for each in cycle.markets
        )
        if all(new is old for new, old in zip(markets, cycle.markets, strict=True)):
            return
        self.seq += 1
        self.amended.update(str(each.symbol) for each in changed)
        self._cycle = CycleView(self.seq, cycle.at, cycle.now, markets)

    def skipped(self) -> None:
        """Say that grid seconds were left out: what looks back over seconds starts again."""
        self._count("seconds_skipped")
        for lane in self._lanes.values():
            lane.skipped()

    def second(self, at: Millis) -> None:
        """Close one grid second: compute every market from what was received up to it."""
        for _ in self.closing(at):
            pass

    def closing(self, at: Millis) -> Iterator[None]:
        """Close one grid second in parts, one market each, as `handling` does.

        What `view` gives changes when all of them are through.
        """
        venue_now = self.venue_now(at)
        definition = self._next_definition
        if self._redefine:
            # all of them before the first is computed: a cycle has one definition
            for instrument, lane in self._lanes.items():
                yield from lane.redefine(definition.of(instrument.symbol), venue_now)
            self._redefine = False
        views = []
        turns = ceil(len(self._lanes) / PEEKS_A_SECOND)
        turn = at // SECOND
        for number, (instrument, lane) in enumerate(self._lanes.items()):
            if lane.trades_are_missing(at, venue_now):
                self._count("candles_without_their_trades")
                self._due.append(BackfillTrades(instrument))
            peek = (number + turn) % turns == 0
            lane.second(at, venue_now, peek=peek)
            if lane.book_trust.regain(at):
                lane.market.book.forget(Reason.GAP)
                self._due += [PollBook(instrument, wanted=False), Renew(instrument, Topic.BOOK)]
            views.append(lane.view(at, venue_now))
            self.across.take(instrument, lane.market.candles)
            yield
        known = self.across.view.betas
        yield from self.across.refresh(at, tuple(self._lanes))
        if self.across.view.betas is not known:
            self._tell_betas()
        self._second = at
        self._definition = definition
        self.seq += 1
        self.amended.clear()
        self._cycle = CycleView(seq=self.seq, at=at, now=venue_now, markets=tuple(views))

    def _tell_betas(self) -> None:
        """Tell every market what it is against Bitcoin."""
        across = self.across.view
        for instrument, lane in self._lanes.items():
            found = across.betas.get(instrument, Reason.WARMING_UP)
            lane.set_beta(found, across.betas_as_of)

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
        """Give the newest cycle that is complete; None before the first."""
        return self._cycle

    def overview(self) -> tuple[Overview, Value]:
        """Sum up the markets; with it the age and state of the tickers it rests on."""
        summaries, tickers = [], []
        markets = () if self._cycle is None else self._cycle.markets
        for view in markets:
            if view.instrument not in self._lanes:
                continue
            fresh = view.turnover_24h.state in {State.LIVE, State.DELAYED}
            if fresh:
                tickers.append(view.turnover_24h)
            summaries.append(
                MarketSummary(
                    symbol=str(view.instrument.symbol),
                    is_bitcoin=is_bitcoin(view.instrument),
                    change_24h=view.change_24h.value if fresh else None,
                    turnover_24h=view.turnover_24h.value if fresh else None,
                )
            )
        oldest = min((each.as_of for each in tickers if each.as_of is not None), default=None)
        late = any(each.state is State.DELAYED for each in tickers)
        state = State.DELAYED if late else State.LIVE if tickers else State.ABSENT
        reason = None if tickers else Reason.NO_FEED
        return overview(summaries), Value(None, oldest, state, reason)
