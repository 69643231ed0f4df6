"""Why prices move: one market, a few sectors, and each coin's own affairs.

The same random processes make the past (in long steps) and the present (in steps of 0.1 s), so
the two have the same habits: calm and wild hours, trends that come and go, sudden moves, moods.
Every process is an Ornstein-Uhlenbeck process (it wanders and is pulled back to zero); a block of
them has one deviation and one half-life.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from virtuoso.simulator.listings import Listing, Sector

Floats: TypeAlias = NDArray[np.float64]
SmallFloats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]

_BLOCK_STEPS = 1_000
"""Steps of the past that are made at once: the states of 500 symbols take 36 MB."""
_SECTOR_SHARE = 0.12
"""Variance of a return that the sector explains."""
_MARKET_JUMP = (1 / 90, 2.0, 5.0)
"""Sudden moves of the market: how many a minute, and their size in one minute deviations."""
_OWN_JUMP = (1 / 150, 2.5, 6.0)
"""The same, of one coin."""
_IMPULSE_MINUTES = 0.12
"""The half-life of a sudden move: most of it is over in 20 seconds."""
_MEMORY_MINUTES = 360.0
"""The half-life of what open interest and accounts remember of past returns."""


@dataclass(frozen=True, slots=True)
class _Block:
    shared: bool
    """One process for all, or one for each symbol."""
    half_life: float
    """Minutes."""
    deviation: float


_BLOCKS: Final[Mapping[str, _Block]] = {
    "market_volatility_slow": _Block(shared=True, half_life=900, deviation=0.32),
    "market_volatility_fast": _Block(shared=True, half_life=25, deviation=0.30),
    "own_volatility": _Block(shared=False, half_life=60, deviation=0.32),
    "market_trend_slow": _Block(shared=True, half_life=2000, deviation=0.008),
    "market_trend_fast": _Block(shared=True, half_life=45, deviation=0.05),
    "own_trend_slow": _Block(shared=False, half_life=1500, deviation=0.009),
    "own_trend_fast": _Block(shared=False, half_life=35, deviation=0.06),
    "turnover": _Block(shared=False, half_life=12, deviation=0.45),
    "premium_slow": _Block(shared=False, half_life=420, deviation=3.0e-4),
    "premium_market": _Block(shared=True, half_life=300, deviation=2.0e-4),
    "premium_fast": _Block(shared=False, half_life=3, deviation=1.2e-4),
    "interest_slow": _Block(shared=False, half_life=3600, deviation=0.06),
    "interest_fast": _Block(shared=False, half_life=240, deviation=0.012),
    "accounts_slow": _Block(shared=False, half_life=1500, deviation=0.16),
    "accounts_fast": _Block(shared=False, half_life=120, deviation=0.05),
}


def _slices(symbols: int) -> dict[str, slice]:
    slices, at = {}, 0
    for name, block in _BLOCKS.items():
        width = 1 if block.shared else symbols
        slices[name] = slice(at, at + width)
        at += width
    return slices


def season(at_ms: Integers | int) -> Floats:
    """Return how lively the hour is, about 1: busiest at 15:00 UTC, quietest at 03:00."""
    hours: Floats = np.asarray(at_ms, dtype=np.float64) / 3_600_000
    return 1.0 + 0.2 * np.cos((hours - 15.0) * (2 * np.pi / 24))


@dataclass(frozen=True, slots=True)
class Past:
    """What happened over a row of steps. Arrays have one row a step and one column a symbol."""

    returns: SmallFloats
    """Of the logarithm of the fair price."""
    noise: SmallFloats
    """Standard deviation of the unforeseen part of a step's return."""
    activity: SmallFloats
    """Turnover as a multiple of the usual."""
    premium: SmallFloats
    """ln(perpetual / index) at the end of the step."""
    basis: SmallFloats
    """ln(mark / index) at the end of the step."""
    interest: SmallFloats
    """ln(open interest / usual) at the end of the step."""
    accounts: SmallFloats
    """ln(long share / short share) of accounts at the end of the step, beside its usual value."""


def _small(values: Floats) -> SmallFloats:
    """Keep what is kept for long in half the memory."""
    return values.astype(np.float32)


class Factors:
    """The state of every process, for all symbols at once."""

    def __init__(self, listings: tuple[Listing, ...], generator: np.random.Generator) -> None:
        count = len(listings)
        self._count = count
        self._generator = generator
        self._slices = _slices(count)
        widths = [at.stop - at.start for at in self._slices.values()]
        blocks = list(_BLOCKS.values())
        self._half_lives = np.repeat([block.half_life for block in blocks], widths)
        self._deviations = np.repeat([block.deviation for block in blocks], widths)
        self._state: Floats = self._deviations * generator.standard_normal(len(self._deviations))
        self._memory: Floats = np.zeros(count)
        self._impulse: Floats = np.zeros(count)
        self.volatility: Floats = np.array([listing.volatility for listing in listings])
        self._market_load: Floats = np.array([listing.market_load for listing in listings])
        self._own_load: Floats = np.sqrt(1.0 - self._market_load**2)
        self._sectors = np.array([listing.sector for listing in listings])
        self._premium_usual: Floats = -0.6e-4 + 1.5e-4 * generator.standard_normal(count)
        self._decays: dict[float, tuple[Floats, Floats, float, float]] = {}

    def past(self, ends_ms: Integers, minutes: Floats) -> Past:
        """Live through a row of steps that end at `ends_ms` and last `minutes` each."""
        blocks = [
            self._past_block(ends_ms[at : at + _BLOCK_STEPS], minutes[at : at + _BLOCK_STEPS])
            for at in range(0, len(minutes), _BLOCK_STEPS)
        ]
        return Past(
            **{
                each.name: np.concatenate([getattr(block, each.name) for block in blocks])
                for each in fields(Past)
            }
        )

    def _past_block(self, ends_ms: Integers, minutes: Floats) -> Past:
        steps, count = len(minutes), self._count
        shocks = self._generator.standard_normal((steps, len(self._state)))
        decays = [self._decay(length) for length in np.unique(minutes)]
        which = np.searchsorted(np.unique(minutes), minutes)
        states = np.empty_like(shocks)
        state = self._state
        for row in range(steps):
            decay, spread, _, _ = decays[which[row]]
            state = states[row] = decay * state + spread * shocks[row]
        self._state = state.copy()
        noise = self._noise(states, season(ends_ms)[:, None]) * np.sqrt(minutes)[:, None]
        returns = noise * self._joint_normals((steps,))
        returns += self._trend(states) * minutes[:, None]
        returns += self._past_jumps(minutes)
        memories = np.empty((steps, count))
        memory = self._memory
        for row in range(steps):
            memory = memories[row] = decays[which[row]][2] * memory + returns[row]
        self._memory = memory.copy()
        surprise = np.abs(returns) / np.maximum(noise, 1e-12)
        activity = self._activity(states, season(ends_ms)[:, None]) * (0.6 + 0.5 * surprise)
        return Past(
            returns=_small(returns),
            noise=_small(noise),
            activity=_small(activity),
            premium=_small(self._premium(states, fast=1.0)),
            basis=_small(self._premium(states, fast=0.7)),
            interest=_small(self._interest(states, memories)),
            accounts=_small(self._accounts(states, memories)),
        )

    def advance(self, minutes: float, now_ms: int) -> Floats:
        """Live through one short step; return each symbol's return of the fair price."""
        decay, spread, memory_decay, impulse_decay = self._decay(minutes)
        shocks = self._generator.standard_normal(len(self._state))
        self._state = decay * self._state + spread * shocks
        self._start_impulses(minutes)
        jump = self._impulse * (1.0 - impulse_decay)
        self._impulse = self._impulse - jump
        noise = self._noise(self._state, season(now_ms)) * math.sqrt(minutes)
        returns = noise * self._joint_normals(()) + self._trend(self._state) * minutes + jump
        self._memory = memory_decay * self._memory + returns
        return returns

    def noise_a_minute(self, now_ms: int) -> Floats:
        """Return the present deviation of a one minute return."""
        return self._noise(self._state, season(now_ms))

    def activity(self, now_ms: int) -> Floats:
        """Return the present turnover as a multiple of the usual."""
        return self._activity(self._state, season(now_ms))

    def lean(self) -> Floats:
        """Return the trend's strength in its own deviations, about -2 to 2."""
        trend = self._trend(self._state) / self.volatility
        return np.clip(trend / 0.06, -2.5, 2.5)

    def premium(self) -> Floats:
        """Return ln(perpetual / index)."""
        return self._premium(self._state, fast=1.0)

    def basis(self) -> Floats:
        """Return ln(mark / index)."""
        return self._premium(self._state, fast=0.7)

    def interest(self) -> Floats:
        """Return ln(open interest / usual)."""
        return self._interest(self._state, self._memory)

    def accounts(self) -> Floats:
        """Return ln(long share / short share) of accounts, beside its usual value."""
        return self._accounts(self._state, self._memory)

    def close_positions(self, symbol: int, share: float) -> None:
        """Take a share of the open interest away, as a liquidation does."""
        self._state[self._slices["interest_fast"].start + symbol] -= share

    def _decay(self, minutes: float) -> tuple[Floats, Floats, float, float]:
        key = float(minutes)
        if key not in self._decays:
            decay = 0.5 ** (key / self._half_lives)
            self._decays[key] = (
                decay,
                self._deviations * np.sqrt(1.0 - decay**2),
                0.5 ** (key / _MEMORY_MINUTES),
                0.5 ** (key / _IMPULSE_MINUTES),
            )
        return self._decays[key]

    def _of(self, states: Floats, name: str) -> Floats:
        return states[..., self._slices[name]]

    def _heat(self, states: Floats) -> Floats:
        return (
            self._of(states, "market_volatility_slow")
            + self._of(states, "market_volatility_fast")
            + self._of(states, "own_volatility")
        )

    def _noise(self, states: Floats, hour: Floats) -> Floats:
        variance = 0.32**2 + 0.30**2 + 0.32**2
        return self.volatility * hour * np.exp(self._heat(states) - variance)

    def _activity(self, states: Floats, hour: Floats) -> Floats:
        variance = 1.1**2 * (0.32**2 + 0.30**2 + 0.32**2) + 0.45**2
        heat = 1.1 * self._heat(states) + self._of(states, "turnover")
        return hour**2 * np.exp(heat - variance / 2)

    def _trend(self, states: Floats) -> Floats:
        market = self._of(states, "market_trend_slow") + self._of(states, "market_trend_fast")
        own = self._of(states, "own_trend_slow") + self._of(states, "own_trend_fast")
        return self.volatility * (self._market_load * market + self._own_load * own)

    def _premium(self, states: Floats, fast: float) -> Floats:
        slow = self._of(states, "premium_slow") + self._of(states, "premium_market")
        return self._premium_usual + slow + fast * self._of(states, "premium_fast")

    def _interest(self, states: Floats, memories: Floats) -> Floats:
        own = self._of(states, "interest_slow") + self._of(states, "interest_fast")
        return own + 0.3 * memories

    def _accounts(self, states: Floats, memories: Floats) -> Floats:
        own = self._of(states, "accounts_slow") + self._of(states, "accounts_fast")
        return own - 4.0 * memories

    def _joint_normals(self, shape: tuple[int, ...]) -> Floats:
        market = self._generator.standard_normal((*shape, 1))
        sectors = self._generator.standard_normal((*shape, len(Sector)))[..., self._sectors]
        own = self._generator.standard_normal((*shape, self._count))
        load = self._market_load
        sector_load = np.minimum(_SECTOR_SHARE, 1.0 - load**2) ** 0.5
        rest = np.sqrt(1.0 - load**2 - sector_load**2)
        return load * market + sector_load * sectors + rest * own

    def _past_jumps(self, minutes: Floats) -> Floats:
        steps = len(minutes)
        market = self._jump_sizes(_MARKET_JUMP, minutes[:, None], (steps, 1))
        own = self._jump_sizes(_OWN_JUMP, minutes[:, None], (steps, self._count))
        return self.volatility * (self._market_load * market + self._own_load * own)

    def _start_impulses(self, minutes: float) -> None:
        length = np.float64(minutes)
        market = self._jump_sizes(_MARKET_JUMP, length, (1,))
        own = self._jump_sizes(_OWN_JUMP, length, (self._count,))
        self._impulse = self._impulse + self.volatility * (
            self._market_load * market + self._own_load * own
        )

    def _jump_sizes(
        self, jump: tuple[float, float, float], minutes: Floats | np.float64, shape: tuple[int, ...]
    ) -> Floats:
        rate, smallest, largest = jump
        draws = self._generator.random((3, *shape))
        # at most one in a step: in the long steps of the far past a second one would not be seen
        happens = draws[0] < 1.0 - np.exp(-rate * minutes)
        size = smallest + (largest - smallest) * draws[1]
        return np.where(happens, np.where(draws[2] < 0.5, -size, size), 0.0)
