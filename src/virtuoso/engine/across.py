"""What is computed across all markets of a venue: the regime by half-hours, bitcoin beta by 5m."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.market.bitcoin_beta import (
    Beta,
    CorrelationMatrix,
    ShortBeta,
    betas_in_parts,
    correlation_matrix,
    short_betas,
)
from virtuoso.market.candles import Candles
from virtuoso.market.closes import Closes
from virtuoso.market.regime import MarketState, market_state

REFRESH_MS = 10 * SECOND
"""At most so often; new closes come every five minutes, but for the time of warming up."""
DELAYED_MS = 5 * SECOND
STALE_MS = 60 * SECOND
"""How late a candle may be, as for the candles of one market."""
MOST_APPENDED = 12
"""More new candles than this at once are a new history."""


MATRIX_MOST = 50
"""Markets in the matrix of correlations; of more, the first on the board."""


class Matrix(NamedTuple):
    """How alike the markets move, each with each."""

    instruments: tuple[Instrument, ...]
    """Of rows and columns, most traded first."""
    cells: CorrelationMatrix
    monitored: int
    """Of so many markets these are the first."""


class AcrossView(NamedTuple):
    """What is said across the markets at one instant."""

    state: MarketState
    """The market as a whole, at its newest half-hour close."""
    state_as_of: Millis | None
    betas: Mapping[Instrument, Beta | Reason]
    """Every market against the venue's Bitcoin perpetual."""
    bitcoin: Instrument | None
    betas_as_of: Millis | None
    """Close time of the newest five minutes."""
    matrix: Matrix | None = None
    """Of the same closes; None before the first."""
    short: Mapping[Instrument, ShortBeta | Reason] | None = None
    """The same betas over three hours alone."""

    def state_at(self, now: Millis) -> State:
        """How fresh the market's state is, by the venue's clock."""
        return closes_state(self.state_as_of, Timeframe.M30, now)

    def betas_state_at(self, now: Millis) -> State:
        """How fresh the betas are, by the venue's clock."""
        return closes_state(self.betas_as_of, Timeframe.M5, now)


def closes_state(as_of: Millis | None, timeframe: Timeframe, now: Millis) -> State:
    """Judge closes by when the next one was due, and computed."""
    if as_of is None:
        return State.ABSENT
    late = now - as_of - timeframe.ms - REFRESH_MS
    if late > STALE_MS:
        return State.STALE
    return State.DELAYED if late > DELAYED_MS else State.LIVE


class Across:
    """Follows the closes of all markets, and computes anew what they say when they changed."""

    def __init__(self) -> None:
        self._closes = {each: Closes(each) for each in (Timeframe.M5, Timeframe.M30)}
        self._taken: dict[tuple[Instrument, Timeframe], tuple[int, Millis]] = {}
        self._changed: set[Timeframe] = set()
        self.view = AcrossView(market_state(np.zeros((0, 0))), None, {}, None, None)
        """What was computed last."""

    def take(self, instrument: Instrument, candles: Candles) -> None:
        """Take what closed since the last time."""
        for timeframe, closes in self._closes.items():
            series = candles[timeframe]
            newest = series.last_close
            mark = None if newest is None else (series.total, newest)
            known = self._taken.get((instrument, timeframe))
            if mark is None or mark == known or series.gap:
                continue
            fresh = MOST_APPENDED + 1 if known is None else mark[0] - known[0]
            if known is not None and 0 < fresh <= MOST_APPENDED:
                for candle in series.closed[-fresh:]:
                    closes.append(instrument, candle)
            else:
                closes.replace(instrument, series.closed)
            self._taken[instrument, timeframe] = mark
            self._changed.add(timeframe)

    def keep(self, instruments: Collection[Instrument]) -> None:
        """Forget the markets that are no longer watched."""
        for timeframe, closes in self._closes.items():
            if set(closes.instruments) - set(instruments):
                closes.keep(tuple(instruments))
                self._changed.add(timeframe)
        self._taken = {key: mark for key, mark in self._taken.items() if key[0] in instruments}

    def refresh(self, at: Millis, board: Sequence[Instrument] = ()) -> Iterator[None]:
        """Compute anew what changed, in parts between which others may work.

        board: the markets in the order of the board, the most traded first.
        """
        if at % REFRESH_MS or not self._changed:
            return
        if Timeframe.M30 in self._changed:
            self._changed.discard(Timeframe.M30)
            closes = self._closes[Timeframe.M30]
            state = market_state(closes.logs())
            self.view = self.view._replace(state=state, state_as_of=closes.newest)
            yield
        if Timeframe.M5 in self._changed:
            self._changed.discard(Timeframe.M5)
            closes = self._closes[Timeframe.M5]
            returns = np.diff(closes.logs(), axis=1)
            yield
            bitcoin = next((each for each in closes.instruments if is_bitcoin(each)), None)
            rows = dict(zip(closes.instruments, returns, strict=True))
            newest = closes.newest
            found = yield from betas_in_parts(
                {str(each.symbol): row for each, row in rows.items()},
                "" if bitcoin is None else str(bitcoin.symbol),
            )
            betas = {each: found[str(each.symbol)] for each in rows}
            yield
            near = short_betas(
                {str(each.symbol): row for each, row in rows.items()},
                "" if bitcoin is None else str(bitcoin.symbol),
            )
            short = {each: near[str(each.symbol)] for each in rows}
            yield
            chosen = tuple(each for each in board or rows if each in rows)[:MATRIX_MOST]
            matrix = None
            if chosen:
                cells = correlation_matrix([rows[each] for each in chosen])
                matrix = Matrix(chosen, cells, len(rows))
            self.view = self.view._replace(
                betas=betas, bitcoin=bitcoin, betas_as_of=newest, matrix=matrix, short=short
            )
            yield


def is_bitcoin(instrument: Instrument) -> bool:
    """Whether this is a venue's Bitcoin perpetual."""
    return str(instrument.symbol).startswith("BTCUSD")
