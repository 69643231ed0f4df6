"""Events and readings for tests of streams and scores."""

from collections.abc import Mapping, Sequence

from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    Liquidation,
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import normal_score

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))

START = Millis(1_700_000_000_000 - 1_700_000_000_000 % 3_600_000)
"""A full hour."""


def quote(
    at: int, bid: float, bid_quantity: float, ask: float, ask_quantity: float
) -> MarketEvent[Quote]:
    """Best prices received at `at`."""
    data = Quote(bid, bid_quantity, ask, ask_quantity, sequence=at)
    return MarketEvent(BTC, data, Millis(at), Millis(at))


def trade(
    at: int,
    side: Side,
    quantity: float,
    price: float = 100.0,
    *,
    event_time: int | None = None,
    kind: TradeKind = TradeKind.MARKET,
) -> MarketEvent[Trade]:
    """A fill received at `at`, executed at `event_time`."""
    data = Trade("", price, quantity, side, kind)
    return MarketEvent(BTC, data, Millis(at if event_time is None else event_time), Millis(at))


def liquidation(at: int, side: PositionSide, quantity: float) -> MarketEvent[Liquidation]:
    """A liquidated position."""
    return MarketEvent(BTC, Liquidation(side, quantity, 100.0), Millis(at), Millis(at))


def ticker(
    at: int, values: Mapping[TickerField, float | None], *, whole: bool = True
) -> MarketEvent[Ticker]:
    """A ticker message."""
    return MarketEvent(BTC, Ticker(values, whole), Millis(at), Millis(at))


def view(
    name: ComponentName,
    score: float,
    *,
    completeness: float = 1.0,
    freshness: float = 1.0,
    as_of: int = START,
) -> ComponentScore:
    """A component with a score and one member that carries all of it."""
    z = normal_score(score)
    member = MemberScore("m", "f", 1.0, None, score, z, Millis(as_of), None)
    return ComponentScore(name, score, z, z, completeness, Millis(as_of), 0, freshness, (member,))


def absent(name: ComponentName, reason: Reason) -> Absent:
    """A component without a number."""
    return Absent(name, reason, 0.0)


OWN_ORDER = (
    ComponentName.TECHNICAL,
    ComponentName.VOLUME,
    ComponentName.PRICE_STRUCTURE,
    ComponentName.ORDERFLOW,
    ComponentName.ORDERBOOK,
    ComponentName.SENTIMENT,
)
"""The order of the worked table in section 5 of docs/scoring.md."""


def views(scores: Sequence[float | None]) -> dict[ComponentName, ComponentScore | Absent]:
    """The six components in the order of the worked table; None is absent."""
    return {
        name: absent(name, Reason.GAP) if score is None else view(name, score)
        for name, score in zip(OWN_ORDER, scores, strict=True)
    }
