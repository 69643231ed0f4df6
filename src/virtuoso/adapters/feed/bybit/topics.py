"""Which topics an instrument has, and which instruments share a connection."""

from collections.abc import Collection, Sequence
from typing import Final

from virtuoso.adapters.feed.bybit.parse import TopicName
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.domain.instruments import Instrument, Symbol
from virtuoso.domain.market_data import Topic

TOPICS_A_REQUEST: Final = 50
INSTRUMENTS_A_CONNECTION: Final = 50
"""One bad frame recycles one connection: no more than these are touched by it."""
CHARACTERS_A_CONNECTION: Final = 18_000
"""Of topics' text; the venue allows 21,000."""

_BUSY: Final = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))
CANARIES: Final = tuple(f"orderbook.1.{symbol}" for symbol in _BUSY)
"""Best prices that never rest: a connection that is subscribed to one is never silent."""


def topics_of(instrument: Instrument, settings: BybitSettings) -> list[TopicName]:
    """The topics of one instrument."""
    symbol = instrument.symbol
    depth = settings.book_depth
    return [
        TopicName(f"orderbook.1.{symbol}", Topic.QUOTE, instrument, 1),
        TopicName(f"orderbook.{depth}.{symbol}", Topic.BOOK, instrument, depth),
        TopicName(f"publicTrade.{symbol}", Topic.TRADES, instrument),
        TopicName(f"tickers.{symbol}", Topic.TICKER, instrument),
        *(
            TopicName(f"kline.{interval}.{symbol}", Topic.CANDLES, instrument)
            for interval in settings.candle_intervals
        ),
        TopicName(f"allLiquidation.{symbol}", Topic.LIQUIDATIONS, instrument),
    ]


def share_out(
    connections: Sequence[Collection[Instrument]],
    wanted: Sequence[Instrument],
    settings: BybitSettings,
) -> list[list[Instrument]]:
    """Share instruments out over connections: who is carried already, stays where it is.

    The first lists are those of the connections there are, in their order, some of them empty
    perhaps; any further ones are of new connections. Who is wanted first stands first.
    """
    places = {each: number for number, carried in enumerate(connections) for each in carried}
    canary = len(CANARIES[0])
    counts = [0] * len(connections)
    characters = [canary] * len(connections)
    lengths = {each: sum(len(name.text) for name in topics_of(each, settings)) for each in wanted}
    for each in wanted:
        if each in places:
            counts[places[each]] += 1
            characters[places[each]] += lengths[each]
    for each in wanted:
        if each in places:
            continue
        room = (
            at
            for at, count in enumerate(counts)
            if count < INSTRUMENTS_A_CONNECTION
            and characters[at] + lengths[each] <= CHARACTERS_A_CONNECTION
        )
        at = next(room, len(counts))
        if at == len(counts):
            counts.append(0)
            characters.append(canary)
        counts[at] += 1
        characters[at] += lengths[each]
        places[each] = at
    shared: list[list[Instrument]] = [[] for _ in counts]
    for each in wanted:
        shared[places[each]].append(each)
    return shared
