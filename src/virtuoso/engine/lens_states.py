"""How fresh a lens is: the worst of the inputs that its parts were made from."""

from collections.abc import Iterable, Mapping
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


def worst(states: Iterable[State]) -> State:
    """The worst of the states of what something was made from; what is gone by now is stale."""
    found = State.LIVE
    for state in states:
        if state is State.DELAYED:
            found = state
        elif state is not State.LIVE:
            return State.STALE
    return found


def lens_states(
    lenses: Iterable[DimensionScore], inputs: Iterable[Input], now: Millis
) -> tuple[State, ...]:
    """How fresh each lens is at `now` of the venue; absent when it has no value."""
    # most inputs are live most of the time, and this is asked of every market each second
    late = {each.kind: each.state for each in inputs if each.state is not State.LIVE}
    return tuple(State.ABSENT if lens.value is None else _state(lens, late, now) for lens in lenses)


def _state(lens: DimensionScore, late: Mapping[str, State], now: Millis) -> State:
    if lens.name is DimensionName.BITCOIN_BETA:
        closes = closes_state(lens.as_of, Timeframe.M5, now)
        return worst((closes, late.get("candles 5m", State.LIVE)))
    if not late:
        return State.LIVE
    used = [
        late[kind]
        for name, value in lens.parts
        if value is not None
        for kind in USED[name]
        if kind in late
    ]
    return worst(used) if used else State.LIVE
