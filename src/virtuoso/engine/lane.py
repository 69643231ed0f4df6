"""One market's whole way: its state, its six components, its score, its recent past."""

from collections import deque
from collections.abc import Mapping, Sequence

from virtuoso.components.base import Component
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
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
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.view import Input, MarketView, Value
from virtuoso.engine.warmup import CandleHistory, DerivativesHistory
from virtuoso.market.candles import bars_of
from virtuoso.market.market import Market
from virtuoso.scoring.confluence import composite
from virtuoso.scoring.correlation import CorrelationTracker
from virtuoso.scoring.definition import Definition
from virtuoso.scoring.direction import DirectionTracker

SCORE_STEP_MS = 10 * SECOND
"""Distance between two kept scores."""
SCORES_KEPT = 2_160

STREAM_DELAYED_MS = 2 * SECOND
STREAM_STALE_MS = 5 * SECOND
CANDLE_DELAYED_MS = 5 * SECOND
CANDLE_STALE_MS = 60 * SECOND
CHANGE_TOLERANCE_MS = 5 * MINUTE
"""How far the older of two compared values may lie from one hour ago."""

_ORDER = (State.LIVE, State.DELAYED, State.STALE)


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
    ) -> None:
        """`stream_*_ms`: the ages from which this venue's ticker and book count as late."""
        self.market = Market(instrument)
        self.samples: deque[tuple[Millis, float | None]] = deque(maxlen=SCORES_KEPT)
        """(venue time, score) every SCORE_STEP_MS."""
        self._instrument = instrument
        self._listing = listing
        self._components = components
        self._definition = definition
        self._correlation = CorrelationTracker(definition)
        self._direction = DirectionTracker(definition.direction)
        self._delayed_ms, self._stale_ms = stream_delayed_ms, stream_stale_ms
        self._score: ConfluenceScore | None = None
        self._live: float | None = None
        self._interests: deque[tuple[Millis, float]] = deque(maxlen=62)
        self._early: list[Candle] = []
        self._loaded = False
        self._heard_at: Millis | None = None
        self._refused: set[Topic] = set()
        self._view: tuple[Millis, MarketView] | None = None

    def take(self, event: MarketEvent[MarketData]) -> bool:
        """Store an accepted event. True when a candle showed that one is missing."""
        market, data = self.market, event.data
        self._heard_at = event.receive_time
        match data:
            case Trade():
                market.trades.trade(event)  # type: ignore[arg-type] # narrowed by its data
            case Quote():
                market.trades.quote(event)  # type: ignore[arg-type]
                market.book.confirm(data, event.event_time)
            case Ticker():
                market.derivatives.take_ticker(event)  # type: ignore[arg-type]
            case Candle():
                return self._close(data)
            case FormingCandle():
                if data.timeframe is Timeframe.M1:
                    market.candles[Timeframe.M1].forming = data
            case Liquidation():
                market.trades.liquidation(event)  # type: ignore[arg-type]
            case BookSnapshot() | BookDelta():
                pass  # the door applied it
        return False

    def _close(self, candle: Candle) -> bool:
        """Take a closed 1m candle; the longer ones follow from it."""
        if candle.timeframe is not Timeframe.M1:
            return False
        if not self._loaded:
            self._early.append(candle)
            return False
        candles = self.market.candles
        for timeframe in candles.close_minute(candle):
            bars = bars_of(candles[timeframe].closed[-1:])
            for component in self._components.values():
                component.close(timeframe, bars)
        return candles[Timeframe.M1].gap

    def load_candles(self, found: CandleHistory) -> None:
        """Replace the candles with fetched ones, then the stream's own that came meanwhile."""
        candles = self.market.candles
        before = candles[Timeframe.M1].closed if self._loaded else self._early
        held = list(before)
        for timeframe, rows in found.candles.items():
            candles.replace(timeframe, rows)
        candles.join()
        self._loaded = True
        self._early = []
        for timeframe in found.candles:
            bars = bars_of(candles[timeframe].closed)
            for component in self._components.values():
                component.restart(timeframe)
                if len(bars):
                    component.close(timeframe, bars)
        newest = candles[Timeframe.M1].last_close or 0
        for candle in held:
            if candle.open_time >= newest:
                self._close(candle)

    def load_derivatives(self, found: DerivativesHistory) -> None:
        """Take what was fetched of funding, open interest, ratios and basis."""
        derivatives = self.market.derivatives
        derivatives.add_funding(found.funding)
        derivatives.add_open_interest(found.open_interest)
        derivatives.add_ratios(found.ratio)
        derivatives.add_basis(found.mark, found.index)

    def disconnected(self) -> None:
        """Forget what only an unbroken stream can vouch for."""
        self.market.book.forget(Reason.GAP if self.market.book.synced_since else Reason.NO_FEED)
        self.market.disconnected()

    def book_lost(self) -> None:
        """Know that best quotes were missed."""
        self.market.trades.reset_quotes()

    def refused(self, topic: Topic) -> None:
        """Know that the venue does not give a topic."""
        self._refused.add(topic)

    def second(self, at: Millis, now: Millis) -> None:
        """Close grid second `at` of our clock, which is `now` on the venue's."""
        market = self.market
        market.second(at)
        for component in self._components.values():
            component.second(at, market)
        scores = {name: each.score(at, market) for name, each in self._components.items()}
        score = composite(
            instrument=self._instrument,
            at=now,
            components=scores,
            rho=self._correlation.rho,
            definition=self._definition,
        )
        self._correlation.second(at, scores)
        self._direction.second(at, score.z)
        self._score = score
        self._live = self._live_score(at, now, scores)
        if at % SCORE_STEP_MS == 0:
            self.samples.append((now, score.score))
        interest = market.derivatives.value(TickerField.OPEN_INTEREST)
        if at % MINUTE == 0 and interest:
            self._interests.append((now, interest))

    def _live_score(
        self, at: Millis, now: Millis, scores: Mapping[ComponentName, ComponentScore | Absent]
    ) -> float | None:
        """Give the score if every forming candle closed now."""
        market = self.market
        live = {name: each.live(at, market) for name, each in self._components.items()}
        if all(live[name] is scores[name] for name in scores):
            return None if self._score is None else self._score.score
        return composite(
            instrument=self._instrument,
            at=now,
            components=live,
            rho=self._correlation.rho,
            definition=self._definition,
        ).score

    def view(self, at: Millis, now: Millis) -> MarketView:
        """Give grid second `at`, the one closed last, in plain values."""
        if self._score is None:
            msg = "expected a closed grid second before a view is asked for, found none"
            raise ValueError(msg)
        if self._view is None or self._view[0] != at:
            self._view = (at, self._make_view(self._score, at, now))
        return self._view[1]

    def _make_view(self, score: ConfluenceScore, at: Millis, now: Millis) -> MarketView:
        candles = self.market.candles
        inputs = self._inputs(at, now)
        state, oldest = self._state_of(score, inputs)
        return MarketView(
            instrument=self._instrument,
            score=score,
            state=state,
            oldest_input=oldest,
            live_score=self._live,
            direction=self._direction.direction,
            score_change_1h=self._change_1h(score.score, now),
            price=self._price(now),
            change_24h=self._ticker(TickerField.CHANGE_24H, now, 100.0),
            turnover_24h=self._ticker(TickerField.TURNOVER_24H, now),
            funding_8h=self._funding(now),
            open_interest_change_1h=self._open_interest_change(now),
            inputs=tuple(inputs.values()),
            forming={
                timeframe: each
                for timeframe in Timeframe
                if (each := candles.forming(timeframe)) is not None
            },
        )

    def _age_state(self, as_of: Millis | None, now: Millis, delayed: int, stale: int) -> State:
        if as_of is None:
            return State.ABSENT
        age = now - as_of
        return State.LIVE if age <= delayed else State.DELAYED if age <= stale else State.STALE

    def _inputs(self, at: Millis, now: Millis) -> dict[str, Input]:
        """Give the age of every kind of input, on the venue's clock."""
        market = self.market
        alive = None if market.alive_at is None else Millis(market.alive_at + now - at)
        heard = None if self._heard_at is None else Millis(self._heard_at + now - at)
        found: dict[str, Input] = {}

        def note(kind: str, as_of: Millis | None, delayed: int, stale: int, reason: Reason) -> None:
            state = self._age_state(as_of, now, delayed, stale)
            found[kind] = Input(kind, as_of, state, reason if as_of is None else None)

        delayed, stale = self._delayed_ms, self._stale_ms
        note("stream", heard, delayed, stale, Reason.NO_FEED)
        book_reason = market.book.reason or Reason.NO_FEED
        note("book", market.book.as_of, delayed, stale, book_reason)
        # silence of trades is a fact while the connection lives, so the connection's age counts
        note(
            "trades",
            None if market.trades.last_price_at is None else alive,
            delayed,
            stale,
            Reason.NO_FEED,
        )
        known = market.derivatives.ticker.get(TickerField.MARK_PRICE)
        confirmed = None if known is None else known.confirmed_at
        note("ticker", confirmed, delayed, stale, Reason.NO_FEED)
        for timeframe in Timeframe:
            series = market.candles[timeframe]
            reason = Reason.GAP if series.gap else Reason.NO_FEED
            note(
                f"candles {timeframe}",
                None if series.gap else series.last_close,
                timeframe.ms + CANDLE_DELAYED_MS,
                timeframe.ms + CANDLE_STALE_MS,
                reason,
            )
        settled = market.derivatives.funding.last
        if settled is not None and settled.interval_hours is not None:
            interval = round(settled.interval_hours * HOUR)
            note(
                "funding",
                settled.settled_at,
                interval + MINUTE,
                interval + 10 * MINUTE,
                Reason.NO_FEED,
            )
        else:
            note("funding", None, 0, 0, Reason.NO_FEED)
        interest = market.derivatives.open_interest_at
        note("open interest", interest, HOUR + 6 * MINUTE, HOUR + 15 * MINUTE, Reason.NO_FEED)
        ratio = market.derivatives.ratio
        ratio_at = None if ratio is None else ratio.at
        note("account ratio", ratio_at, HOUR + 6 * MINUTE, HOUR + 15 * MINUTE, Reason.NO_FEED)
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
        stream = inputs["stream"].state
        states: list[State] = [State.STALE if stream is State.ABSENT else stream]
        oldest: tuple[Millis, str] | None = None
        for name, part in score.components.items():
            if isinstance(part, Absent):
                continue
            if oldest is None or part.as_of < oldest[0]:
                member = min(
                    (each for each in part.members if each.as_of is not None),
                    key=lambda each: each.as_of or 0,
                )
                oldest = part.as_of, f"{name} {member.name}"
            states.extend(self._states_used(name, inputs))
        return max(
            (each for each in states if each in _ORDER), key=_ORDER.index, default=State.STALE
        ), None if oldest is None else oldest[1]

    def _states_used(self, name: ComponentName, inputs: Mapping[str, Input]) -> Sequence[State]:
        match name:
            case ComponentName.ORDERBOOK:
                return (inputs["book"].state,)
            case ComponentName.ORDERFLOW:
                return (inputs["trades"].state,)
            case ComponentName.TECHNICAL | ComponentName.VOLUME | ComponentName.PRICE_STRUCTURE:
                return tuple(inputs[f"candles {timeframe}"].state for timeframe in Timeframe)
            case ComponentName.SENTIMENT:
                return tuple(
                    inputs[kind].state for kind in ("funding", "open interest", "account ratio")
                )

    def _ticker(self, field: TickerField, now: Millis, scale: float = 1.0) -> Value:
        known = self.market.derivatives.ticker.get(field)
        if known is None or known.value is None:
            return Value.absent(Reason.NO_FEED)
        state = self._age_state(known.confirmed_at, now, self._delayed_ms, self._stale_ms)
        return Value(known.value * scale, known.confirmed_at, state)

    def _price(self, now: Millis) -> Value:
        """Give the newer of the last trade and the ticker's last price."""
        ticker = self._ticker(TickerField.LAST_PRICE, now)
        price, at = self.market.trades.last_price, self.market.trades.last_price_at
        if price is None or at is None or (ticker.as_of is not None and ticker.as_of >= at):
            return ticker
        return Value(price, at, self._age_state(at, now, self._delayed_ms, self._stale_ms))

    def _funding(self, now: Millis) -> Value:
        rate = self._ticker(TickerField.FUNDING_RATE, now)
        interval = self.market.derivatives.value(TickerField.FUNDING_INTERVAL_HOURS)
        if interval is None and self._listing is not None:
            interval = self._listing.funding_interval_hours
        if rate.value is None or not interval:
            return Value.absent(rate.reason or Reason.NO_FEED)
        return Value(rate.value * 8.0 / interval, rate.as_of, rate.state)

    def _open_interest_change(self, now: Millis) -> Value:
        """Compare the ticker's open interest with what it was an hour ago, give or take minutes."""
        current = self._ticker(TickerField.OPEN_INTEREST, now)
        if current.value is None:
            return Value.absent(current.reason or Reason.NO_FEED)
        wanted = now - HOUR
        hours = self.market.derivatives.open_interest
        full = Millis(round(wanted / HOUR) * HOUR)
        known = [*self._interests, (full, hours.at(full))]
        near = [(abs(at - wanted), value) for at, value in known if value]
        if not near or min(near)[0] > CHANGE_TOLERANCE_MS:
            return Value.absent(Reason.TOO_FEW)
        return Value(100.0 * (current.value / min(near)[1] - 1.0), current.as_of, current.state)

    def _change_1h(self, score: float | None, now: Millis) -> float | None:
        if score is None:
            return None
        wanted = now - HOUR
        for at, before in self.samples:
            if abs(at - wanted) <= SCORE_STEP_MS:
                return None if before is None else score - before
            if at > wanted + SCORE_STEP_MS:
                return None
        return None
