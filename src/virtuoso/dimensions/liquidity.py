"""The lens `liquidity`: how easily one trades, against this market's own last 24 hours."""

from itertools import pairwise
from math import isfinite, log
from typing import Final

import numpy as np

from virtuoso.dimensions.base import absent
from virtuoso.domain.scores import DimensionName, DimensionScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.indicators.stream_window import SCORED, TOO_FEW, StreamLimits, StreamWindows
from virtuoso.market.depth import notional_within, outer_cut
from virtuoso.market.market import Market

NEEDED: Final = 2
"""Of the four measures."""
AMIHUD_BARS: Final = 12
IMPACT_SECONDS: Final = 300
MILLION: Final = 1e6
BASIS_POINTS: Final = 1e4

MEASURES: Final = ("spread_bp", "depth", "amihud", "impact")
_MORE_IS_BETTER: Final = (False, True, False, False)
_SHIFTS: Final = (1.0, 1.0, 1.0, 1e6)
"""Added before a value is kept, so that all are above 0: sizes then rank as the values do (T2)."""


class Liquidity:
    """Spread, depth, price move per turnover and per signed order, each ranked (T2).

    spread_bp: best ask less best bid, in bp of the mid. depth: bid and ask notional out to the cut
    of the component's outer slice, quote currency. amihud: mean abs(r) per turnover of twelve 5m
    candles, bp per million quote. impact: slope of the 1 s change of the mid (bp) on the signed
    taker notional (million quote) over 300 s, with an intercept.
    """

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._windows = StreamWindows(len(MEASURES), limits)
        self._moves = np.full(IMPACT_SECONDS, np.nan)
        self._orders = np.full(IMPACT_SECONDS, np.nan)
        self._place = 0
        self._mid: float | None = None
        self._amihud: tuple[Millis, float | None] | None = None
        self._result = absent(DimensionName.LIQUIDITY, ())

    def second(self, at: Millis, market: Market) -> None:
        """Take one grid second: everything received at or before `at` is in `market`."""
        book = market.book
        best = book.best() if book.synced else None
        if best is not None and best.bid >= best.ask:
            best = None
        spread = depth = None
        if best is not None:
            mid = (best.bid + best.ask) / 2.0
            spread = (best.ask - best.bid) / mid * BASIS_POINTS
            cut = outer_cut(book, best)
            depth = None if cut is None else notional_within(book, cut) or None
            self._follow(mid, market)
        else:
            self._follow(None, market)
        raw = (spread, depth, self._of_candles(market), self._impact())
        xs = np.array(
            [
                np.nan if value is None else value + shift
                for value, shift in zip(raw, _SHIFTS, strict=True)
            ]
        )
        self._windows.take(at, xs)
        self._result = self._judge(raw, at if best is None else book.as_of or at)

    @property
    def value(self) -> DimensionScore:
        """The lens as of the last grid second. Parts: the four measures in their own units."""
        return self._result

    def _follow(self, mid: float | None, market: Market) -> None:
        """Keep the last second's move beside what takers did in it; a hole stays a hole."""
        move = order = np.nan
        flow = market.trades.windows[1]
        if mid is not None and self._mid is not None and market.trades.trades_since is not None:
            move = log(mid / self._mid) * BASIS_POINTS
            order = (flow.flow + flow.large_flow) * mid / MILLION
        self._mid = mid
        self._moves[self._place], self._orders[self._place] = move, order
        self._place = (self._place + 1) % IMPACT_SECONDS

    def _impact(self) -> float | None:
        return slope(self._orders, self._moves)

    def _of_candles(self, market: Market) -> float | None:
        series = market.candles[Timeframe.M5]
        newest = series.last_close
        if newest is None or series.gap:
            return None
        if self._amihud is None or self._amihud[0] != newest:
            closed = list(series.closed)[-AMIHUD_BARS - 1 :]
            ratios = [
                abs(log(now.close / before.close)) * BASIS_POINTS * MILLION / turnover
                for before, now in pairwise(closed)
                if (turnover := now.volume * now.close) > 0.0
            ]
            whole = len(closed) > AMIHUD_BARS and ratios
            self._amihud = (newest, sum(ratios) / len(ratios) if whole else None)
        return self._amihud[1]

    def _judge(self, raw: tuple[float | None, ...], as_of: Millis) -> DimensionScore:
        scores, codes = self._windows.scores.tolist(), self._windows.codes.tolist()
        parts = tuple(zip(MEASURES, raw, strict=True))
        values = []
        for score, code, more in zip(scores, codes, _MORE_IS_BETTER, strict=True):
            if code == SCORED:
                rank = 2.0 * (score - 50.0)
                values.append(rank if more else 100.0 - rank)
        if len(values) < NEEDED:
            has_book = raw[0] is not None
            reason = Reason.NO_FEED if not has_book else Reason.WARMING_UP
            if has_book and TOO_FEW in codes:
                reason = Reason.TOO_FEW
            return DimensionScore(DimensionName.LIQUIDITY, None, reason, None, parts)
        return DimensionScore(
            DimensionName.LIQUIDITY,
            sum(values) / len(values),
            None,
            as_of,
            parts,
        )


def slope(x: Floats, y: Floats) -> float | None:
    """Least squares slope of y on x with an intercept; None with a hole, or if x stands still."""
    mean = float(x.mean())
    if not isfinite(mean):
        return None
    away = x - mean
    spread = float(away @ away)
    if spread <= 0.0:
        return None
    found = float(away @ (y - y.mean())) / spread
    return found if isfinite(found) and abs(found) < _SHIFTS[-1] else None
