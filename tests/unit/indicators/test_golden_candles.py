"""The published figures of 600 recorded candles, docs/scoring.md section 10."""

from pathlib import Path

import numpy as np
import pytest

from support.candles import read_candles
from support.kernels import adx_of, atr_of, donchian_of, macd_of, profile_of, run
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.time import Timeframe
from virtuoso.indicators.ema import ema, ema_state
from virtuoso.indicators.ewm_volatility import ewm_volatility, ewm_volatility_state
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import RankKind, TrailingRanks
from virtuoso.market.candles import Bars, bars_of

pytestmark = pytest.mark.recorded

FILE = "candles/bybit_linear_5m/BTCUSDT-5m.csv.gz"

# name: raw x, log x, s, L (ties count half), n
GOLDEN = {
    "tsmom48": (0.295716, 0.297779, 63.777372, 151, 548),
    "ema20_50": (0.355381, 0.356575, 57.909091, 87, 550),
    "adx_dir": (0.023031, 0.022800, 65.297203, 175, 572),
    "rsi14": (9.428499, 9.420343, 80.769231, 360, 585),
    "macd_hist": (0.133356, 0.133339, 73.056537, 261, 566),
    "boll_z": (0.932297, 0.931332, 70.431034, 237, 580),
    "rsi2": (34.410045, 34.408279, 80.820771, 368, 597),
    "ret1": (0.218752, 0.220028, 59.633028, 105, 545),
    "cmf20": (0.008901, 0.009114, 51.982759, 23, 580),
    "signed_volume20": (0.120404, 0.120404, 69.343696, 224, 579),
    "volume_lean20": (-0.236938, -0.236964, 24.310345, 298, 580),
    "volume_surge": (0.0, 0.0, 50.0, 0, 150),
    "donchian100": (0.550388, 0.552584, 72.3, 223, 500),
    "structure": (0.686977, 0.686977, 56.239016, 71, 569),
    "fvg24": (1.631364, 1.635052, 93.967093, 481, 547),
    "poc100": (1.263944, 1.273522, 65.6, 156, 500),
    "close_location": (0.489226, 0.489443, 70.367279, 244, 599),
}

FIRST = {
    "tsmom48": 51,
    "ema20_50": 49,
    "adx_dir": 27,
    "rsi14": 14,
    "macd_hist": 33,
    "boll_z": 19,
    "rsi2": 2,
    "ret1": 51,
    "cmf20": 19,
    "signed_volume20": 20,
    "volume_lean20": 19,
    "volume_surge": 100,
    "donchian100": 99,
    "structure": 30,
    "fvg24": 25,
    "poc100": 99,
    "close_location": 0,
}
"""The first candle, counted from 0, at which a member has an x."""


@pytest.fixture(scope="module")
def logs(recordings: Path) -> Bars:
    """The recorded candles, as log prices."""
    return bars_of(read_candles(recordings / FILE, Timeframe.M5, 600))


@pytest.fixture(scope="module")
def raw(logs: Bars) -> Bars:
    """The same candles with plain prices in the place of their logs."""
    return Bars(np.vstack((np.exp(logs.table[:4]).round(1), logs.volume)), logs.close_time)


def members(bars: Bars) -> dict[str, Floats]:
    """X of every member by name."""
    found: dict[str, Floats] = {}
    components: tuple[CandleComponent, ...] = (Technical(), Volume(), PriceStructure())
    for component in components:
        x, _ = component.history(bars)
        found |= dict(zip((line.name for line in component.table), x, strict=True))
    return found


def test_the_recording_is_the_one_the_figures_are_about(raw: Bars) -> None:
    """Bar 599 opens at 2025-09-26 01:55 UTC and closes at 109630.0."""
    assert raw.close_time[-1] - Timeframe.M5.ms == 1758851700000
    assert raw.close[-1] == 109630.0


def test_every_member_is_in_the_table_of_figures(logs: Bars) -> None:
    """A sub-statistic without a golden value is not finished."""
    assert members(logs).keys() == GOLDEN.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_a_member_has_its_published_value(name: str, raw: Bars, logs: Bars) -> None:
    """Its x agrees on raw and on log prices to the 6 decimals that are published."""
    raw_x, log_x, *_ = GOLDEN[name]
    assert members(logs)[name][-1] == pytest.approx(log_x, abs=1e-6)
    assert members(raw)[name][-1] == pytest.approx(raw_x, abs=1e-6)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_member_begins_with_its_published_candle(name: str, logs: Bars) -> None:
    """Not one earlier, with too little behind it; not one later; and then without a hole."""
    known = np.isfinite(members(logs)[name])
    assert int(np.argmax(known)) == FIRST[name]
    assert known[FIRST[name] :].all()


@pytest.mark.parametrize("name", GOLDEN)
def test_a_member_has_its_published_score(name: str, logs: Bars) -> None:
    """Its s agrees to 1e-6, and so do the counts L and n that it is made of."""
    _, _, score, below, size = GOLDEN[name]
    ranks = TrailingRanks(1, 1_000, RankKind.SIZES, 250, 50)
    found = ranks.push(members(logs)[name][np.newaxis].copy())[0, -1]
    assert found == pytest.approx(score, abs=1e-6)
    assert ranks.compared[0] == size
    assert abs(found - 50.0) / 50.0 * size == pytest.approx(below, abs=1e-9)


def test_a_shown_channel_of_20_has_its_published_score(raw: Bars, logs: Bars) -> None:
    """Donchian 20 is shown, not scored; its figures are published too."""
    for bars, value in ((raw, 0.806994), (logs, 0.807780)):
        x = donchian_of(bars.high, bars.low, bars.close, 20)
        assert x[-1] == pytest.approx(value, abs=1e-6)
    ranks = TrailingRanks(1, 1_000, RankKind.SIZES, 250, 50)
    assert ranks.push(x[np.newaxis])[0, -1] == pytest.approx(90.258621, abs=1e-6)
    assert ranks.compared[0] == 580


def test_the_basics_have_their_published_values(raw: Bars, logs: Bars) -> None:
    """ATR, ADX, DI, MACD and EMA on raw and log prices; sigma, and the profile's levels."""
    for bars, expected, tolerance in (
        (raw, (180.401182, 15.752827, 23.934790, 17.828781, 108.003598, 83.946028), 1e-6),
        (logs, (0.001649767, 15.706678, 23.920106, 17.855841, 0.000987786, 0.000767808), 1e-6),
    ):
        plus, minus, strength = adx_of(bars.high, bars.low, bars.close)
        line, signal = macd_of(bars.close)
        unit = atr_of(bars.high, bars.low, bars.close)
        found = (unit[-1], strength[-1], plus[-1], minus[-1], line[-1], signal[-1])
        assert found == pytest.approx(expected, abs=tolerance)
    assert unit[-1] == pytest.approx(0.001649767, abs=1e-9)
    for bars, period, average in (
        (raw, 20, 109450.910254),
        (raw, 50, 109386.799051),
        (logs, 20, 11.603229200),
        (logs, 50, 11.602640933),
    ):
        assert run(ema, bars.close, period, ema_state())[0][-1] == pytest.approx(average, abs=1e-6)
    before, _ = run(ewm_volatility, logs.close, 50, 100.0, ewm_volatility_state(), outputs=2)
    assert before[-1] == pytest.approx(0.001235574, abs=1e-9)
    levels = profile_of(logs.high, logs.low, logs.close, logs.volume, 100)
    shown = [float(np.exp(level[-1])) for level in levels]
    assert shown == pytest.approx([109399.9076, 108944.7277, 109635.1359], abs=1e-4)
