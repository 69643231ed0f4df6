"""The lens `order_flow`: buying or selling pressure, now."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from virtuoso.dimensions.base import Components, absent, members_of, oldest, pooled
from virtuoso.domain.scores import (
    ComponentName,
    DimensionName,
    DimensionScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import Millis

RHO: Final = 0.30
NEEDED: Final = 2
"""Of the four inputs, one of them of the stream: candles alone do not say what presses now."""

OFI, TAKER_FLOW = _FAMILIES = ("ofi", "taker_flow")
SIGNED_VOLUME, MONEY_FLOW = _CANDLE_MEMBERS = ("signed_volume20@1m", "cmf20@1m")


class Part(NamedTuple):
    """One of the four inputs."""

    name: str
    z: float | None
    as_of: Millis | None
    reason: Reason | None


def candle_parts(components: Components) -> tuple[Part, ...]:
    """The two inputs that change when a minute closes."""
    volume = {each.name: each for each in members_of(components, ComponentName.VOLUME)}
    return tuple(_mean(name, [volume[name]] if name in volume else []) for name in _CANDLE_MEMBERS)


def order_flow(
    components: Components, of_candles: tuple[Part, ...] | None = None
) -> DimensionScore:
    """Pool order-flow imbalance and taker flow (each the mean of its windows) with 1m volume.

    Value: `100 PHI(mean z / D)`, equal weights, rho .30. Parts: z of the four. `of_candles` is
    what `candle_parts` gave for the same components, where it is known already.
    """
    flow = members_of(components, ComponentName.ORDERFLOW)
    parts = [
        _mean(family, [each for each in flow if each.family == family]) for family in _FAMILIES
    ]
    parts += candle_parts(components) if of_candles is None else of_candles
    present = [each for each in parts if each.z is not None]
    shown = tuple((each.name, each.z) for each in parts)
    is_now = any(each.z is not None for each in parts[: len(_FAMILIES)])
    if len(present) < NEEDED or not is_now:
        return absent(DimensionName.ORDER_FLOW, (each.reason for each in parts), shown)
    return DimensionScore(
        DimensionName.ORDER_FLOW,
        pooled([each.z for each in present if each.z is not None], RHO),
        None,
        oldest(each.as_of for each in present),
        shown,
    )


def _mean(name: str, members: Iterable[MemberScore]) -> Part:
    """Mean z of the members that have one, their oldest input, and why there is none."""
    total, count = 0.0, 0
    as_of: Millis | None = None
    reason: Reason | None = None
    for each in members:
        if each.z is None:
            reason = reason or each.reason
            continue
        total += each.z
        count += 1
        if as_of is None or (each.as_of is not None and each.as_of < as_of):
            as_of = each.as_of
    if count == 0:
        return Part(name, None, None, reason or Reason.NO_FEED)
    return Part(name, total / count, as_of, None)
