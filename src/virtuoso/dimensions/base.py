"""What the lenses share: how members are found, pooled and reported as missing."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Final

from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    DimensionName,
    DimensionScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import Z_LIMIT, phi

Components = Mapping[ComponentName, ComponentScore | Absent]

LABELS: Final[Mapping[DimensionName, str]] = {
    DimensionName.ORDER_FLOW: "buying or selling pressure, now",
    DimensionName.SENTIMENT: "crowd positioning: 100 = long and paying; not a forecast",
    DimensionName.LIQUIDITY: "ease of trading; no direction",
    DimensionName.BITCOIN_BETA: "share of movement shared with BTC",
    DimensionName.SMART_MONEY: "large-trade flow; who trades is not observable",
    DimensionName.MACHINE_LEARNING: "measured probability",
}
"""What a value of each lens means."""

UNITS: Final[Mapping[str, str]] = {
    "funding": "rank",
    "basis": "rank",
    "long_short": "rank",
    "spread_bp": "bp",
    "depth": "quote",
    "amihud": "bp per million quote",
    "impact": "bp per million quote",
    "beta": "ratio",
    "standard_error": "ratio",
    "correlation": "-1..1",
    "r_squared": "0..1",
    "residual_z": "standard deviations",
    "samples": "candles",
}
"""Of the parts; every other part is a normal score z. A rank is 0..100 among its own past."""


def members_of(components: Components, name: ComponentName) -> Iterable[MemberScore]:
    """A component's members, also of one that has no score; none of one that is not there."""
    found = components.get(name)
    return () if found is None else found.members


def member_of(components: Components, name: ComponentName, member: str) -> MemberScore | None:
    """One member of a component; None where there is none of that name."""
    for each in members_of(components, name):
        if each.name == member:
            return each
    return None


def pooled(zs: Sequence[float], rho: float) -> float:
    """`100 PHI(mean z / D)` with equal weights: what agrees counts as the look-alikes it is."""
    squares = 1.0 / len(zs)
    z = sum(zs) * squares / sqrt(squares + rho * (1.0 - squares))
    return 100.0 * phi(min(max(z, -Z_LIMIT), Z_LIMIT))


def oldest(times: Iterable[Millis | None]) -> Millis | None:
    """The oldest of the times that are known."""
    return min((each for each in times if each is not None), default=None)


def absent(
    name: DimensionName,
    reasons: Iterable[Reason | None],
    parts: tuple[tuple[str, float | None], ...] = (),
) -> DimensionScore:
    """A lens without a value, for the first reason there is."""
    reason = next((each for each in reasons if each is not None), Reason.NO_FEED)
    return DimensionScore(name, None, reason, None, parts)
