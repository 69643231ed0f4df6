"""Technical: trend, momentum and impulse of the price, from closed candles."""

from typing import ClassVar

import numpy as np
from numba import njit

from virtuoso.components.base import Member
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.base.candle_sheet import Advance
from virtuoso.domain.scores import ComponentName
from virtuoso.indicators.adx import adx, adx_direction, adx_state
from virtuoso.indicators.atr import atr, atr_state
from virtuoso.indicators.bollinger import bollinger_state, bollinger_z
from virtuoso.indicators.ema import ema, ema_spread, ema_state
from virtuoso.indicators.ewm_volatility import (
    ewm_volatility,
    ewm_volatility_state,
    momentum,
    momentum_state,
)
from virtuoso.indicators.macd import macd, macd_state
from virtuoso.indicators.pool import tell_places
from virtuoso.indicators.rsi import rsi, rsi_state
from virtuoso.indicators.state import Floats, Integers, stack
from virtuoso.indicators.trailing_rank import Codes, rank_rows


class Technical(CandleComponent):
    """Where the price goes and how hard: three families, one vote each."""

    name: ClassVar[ComponentName] = ComponentName.TECHNICAL
    rho: ClassVar[float] = 0.28
    table: ClassVar[tuple[Member, ...]] = (
        Member("tsmom48", "trend", 1 / 9),
        Member("ema20_50", "trend", 1 / 9),
        Member("adx_dir", "trend", 1 / 9),
        Member("rsi14", "momentum", 1 / 9),
        Member("macd_hist", "momentum", 1 / 9),
        Member("boll_z", "momentum", 1 / 9),
        Member("rsi2", "impulse", 1 / 6),
        Member("ret1", "impulse", 1 / 6),
    )

    @classmethod
    def new_state(cls) -> Floats:
        """One row per kernel, in the order of `technical_members`."""
        return stack(
            atr_state(),
            ewm_volatility_state(),
            momentum_state(48),
            ema_state(),
            ema_state(),
            adx_state(),
            rsi_state(),
            macd_state(),
            bollinger_state(20),
            rsi_state(),
            momentum_state(1),
        )

    @classmethod
    def kernel(cls) -> Advance:
        """Give what computes and ranks the members."""
        return technical_advance


@njit(cache=True)
def technical_members(bars: Floats, state: Floats, room: Floats, out: Floats) -> None:
    """All members of the table at once.

    bars: the table of Bars, shape (5, n); state: from Technical.new_state(); room: shape (6, n),
    to be written in; out: shape (8, n), a row per line of the table.
    Source: docs/scoring.md section 3.1.
    """
    high, low, close = bars[1], bars[2], bars[3]
    unit, sigma, sigma_before, a, b, c = room[0], room[1], room[2], room[3], room[4], room[5]
    atr(high, low, close, 14, state[0], unit)
    ewm_volatility(close, 50, 100.0, state[1], sigma_before, sigma)
    momentum(close, 48, sigma_before, state[2], out[0])
    ema(close, 20, state[3], a)
    ema(close, 50, state[4], b)
    ema_spread(a, b, unit, out[1])
    adx(high, low, close, 14, state[5], a, b, c)
    adx_direction(a, b, c, out[2])
    rsi(close, 14, state[6], out[3])
    macd(close, 12, 26, 9, state[7], a, b)
    ema_spread(a, b, unit, out[4])
    bollinger_z(close, 20, state[8], out[5])
    rsi(close, 2, state[9], out[6])
    momentum(close, 1, sigma_before, state[10], out[7])


@njit(cache=True)
def technical_advance(
    rows: Integers,
    bars: Floats,
    places: Integers,
    told: Floats,
    states: Floats,
    counts: Floats,
    rings: Floats,
    codes: Codes,
    window: int,
    minimum: int,
    minimum_sizes: int,
    keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
    results: Floats,
    weights: Floats,
    rho: float,
) -> None:
    """Members and scores of some timeframes, as `Advance` says."""
    x, scores = results[0], results[1]
    room = np.empty((6, bars.shape[2]))
    for i in range(rows.size):
        row = rows[i]
        technical_members(bars[i], states[row], room, x[row])
        rank_rows(
            x[row],
            1,
            window,
            minimum,
            minimum_sizes,
            keep,
            counts[row],
            rings[row],
            codes[row],
            scores[row],
        )
    tell_places(results, places, weights, rho, told)
