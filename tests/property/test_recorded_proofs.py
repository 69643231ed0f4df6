"""The laws of the score on real markets, in small; `make proofs` examines all of them in full."""

from pathlib import Path

import pytest

from proofs import examination
from proofs.candle_laws import candle_by_candle, spreads
from proofs.candle_sets import RecordedMarket
from proofs.examination import BANDS, Depth, Examination, examine

pytestmark = pytest.mark.recorded

SHALLOW = Depth(cuts=20, truncated=800, candles=2_000, noted=300, noted_every=49, turned=1_600)

SOME = ("BTCUSDT-5m", "XRPUSDT-1m-from-2025-05-25", "CHZUSDT-1h", "1000BONKUSDT-4h")
"""Both venues, four lengths of candle, a major coin and small ones."""

LONG = ("AXSUSDT-4h", "KASUSDT-1h")
"""Many months in few candles: shares need them."""


@pytest.fixture(scope="module")
def markets(recordings: Path) -> dict[str, RecordedMarket]:
    """Give recorded markets by the names of their files."""
    return {
        market.path.name.removesuffix(".csv.gz"): market
        for market in examination.markets(recordings)
        if market.candle_set.folder != "bybit_linear_5m_older"
    }


@pytest.fixture(scope="module")
def examined(markets: dict[str, RecordedMarket]) -> list[Examination]:
    """Put the first candles of four markets before every law."""
    return [examine(markets[name], SHALLOW) for name in SOME]


@pytest.mark.parametrize("law", examination.LAWS)
def test_every_member_obeys_on_real_candles(law: str, examined: list[Examination]) -> None:
    """No look-ahead, incremental = batch, mirror, scale, none missing, none constant: not one."""
    for each in examined:
        assert sum(finding.compared for finding in each.findings[law]) > 0, each.name
        for finding in each.findings[law]:
            assert finding.wrong == 0, f"{each.name}: {finding}"


@pytest.mark.parametrize("name", LONG)
def test_scores_on_real_candles_spread_as_intended(
    name: str, markets: dict[str, RecordedMarket]
) -> None:
    """As many above 80 and below 20 as the band of docs/scoring.md allows, whatever is scored."""
    market = markets[name]
    found = spreads(candle_by_candle(market.first(None), market.candle_set.settings))
    assert found.keys() == BANDS.keys()
    for scored, spread in found.items():
        assert spread.count > 4_000
        assert not BANDS[scored].misses(spread), f"{scored}: {spread}"


def test_every_recorded_market_is_in_one_set(recordings: Path) -> None:
    """A folder of candles that no set names would never be examined."""
    named = {each.path for each in examination.markets(recordings)}
    kept = {
        path
        for path in (recordings / "candles").glob("*/*.csv.gz")
        if not path.name.endswith(("-mark.csv.gz", "-funding.csv.gz", "-oi_4h.csv.gz"))
    }
    assert named == kept
    assert len(named) == len(list(examination.markets(recordings)))
