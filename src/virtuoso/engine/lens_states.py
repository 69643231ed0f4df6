"""How fresh a lens is: the worst of the inputs that its parts were made from."""

from collections.abc import Mapping
from typing import Final

from virtuoso.dimensions.order_flow import MONEY_FLOW, OFI, SIGNED_VOLUME, TAKER_FLOW
from virtuoso.dimensions.smart_money import ABSORPTION, LARGE_ORDERS, OI_QUADRANT
from virtuoso.domain.scores import DimensionName, DimensionScore, State
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.engine.across import closes_state
from virtuoso.engine.view import Input

_TRADES: Final = ("stream", "trades")
_BOOK: Final = ("stream", "book")
_MINUTES: Final = ("candles 1m",)

USED: Final[Mapping[str, tuple[str, ...]]] = {
    OFI: _TRADES,
    TAKER_FLOW: _TRADES,
    SIGNED_VOLUME: _MINUTES,
    MONEY_FLOW: _MINUTES,
    "funding": ("funding",),
    "basis": ("ticker",),
    "long_short": ("account ratio",),
    "spread_bp": _BOOK,
    "depth": _BOOK,
    "amihud": ("candles 5m",),
    "impact": _TRADES,
    LARGE_ORDERS: _TRADES,
    OI_QUADRANT: ("open interest",),
    ABSORPTION: (*_TRADES, "book"),
}
"""Kinds of input by part; the parts of the beta are as old as its closes."""

_ORDER: Final = (State.LIVE, State.DELAYED, State.STALE)


def worst(states: list[State]) -> State:
    """The worst of these states; absent where there is none."""
    return max(states, key=_ORDER.index, default=State.ABSENT)


def lens_state(lens: DimensionScore, inputs: Mapping[str, Input], now: Millis) -> State:
    """How fresh the lens is at `now` of the venue; absent when it has no value.

    An input that is gone while the lens was last made with it is stale.
    """
    if lens.value is None:
        return State.ABSENT
    if lens.name is DimensionName.BITCOIN_BETA:
        found = [closes_state(lens.as_of, Timeframe.M5, now), inputs["candles 5m"].state]
    else:
        kinds = {kind for name, value in lens.parts if value is not None for kind in USED[name]}
        found = [inputs[kind].state for kind in kinds]
    return worst([State.STALE if each is State.ABSENT else each for each in found])
