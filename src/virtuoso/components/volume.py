"""Volume: whether the traded quantity goes with the price, from closed candles."""

from typing import ClassVar

import numpy as np
from numba import njit

from virtuoso.components.base import Member
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.base.candle_sheet import Advance
from virtuoso.domain.scores import ComponentName
from virtuoso.indicators.atr import atr, atr_state
from virtuoso.indicators.change_sign import change_sign, change_sign_state
from virtuoso.indicators.close_location import close_location
from virtuoso.indicators.pool import tell_places
from virtuoso.indicators.state import Floats, Integers, stack
from virtuoso.indicators.trailing_rank import Codes, rank_rows
from virtuoso.indicators.volume_lean import volume_lean, volume_lean_state
from virtuoso.indicators.volume_surge import volume_surge, volume_surge_state
from virtuoso.indicators.weighted_mean import weighted_mean, weighted_mean_state


class Volume(CandleComponent):
    """Which moves the volume backs: four families of one member each."""

    name: ClassVar[ComponentName] = ComponentName.VOLUME
    rho: ClassVar[float] = 0.13
    table: ClassVar[tuple[Member, ...]] = (
        Member("cmf20", "cmf20", 1 / 4),
        Member("signed_volume20", "signed_volume20", 1 / 4),
        Member("volume_lean20", "volume_lean20", 1 / 4),
        Member("volume_surge", "volume_surge", 1 / 4),
    )

    @classmethod
    def new_state(cls) -> Floats:
        """One row per kernel, in the order of `volume_members`."""
        return stack(
            atr_state(),
            change_sign_state(),
            weighted_mean_state(20),
            weighted_mean_state(20),
            volume_lean_state(20),
            volume_surge_state(100),
        )

    @classmethod
    def kernel(cls) -> Advance:
        """Give what computes and ranks the members."""
        return volume_advance


@njit(cache=True)
def volume_members(bars: Floats, state: Floats, room: Floats, out: Floats) -> None:
    """All members of the table at once.

    bars: the table of Bars, shape (5, n); state: from Volume.new_state(); room: shape (3, n), to be
    written in; out: shape (4, n), a row per line of the table. Source: docs/scoring.md section 3.2.
    """
    high, low, close, volume = bars[1], bars[2], bars[3], bars[4]
    unit, sign, location = room[0], room[1], room[2]
    atr(high, low, close, 14, state[0], unit)
    change_sign(close, state[1], sign)
    close_location(high, low, close, location)
    weighted_mean(location, volume, 20, state[2], out[0])
    weighted_mean(sign, volume, 20, state[3], out[1])
    volume_lean(high, low, close, volume, unit, 20, state[4], out[2])
    volume_surge(sign, volume, 100, state[5], out[3])


@njit(cache=True)
def volume_advance(
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
    room = np.empty((3, bars.shape[2]))
    for i in range(rows.size):
        row = rows[i]
        volume_members(bars[i], states[row], room, x[row])
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
