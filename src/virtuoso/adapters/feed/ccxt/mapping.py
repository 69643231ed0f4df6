"""From CCXT's unified structures to our events. Pure; what is missing is never made up."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from virtuoso.adapters.feed.ccxt.contracts import Contract
from virtuoso.adapters.feed.ccxt.venues import Dialect
from virtuoso.domain.errors import FeedError
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    Liquidation,
    MarketEvent,
    Side,
    Ticker,
    TickerField,
    Trade,
)
from virtuoso.domain.time import Millis, Timeframe

Structure = Mapping[str, Any]

_SIDES: Final[Mapping[object, Side]] = {"buy": Side.BUY, "sell": Side.SELL}
_LARGEST_TIME: Final = 10_000_000_000_000
_IN_CONTRACTS: Final = frozenset({TickerField.OPEN_INTEREST})
_UNIFIED: Final[Mapping[str, tuple[TickerField, float]]] = {
    "last": (TickerField.LAST_PRICE, 1.0),
    "markPrice": (TickerField.MARK_PRICE, 1.0),
    "indexPrice": (TickerField.INDEX_PRICE, 1.0),
    "percentage": (TickerField.CHANGE_24H, 0.01),
    "quoteVolume": (TickerField.TURNOVER_24H, 1.0),
}
"""Field of the unified ticker: ours, and the factor to our unit."""


class IncompleteError(FeedError):
    """A structure lacks what it cannot be without, and is left out. The message says what."""


def to_trade(
    row: Structure, contract: Contract, dialect: Dialect, receive_time: Millis
) -> MarketEvent[Trade]:
    """One trade. Raises IncompleteError."""
    side = _SIDES.get(row.get("side"))
    if side is None:
        msg = "trade without side"
        raise IncompleteError(msg)
    if not row.get("id"):
        msg = "trade without id"
        raise IncompleteError(msg)
    trade = Trade(
        str(row["id"]),
        _number(row.get("price"), "trade without price"),
        _number(row.get("amount"), "trade without amount") * contract.size,
        side,
        dialect.trade_kind(_raw(row)),
    )
    time = _time(row.get("timestamp"), "trade without time")
    return MarketEvent(contract.instrument, trade, time, receive_time)


def to_book(
    book: Structure, contract: Contract, sequence: int, receive_time: Millis
) -> MarketEvent[BookSnapshot]:
    """A whole book; `sequence` only counts, for it has no deltas. Raises IncompleteError."""
    snapshot = BookSnapshot(
        _levels(book["bids"], contract.size), _levels(book["asks"], contract.size), sequence
    )
    time = _time(book.get("timestamp"), "book without time")
    return MarketEvent(contract.instrument, snapshot, time, receive_time)


def to_ticker(
    row: Structure, contract: Contract, dialect: Dialect, receive_time: Millis
) -> MarketEvent[Ticker]:
    """The fields that a ticker carries. Raises IncompleteError when it has no time."""
    time = _time(row.get("timestamp"), "ticker without time")
    values: dict[TickerField, float | None] = {}
    for key, (name, factor) in _UNIFIED.items():
        if row.get(key) is not None:
            values[name] = _number(row[key], f"ticker with a bad {key}") * factor
    if row.get("baseVolume") is not None and contract.size == 1:
        # a venue may tell contracts here: only where one is one of the base currency it is sure
        values[TickerField.VOLUME_24H] = _number(row["baseVolume"], "ticker with a bad baseVolume")
    raw = _raw(row)
    for key, name in dialect.ticker_fields.items():
        if key in raw:
            factor = contract.size if name in _IN_CONTRACTS else 1.0
            text = raw[key]
            empty = text is None or text == ""
            values[name] = None if empty else _number(text, f"ticker with a bad {key}") * factor
    return MarketEvent(contract.instrument, Ticker(values, whole=True), time, receive_time)


def to_liquidation(
    row: Structure, contract: Contract, dialect: Dialect, receive_time: Millis
) -> MarketEvent[Liquidation]:
    """A forced close. Raises IncompleteError."""
    side = dialect.liquidation_sides.get(str(row.get("side")))
    if side is None:
        msg = "liquidation without side"
        raise IncompleteError(msg)
    liquidation = Liquidation(
        side,
        _number(row.get("contracts"), "liquidation without contracts") * contract.size,
        _number(row.get("price"), "liquidation without price"),
    )
    time = _time(row.get("timestamp"), "liquidation without time")
    return MarketEvent(contract.instrument, liquidation, time, receive_time)


def volume_factor(contract: Contract, dialect: Dialect) -> float | None:
    """What makes the volume of a candle base currency; None where its unit is not known."""
    if contract.size == 1 or dialect.candle_volume_in_base:
        return 1.0
    return contract.size if dialect.candle_volume_in_base is False else None


def to_closed_candles(
    rows: Sequence[Sequence[Any]], timeframe: Timeframe, factor: float, settled_before: Millis
) -> list[Candle]:
    """Closed candles, oldest first.

    One is closed when the venue has begun a later one, or when it ended before `settled_before`.
    A row with a number missing is left out.
    """
    ordered = sorted((row for row in rows if row and row[0] is not None), key=_open_time)
    candles = []
    for at, row in enumerate(ordered):
        is_last = at + 1 == len(ordered)
        if is_last and _open_time(row) + timeframe.ms > settled_before:
            continue
        try:
            first, high, low, last = (
                _number(row[n], "candle without a price") for n in range(1, 5)
            )
            volume = _number(row[5], "candle without volume") * factor
        except IncompleteError:
            continue
        candles.append(Candle(timeframe, _open_time(row), first, high, low, last, volume))
    return candles


def _open_time(row: Sequence[Any]) -> Millis:
    return Millis(int(row[0]))


def _levels(side: Sequence[Sequence[Any]], size: float) -> list[tuple[float, float]]:
    without = "book without a price or a quantity"
    return [
        (_number(level[0], without), _number(level[1], without) * size)
        for level in side
        if level[1] != 0
    ]


def _raw(row: Structure) -> Structure:
    info = row.get("info")
    return info if isinstance(info, dict) else {}


def _number(value: object, without: str) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise IncompleteError(without)


def _time(value: object, without: str) -> Millis:
    if isinstance(value, (int, float)) and 0 < value < _LARGEST_TIME:
        return Millis(int(value))
    raise IncompleteError(without)
