"""The lens `order_flow`: buying or selling pressure, now."""

from collections.abc import Sequence
from typing import Final

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
"""Of the four inputs."""

_FAMILIES: Final = ("ofi", "taker_flow")
_CANDLE_MEMBERS: Final = ("signed_volume20@1m", "cmf20@1m")


def order_flow(components: Components) -> DimensionScore:
    """Pool order-flow imbalance and taker flow (each the mean of its windows) with 1m volume.

    Value: `100 PHI(mean z / D)`, equal weights, rho .30. Parts: z of the four.
    """
    flow = list(members_of(components, ComponentName.ORDERFLOW))
    volume = {each.name: each for each in members_of(components, ComponentName.VOLUME)}
    inputs: list[tuple[str, float | None, Millis | None, Reason | None]] = [
        (family, *_mean([each for each in flow if each.family == family])) for family in _FAMILIES
    ]
    inputs += [(name, *_mean([volume[name]] if name in volume else [])) for name in _CANDLE_MEMBERS]
    zs = [z for _, z, _, _ in inputs if z is not None]
    if len(zs) < NEEDED:
        return absent(DimensionName.ORDER_FLOW, (reason for *_, reason in inputs))
    return DimensionScore(
        DimensionName.ORDER_FLOW,
        pooled(zs, RHO),
        None,
        oldest(at for _, z, at, _ in inputs if z is not None),
        tuple((name, z) for name, z, _, _ in inputs),
    )


def _mean(
    members: Sequence[MemberScore],
) -> tuple[float | None, Millis | None, Reason | None]:
    """Mean z of the members that have one, their oldest input, and why there is none."""
    present = [each for each in members if each.z is not None]
    if not present:
        return None, None, next((each.reason for each in members), Reason.NO_FEED)
    mean = sum(each.z for each in present if each.z is not None) / len(present)
    return mean, oldest(each.as_of for each in present), None
