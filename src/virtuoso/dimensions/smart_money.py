"""The lens `smart_money`: large-trade flow. Who trades is not observable, and nothing is proven."""

from collections import deque
from math import copysign, log
from typing import Final

import numpy as np

from virtuoso.dimensions.base import Components, absent, members_of, oldest, pooled
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
from virtuoso.market.market import Market

RHO: Final = 0.20
NEEDED: Final = 2
"""Of the three inputs."""
SECONDS: Final = 300
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
        self._mids: deque[float | None] = deque(maxlen=SECONDS + 1)
        self._result = absent(DimensionName.SMART_MONEY, ())

    def second(self, at: Millis, market: Market, components: Components) -> None:
        """Take one grid second, after the components have taken it."""
        flow = {each.name: each for each in members_of(components, ComponentName.ORDERFLOW)}
        crowd = {each.name: each for each in members_of(components, ComponentName.SENTIMENT)}
        absorbed = self._absorbed(at, market, flow.get(TAKER_FLOW))
        large, interest = flow.get(LARGE_ORDERS), crowd.get(OI_QUADRANT)
        inputs = (
            (LARGE_ORDERS, None if large is None else large.z),
            (OI_QUADRANT, None if interest is None else interest.z),
            (ABSORPTION, absorbed),
        )
        zs = [z for _, z in inputs if z is not None]
        if len(zs) < NEEDED:
            reasons = [each.reason for each in (large, interest) if each is not None]
            self._result = absent(
                DimensionName.SMART_MONEY, [*reasons, Reason.WARMING_UP if reasons else None]
            )
            return
        self._result = DimensionScore(
            DimensionName.SMART_MONEY,
            pooled(zs, RHO),
            None,
            oldest(
                each.as_of for each in (large, interest) if each is not None and each.z is not None
            ),
            inputs,
            record=Reason.UNPROVEN,
        )

    @property
    def value(self) -> DimensionScore:
        """The lens as of the last grid second. Parts: z of the three."""
        return self._result

    def _absorbed(self, at: Millis, market: Market, flow: MemberScore | None) -> float | None:
        """Z of absorption, or None while one of its two sides is not ranked."""
        best = market.book.best() if market.book.synced else None
        mid = None if best is None or best.bid >= best.ask else (best.bid + best.ask) / 2.0
        self._mids.append(mid)
        before = self._mids[0] if len(self._mids) == SECONDS + 1 else None
        change = log(mid / before) if mid is not None and before is not None else np.nan
        self._returns.take(at, np.array([change]))
        x = np.nan
        if flow is not None and flow.x is not None and flow.score is not None:
            is_ranked = self._returns.codes[0] == SCORED
            moved = abs(float(self._returns.scores[0]) - 50.0) / 50.0
            pushed = abs(flow.score - 50.0) / 50.0
            if is_ranked:
                x = -copysign(max(0.0, pushed - moved), flow.x) if flow.x != 0.0 else 0.0
        self._absorption.take(at, np.array([x]))
        if self._absorption.codes[0] != SCORED:
            return None
        return normal_score(float(self._absorption.scores[0]))
