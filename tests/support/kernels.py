"""Indicator kernels called with fresh states, for tests that look at one at a time."""

from collections.abc import Callable

import numpy as np

from virtuoso.indicators.adx import adx, adx_state
from virtuoso.indicators.atr import atr, atr_state
from virtuoso.indicators.donchian import channel, channel_state, donchian
from virtuoso.indicators.macd import macd, macd_state
from virtuoso.indicators.state import Floats
from virtuoso.indicators.volume_profile import volume_profile, volume_profile_state


def run(kernel: Callable[..., None], *arguments: object, outputs: int = 1) -> tuple[Floats, ...]:
    """Call a kernel with output arrays as long as its first argument, and give them."""
    first = arguments[0]
    assert isinstance(first, np.ndarray)
    found = tuple(np.empty(first.size) for _ in range(outputs))
    kernel(*arguments, *found)
    return found


def atr_of(high: Floats, low: Floats, close: Floats) -> Floats:
    """ATR over 14 candles."""
    return run(atr, high, low, close, 14, atr_state())[0]


def adx_of(high: Floats, low: Floats, close: Floats) -> tuple[Floats, ...]:
    """DI+, DI- and ADX over 14 candles."""
    return run(adx, high, low, close, 14, adx_state(), outputs=3)


def macd_of(close: Floats) -> tuple[Floats, ...]:
    """MACD 12/26/9: line and signal."""
    return run(macd, close, 12, 26, 9, macd_state(), outputs=2)


def donchian_of(high: Floats, low: Floats, close: Floats, period: int) -> Floats:
    """Place of the close in the channel of `period` candles."""
    edges = run(channel, high, low, period, channel_state(period), outputs=2)
    return run(donchian, close, *edges)[0]


def profile_of(
    high: Floats, low: Floats, close: Floats, volume: Floats, period: int
) -> tuple[Floats, ...]:
    """Point of control and value area of the volume of `period` candles."""
    edges = run(channel, high, low, period, channel_state(period), outputs=2)
    state = volume_profile_state(period)
    return run(volume_profile, high, low, close, volume, *edges, period, state, outputs=3)
