"""The lens `liquidity`: how easily one trades, against this market's own last 24 hours."""

from itertools import pairwise
from math import log
from typing import Final

import numpy as np

from virtuoso.dimensions.base import Components, absent, member_of, oldest
from virtuoso.dimensions.tape import Tape
from virtuoso.domain.scores import ComponentName, DimensionName, DimensionScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.stream_window import SCORED, TOO_FEW, StreamLimits, StreamWindows
from virtuoso.market.depth import notional_within, outer_cut
from virtuoso.market.market import Market

NEEDED: Final = 2
"""Of the four measures."""
AMIHUD_BARS: Final = 12
MILLION: Final = 1e6
BASIS_POINTS: Final = 1e4
QUEUE: Final = "queue@now"
"""The member that says whether there is a book to read."""

SPREAD, DEPTH, AMIHUD, IMPACT = MEASURES = ("spread_bp", "depth", "amihud", "impact")
_MORE_IS_BETTER: Final = (False, True, False, False)
_SHIFT: Final = 1e6
"""Added to what may be 0 or below before it is kept: sizes then rank as values (T2)."""


class Liquidity:
    """Spread, depth, price move per turnover and per signed order, each ranked (T2).

    spread_bp: best ask less best bid, in bp of the mid. depth: what is bid and asked out to the cut
    of the component's outer slice, valued at the mid, quote currency. amihud: mean abs(r) per
    turnover of twelve 5m candles, bp per million quote. impact: slope of the 1 s change of the mid
    (bp) on the signed taker notional (million quote) over 300 s, with an intercept.
    """

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._windows = StreamWindows(len(MEASURES), limits)
        self._amihud: tuple[Millis, float | None] | None = None
        self.value = absent(DimensionName.LIQUIDITY, ())
        """The lens as of the last look. Parts: the four measures in their own units."""

    def look(self, at: Millis, market: Market, components: Components, tape: Tape) -> None:
        """Measure a grid second: everything received at or before `at` is in `market`.

        A book that is too old for the component `orderbook` is none here either.
        """
        book = market.book
        queue = member_of(components, ComponentName.ORDERBOOK, QUEUE)
        is_stale = queue is not None and queue.reason is Reason.STALE
        without = Reason.STALE if is_stale else book.reason
        best = book.best() if book.synced and without is None else None
        if best is not None and best.bid >= best.ask:
            best, without = None, Reason.CROSSED_BOOK
        spread = depth = None
        if best is not None:
            spread = (best.ask - best.bid) / (best.bid + best.ask) * 2.0 * BASIS_POINTS
            cut = outer_cut(book, best)
            depth = None if cut is None else notional_within(book, best, cut) or None
        impact = tape.impact()
        if impact is not None and abs(impact) >= _SHIFT:
            impact = None
        raw = (spread, depth, self._of_candles(market), impact)
        xs = np.array([np.nan if value is None else value for value in raw])
        xs[2:] += _SHIFT
        self._windows.take(at, xs)
        if best is None:
            self.lose_book(without or Reason.NO_FEED)
        else:
            self._judge(raw, market)

    def lose_book(self, reason: Reason) -> None:
        """Have no value until a look finds a book again."""
        self.value = absent(DimensionName.LIQUIDITY, (reason,))

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

    def _judge(self, raw: tuple[float | None, ...], market: Market) -> None:
        """Average the ranks that there are; the oldest input that was used dates them."""
        scores, codes = self._windows.scores.tolist(), self._windows.codes.tolist()
        parts = tuple(zip(MEASURES, raw, strict=True))
        total, count = 0.0, 0
        for score, code, more in zip(scores, codes, _MORE_IS_BETTER, strict=True):
            if code == SCORED:
                rank = 2.0 * (score - 50.0)
                total += rank if more else 100.0 - rank
                count += 1
        if count < NEEDED:
            reason = Reason.TOO_FEW if TOO_FEW in codes else Reason.WARMING_UP
            self.value = DimensionScore(DimensionName.LIQUIDITY, None, reason, None, parts)
            return
        used = (
            market.book.as_of,
            None if raw[2] is None else market.candles[Timeframe.M5].last_close,
            None if raw[3] is None else market.alive_at,
        )
        self.value = DimensionScore(
            DimensionName.LIQUIDITY, total / count, None, oldest(used), parts
        )
