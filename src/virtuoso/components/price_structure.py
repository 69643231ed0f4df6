"""Price structure: where the price stands among its own levels, from closed candles."""

from typing import ClassVar

import numpy as np
from numba import njit

from virtuoso.components.base import Member
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.base.candle_sheet import Advance
from virtuoso.domain.scores import ComponentName
from virtuoso.indicators.atr import atr, atr_state
from virtuoso.indicators.close_location import close_location
from virtuoso.indicators.donchian import channel, channel_state, donchian
from virtuoso.indicators.fair_value_gap import fair_value_gap, fair_value_gap_state
from virtuoso.indicators.pool import tell_places
from virtuoso.indicators.state import Floats, Integers, stack
from virtuoso.indicators.swing_structure import swing_structure, swing_structure_state
from virtuoso.indicators.trailing_rank import Codes, rank_rows
from virtuoso.indicators.volume_profile import (
    control_distance,
    volume_profile,
    volume_profile_state,
)


class PriceStructure(CandleComponent):
    """Channel, swings, gaps, profile and the candle itself: five families of one member each."""

    name: ClassVar[ComponentName] = ComponentName.PRICE_STRUCTURE
    rho: ClassVar[float] = 0.23
    table: ClassVar[tuple[Member, ...]] = (
        Member("donchian100", "donchian100", 1 / 5),
        Member("structure", "structure", 1 / 5),
        Member("fvg24", "fvg24", 1 / 5),
        Member("poc100", "poc100", 1 / 5),
        Member("close_location", "close_location", 1 / 5),
    )

    @classmethod
    def new_state(cls) -> Floats:
        """One row per kernel, in the order of `price_structure_members`."""
        return stack(
            atr_state(),
            channel_state(100),
            swing_structure_state(),
            fair_value_gap_state(24),
            volume_profile_state(100),
        )

    @classmethod
    def kernel(cls) -> Advance:
        """Give what computes and ranks the members."""
        return price_structure_advance


@njit(cache=True)
def price_structure_members(bars: Floats, state: Floats, room: Floats, out: Floats) -> None:
    """All members of the table at once.

    bars: the table of Bars, shape (5, n); state: from PriceStructure.new_state(); room: shape
    (4, n), to be written in; out: shape (5, n), a row per line of the table.
    Source: docs/scoring.md section 3.3.
    """
    high, low, close, volume = bars[1], bars[2], bars[3], bars[4]
    unit, control, top, bottom = room[0], room[1], room[2], room[3]
    no_area = room[0, :0]
    atr(high, low, close, 14, state[0], unit)
    channel(high, low, 100, state[1], top, bottom)
    donchian(close, top, bottom, out[0])
    swing_structure(high, low, close, 30, 24.0, state[2], out[1])
    fair_value_gap(high, low, unit, 24, state[3], out[2])
    volume_profile(high, low, close, volume, top, bottom, 100, state[4], control, no_area, no_area)
    control_distance(close, control, unit, out[3])
    close_location(high, low, close, out[4])


@njit(cache=True)
def price_structure_advance(
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
    room = np.empty((4, bars.shape[2]))
    for i in range(rows.size):
        row = rows[i]
        price_structure_members(bars[i], states[row], room, x[row])
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
