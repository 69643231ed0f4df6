"""Which numbers of a candle and a ticker can be true at all."""

from collections.abc import Mapping
from typing import Final

from virtuoso.domain.market_data import Candle, FormingCandle, TickerField
from virtuoso.market.door_state import DoorState
from virtuoso.market.order_book import LARGEST

LARGEST_FUNDING_RATE: Final = 0.05
_LEAST_PRICE: Final = 5e-324
"""The smallest number above 0."""
_FIELD_BOUNDS: Final[Mapping[TickerField, tuple[float, float]]] = {
    TickerField.LAST_PRICE: (_LEAST_PRICE, LARGEST),
    TickerField.MARK_PRICE: (_LEAST_PRICE, LARGEST),
    TickerField.INDEX_PRICE: (_LEAST_PRICE, LARGEST),
    TickerField.CHANGE_24H: (-1, LARGEST),
    TickerField.VOLUME_24H: (0, LARGEST),
    TickerField.TURNOVER_24H: (0, LARGEST),
    TickerField.OPEN_INTEREST: (0, LARGEST),
    TickerField.FUNDING_RATE: (-LARGEST_FUNDING_RATE, LARGEST_FUNDING_RATE + 1e-12),
    TickerField.NEXT_FUNDING_TIME: (0, LARGEST),
    TickerField.FUNDING_INTERVAL_HOURS: (_LEAST_PRICE, 24 + 1e-9),
}
"""From the first number on, below the second; NaN lies nowhere."""
# reading a member of an enum costs more than a comparison, and these are read for every event
_LAST_PRICE: Final = TickerField.LAST_PRICE
_NEXT_FUNDING_TIME: Final = TickerField.NEXT_FUNDING_TIME


def candle_is_sound(candle: Candle | FormingCandle) -> bool:
    """Whether it begins on its timeframe's grid, and its prices enclose each other."""
    return (
        candle.open_time % candle.timeframe.ms == 0
        and 0 < candle.low <= candle.open <= candle.high < LARGEST
        and candle.low <= candle.close <= candle.high
        and 0 <= candle.volume < LARGEST
    )


def field_is_sound(name: TickerField, value: float, at: int, state: DoorState) -> bool:
    """Whether a field of a ticker of venue time `at` lies within its bounds, and time's."""
    least, limit = _FIELD_BOUNDS[name]
    if not least <= value < limit:
        return False
    if name is _LAST_PRICE:
        return state.prices.floor <= value <= state.prices.ceiling
    return name is not _NEXT_FUNDING_TIME or value > at
