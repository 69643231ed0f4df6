"""The lens `smart_money`: large-trade flow. Who trades is not observable, and nothing is proven."""

from math import copysign
from typing import Final

import numpy as np

from virtuoso.dimensions.base import Components, absent, member_of, oldest, pooled
from virtuoso.dimensions.tape import SECONDS, Tape
from virtuoso.domain.scores import (
    ComponentName,
    DimensionName,
    DimensionScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import normal_score
from virtuoso.indicators.stream_window import SCORED, StreamLimits, StreamWindows

RHO: Final = 0.20
NEEDED: Final = 2
"""Of the three inputs."""
TAKER_FLOW: Final = f"taker_flow@{SECONDS}s"
LARGE_ORDERS: Final = f"large_orders@{SECONDS}s"
OI_QUADRANT: Final = "oi_quadrant"
ABSORPTION: Final = "absorption"


class SmartMoney:
    """Large orders, open interest with the price, and absorption, pooled with rho .20.

    absorption = -sign(TF) max(0, F(TF) - F(r)): takers pushed hard over 300 s (F of the size of
    their flow) and the price did not follow (F of the size of its return); then ranked itself (T1).
    """

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._returns = StreamWindows(1, limits)
        self._absorption = StreamWindows(1, limits)
        self.value = absent(DimensionName.SMART_MONEY, ())
        """The lens as of the last look. Parts: z of the three."""

    def look(self, at: Millis, components: Components, tape: Tape) -> None:
        """Measure a grid second, after components and tape have taken it."""
        taker = member_of(components, ComponentName.ORDERFLOW, TAKER_FLOW)
        large = member_of(components, ComponentName.ORDERFLOW, LARGE_ORDERS)
        interest = member_of(components, ComponentName.SENTIMENT, OI_QUADRANT)
        absorbed = self._absorbed(at, taker, tape)
        parts = (
            (LARGE_ORDERS, None if large is None else large.z),
            (OI_QUADRANT, None if interest is None else interest.z),
            (ABSORPTION, absorbed),
        )
        zs = [z for _, z in parts if z is not None]
        if len(zs) < NEEDED:
            reasons = [each.reason for each in (large, interest) if each is not None]
            self.value = absent(
                DimensionName.SMART_MONEY, [*reasons, Reason.WARMING_UP if reasons else None], parts
            )
            return
        sources = (large, interest, taker)
        used = [
            source.as_of
            for source, (_, z) in zip(sources, parts, strict=True)
            if source is not None and z is not None
        ]
        self.value = DimensionScore(
            DimensionName.SMART_MONEY,
            pooled(zs, RHO),
            None,
            oldest(used),
            parts,
            record=Reason.UNPROVEN,
        )

    def _absorbed(self, at: Millis, flow: MemberScore | None, tape: Tape) -> float | None:
        """Z of absorption, or None while one of its two sides is not ranked."""
        moved = self._rank(self._returns, at, tape.change())
        x = None
        if moved is not None and flow is not None and flow.x is not None and flow.score is not None:
            pushed = abs(flow.score - 50.0) - abs(moved - 50.0)
            x = -copysign(max(0.0, pushed / 50.0), flow.x) if flow.x != 0.0 else 0.0
        ranked = self._rank(self._absorption, at, x)
        return None if ranked is None else normal_score(ranked)

    @staticmethod
    def _rank(windows: StreamWindows, at: Millis, x: float | None) -> float | None:
        """Rank x among its past and keep it; None without x, and while there is too little past."""
        if x is None:
            return None
        windows.take(at, np.array([x]))
        return float(windows.scores[0]) if windows.codes[0] == SCORED else None
