"""What is known of one market beside its scores, each with its age."""

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

from virtuoso.domain.instruments import Listing
from virtuoso.domain.market_data import OpenInterest, TickerField, Topic
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    MemberScore,
    Reason,
    State,
)
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.engine.book_trust import BookTrust
from virtuoso.engine.view import Input, Value
from virtuoso.market.candles import TIMEFRAMES
from virtuoso.market.derivatives import TickerValue
from virtuoso.market.market import Market

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

_time_of = itemgetter(0)


class MarketInputs:
    """Judges the ages of what scores rest on, and gives what a reader is shown beside them."""

    def __init__(
        self,
        market: Market,
        listing: Listing | None,
        book_trust: BookTrust,
        *,
        late_from_ms: tuple[int, int],
        book_sequenced: bool,
    ) -> None:
        self.market = market
        self.listing = listing
        self.late_from_ms = late_from_ms
        """Ages from which what streams is delayed, and stale."""
        self.streaming = True
        """Whether a connection carries this market."""
        self.heard_at: Millis | None = None
        """When the market's stream said something last, by our clock."""
        self._book_trust = book_trust
        self._book_sequenced = book_sequenced
        self._interests: deque[tuple[Millis, float]] = deque(maxlen=INTERESTS_KEPT)
        self._oldest: tuple[Collection[MemberScore], str] | None = None
        """The members that were looked through last for the oldest, and its name."""

    def ages(self, at: Millis, now: Millis) -> dict[str, Input]:
        """Give the age of every kind of input: second `at` of our clock, `now` on the venue's."""
        market, known = self.market, self.market.derivatives
        delayed, stale = self.late_from_ms
        alive = None if market.alive_at is None else Millis(market.alive_at + now - at)
        heard = None if self.heard_at is None else Millis(self.heard_at + now - at)
        mark = known.ticker.get(TickerField.MARK_PRICE)
        book = _input(
            "book", market.book.as_of, now, delayed, stale, market.book.reason or Reason.NO_FEED
        )
        if self._book_trust.distrusted_since is not None or not self._book_sequenced:
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

    def state_of(
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

    def ticker(self, field: TickerField, now: Millis, scale: float = 1.0) -> Value:
        """Give a field of the ticker with its age, `now` on the venue's clock."""
        known = self.market.derivatives.ticker.get(field)
        if known is None or known.value is None:
            return Value.absent(Reason.NO_FEED)
        state = _age_state(known.confirmed_at, now, *self.late_from_ms)
        if not self.streaming or Topic.TICKER in self.market.silent:
            state = _at_best_delayed(state)
        return Value(known.value * scale, known.confirmed_at, state)

    def price(self, now: Millis) -> Value:
        """Give the newer of the last trade and the ticker's last price.

        With a connection its ticker is lost, and what it said last stays the newest price until
        there is a newer one: time does not go back to the trade before it.
        """
        ticker, before = self.ticker(TickerField.LAST_PRICE, now), self._price_before(now)
        if before is not None and (ticker.as_of is None or before.confirmed_at > ticker.as_of):
            state = _age_state(before.confirmed_at, now, *self.late_from_ms)
            ticker = Value(before.value, before.confirmed_at, _at_best_delayed(state))
        price, at = self.market.trades.last_price, self.market.trades.last_price_at
        if price is None or at is None or (ticker.as_of is not None and ticker.as_of >= at):
            return ticker
        return Value(price, at, _age_state(at, now, *self.late_from_ms))

    def _price_before(self, now: Millis) -> TickerValue | None:
        """Give what a forgotten ticker said last, unless it is dated later than now."""
        before = self.market.derivatives.price_before
        if before is None or before.value is None or before.confirmed_at > now:
            return None
        return before

    @property
    def funding_interval_hours(self) -> float | None:
        """Hours between settlements, as the ticker or the catalogue says."""
        interval = self.market.derivatives.value(TickerField.FUNDING_INTERVAL_HOURS)
        if interval is None and self.listing is not None:
            interval = self.listing.funding_interval_hours
        return interval

    def funding(self, now: Millis) -> Value:
        """Give the funding rate of eight hours."""
        rate = self.ticker(TickerField.FUNDING_RATE, now)
        interval = self.funding_interval_hours
        if rate.value is None or not interval:
            return Value.absent(rate.reason or Reason.NO_FEED)
        return Value(rate.value * 8.0 / interval, rate.as_of, rate.state)

    def open_interest(self, now: Millis) -> Value:
        """Give the ticker's open interest, or what was polled where the ticker has none."""
        current = self.ticker(TickerField.OPEN_INTEREST, now)
        polled = self.market.derivatives.open_interest_now
        if current.value is not None or polled is None:
            return current
        state = _age_state(polled.at, now, POLLED_DELAYED_MS, POLLED_STALE_MS)
        return Value(polled.contracts, polled.at, state)

    def open_interest_change(self, now: Millis) -> Value:
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

    def middle(self) -> tuple[float | None, float | None]:
        """Give the middle of the best quote and its spread in 1/10,000 of it."""
        quote = self.market.trades.best
        best = self.market.book.best() if quote is None else quote
        if best is None or not 0 < best.bid <= best.ask:
            return None, None
        middle = (best.bid + best.ask) / 2
        return middle, 10_000 * (best.ask - best.bid) / middle

    def note_open_interest(self, now: Millis) -> float | None:
        """Keep the open interest of a full minute, and give it."""
        interest = self.open_interest(now)
        if interest.value:
            self._interests.append((now, interest.value))
        return interest.value

    def recall_open_interest(self, rows: Sequence[OpenInterest]) -> None:
        """Know the open interest of the hour before this process began to note it each minute."""
        began = self._interests[0][0] if self._interests else None
        before = [
            (row.at, row.contracts)
            for row in rows
            if row.contracts and (began is None or row.at < began)
        ]
        self._interests = deque([*before, *self._interests][-INTERESTS_KEPT:], INTERESTS_KEPT)


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
