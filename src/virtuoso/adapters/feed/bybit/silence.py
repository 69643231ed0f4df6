"""Tells a topic that has died from one that has nothing to say. Pure: times are handed in.

Best prices and tickers are never silent, nor is the book of a busy instrument. Of the others
another topic tells that they should have spoken: the best prices moved on without the book, the
ticker moved without a trade, trades came without the ticker or the candle moving.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from virtuoso.adapters.feed.bybit.parse import DataFrame, TopicName
from virtuoso.adapters.feed.bybit.settings import Patience
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Quote,
    Ticker,
    TickerField,
    Topic,
)
from virtuoso.domain.time import MINUTE, SECOND

_MESSAGES_TO_KNOW: Final = 50
"""So many messages make a usual rate."""
_WEIGHT: Final = 0.05
"""Of the newest gap in the usual one."""
_TIMES_THE_USUAL: Final = 20
"""A pause so many times as long as usual is no chance."""
_TICKER_MS: Final = (5 * SECOND, 20 * SECOND)
"""The bounds of what a pause of a ticker may be; of a lively one, and of any."""
_BOOK_MS: Final = 3 * SECOND
_BUSY_GAP_MS: Final = 300
"""A book that changes at least so often is busy."""
_OWED_MS: Final[Mapping[Topic, int]] = {
    Topic.BOOK: 2 * SECOND,
    Topic.TRADES: 2 * SECOND,
    Topic.TICKER: 3 * SECOND,
    Topic.CANDLES: MINUTE + 5 * SECOND,
}
_OWED_BECAUSE: Final[Mapping[Topic, str]] = {
    Topic.BOOK: "the best prices moved on and the order book did not",
    Topic.TRADES: "the ticker moved and no trade came",
    Topic.TICKER: "trades came and the ticker did not move",
    Topic.CANDLES: "trades came and the candle did not move",
}
_SAME_MOMENT_MS: Final = 500
"""A trade this long before a ticker may be the one that the ticker before it told of."""
_MUST_BEGIN: Final = frozenset({Topic.QUOTE, Topic.BOOK, Topic.TICKER})
BEGINS_WITH_SNAPSHOT: Final = frozenset({Topic.BOOK, Topic.TICKER})
# reading a member of an enum costs more than a comparison, and these are read for every frame
_TRADES: Final = Topic.TRADES
_BOOK: Final = Topic.BOOK
_QUOTE: Final = Topic.QUOTE
_PRICE: Final = TickerField.LAST_PRICE
_TURNOVER: Final = TickerField.TURNOVER_24H


class Silent(NamedTuple):
    """A topic that should have spoken, and how one knows."""

    name: TopicName
    reason: str


@dataclass(slots=True)
class _Heard:
    """What is known of one topic."""

    name: TopicName
    siblings: "dict[Topic, _Heard]"
    """The topics of the same instrument, this one among them; of several candles one."""
    since_ms: int | None = None
    """When it was acknowledged; None while that is awaited."""
    last_ms: int | None = None
    whole: bool = False
    """Its snapshot has come, if it begins with one."""
    gap_ms: float = 0.0
    """The usual time between two messages."""
    count: int = 0
    owed_since_ms: int | None = None
    not_before_ms: int = 0
    sequence: int = -1
    """Of a book: the cross sequence of its last message."""
    quote: Quote | None = None
    """Of best prices: the last ones."""
    shown: Quote | None = None
    """Of best prices: the last ones that the book was known to show."""
    values: tuple[float | None, float | None] = (None, None)
    """Of a ticker: last price and turnover."""


class Silence:
    """Listens to the topics of one connection."""

    def __init__(self, patience: Patience) -> None:
        self._first_word_ms = patience.first_word * SECOND
        self._snapshot_ms = patience.snapshot * SECOND
        self._quote_ms = patience.quote * SECOND
        self._heard: dict[str, _Heard] = {}
        self._siblings: dict[Instrument, dict[Topic, _Heard]] = {}

    def expect(self, name: TopicName) -> None:
        """A topic is being asked for: what it says from now on is a new beginning."""
        siblings = self._siblings.setdefault(name.instrument, {})
        heard = _Heard(name, siblings)
        known = self._heard.get(name.text)
        if known is not None:
            heard.gap_ms, heard.count = known.gap_ms, known.count
        self._heard[name.text] = heard
        other = siblings.get(name.topic)
        if other is None or other.name.text == name.text:
            siblings[name.topic] = heard

    def acknowledge(self, text: str, now_ms: int) -> None:
        """The venue has agreed to give a topic."""
        heard = self._heard.get(text)
        if heard is not None:
            heard.since_ms = now_ms

    def forget(self, text: str) -> None:
        """Listen to a topic no longer."""
        heard = self._heard.pop(text, None)
        if heard is None:
            return
        if heard.siblings.get(heard.name.topic) is heard:
            del heard.siblings[heard.name.topic]
        if not heard.siblings:
            self._siblings.pop(heard.name.instrument, None)

    def pause(self, text: str, until_ms: int) -> None:
        """Say nothing more of a topic for a while."""
        heard = self._heard.get(text)
        if heard is not None:
            heard.not_before_ms = until_ms

    def is_beginning(self, text: str) -> bool:
        """Whether a topic was asked for and has not begun yet."""
        heard = self._heard.get(text)
        return heard is not None and (
            heard.since_ms is None or (heard.name.topic in BEGINS_WITH_SNAPSHOT and not heard.whole)
        )

    def hear(self, frame: DataFrame, now_ms: int) -> None:
        """Take note of what a topic said."""
        heard = self._heard.get(frame.name.text)
        if heard is None:
            return
        before, heard.last_ms = heard.last_ms, now_ms
        heard.owed_since_ms = None
        if before is not None:
            gap = now_ms - before
            heard.gap_ms = gap if not heard.count else heard.gap_ms + _WEIGHT * (gap - heard.gap_ms)
            heard.count += 1
        if frame.is_snapshot:
            heard.whole = True
        if frame.name.topic is _TRADES:
            _owe(heard, Topic.TICKER, now_ms)
            _owe(heard, Topic.CANDLES, now_ms)
        elif frame.events:
            data = frame.events[0].data
            if isinstance(data, Quote):
                _compare_quote(heard, data, now_ms)
            elif isinstance(data, BookDelta | BookSnapshot):
                _compare_book(heard, data)
            elif isinstance(data, Ticker):
                _compare_ticker(heard, data, before, now_ms)

    def forgive(self, now_ms: int) -> None:
        """It was this process that did not listen: what was said lies in the socket."""
        for each in self._heard.values():
            if each.since_ms is not None:
                each.since_ms = now_ms
            if each.last_ms is not None:
                each.last_ms = now_ms
            each.owed_since_ms = None

    def find(self, now_ms: int) -> list[Silent]:
        """Topics that should have spoken. One that is renewed must be expected again."""
        found = []
        for each in self._heard.values():
            if each.since_ms is None or now_ms < each.not_before_ms:
                continue
            reason = self._judge(each, each.since_ms, now_ms)
            if reason is not None:
                found.append(Silent(each.name, reason))
        return found

    def _judge(self, each: _Heard, since_ms: int, now_ms: int) -> str | None:
        """Why a topic that was acknowledged at `since_ms` is dead; None: it is not."""
        topic = each.name.topic
        if topic in BEGINS_WITH_SNAPSHOT and not each.whole:
            has_begun = topic is Topic.BOOK or each.last_ms is not None
            if has_begun and now_ms - since_ms > self._snapshot_ms:
                return f"no snapshot within {self._snapshot_ms / SECOND:g} s"
        if each.owed_since_ms is not None:
            owed = now_ms - each.owed_since_ms
            if owed > _OWED_MS[topic]:
                return f"{_OWED_BECAUSE[topic]} for {owed / SECOND:.1f} s"
        if each.last_ms is None:
            if topic in _MUST_BEGIN and now_ms - since_ms > self._first_word_ms:
                seconds = f"{self._first_word_ms / SECOND:g} s"
                return f"subscribed to, and not a word within {seconds}: a wrong name or address"
            return None
        quiet, usual = now_ms - each.last_ms, self._longest_pause_ms(each)
        if usual is not None and quiet > usual:
            return f"not a word in {quiet / SECOND:.1f} s"
        return None

    def _longest_pause_ms(self, each: _Heard) -> float | None:
        """How long a topic can be silent and live; None: for ever."""
        topic = each.name.topic
        if topic is Topic.QUOTE:
            return self._quote_ms
        is_known = each.count >= _MESSAGES_TO_KNOW
        if topic is Topic.TICKER:
            least, most = _TICKER_MS
            return min(max(each.gap_ms * _TIMES_THE_USUAL, least), most) if is_known else most
        if topic is Topic.BOOK and is_known and each.gap_ms <= _BUSY_GAP_MS:
            return max(each.gap_ms * _TIMES_THE_USUAL, _BOOK_MS)
        return None


def _owe(heard: _Heard, topic: Topic, now_ms: int) -> None:
    """What was heard proves that a topic of the same instrument should speak."""
    debtor = heard.siblings.get(topic)
    if debtor is not None and debtor.owed_since_ms is None:
        debtor.owed_since_ms = now_ms


def _compare_quote(heard: _Heard, quote: Quote, now_ms: int) -> None:
    """Best prices ahead of the book, and other than it shows, are a change it lacks."""
    heard.quote = quote
    book = heard.siblings.get(_BOOK)
    if book is None or not book.whole:
        return
    if quote.sequence <= book.sequence:
        heard.shown = quote
    if heard.shown is not None and _best(quote) == _best(heard.shown):
        # moved there and back again within one push of the book: it owes nothing
        book.owed_since_ms = None
    elif book.owed_since_ms is None:
        book.owed_since_ms = now_ms


def _compare_book(heard: _Heard, book: BookDelta | BookSnapshot) -> None:
    heard.sequence = book.cross_sequence or heard.sequence
    best = heard.siblings.get(_QUOTE)
    if best is not None and best.quote is not None and best.quote.sequence <= heard.sequence:
        best.shown = best.quote


def _compare_ticker(heard: _Heard, ticker: Ticker, before_ms: int | None, now_ms: int) -> None:
    """A price that moved, or a turnover that grew, since the ticker before is a trade's."""
    values = ticker.values
    old_price, old_turnover = heard.values
    price, turnover = values.get(_PRICE, old_price), values.get(_TURNOVER, old_turnover)
    heard.values = price, turnover
    moved = old_price is not None and price is not None and price != old_price
    if not moved and old_turnover is not None and turnover is not None:
        # it falls without a trade: those of yesterday leave the window
        moved = turnover > old_turnover
    trades = heard.siblings.get(Topic.TRADES)
    if not moved or trades is None or trades.since_ms is None or before_ms is None:
        return
    last = max(trades.since_ms, trades.last_ms or 0)
    if last < before_ms - _SAME_MOMENT_MS:
        _owe(heard, Topic.TRADES, now_ms)


def _best(quote: Quote) -> tuple[float, float, float, float]:
    return quote.bid, quote.bid_quantity, quote.ask, quote.ask_quantity
