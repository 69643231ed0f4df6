"""Which streams an instrument has, on which connection they lie, and who shares one."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from virtuoso.domain.instruments import Instrument, Symbol
from virtuoso.domain.market_data import Topic

STREAMS_A_CONNECTION: Final = 180


class Category(StrEnum):
    """A connection carries streams of one category, which is part of its address."""

    PUBLIC = "public"
    MARKET = "market"


class Kind(StrEnum):
    """The streams of an instrument, by what stands behind its name."""

    DEPTH = "depth@100ms"
    BEST_PRICES = "bookTicker"
    TRADES = "aggTrade"
    MARK_PRICE = "markPrice@1s"
    TICKER = "ticker"
    CANDLES = "kline_1m"
    LIQUIDATIONS = "forceOrder"


class StreamName(NamedTuple):
    """One stream of one instrument; `text` is what the venue calls it."""

    text: str
    kind: Kind
    topic: Topic
    instrument: Instrument

    @property
    def category(self) -> Category:
        """The kind of connection that it lies on."""
        return _CATEGORIES[self.kind]


_TOPICS: Final[dict[Kind, Topic]] = {
    Kind.DEPTH: Topic.BOOK,
    Kind.BEST_PRICES: Topic.QUOTE,
    Kind.TRADES: Topic.TRADES,
    Kind.MARK_PRICE: Topic.TICKER,
    Kind.TICKER: Topic.TICKER,
    Kind.CANDLES: Topic.CANDLES,
    Kind.LIQUIDATIONS: Topic.LIQUIDATIONS,
}
_PUBLIC: Final = (Kind.DEPTH, Kind.BEST_PRICES)
_CATEGORIES: Final = {
    kind: Category.PUBLIC if kind in _PUBLIC else Category.MARKET for kind in Kind
}
_MOST_STREAMS: Final = max(len(_PUBLIC), len(Kind) - len(_PUBLIC))
INSTRUMENTS_A_GROUP: Final = STREAMS_A_CONNECTION // _MOST_STREAMS
"""As many as the fuller of two connections holds; the other one has room for a canary."""

BUSY: Final = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))
"""Instruments whose books never rest: a connection that carries one is never silent."""
CANARY: Final = f"{BUSY[0].lower()}@{Kind.BEST_PRICES}"
"""Subscribed to as a sign of life, where no instrument is busy enough to give one."""


def streams_of(instrument: Instrument) -> list[StreamName]:
    """Every stream of an instrument, in the venue's lower case."""
    symbol = instrument.symbol.lower()
    return [
        StreamName(f"{symbol}@{kind}", kind, topic, instrument) for kind, topic in _TOPICS.items()
    ]


def share_out(
    groups: Sequence[Iterable[Instrument]], wanted: Sequence[Instrument]
) -> list[list[Instrument]]:
    """Share instruments out over groups of connections: who is wanted, stays where it is.

    The first lists are those of the groups there are, in their order, some of them empty perhaps;
    any further ones are of new groups. Who is wanted first stands first.
    """
    places = {each: number for number, group in enumerate(groups) for each in group}
    sizes = [0] * len(groups)
    for each in wanted:
        if each in places:
            sizes[places[each]] += 1
    for each in wanted:
        if each in places:
            continue
        room = (at for at, size in enumerate(sizes) if size < INSTRUMENTS_A_GROUP)
        at = next(room, len(sizes))
        if at == len(sizes):
            sizes.append(0)
        sizes[at] += 1
        places[each] = at
    shared: list[list[Instrument]] = [[] for _ in sizes]
    for each in wanted:
        shared[places[each]].append(each)
    return shared
