"""One market's whole way: its state, its six components, its score, its recent past."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from operator import itemgetter
from zlib import crc32

from virtuoso.components.base import Component
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.dimensions.lenses import Lenses
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    DerivativesLoaded,
    FormingCandle,
    Liquidation,
    MarketData,
    MarketEvent,
    OpenInterest,
    Quote,
    Ticker,
    TickerField,
    Topic,
    Trade,
)
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    MemberScore,
    Reason,
    State,
)
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.turning import turn_of
from virtuoso.engine.view import BookHealth, Input, MarketView, Value
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.market.candles import KEPT, TIMEFRAMES, bars_of, closing_of
from virtuoso.market.market import Market
from virtuoso.market.tracks import Tracks
from virtuoso.scoring.confluence import Composite, composite
from virtuoso.scoring.correlation import CorrelationTracker
from virtuoso.scoring.definition import Definition
from virtuoso.scoring.direction import DirectionChange, DirectionTracker
from virtuoso.scoring.sensitivity import Formula
from virtuoso.signals.levels import TIMEFRAME as RANGE_TIMEFRAME
from virtuoso.signals.levels import range_of
from virtuoso.signals.turns import Turn

SCORE_STEP_MS = 10 * SECOND
"""Distance between two kept scores."""
SCORES_KEPT = 2_160
SCORE_NEAR_MS = 15 * SECOND
"""How far the older of two compared scores may lie from where it is wanted: what is recalled after
a restart has a row each half minute."""
DAY_STEP_MS = 5 * MINUTE
DAY_KEPT = 300
"""Of each five minutes one score is kept for 25 hours."""

STREAM_DELAYED_MS = 2 * SECOND
STREAM_STALE_MS = 5 * SECOND
CANDLE_DELAYED_MS = 5 * SECOND
CANDLE_STALE_MS = 60 * SECOND
CHANGE_TOLERANCE_MS = 5 * MINUTE
"""How far the older of two compared values may lie from one hour ago."""
INTERESTS_KEPT = 80
"""Each minute of an hour, or what was fetched of it before, with room for both."""

POLLED_DELAYED_MS = 2 * MINUTE
POLLED_STALE_MS = 5 * MINUTE
"""Ages of open interest where it is polled each minute."""

VOLUME_TOLERANCE = 0.005
"""By so much of a candle's volume its trades may differ from it."""
CHECK_AFTER_MS = 3 * SECOND
CHECKS_KEPT = 10

CANDLE_VIEWS = frozenset(
    {ComponentName.TECHNICAL, ComponentName.VOLUME, ComponentName.PRICE_STRUCTURE}
)

SERIES_MS = 5 * MINUTE
"""The finest grain of polled series."""
GAPS_TO_DISTRUST = 3
"""More holes than this within a minute, and the streamed book is not believed alone."""
TRUST_AGAIN_MS = 60 * SECOND

DEFINITIONS_KEPT = 50
TURNS_KEPT = 32

_WORSE = {State.ABSENT: -1, State.LIVE: 0, State.DELAYED: 1, State.STALE: 2}
"""What is absent was not used, and says nothing of what was."""
_ORDER = (State.LIVE, State.DELAYED, State.STALE)

_CANDLE_INPUTS = tuple(
    (each, f"candles {each}", each.ms + CANDLE_DELAYED_MS, each.ms + CANDLE_STALE_MS)
    for each in TIMEFRAMES
)
"""Timeframe, name, and the ages from which its last candle is delayed and stale."""
_OF_CANDLES = tuple(name for _, name, _, _ in _CANDLE_INPUTS)
_USED: Mapping[ComponentName, Sequence[str]] = {
    ComponentName.ORDERBOOK: ("book",),
    ComponentName.ORDERFLOW: ("trades",),
    ComponentName.TECHNICAL: _OF_CANDLES,
    ComponentName.VOLUME: _OF_CANDLES,
    ComponentName.SENTIMENT: ("funding", "open interest", "account ratio"),
    ComponentName.PRICE_STRUCTURE: _OF_CANDLES,
}
"""The inputs that each component rests on."""


class Lane:
    """Market data in, one ConfluenceScore a grid second out."""

    def __init__(
        self,
        instrument: Instrument,
        listing: Listing | None,
        components: Mapping[ComponentName, Component],
        definition: Definition,
        stream_delayed_ms: int = STREAM_DELAYED_MS,
        stream_stale_ms: int = STREAM_STALE_MS,
        *,
        book_sequenced: bool = True,
        liquidations: str = "unknown",
        open_interest_sides: str = "unknown",
        make_components: Callable[[Definition], Mapping[ComponentName, Component]] | None = None,
    ) -> None:
        """`stream_*_ms`: the ages from which this venue's ticker and book count as late.

        A book that is not `book_sequenced` may lack updates unseen: never better than delayed.
        `liquidations` names how much of them this venue's stream tells, `open_interest_sides` what
        its open interest counts.
        `make_components` builds components anew where a definition has other windows.
        """
        self.market = Market(instrument)
        self.samples: deque[tuple[Millis, float | None]] = deque(maxlen=SCORES_KEPT)
        """(venue time, score) every SCORE_STEP_MS; what was recalled has wider steps."""
        self.day: deque[tuple[Millis, float | None]] = deque(maxlen=DAY_KEPT)
        """(venue time, score) every DAY_STEP_MS."""
        self.recalled = 0
        """How often a past was put before them."""
        self.tracks = Tracks()
        self._instrument = instrument
        self._listing = listing
        self._components = dict(components)
        self._definition = definition
        self._lenses = self._new_lenses(definition)
        self._beta: tuple[Beta | Reason, Millis | None] | None = None
        self._correlation = CorrelationTracker(definition)
        self._composite = Composite(definition, self._correlation.rho)
        self._formula = Formula(definition, self._correlation.rho)
        """That the newest score was made with."""
        self._direction = DirectionTracker(definition.direction)
        self.turns: deque[Turn] = deque(maxlen=TURNS_KEPT)
        """Confirmed changes of direction with what was known then, oldest first."""
        self._delayed_ms, self._stale_ms = stream_delayed_ms, stream_stale_ms
        self._book_sequenced = book_sequenced
        self.liquidations = liquidations
        """How much of the liquidations the stream tells: `all`, `sampled_1s`, `unknown`."""
        self.open_interest_sides = open_interest_sides
        self._score: ConfluenceScore | None = None
        self._second = Millis(0)
        """The grid second it is of, by our clock."""
        self._live: float | None = None
        self._live_parts: Mapping[ComponentName, ComponentScore | Absent] = {}
        self._peeked: Mapping[ComponentName, ComponentScore | Absent] = {}
        """The scores beside which the forming candles were looked at last."""
        self._interests: deque[tuple[Millis, float]] = deque(maxlen=INTERESTS_KEPT)
        self._held: deque[Candle] = deque(maxlen=KEPT)
        """Closed minutes that wait for those before them."""
        self._loaded = False
        self._connected = True
        self._heard_at: Millis | None = None
        self._unchecked: deque[Candle] = deque(maxlen=3)
        self._checks: deque[bool] = deque(maxlen=CHECKS_KEPT)
        self._gap_times: deque[Millis] = deque(maxlen=GAPS_TO_DISTRUST + 1)
        self.distrusted_since: Millis | None = None
        """Since when the book is checked against polled ones, because it had too many holes."""
        self._view: tuple[Millis, MarketView] | None = None
        self._oldest: tuple[Collection[MemberScore], str] | None = None
        """The members that were looked through last for the oldest, and its name."""
        self._make_components = make_components
        self.definitions: deque[tuple[Millis, str]] = deque(maxlen=DEFINITIONS_KEPT)
        """(venue time, hash): by what the scores since then were made, 0 for the first."""
        self.definitions.append((Millis(0), definition.hash))

    @property
    def instrument(self) -> Instrument:
        """Whose market this is."""
        return self._instrument

    @property
    def scored_alike_since(self) -> Millis:
        """Venue time since which the kept scores are of one definition, and can be compared."""
        return self.definitions[-1][0]

    @property
    def late_from_ms(self) -> tuple[int, int]:
        """Ages from which what streams is delayed, and stale."""
        return self._delayed_ms, self._stale_ms

    @property
    def loaded(self) -> bool:
        """Whether the candles of the past are here."""
        return self._loaded

    @property
    def streaming(self) -> bool:
        """Whether a connection carries this market."""
        return self._connected

    @property
    def definition(self) -> Definition:
        """What this market is scored by."""
        return self._definition

    def redefine(self, definition: Definition, now: Millis) -> Iterator[None]:
        """Be scored by another definition from the next second on; yields between parts.

        Everything carried from second to second stays. Where candles are ranked in other windows,
        they are given to new components again, from the first that is kept: what a restart would
        do. Streams begin anew where theirs differ: their seconds are kept nowhere else.
        """
        before = self._definition
        if definition.hash == before.hash:
            return
        self._definition = definition
        self._direction.rule = definition.direction
        if self._score is None:
            self.definitions.clear()
            now = Millis(0)
        self.definitions.append((now, definition.hash))
        new: Mapping[ComponentName, Component] = {}
        if self._make_components is not None and not definition.has_windows_of(before):
            new = self._make_components(definition)
        if definition.stream_limits != before.stream_limits:
            self._lenses = self._new_lenses(definition)
            if self._beta is not None:
                self._lenses.set_beta(*self._beta)
        is_reweighed = definition.candles.timeframes != before.candles.timeframes
        for name, component in self._components.items():
            of_candles = name in CANDLE_VIEWS
            if name in new and (
                not definition.has_candles_of(before)
                if of_candles
                else definition.stream_limits != before.stream_limits
            ):
                self._components[name] = new[name]
                if of_candles:
                    yield from self._relive(new[name])
            elif isinstance(component, CandleComponent) and is_reweighed:
                component.reweigh(definition.candles.timeframes)

    def trying(
        self, definition: Definition
    ) -> Generator[None, None, tuple[ConfluenceScore, ConfluenceScore] | None]:
        """Score the newest second by another definition; nothing here changes, yields in parts.

        Gives it as it is and as it would be; None before the first score, and where streams would
        be ranked in other windows.
        """
        score, formula = self._score, self._formula
        if score is None or definition.stream_limits != self._definition.stream_limits:
            return None
        ours, theirs = self._definition.candles.timeframes, definition.candles.timeframes
        new: Mapping[ComponentName, Component] = {}
        if not definition.has_candles_of(self._definition):
            if self._make_components is None:
                return None
            new = self._make_components(definition)
        components = dict(score.components)
        for name in CANDLE_VIEWS & self._components.keys():
            component = self._components[name]
            if name in new:
                yield from self._relive(new[name])
                components[name] = new[name].score(self._second, self.market)
            elif isinstance(component, CandleComponent) and ours != theirs:
                reweighed = component.reweighed(theirs)
                components[name] = reweighed.score(self._second, self.market)
        return score, composite(
            instrument=self._instrument,
            at=score.at,
            components=components,
            rho=formula.rho,
            definition=definition,
        )

    def _new_lenses(self, definition: Definition) -> Lenses:
        """Lenses without a past. The name says the turn, also in a replay of fewer markets."""
        return Lenses(definition.stream_limits, turn=crc32(self._instrument.symbol.encode()))

    def _relive(self, component: Component) -> Iterator[None]:
        """Give a new component the candles that are kept."""
        for timeframe in Timeframe:
            bars = bars_of(self.market.candles[timeframe].closed)
            if self._loaded and len(bars):
                component.close(timeframe, bars)
                yield

    def recall(
        self,
        near: Sequence[tuple[Millis, float | None, str]],
        day: Sequence[tuple[Millis, float | None, str]],
    ) -> None:
        """Put what was kept of an earlier run before what this one knows: (time, score, hash).

        `near`: of the last hours; `day`: of each five minutes of the last day. Oldest first.
        """
        first = self.samples[0][0] if self.samples else None
        before = [each for each in near if first is None or each[0] < first]
        kept = [(at, score) for at, score, _ in before]
        room = SCORES_KEPT - len(self.samples)
        self.samples = deque([*kept[-room:], *self.samples] if room else self.samples, SCORES_KEPT)
        first = self.day[0][0] if self.day else None
        older = [(at, score) for at, score, _ in day if first is None or at < first]
        self.day = deque([*older, *self.day][-DAY_KEPT:], DAY_KEPT)
        changes: list[tuple[Millis, str]] = []
        for at, _, definition in sorted((*day, *before)):
            if not changes or changes[-1][1] != definition:
                changes.append((at, definition))
        ours = list(self.definitions)
        if changes:
            changes[0] = (Millis(0), changes[0][1])
            newest = max((*day, *before))[0]
            if ours[0][0] == 0 and changes[-1][1] == ours[0][1]:
                ours = ours[1:]
            elif ours[0][0] == 0:
                ours[0] = (Millis(newest + 1), ours[0][1])
            self.definitions = deque([*changes, *ours][-DEFINITIONS_KEPT:], DEFINITIONS_KEPT)
        self.recalled += 1
        self._view = None

    def list_as(self, listing: Listing) -> None:
        """Take what the catalogue says now."""
        self._listing = listing

    def set_beta(self, found: Beta | Reason, as_of: Millis | None) -> None:
        """Take what was found across the markets: this one against Bitcoin."""
        self._beta = found, as_of
        self._lenses.set_beta(found, as_of)

    def take(self, event: MarketEvent[MarketData]) -> bool:
        """Store an accepted event. True when a candle showed that one is missing."""
        market, data = self.market, event.data
        # a ticker that stands in for its silent stream was fetched, and is no sign of a stream
        fetched = market.silent and isinstance(data, Ticker) and Topic.TICKER in market.silent
        if self._connected and not fetched:
            self._heard_at = event.receive_time
        match data:
            case Trade():
                market.trades.trade(event)  # type: ignore[arg-type] # narrowed by its data
                market.tape.trade(event)  # type: ignore[arg-type]
            case Quote():
                market.trades.quote(event)  # type: ignore[arg-type]
                market.book.confirm(data, event.event_time)
            case Ticker():
                market.derivatives.take_ticker(event)  # type: ignore[arg-type]
            case Candle():
                if data.timeframe is Timeframe.M1:
                    self._unchecked.append(data)
                return self._close(data)
            case FormingCandle():
                if data.timeframe is Timeframe.M1:
                    market.candles[Timeframe.M1].forming = data
            case Liquidation():
                market.trades.liquidation(event)  # type: ignore[arg-type]
                market.tape.liquidation(event)  # type: ignore[arg-type]
            case BookSnapshot() | BookDelta():
                pass  # the door applied it
        return False

    def _close(self, candle: Candle) -> bool:
        """Take a closed 1m candle; the longer ones follow from it."""
        if candle.timeframe is not Timeframe.M1:
            return False
        candles = self.market.candles
        minutes = candles[Timeframe.M1]
        if not self._loaded:
            self._held.append(candle)
            return False
        closed = candles.close_minute(candle)
        if closed:
            closing = closing_of([candles[timeframe].closed[-1] for timeframe in closed])
            for component in self._components.values():
                component.close_all(closing)
        if minutes.gap:
            self._held.append(candle)
        return minutes.gap

    def load_candles(self, loaded: CandlesLoaded) -> Iterator[None]:
        """Take fetched candles, then the stream's own that came meanwhile; yields between parts.

        Minutes alone that join those held go on from there, each as if it had come in time, and
        are marked as fetched. Anything else replaces what was known, and is computed anew.
        """
        minutes = loaded.candles.get(Timeframe.M1, ())
        known = self.market.candles[Timeframe.M1].last_close
        joins = bool(minutes) and known is not None and minutes[0].open_time <= known
        if self._loaded and joins and len(loaded.candles) == 1:
            yield from self._go_on(minutes)
        else:
            yield from self._begin_anew(loaded.candles)
        self._take_held()
        self.market.candles.settle()

    def _go_on(self, minutes: Sequence[Candle]) -> Iterator[None]:
        candles = self.market.candles
        series = candles[Timeframe.M1]
        candles.mend()
        for candle in minutes:
            if candle.open_time < (series.last_close or 0):
                continue
            if self._close(candle):
                return
            series.backfilled.add(candle.open_time)
            yield

    def _begin_anew(self, found: Mapping[Timeframe, Sequence[Candle]]) -> Iterator[None]:
        candles = self.market.candles
        if not self._held:
            self._held.extend(candles[Timeframe.M1].closed)
        for timeframe, rows in found.items():
            candles.replace(timeframe, rows)
        candles.join()
        self._loaded = True
        for timeframe in found:
            bars = bars_of(candles[timeframe].closed)
            for component in self._components.values():
                component.restart(timeframe)
                if len(bars):
                    component.close(timeframe, bars)
                yield

    def _take_held(self) -> None:
        """Take the minutes that waited, as far as they follow now."""
        held = list(self._held)
        self._held.clear()
        newest = self.market.candles[Timeframe.M1].last_close or 0
        for candle in held:
            if candle.open_time >= newest:
                self._close(candle)

    def load_derivatives(self, found: DerivativesLoaded) -> None:
        """Take what was fetched of funding, open interest, ratios and basis."""
        derivatives = self.market.derivatives
        derivatives.add_funding(found.funding)
        grid = {row.at: row for row in found.open_interest if row.at % SERIES_MS == 0}
        on_grid = [grid[at] for at in sorted(grid)]
        derivatives.add_open_interest(on_grid, _distance([row.at for row in on_grid]))
        self._recall_interests(on_grid)
        for row in found.open_interest:
            derivatives.note_open_interest(row)
        ratios = sorted(found.ratio, key=lambda row: row.at)
        derivatives.add_ratios(ratios, _distance(sorted({row.at for row in ratios})))
        derivatives.add_basis(found.mark, found.index)

    def _recall_interests(self, rows: Sequence[OpenInterest]) -> None:
        """Know the open interest of the hour before this process began to note it each minute."""
        began = self._interests[0][0] if self._interests else None
        before = [
            (row.at, row.contracts)
            for row in rows
            if row.contracts and (began is None or row.at < began)
        ]
        self._interests = deque([*before, *self._interests][-INTERESTS_KEPT:], INTERESTS_KEPT)

    def correct(self, trades: Sequence[MarketEvent[Trade]]) -> None:
        """Take trades that were missed: the last price, and nothing of the live order flow."""
        for trade in trades:
            self.market.trades.correct(trade)
        self.market.tape.correct(trades)

    def resume(self) -> None:
        """Be watched again after having been given up."""
        self._connected = True
        self.market.silent.clear()

    def connected(self, at: Millis) -> None:
        """Know that the stream is there."""
        self._connected = True
        self.market.alive_at = at
        self.market.silent.clear()

    def disconnected(self) -> None:
        """Forget what only an unbroken stream can vouch for."""
        if not self._connected:
            return  # told again, of an attempt in vain: what was fetched meanwhile stays
        self._connected = False
        book = self.market.book
        book.forget(Reason.GAP if book.synced_since else book.reason or Reason.NO_FEED)
        self.market.disconnected()
        self._without_book()

    def heard(self, at: Millis) -> None:
        """Note that something came; what is fetched is no sign of a stream."""
        if self._connected:
            self.market.alive_at = at

    def book_lost(self, at: Millis) -> bool:
        """Know that the book has a hole, and so have the best quotes.

        True when it had so many lately that polled books must vouch for it.
        """
        self.market.trades.reset_quotes()
        self._gap_times.append(at)
        if not self.market.book.synced:
            self._without_book()
        many = len(self._gap_times) > GAPS_TO_DISTRUST
        if self.distrusted_since is None and many and at - self._gap_times[0] <= MINUTE:
            self.distrusted_since = at
            return True
        return False

    def regain_trust(self, at: Millis) -> bool:
        """Believe the streamed book again after a minute without a hole; True when that begins."""
        last = self._gap_times[-1] if self._gap_times else None
        if self.distrusted_since is None or (last is not None and at - last < TRUST_AGAIN_MS):
            return False
        self.distrusted_since = None
        return True

    def skipped(self) -> None:
        """Know that seconds were left out: nobody knows what came in them."""
        self.market.trades.reset_quotes()
        self.market.trades.reset_trades()

    def fell_silent(self, topic: Topic, *, refused: bool = False) -> None:
        """Know that the venue does not give a topic, or that it fell silent."""
        self.market.fell_silent(topic, refused=refused)
        self._view = None
        if topic is Topic.BOOK:
            self._without_book()

    def speaks_again(self, topic: Topic) -> None:
        """Know that a topic gives data again."""
        self.market.silent.discard(topic)

    def _without_book(self) -> None:
        """Take the book's component out of the newest score at once, not at the next second."""
        self._view = None
        self._lenses.lose_book(self.market.book.reason or Reason.GAP)
        score = self._score
        if score is None or isinstance(score.components[ComponentName.ORDERBOOK], Absent):
            return
        reason = self.market.book.reason or Reason.GAP
        without = Absent(ComponentName.ORDERBOOK, reason, 0.0)
        components = {**score.components, ComponentName.ORDERBOOK: without}
        joined = self._joined()
        self._score = joined.score(instrument=self._instrument, at=score.at, components=components)
        self._live = joined.value({**self._live_parts, ComponentName.ORDERBOOK: without})
        self._view = None

    def trades_are_missing(self, at: Millis, now: Millis) -> bool:
        """Compare the trades of the last closed minute with its candle, once both must be here.

        When they differ the order flow of that minute is not known, and starts again. Where they
        differ most of the time, venue and we count differently: then nothing follows from it.
        """
        if not self._unchecked or now < self._unchecked[0].close_time + CHECK_AFTER_MS:
            return False
        candle = self._unchecked.popleft()
        trades = self.market.trades
        since = trades.trades_since
        if since is None or since + (now - at) + SECOND > candle.open_time:
            return False
        market, others = trades.minute_volume(candle.open_time)
        allowed = VOLUME_TOLERANCE * candle.volume
        differs = all(abs(found - candle.volume) > allowed for found in (market, market + others))
        self._checks.append(differs)
        if not differs or 2 * sum(self._checks) > CHECKS_KEPT:
            return False
        trades.reset_trades()
        return True

    def second(self, at: Millis, now: Millis, *, peek: bool = True) -> None:
        """Close grid second `at` of our clock, which is `now` on the venue's.

        `peek`: look at the forming candles anew for the live score; else as they were before.
        """
        market = self.market
        market.second(at)
        for component in self._components.values():
            component.second(at, market)
        scores = {name: each.score(at, market) for name, each in self._components.items()}
        score = self._joined().score(instrument=self._instrument, at=now, components=scores)
        self._lenses.second(at, market, scores)
        self._correlation.second(at, scores)
        change = self._direction.second(at, score.z)
        self._score, self._second = score, at
        self._live = self._live_score(at, scores, peek=peek)
        if at % SCORE_STEP_MS == 0:
            self.samples.append((now, score.score))
        if at % DAY_STEP_MS == 0:
            self.day.append((now, score.score))
        interest = self.open_interest(now) if at % MINUTE == 0 else None
        if interest is not None and interest.value:
            self._interests.append((now, interest.value))
        if interest is not None:
            self.tracks.minute(at, now, market.trades, interest.value)
        if change is not None:
            self.turns.append(self._turned(change, score, at, now))

    def _joined(self) -> Composite:
        """Give what joins the views by the definition and the correlations of now."""
        definition, rho = self._definition, self._correlation.rho
        if self._composite.definition is not definition or self._composite.rho is not rho:
            self._composite = Composite(definition, rho)
            self._formula = Formula(definition, rho)
        return self._composite

    def _turned(
        self, change: DirectionChange, score: ConfluenceScore, at: Millis, now: Millis
    ) -> Turn:
        """Hold on to what is known at the second that confirmed a change of direction."""
        heard = self._inputs(at, now)["stream"].state in {State.LIVE, State.DELAYED}
        candles = self.market.candles[RANGE_TIMEFRAME]
        return turn_of(
            change,
            self._direction.minute_score,
            score,
            self.middle() if heard else (None, None),
            range_of(candles.closed, now, gap=candles.gap),
        )

    def middle(self) -> tuple[float | None, float | None]:
        """Give the middle of the best quote and its spread in 1/10,000 of it."""
        quote = self.market.trades.best
        best = self.market.book.best() if quote is None else quote
        if best is None or not 0 < best.bid <= best.ask:
            return None, None
        middle = (best.bid + best.ask) / 2
        return middle, 10_000 * (best.ask - best.bid) / middle

    def _live_score(
        self,
        at: Millis,
        scores: Mapping[ComponentName, ComponentScore | Absent],
        *,
        peek: bool,
    ) -> float | None:
        """Give the score if every forming candle closed now."""
        market, before = self.market, self._live_parts
        live = {
            name: each.live(at, market)
            if peek or name not in CANDLE_VIEWS or self._closed_since(name, scores)
            else before[name]
            for name, each in self._components.items()
        }
        self._peeked = scores
        self._live_parts = live
        if all(live[name] is scores[name] for name in scores):
            return None if self._score is None else self._score.score
        return self._composite.value(live)

    def _closed_since(
        self, name: ComponentName, scores: Mapping[ComponentName, ComponentScore | Absent]
    ) -> bool:
        """Whether a component rests on other candles than when the forming ones were looked at.

        One whose candles are late is another score each second, of the same members.
        """
        peeked = self._peeked.get(name)
        return peeked is None or peeked.members is not scores[name].members

    def view(self, at: Millis, now: Millis) -> MarketView:
        """Give grid second `at`, the one closed last, in plain values."""
        if self._score is None:
            msg = "expected a closed grid second before a view is asked for, found none"
            raise ValueError(msg)
        if self._view is None or self._view[0] != at:
            self._view = (at, self._make_view(self._score, at, now))
        return self._view[1]

    def _make_view(self, score: ConfluenceScore, at: Millis, now: Millis) -> MarketView:
        inputs = self._inputs(at, now)
        state, oldest = self._state_of(score, inputs)
        return MarketView(
            instrument=self._instrument,
            score=score,
            state=state,
            oldest_input=oldest,
            live_score=self._live,
            formula=self._formula,
            direction=self._direction.direction,
            score_change_1h=self._change_1h(score.score, now),
            dimensions=self._lenses.values(),
            price=self._price(now),
            change_24h=self.ticker_value(TickerField.CHANGE_24H, now, 100.0),
            turnover_24h=self.ticker_value(TickerField.TURNOVER_24H, now),
            funding_8h=self._funding(now),
            open_interest_change_1h=self._open_interest_change(now),
            inputs=tuple(inputs.values()),
            book=BookHealth(
                synced_since=self.market.book.synced_since,
                gaps=self.market.book.gaps,
                resyncs=self.market.book.resyncs,
                distrusted_since=self.distrusted_since,
            ),
            heard=inputs["stream"].state,
            listing=self._listing,
            coverage_floor=self._definition.coverage_floor,
            forming=self.market.candles.forming,
        )

    def _inputs(self, at: Millis, now: Millis) -> dict[str, Input]:
        """Give the age of every kind of input, on the venue's clock."""
        market, known = self.market, self.market.derivatives
        delayed, stale = self._delayed_ms, self._stale_ms
        alive = None if market.alive_at is None else Millis(market.alive_at + now - at)
        heard = None if self._heard_at is None else Millis(self._heard_at + now - at)
        mark = known.ticker.get(TickerField.MARK_PRICE)
        book = _input(
            "book", market.book.as_of, now, delayed, stale, market.book.reason or Reason.NO_FEED
        )
        if self.distrusted_since is not None or not self._book_sequenced:
            book = Input(book.kind, book.as_of, _at_best_delayed(book.state), book.reason)
        # silence of trades is a fact while the connection lives, so the connection's age counts
        traded = None if market.trades.last_price_at is None else alive
        found = {
            "stream": _input("stream", heard, now, delayed, stale),
            "book": book,
            "trades": _input("trades", traded, now, delayed, stale),
            "ticker": _input(
                "ticker", None if mark is None else mark.confirmed_at, now, delayed, stale
            ),
        }
        for timeframe, name, delayed_from, stale_from in _CANDLE_INPUTS:
            series = market.candles.series[timeframe]
            closed = None if series.gap else series.last_close
            reason = Reason.GAP if series.gap else Reason.NO_FEED
            found[name] = _input(name, closed, now, delayed_from, stale_from, reason)
        settled, interval = known.funding.last, 0
        settled_at = None
        if settled is not None and settled.interval_hours is not None:
            settled_at, interval = settled.settled_at, round(settled.interval_hours * HOUR)
        found["funding"] = _input(
            "funding", settled_at, now, interval + MINUTE, interval + 10 * MINUTE
        )
        step = known.open_interest_every
        found["open interest"] = _input(
            "open interest", known.open_interest_at, now, step + 6 * MINUTE, step + 15 * MINUTE
        )
        ratio_at, step = None if known.ratio is None else known.ratio.at, known.ratio_every
        found["account ratio"] = _input(
            "account ratio", ratio_at, now, step + 6 * MINUTE, step + 15 * MINUTE
        )
        return found

    def _state_of(
        self, score: ConfluenceScore, inputs: Mapping[str, Input]
    ) -> tuple[State, str | None]:
        """Give the worst state among the inputs used, and which of them is the oldest.

        The market's stream always counts, and pongs are no market: candles may be on time while
        nothing else arrives, and a reader would take the score for live.
        """
        if score.score is None:
            return State.ABSENT, None
        late = {
            kind: _WORSE[each.state]
            for kind, each in inputs.items()
            if each.state is not State.LIVE
        }
        worst = _WORSE[State.STALE] if inputs["stream"].state is State.ABSENT else 0
        worst = max(worst, late.get("stream", 0))
        oldest: ComponentScore | None = None
        for name, part in score.components.items():
            if isinstance(part, Absent):
                continue
            if oldest is None or part.as_of < oldest.as_of:
                oldest = part
            if late:
                worst = max(worst, *[late.get(kind, 0) for kind in _USED[name]])
        if oldest is None:
            return _ORDER[worst], None
        if self._oldest is None or self._oldest[0] is not oldest.members:
            self._oldest = oldest.members, _oldest_member(oldest)
        return _ORDER[worst], self._oldest[1]

    def ticker_value(self, field: TickerField, now: Millis, scale: float = 1.0) -> Value:
        """Give a field of the ticker with its age, `now` on the venue's clock."""
        known = self.market.derivatives.ticker.get(field)
        if known is None or known.value is None:
            return Value.absent(Reason.NO_FEED)
        state = _age_state(known.confirmed_at, now, self._delayed_ms, self._stale_ms)
        if not self._connected or Topic.TICKER in self.market.silent:
            state = _at_best_delayed(state)
        return Value(known.value * scale, known.confirmed_at, state)

    def _price(self, now: Millis) -> Value:
        """Give the newer of the last trade and the ticker's last price."""
        ticker = self.ticker_value(TickerField.LAST_PRICE, now)
        price, at = self.market.trades.last_price, self.market.trades.last_price_at
        if price is None or at is None or (ticker.as_of is not None and ticker.as_of >= at):
            return ticker
        return Value(price, at, _age_state(at, now, self._delayed_ms, self._stale_ms))

    @property
    def funding_interval_hours(self) -> float | None:
        """Hours between settlements, as the ticker or the catalogue says."""
        interval = self.market.derivatives.value(TickerField.FUNDING_INTERVAL_HOURS)
        if interval is None and self._listing is not None:
            interval = self._listing.funding_interval_hours
        return interval

    def _funding(self, now: Millis) -> Value:
        rate = self.ticker_value(TickerField.FUNDING_RATE, now)
        interval = self.funding_interval_hours
        if rate.value is None or not interval:
            return Value.absent(rate.reason or Reason.NO_FEED)
        return Value(rate.value * 8.0 / interval, rate.as_of, rate.state)

    def open_interest(self, now: Millis) -> Value:
        """Give the ticker's open interest, or what was polled where the ticker has none."""
        current = self.ticker_value(TickerField.OPEN_INTEREST, now)
        polled = self.market.derivatives.open_interest_now
        if current.value is not None or polled is None:
            return current
        state = _age_state(polled.at, now, POLLED_DELAYED_MS, POLLED_STALE_MS)
        return Value(polled.contracts, polled.at, state)

    def _open_interest_change(self, now: Millis) -> Value:
        """Compare the ticker's open interest with what it was an hour ago, give or take minutes."""
        current = self.open_interest(now)
        if current.value is None:
            return Value.absent(current.reason or Reason.NO_FEED)
        wanted = now - HOUR
        hours = self.market.derivatives.open_interest
        full = Millis(round(wanted / HOUR) * HOUR)
        # each second of each market: only its neighbours among those noted, not all of them
        place = bisect_left(self._interests, wanted, key=_time_of)
        noted = [self._interests[i] for i in (place - 1, place) if 0 <= i < len(self._interests)]
        known = [*noted, (full, hours.at(full))]
        near = [(abs(at - wanted), value) for at, value in known if value]
        if not near or min(near)[0] > CHANGE_TOLERANCE_MS:
            return Value.absent(Reason.TOO_FEW)
        return Value(100.0 * (current.value / min(near)[1] - 1.0), current.as_of, current.state)

    def _change_1h(self, score: float | None, now: Millis) -> float | None:
        if score is None:
            return None
        wanted = now - HOUR
        if self.definitions[-1][0] > wanted:
            return None  # measured with another rule, it is no change of the market
        samples = self.samples
        # each second of each market: not through all of them from the oldest on
        place = bisect_left(samples, wanted - SCORE_NEAR_MS, key=_time_of)
        if place == len(samples) or samples[place][0] > wanted + SCORE_NEAR_MS:
            return None
        before = samples[place][1]
        return None if before is None else score - before


_time_of = itemgetter(0)


def _input(
    kind: str,
    as_of: Millis | None,
    now: Millis,
    delayed: int,
    stale: int,
    reason: Reason = Reason.NO_FEED,
) -> Input:
    """Judge one kind of input; `reason`: why there is none, where there is none."""
    state = _age_state(as_of, now, delayed, stale)
    return Input(kind, as_of, state, reason if as_of is None else None)


def _age_state(as_of: Millis | None, now: Millis, delayed: int, stale: int) -> State:
    if as_of is None:
        return State.ABSENT
    age = now - as_of
    return State.LIVE if age <= delayed else State.DELAYED if age <= stale else State.STALE


def _at_best_delayed(state: State) -> State:
    """Call nothing live that was fetched instead of streamed."""
    return State.DELAYED if state is State.LIVE else state


def _oldest_member(part: ComponentScore) -> str:
    """Name the member of a component whose input is the oldest; the first of equal ones."""
    member = min(
        (each for each in part.members if each.as_of is not None),
        key=lambda each: each.as_of or 0,
    )
    return f"{part.name} {member.name}"


def _distance(stamps: Sequence[Millis]) -> int:
    """Give the distance between the newest rows of a series; an hour where there is but one."""
    if len(stamps) < 2:
        return HOUR
    return max(SERIES_MS, stamps[-1] - stamps[-2])
