"""One market's whole way: its state, its six components, its score, its recent past."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
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
    Reason,
    State,
)
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.book_trust import BookTrust
from virtuoso.engine.market_inputs import STREAM_DELAYED_MS, STREAM_STALE_MS, MarketInputs
from virtuoso.engine.minute_intake import MinuteIntake
from virtuoso.engine.score_past import ScorePast
from virtuoso.engine.turning import turn_of
from virtuoso.engine.view import BookHealth, MarketView
from virtuoso.engine.volume_check import VolumeCheck
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.market.candles import bars_of
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

CANDLE_VIEWS = frozenset(
    {ComponentName.TECHNICAL, ComponentName.VOLUME, ComponentName.PRICE_STRUCTURE}
)

SERIES_MS = 5 * MINUTE
"""The finest grain of polled series."""
TURNS_KEPT = 32


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
        self.past = ScorePast(definition.hash)
        self.tracks = Tracks()
        self._instrument = instrument
        self.book_trust = BookTrust()
        self.inputs = MarketInputs(
            self.market,
            listing,
            self.book_trust,
            late_from_ms=(stream_delayed_ms, stream_stale_ms),
            book_sequenced=book_sequenced,
        )
        self._components = dict(components)
        self._minutes = MinuteIntake(self.market.candles, self._components)
        self._volumes = VolumeCheck(self.market.trades)
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
        self._view: tuple[Millis, MarketView] | None = None
        self._make_components = make_components

    @property
    def instrument(self) -> Instrument:
        """Whose market this is."""
        return self._instrument

    @property
    def loaded(self) -> bool:
        """Whether the candles of the past are here."""
        return self._minutes.loaded

    @property
    def streaming(self) -> bool:
        """Whether a connection carries this market."""
        return self.inputs.streaming

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
        self.past.redefined(now, definition.hash, unscored=self._score is None)
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
            if self.loaded and len(bars):
                component.close(timeframe, bars)
                yield

    def recall(
        self,
        near: Sequence[tuple[Millis, float | None, str]],
        day: Sequence[tuple[Millis, float | None, str]],
    ) -> None:
        """Put what was kept of an earlier run before what this one knows; see ScorePast.recall."""
        self.past.recall(near, day)
        self._view = None

    def list_as(self, listing: Listing) -> None:
        """Take what the catalogue says now."""
        self.inputs.listing = listing

    def set_beta(self, found: Beta | Reason, as_of: Millis | None) -> None:
        """Take what was found across the markets: this one against Bitcoin."""
        self._beta = found, as_of
        self._lenses.set_beta(found, as_of)

    def take(self, event: MarketEvent[MarketData]) -> bool:
        """Store an accepted event. True when a candle showed that one is missing."""
        market, data = self.market, event.data
        # a ticker that stands in for its silent stream was fetched, and is no sign of a stream
        fetched = market.silent and isinstance(data, Ticker) and Topic.TICKER in market.silent
        if self.inputs.streaming and not fetched:
            self.inputs.heard_at = event.receive_time
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
                if data.timeframe is not Timeframe.M1:
                    return False  # the longer ones follow from the minutes
                self._volumes.note(data)
                return self._minutes.close(data)
            case FormingCandle():
                if data.timeframe is Timeframe.M1:
                    market.candles[Timeframe.M1].forming = data
            case Liquidation():
                market.trades.liquidation(event)  # type: ignore[arg-type]
                market.tape.liquidation(event)  # type: ignore[arg-type]
            case BookSnapshot() | BookDelta():
                pass  # the door applied it
        return False

    def load_candles(self, loaded: CandlesLoaded) -> Iterator[None]:
        """Take fetched candles, and the stream's own that came meanwhile; yields between parts."""
        return self._minutes.load(loaded)

    def load_derivatives(self, found: DerivativesLoaded) -> None:
        """Take what was fetched of funding, open interest, ratios and basis."""
        derivatives = self.market.derivatives
        derivatives.add_funding(found.funding)
        grid = {row.at: row for row in found.open_interest if row.at % SERIES_MS == 0}
        on_grid = [grid[at] for at in sorted(grid)]
        derivatives.add_open_interest(on_grid, _distance([row.at for row in on_grid]))
        self.inputs.recall_open_interest(on_grid)
        for row in found.open_interest:
            derivatives.note_open_interest(row)
        ratios = sorted(found.ratio, key=lambda row: row.at)
        derivatives.add_ratios(ratios, _distance(sorted({row.at for row in ratios})))
        derivatives.add_basis(found.mark, found.index)

    def correct(self, trades: Sequence[MarketEvent[Trade]]) -> None:
        """Take trades that were missed: the last price, and nothing of the live order flow."""
        for trade in trades:
            self.market.trades.correct(trade)
        self.market.tape.correct(trades)

    def resume(self) -> None:
        """Be watched again after having been given up."""
        self.inputs.streaming = True
        self.market.silent.clear()

    def connected(self, at: Millis) -> None:
        """Know that the stream is there."""
        self.inputs.streaming = True
        self.market.alive_at = at
        self.market.silent.clear()

    def disconnected(self) -> None:
        """Forget what only an unbroken stream can vouch for."""
        if not self.inputs.streaming:
            return  # told again, of an attempt in vain: what was fetched meanwhile stays
        self.inputs.streaming = False
        book = self.market.book
        book.forget(Reason.GAP if book.synced_since else book.reason or Reason.NO_FEED)
        self.market.disconnected()
        self._without_book()

    def heard(self, at: Millis) -> None:
        """Note that something came; what is fetched is no sign of a stream."""
        if self.inputs.streaming:
            self.market.alive_at = at

    def book_lost(self, at: Millis) -> bool:
        """Know that the book has a hole, and so have the best quotes.

        True when it had so many lately that polled books must vouch for it.
        """
        self.market.trades.reset_quotes()
        if not self.market.book.synced:
            self._without_book()
        return self.book_trust.lost(at)

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
        """Whether the last closed minute's trades are not all here; then the flow starts again."""
        return self._volumes.trades_are_missing(at, now)

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
        self.past.note(at, now, score.score)
        if at % MINUTE == 0:
            self.tracks.minute(at, now, market.trades, self.inputs.note_open_interest(now))
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
        heard = self.inputs.ages(at, now)["stream"].state in {State.LIVE, State.DELAYED}
        candles = self.market.candles[RANGE_TIMEFRAME]
        return turn_of(
            change,
            self._direction.minute_score,
            score,
            self.inputs.middle() if heard else (None, None),
            range_of(candles.closed, now, gap=candles.gap),
        )

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
        known = self.inputs
        ages = known.ages(at, now)
        state, oldest = known.state_of(score, ages)
        return MarketView(
            instrument=self._instrument,
            score=score,
            state=state,
            oldest_input=oldest,
            live_score=self._live,
            formula=self._formula,
            direction=self._direction.direction,
            score_change_1h=self.past.change_1h(score.score, now),
            dimensions=self._lenses.values(),
            price=known.price(now),
            change_24h=known.ticker(TickerField.CHANGE_24H, now, 100.0),
            turnover_24h=known.ticker(TickerField.TURNOVER_24H, now),
            funding_8h=known.funding(now),
            open_interest_change_1h=known.open_interest_change(now),
            inputs=tuple(ages.values()),
            book=BookHealth(
                synced_since=self.market.book.synced_since,
                gaps=self.market.book.gaps,
                resyncs=self.market.book.resyncs,
                distrusted_since=self.book_trust.distrusted_since,
            ),
            heard=ages["stream"].state,
            listing=known.listing,
            coverage_floor=self._definition.coverage_floor,
            forming=self.market.candles.forming,
        )


def _distance(stamps: Sequence[Millis]) -> int:
    """Give the distance between the newest rows of a series; an hour where there is but one."""
    if len(stamps) < 2:
        return HOUR
    return max(SERIES_MS, stamps[-1] - stamps[-2])
