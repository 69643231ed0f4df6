"""Volume: its table, and the published pool of recorded candles."""

from math import sqrt
from pathlib import Path

import pytest

from support.candles import market_of, read_candles
from virtuoso.components.base import pool_scores
from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.components.volume import Volume
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason
from virtuoso.domain.time import Timeframe
from virtuoso.market.candles import bars_of


def test_the_spread_of_the_pool_is_the_published_one() -> None:
    """S2 and D of section 3 follow from the weights and rho, on four timeframes and on one."""
    assert Volume.name is ComponentName.VOLUME
    for timeframes, squares, spread in ((4, 0.0625, 0.429389), (1, 0.25, 0.589491)):
        found = sum(member.weight**2 for member in Volume.table) / timeframes
        assert found == pytest.approx(squares, abs=1e-6)
        assert sqrt(found + Volume.rho * (1.0 - found)) == pytest.approx(spread, abs=1e-6)


@pytest.mark.recorded
def test_the_five_minute_members_pool_to_the_published_score(recordings: Path) -> None:
    """600 recorded candles: Y, and the score, to 1e-6."""
    path = recordings / "candles/bybit_linear_5m/BTCUSDT-5m.csv.gz"
    candles = read_candles(path, Timeframe.M5, 600)
    market = market_of({Timeframe.M5: candles})
    component = Volume(CandleSettings(timeframes={Timeframe.M5: 1.0}))
    component.close(Timeframe.M5, bars_of(candles))
    result = component.score(candles[-1].close_time, market)
    assert isinstance(result, ComponentScore)
    assert result.pooled == pytest.approx(-0.035254, abs=1e-6)
    assert result.score == pytest.approx(47.615561, abs=1e-6)


@pytest.mark.recorded
def test_one_timeframe_of_four_is_too_little_to_speak(recordings: Path) -> None:
    """A quarter of the weight: absent, with the members that are there."""
    path = recordings / "candles/bybit_linear_5m/BTCUSDT-5m.csv.gz"
    candles = read_candles(path, Timeframe.M5, 600)
    component = Volume()
    component.close(Timeframe.M5, bars_of(candles))
    market = market_of({Timeframe.M5: candles})
    result = component.score(candles[-1].close_time, market)
    assert isinstance(result, Absent)
    assert result.reason is Reason.NO_FEED
    assert result.completeness == pytest.approx(0.25)
    alone = tuple(member for member in result.members if member.score is not None)
    pooled = pool_scores(Volume.name, Volume.rho, alone, late_ms=0, freshness=1.0)
    assert isinstance(pooled, ComponentScore)
    assert pooled.score == pytest.approx(47.615561, abs=1e-6)
