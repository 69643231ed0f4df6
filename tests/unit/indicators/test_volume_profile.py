"""The volume profile against one that is worked out bin by bin, from nothing carried."""

import numpy as np
import pytest

from support.candles import random_candles
from support.kernels import profile_of
from virtuoso.indicators.state import Floats

PERIOD = 100
BINS = 50


def bins_of(high: Floats, low: Floats, volume: Floats) -> Floats:
    """What was traded in each of 50 equal parts of the range, by overlap."""
    bottom, top = low.min(), high.max()
    edges = np.linspace(bottom, top, BINS + 1)
    shared = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    found = np.zeros(BINS)
    for size, overlap, traded, at in zip(high - low, shared, volume, high, strict=True):
        if size > 0.0:
            found += traded * np.maximum(overlap, 0.0) / size
        else:
            found[min(int((at - bottom) / (top - bottom) * BINS), BINS - 1)] += traded
    return found


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0, 12.0])
def test_every_window_has_the_point_of_control_of_its_bins(spread: float) -> None:
    """Whatever left the window before, and however unequal its volumes are."""
    draw = np.random.default_rng(7)
    candles = random_candles(5, 700)
    high, low, close = (
        np.log(np.array([getattr(each, field) for each in candles]))
        for field in ("high", "low", "close")
    )
    flat = draw.random(700) < 0.1
    high, low = np.where(flat, close, high), np.where(flat, close, low)
    volume = np.exp(draw.normal(0.0, 1.0, 700) * spread)
    control, area_low, area_high = profile_of(high, low, close, volume, PERIOD)
    assert np.isnan(control[: PERIOD - 1]).all()
    for t in range(PERIOD - 1, 700):
        window = slice(t - PERIOD + 1, t + 1)
        bins = bins_of(high[window], low[window], volume[window])
        bottom, width = low[window].min(), np.ptp([low[window].min(), high[window].max()]) / BINS
        place = (control[t] - bottom) / width - 0.5
        assert place == pytest.approx(round(place), abs=1e-6)
        assert bins[round(place)] == pytest.approx(bins.max(), rel=1e-10)
        first, end = round((area_low[t] - bottom) / width), round((area_high[t] - bottom) / width)
        assert first <= round(place) < end
        assert bins[first:end].sum() >= (0.7 - 1e-9) * bins.sum()


@pytest.mark.parametrize("unit", [2.0**-1_000, 2.0**900])
def test_the_unit_of_volume_does_not_matter(unit: float) -> None:
    """However small or large it is."""
    candles = random_candles(5, 400)
    high, low, close = (
        np.log(np.array([getattr(each, field) for each in candles]))
        for field in ("high", "low", "close")
    )
    volume = np.random.default_rng(8).lognormal(0.0, 1.0, 400)
    whole = profile_of(high, low, close, volume, PERIOD)
    scaled = profile_of(high, low, close, volume * unit, PERIOD)
    np.testing.assert_array_equal(scaled, whole)
