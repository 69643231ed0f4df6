"""Tells a stream that has died from one that has nothing to say. Pure: times are handed in.

Some streams are never silent. Of the others another stream tells that they should have spoken: a
newer book update stands in the best prices, the ticker's price moved without a trade, a trade came
and the candle did not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.subscriptions import BUSY, Kind, StreamName
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import MarketData, MarketEvent, Quote, Ticker, TickerField
from virtuoso.domain.time import SECOND

_MARK_PRICE_MS: Final = 4 * SECOND
"""The mark price of every instrument is pushed each second."""
_BUSY_MS: Final[Mapping[Kind, int]] = {
    Kind.MARK_PRICE: _MARK_PRICE_MS,
    Kind.DEPTH: 3 * SECOND,
    Kind.BEST_PRICES: 3 * SECOND,
    Kind.TICKER: 8 * SECOND,
    Kind.TRADES: 15 * SECOND,
    Kind.CANDLES: 15 * SECOND,
}
"""How long the streams of an instrument that never rests are silent at most."""
_OWED_MS: Final[Mapping[Kind, int]] = {
    Kind.DEPTH: 2 * SECOND,
    Kind.TRADES: 2 * SECOND,
    Kind.TICKER: 8 * SECOND,
    Kind.CANDLES: 5 * SECOND,
}
_OWED_BECAUSE: Final[Mapping[Kind, str]] = {
    Kind.DEPTH: "the best prices moved on and the order book did not",
    Kind.TRADES: "the price moved and no trade came",
    Kind.TICKER: "trades came and the ticker did not move",
    Kind.CANDLES: "trades came and the candle did not move",
}
_SAME_MOMENT_MS: Final = 500
"""A trade this long before a ticker may be the one that the ticker before it told of."""


class Silent(NamedTuple):
    """A stream that should have spoken, and how one knows."""

    stream: StreamName
    reason: str
    is_proven: bool
    """False: the venue may have nothing to say, of an instrument that hardly trades."""


@dataclass(slots=True)
class _Listened:
    """What was heard of one stream."""

    name: StreamName
    usual_ms: int | None
    """It is never silent for longer; None: it may be, once it has spoken."""
    must_begin: bool
    """It says something of every instrument soon after it was subscribed to."""
    since_ms: int
    """When it was acknowledged."""
    last_ms: int | None = None
    owed_since_ms: int | None = None
    told: bool = False
    update: int = 0
    """Of depth: the last update that it told of."""
    price: float | None = None
    """Of the ticker: the last price."""


class Silence:
    """Listens to the streams of one connection."""

    def __init__(self, first_word_ms: int) -> None:
        self._first_word_ms = first_word_ms
        self._streams: dict[str, _Listened] = {}
        self._of: dict[tuple[Instrument, Kind], _Listened] = {}

    def acknowledge(self, name: StreamName, now_ms: int) -> None:
        """Listen to a stream from now on."""
        usual = None
        if name.kind is Kind.MARK_PRICE or name.instrument.symbol in BUSY:
            usual = _BUSY_MS.get(name.kind)
        must_begin = usual is not None or name.kind is Kind.TICKER
        listened = _Listened(name, usual, must_begin, now_ms)
        self._streams[name.text] = listened
        self._of[name.instrument, name.kind] = listened

    def forget(self, text: str) -> None:
        """Listen to a stream no longer."""
        listened = self._streams.pop(text, None)
        if listened is not None:
            del self._of[listened.name.instrument, listened.name.kind]

    def hear(self, text: str, parsed: MarketEvent[MarketData] | Depth, now_ms: int) -> None:
        """Take note of what a stream said."""
        listened = self._streams.get(text)
        if listened is None:
            return
        before, listened.last_ms = listened.last_ms, now_ms
        listened.owed_since_ms = None
        listened.told = False
        instrument = listened.name.instrument
        if isinstance(parsed, Depth):
            listened.update = parsed.last
        elif isinstance(parsed.data, Quote):
            depth = self._of.get((instrument, Kind.DEPTH))
            if depth is not None and parsed.data.sequence > depth.update:
                _owe(depth, now_ms)
        elif listened.name.kind is Kind.TRADES:
            for kind in (Kind.CANDLES, Kind.TICKER):
                follower = self._of.get((instrument, kind))
                if follower is not None:
                    _owe(follower, now_ms)
        elif listened.name.kind is Kind.TICKER and isinstance(parsed.data, Ticker):
            self._compare_price(listened, parsed.data, before, now_ms)

    def forgive(self, now_ms: int) -> None:
        """It was this process that did not listen: what was said lies in the socket."""
        for each in self._streams.values():
            each.since_ms = now_ms
            each.last_ms = None if each.last_ms is None else now_ms
            each.owed_since_ms = None

    def find(self, now_ms: int) -> list[Silent]:
        """Streams that should have spoken, each told once until it speaks or is renewed."""
        found = []
        for each in self._streams.values():
            silent = None if each.told else self._judge(each, now_ms)
            if silent is not None:
                each.told = True
                found.append(silent)
        return found

    def never_spoke(self) -> list[StreamName]:
        """Streams that are never silent, and have not said a word."""
        return [
            each.name for each in self._streams.values() if each.must_begin and each.last_ms is None
        ]

    def _compare_price(
        self, listened: _Listened, ticker: Ticker, before: int | None, now_ms: int
    ) -> None:
        """A price that moved since the ticker before is the price of a trade since then."""
        price = ticker.values.get(TickerField.LAST_PRICE)
        moved = None not in (price, listened.price) and price != listened.price
        listened.price = price
        trades = self._of.get((listened.name.instrument, Kind.TRADES))
        if not moved or trades is None or before is None:
            return
        if trades.last_ms is None or trades.last_ms < before - _SAME_MOMENT_MS:
            _owe(trades, now_ms)

    def _judge(self, each: _Listened, now_ms: int) -> Silent | None:
        if each.owed_since_ms is not None:
            owed = now_ms - each.owed_since_ms
            if owed > _OWED_MS[each.name.kind]:
                reason = f"{_OWED_BECAUSE[each.name.kind]} for {owed / SECOND:.1f} s"
                return Silent(each.name, reason, is_proven=True)
        is_usual = each.usual_ms is not None
        if each.last_ms is None:
            quiet = now_ms - each.since_ms
            if not each.must_begin or quiet <= self._first_word_ms:
                return None
            return Silent(each.name, f"{never_a_word(quiet)} or a wrong name", is_proven=is_usual)
        quiet = now_ms - each.last_ms
        if each.usual_ms is None or quiet <= each.usual_ms:
            return None
        return Silent(each.name, f"not a word in {quiet / SECOND:.1f} s", is_proven=True)


def never_a_word(quiet_ms: int) -> str:
    """What is said of a stream that was acknowledged and never spoke."""
    return f"subscribed to, and not a word in {quiet_ms / SECOND:.1f} s: a wrong address"


def _owe(listened: _Listened, now_ms: int) -> None:
    if listened.owed_since_ms is None:
        listened.owed_since_ms = now_ms
