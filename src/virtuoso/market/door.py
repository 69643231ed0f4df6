"""The door: every market event gets one verdict before anything of it is stored.

No I/O, no logging and no clock: the times an event carries are all that is known. A feed's events
go through one door, in the order in which they came.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from virtuoso.domain.instruments import Instrument
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
    Trade,
    TradeKind,
)
from virtuoso.domain.time import DAY, SECOND, Millis
from virtuoso.market.clock_offset import BEHIND_MS, ClockOffset
from virtuoso.market.door_state import DoorState
from virtuoso.market.order_book import LARGEST, BookFault, OrderBook
from virtuoso.market.price_range import JUMP_SHARE
from virtuoso.market.soundness import candle_is_sound, field_is_sound
from virtuoso.market.verdict import ACCEPTED, LATE, Action, Sample, Verdict

AHEAD_MS: Final = 5 * SECOND
FARTHEST_MS: Final = 366 * DAY
"""A clock that is further off is not believed to be one: the stamps may be of another unit."""
REFUSALS_IN_A_ROW: Final = 10
LATE_MS: Final = 2 * SECOND
PRINTS_TO_AGREE: Final = 3
SAMPLES: Final = 32

# reading a member of an enum costs more than a comparison, and these are read for every event
_MARKET: Final = TradeKind.MARKET
_LAST_PRICE: Final = TickerField.LAST_PRICE


class Door:
    """Judges the events of one feed.

    `counters` holds (kind, reason) of everything that was refused or noted; `samples` the last of
    them.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._states = {instrument: DoorState() for instrument in instruments}
        self._last_instrument: Instrument | None = None
        self._last_state: DoorState | None = None
        self._refused_in_a_row = 0
        self._far: deque[int] = deque(maxlen=REFUSALS_IN_A_ROW)
        """Differences of the clocks by the last stamps that nothing could be compared with."""
        self.clock: Final = ClockOffset()
        self.counters: Final[dict[tuple[str, str], int]] = {}
        self.samples: Final[deque[Sample]] = deque(maxlen=SAMPLES)

    def judge(self, event: MarketEvent[MarketData], book: OrderBook) -> Verdict:
        """The verdict on an event; `book` is that of its instrument.

        A book event is applied to `book` here, for only the book after it shows whether it was
        sound; do not apply it again. Everything else is the caller's to store when accepted.
        """
        instrument, data, event_time, receive_time = event
        state = self._last_state
        if instrument is not self._last_instrument or state is None:
            # most events follow one of the same instrument: its hash is worth saving
            state = self._states.get(instrument)
            if state is None:
                return self._answer(Action.DROP, "not_subscribed", event)
            self._last_instrument, self._last_state = instrument, state
        if not self.clock.changes_nothing(event_time, receive_time):
            refused = self._judge_time(event, book)
            if refused is not None:
                return refused
        else:
            self._refused_in_a_row = 0
        kind = type(data)  # the commonest first, and without asking for subclasses
        if kind is Quote:
            return self._judge_quote(event, data, state, book)  # type: ignore[arg-type]
        if kind is Trade:
            return self._judge_trade(event, data, state)  # type: ignore[arg-type]
        match data:
            case Quote():
                return self._judge_quote(event, data, state, book)
            case BookDelta() | BookSnapshot():
                return self._judge_book(event, data, book)
            case Ticker():
                return self._judge_ticker(event, data, state)
            case Candle():
                return self._judge_candle(event, data, state)
            case FormingCandle():
                return self._judge_forming(event, data, state)
            case Liquidation():
                return self._judge_liquidation(event, data, state)
            case Trade():
                return self._judge_trade(event, data, state)

    def watch(self, instruments: Iterable[Instrument]) -> None:
        """Judge events of these instruments, and no longer of others."""
        self._states = {
            instrument: self._states.get(instrument) or DoorState() for instrument in instruments
        }
        self._last_instrument = self._last_state = None

    def forget(self, instruments: Collection[Instrument]) -> None:
        """The connection of these instruments is gone: what needs a whole beginning, needs it now.

        Trade and liquidation identities, closed candles and the price range outlive it: a venue
        may send them again.
        """
        for instrument in instruments:
            state = self._states.get(instrument)
            if state is not None:
                state.ticker_is_whole = False
                state.quote_sequence = -1
                state.held.clear()
                state.watched_sequence = None
        self._refused_in_a_row = 0

    def keep(self, sample: Sample) -> None:
        """Keep something that was refused before it came here."""
        self.samples.append(sample)

    def judge_polled(self, event: MarketEvent[BookSnapshot], book: OrderBook) -> Verdict:
        """Take a whole book that was fetched; one that is not sound changes nothing."""
        data = event.data
        sound = BookSnapshot(data.bids, data.asks, data.sequence, data.cross_sequence, data.depth)
        fault = OrderBook().apply(sound, event.event_time)
        if fault is not None:
            return self._answer(Action.DROP, fault, event)
        book.apply(sound, event.event_time)
        return ACCEPTED

    def watch_sequence(self, event: MarketEvent[MarketData], book: OrderBook) -> Verdict:
        """Judge a book update by its sequence only: it is not applied, polled books stand in.

        So the stream can show that it may be trusted again.
        """
        state, data = self._states[event.instrument], event.data
        if isinstance(data, BookSnapshot):
            state.watched_sequence = data.sequence
        elif isinstance(data, BookDelta):
            if state.watched_sequence is None:
                return self._answer(Action.DROP, BookFault.UNSYNCED, event)
            if data.restart or data.previous != state.watched_sequence:
                state.watched_sequence = None
                book.gaps += 1
                return self._answer(Action.RESYNC, BookFault.GAP, event)
            state.watched_sequence = data.sequence
        return ACCEPTED

    def is_new(self, event: MarketEvent[Trade]) -> bool:
        """Whether a fetched trade is sound and was not seen before; from now on it was."""
        state, trade = self._states.get(event.instrument), event.data
        if state is None or trade.id in state.trade_ids:
            return False
        prices = state.prices
        if not (prices.floor <= trade.price <= prices.ceiling and 0 < trade.price < LARGEST):
            self._count("price_jump", event)
            return False
        if not 0 < trade.quantity < LARGEST:
            self._count("bounds", event)
            return False
        state.remember_trade(trade.id)
        return True

    def confirm(
        self, instrument: Instrument, price: float, at: Millis
    ) -> tuple[MarketEvent[MarketData], ...]:
        """Give the prints that were held for a jump, when another venue trades near them."""
        state = self._states.get(instrument)
        if state is None or not state.held:
            return ()
        if not all(_agree(held, (price,)) for held in state.held):
            return ()
        released = tuple(state.held)
        state.held.clear()
        state.prices.restart(_prices_of(released[-1])[0], at)
        for each in released:
            self._count("price_jump_confirmed", each)
            if isinstance(each.data, Trade):
                state.newest_trade = max(state.newest_trade, each.event_time)
        return released

    def _judge_time(self, event: MarketEvent[MarketData], book: OrderBook) -> Verdict | None:
        event_time, receive_time = event.event_time, event.receive_time
        clock = self.clock
        offset = clock.offset_ms
        # the snapshot of a quiet book is as old as its last change: still the whole truth
        is_snapshot = type(event.data) is BookSnapshot
        if offset is None:
            # nothing to compare with yet, but a stamp days away is no stamp
            behind, ahead = abs(receive_time - event_time) - DAY, 0
        else:
            behind = receive_time - offset - event_time
            ahead = -behind - AHEAD_MS
            behind = 0 if is_snapshot else behind - BEHIND_MS
        if behind <= 0 and ahead <= 0:
            self._refused_in_a_row = 0
            if not is_snapshot:
                clock.observe(event_time, receive_time)
            return None
        self._refused_in_a_row += 1
        if offset is None and not is_snapshot:
            self._far.append(receive_time - event_time)
        loses_book = isinstance(event.data, BookDelta) and book.synced
        if loses_book:
            book.lose(BookFault.GAP)
        if self._refused_in_a_row >= REFUSALS_IN_A_ROW:
            self._refused_in_a_row = 0
            clock.forget()
            far = self._far
            if far and max(far) - min(far) <= BEHIND_MS and abs(far[-1]) <= FARTHEST_MS:
                # many stamps that agree with each other: it is our clock that is days off
                clock.observe(receive_time - min(far), receive_time)
            far.clear()
            return self._answer(Action.RECYCLE, "time", event)
        return self._answer(Action.RESYNC if loses_book else Action.DROP, "time", event)

    def _judge_book(
        self, event: MarketEvent[MarketData], data: BookSnapshot | BookDelta, book: OrderBook
    ) -> Verdict:
        fault = book.apply(data, event.event_time)
        if fault is None:
            return ACCEPTED
        if fault is BookFault.UNSYNCED:
            return self._answer(Action.DROP, fault, event)
        return self._answer(Action.RESYNC, fault, event)

    def _judge_trade(
        self, event: MarketEvent[MarketData], trade: Trade, state: DoorState
    ) -> Verdict:
        # taking tuples apart at once is the cheapest way to read them
        identity, price, quantity, _, kind = trade
        _, _, event_time, receive_time = event
        if kind is not _MARKET:
            return self._answer(Action.DROP, kind, event)
        if not (0 < price < LARGEST and 0 < quantity < LARGEST):
            return self._answer(Action.DROP, "bounds", event)
        if identity in state.trade_ids:
            return self._answer(Action.DROP, "repeated", event)
        state.remember_trade(identity)
        prices = state.prices
        if not prices.floor <= price <= prices.ceiling:
            return self._quarantine(event, (price,), state)
        if state.held:
            self._contradict(state)
        if receive_time >= prices.until or not prices.low <= price <= prices.high:
            prices.observe(price, receive_time)
        if event_time >= state.newest_trade:
            state.newest_trade = event_time
        elif state.newest_trade - event_time > LATE_MS:
            self._count("late", event)
            return LATE
        return ACCEPTED

    def _judge_quote(
        self, event: MarketEvent[MarketData], quote: Quote, state: DoorState, book: OrderBook
    ) -> Verdict:
        bid, ask = quote.bid, quote.ask
        if not (
            0 < bid <= ask < LARGEST
            and 0 <= quote.bid_quantity < LARGEST
            and 0 <= quote.ask_quantity < LARGEST
        ):
            crossed = 0 < ask < bid < LARGEST
            sound = 0 <= quote.bid_quantity < LARGEST and 0 <= quote.ask_quantity < LARGEST
            return self._answer(Action.DROP, "crossed" if crossed and sound else "bounds", event)
        if quote.sequence < state.quote_sequence:
            return self._answer(Action.DROP, "sequence", event)
        state.quote_sequence = quote.sequence
        prices = state.prices
        if bid < prices.floor or ask > prices.ceiling:
            return self._quarantine(event, (bid, ask), state)
        if state.held:
            self._contradict(state)
        # the ask needs no entry of its own: it is a hair above a bid that was noted
        if event.receive_time >= prices.until or not prices.low <= bid <= prices.high:
            prices.observe(bid, event.receive_time)
        book.confirm(quote, event.event_time)
        return ACCEPTED

    def _quarantine(
        self, event: MarketEvent[MarketData], prices: tuple[float, ...], state: DoorState
    ) -> Verdict:
        """Hold a print that jumped, until as many as it takes agree with one another."""
        if not all(_agree(held, prices) for held in state.held):
            self._contradict(state)
        if len(state.held) + 1 < PRINTS_TO_AGREE:
            state.held.append(event)
            return self._answer(Action.QUARANTINE, "price_jump", event)
        released = tuple(state.held)
        state.held.clear()
        state.prices.restart(prices[0], event.receive_time)
        self._count("price_jump_confirmed", event)
        if isinstance(event.data, Trade):
            state.newest_trade = max(state.newest_trade, event.event_time)
        return Verdict(Action.ACCEPT, "price_jump_confirmed", released=released)

    def _contradict(self, state: DoorState) -> None:
        """A print in the usual range has come: those that are held were false."""
        for held in state.held:
            self._count("price_jump_denied", held)
        state.held.clear()

    def _judge_ticker(
        self, event: MarketEvent[MarketData], ticker: Ticker, state: DoorState
    ) -> Verdict:
        if ticker.whole:
            state.ticker_is_whole = True
        elif not state.ticker_is_whole:
            return self._answer(Action.DROP, "not_whole", event)
        bad = [
            name
            for name, value in ticker.values.items()
            if value is not None and not field_is_sound(name, value, event.event_time, state)
        ]
        if not bad:
            return ACCEPTED
        # made absent rather than left out: left out would confirm the older value
        values = dict(ticker.values) | dict.fromkeys(bad)
        for name in bad:
            self._count(f"field_{name}", event)
        cleaned: MarketEvent[MarketData] = MarketEvent(
            event.instrument, Ticker(values, ticker.whole), event.event_time, event.receive_time
        )
        return Verdict(Action.ACCEPT, "field", replaced=cleaned)

    def _judge_candle(
        self, event: MarketEvent[MarketData], candle: Candle, state: DoorState
    ) -> Verdict:
        taker = candle.taker_buy_volume
        if not candle_is_sound(candle) or (
            taker is not None and not 0 <= taker <= candle.volume * (1 + 1e-9)
        ):
            return self._answer(Action.DROP, "bounds", event)
        now = self.clock.venue_now(event.receive_time)
        if now is not None and candle.close_time > now + AHEAD_MS:
            return self._answer(Action.DROP, "not_closed", event)
        last = state.candles.get(candle.timeframe)
        if last is None:
            state.candles[candle.timeframe] = candle
            return ACCEPTED
        if candle.open_time == last.open_time:
            return self._answer(Action.DROP, "repeated" if candle == last else "revised", event)
        if candle.open_time < last.open_time:
            return self._answer(Action.DROP, "old", event)
        state.candles[candle.timeframe] = candle
        if candle.open_time == last.close_time:
            return ACCEPTED
        return self._answer(Action.ACCEPT, "hole", event)

    def _judge_forming(
        self, event: MarketEvent[MarketData], candle: FormingCandle, state: DoorState
    ) -> Verdict:
        if not candle_is_sound(candle):
            return self._answer(Action.DROP, "bounds", event)
        last = state.candles.get(candle.timeframe)
        if last is not None and candle.open_time <= last.open_time:
            return self._answer(Action.DROP, "old", event)
        return ACCEPTED

    def _judge_liquidation(
        self, event: MarketEvent[MarketData], liquidation: Liquidation, state: DoorState
    ) -> Verdict:
        if not (0 < liquidation.price < LARGEST and 0 < liquidation.quantity < LARGEST):
            return self._answer(Action.DROP, "bounds", event)
        identity = (event.event_time, liquidation)
        if identity in state.liquidations:
            return self._answer(Action.DROP, "repeated", event)
        state.liquidations.append(identity)
        return ACCEPTED

    def _answer(self, action: Action, reason: str, event: MarketEvent[MarketData]) -> Verdict:
        self._count(reason, event)
        return Verdict(action, str(reason))

    def _count(self, reason: str, event: MarketEvent[MarketData]) -> None:
        kind = type(event.data).__name__
        key = (kind, str(reason))
        self.counters[key] = self.counters.get(key, 0) + 1
        self.samples.append(Sample(event.receive_time, kind, str(reason), event))


def _prices_of(event: MarketEvent[MarketData]) -> tuple[float, ...]:
    match event.data:
        case Trade(price=price):
            return (price,)
        case Quote(bid=bid, ask=ask):
            return (bid, ask)
        case _:
            return ()


def _agree(held: MarketEvent[MarketData], prices: tuple[float, ...]) -> bool:
    """Whether two prints lie within the size of a jump of each other."""
    both = (*_prices_of(held), *prices)
    return max(both) <= min(both) * (1 + JUMP_SHARE)
