"""Correlations of the sub-scores: right against a reference, and low enough across components."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from support.candles import random_candles, read_candles
from support.processes import command
from virtuoso.domain.time import Timeframe
from virtuoso.market.candles import bars_of
from virtuoso.research.correlations import (
    LIMIT,
    as_markdown,
    correlations,
    mean_ranks,
    rank_correlations,
)


def test_ties_share_the_mean_of_their_places() -> None:
    """Two equal values at places 2 and 3 both rank 2.5."""
    assert mean_ranks(np.array([10.0, 20.0, 20.0, 30.0])).tolist() == [1.0, 2.5, 2.5, 4.0]


def test_ranks_do_not_mind_a_monotone_change() -> None:
    """What only stretches a value leaves its correlations alone."""
    draw = np.random.default_rng(1)
    a = draw.normal(size=400)
    b = a + draw.normal(size=400)
    plain = rank_correlations(np.array([a, b]))
    stretched = rank_correlations(np.array([np.exp(a), b**3]))
    assert np.allclose(plain, stretched, atol=1e-12)
    assert 0.6 < plain[0, 1] < 0.8


def test_every_member_is_in_the_matrix_once() -> None:
    """Seventeen members, one on the diagonal, none constant."""
    found = correlations(bars_of(random_candles(3, 1_500)))
    assert len(set(found.members)) == len(found.members) == 17
    assert np.allclose(np.diag(found.matrix), 1.0)
    assert np.isfinite(found.matrix).all()
    strongest = [abs(value) for *_, value in found.strangest(10)]
    assert all(a >= b for a, b in pairwise(strongest))
    assert as_markdown(found).count("\n") == 18


@pytest.mark.recorded
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT"])
def test_no_two_components_say_the_same_on_real_candles(recordings: Path, symbol: str) -> None:
    """Rank correlation across components stays under the limit of section 3.7."""
    path = recordings / "candles" / "bybit_linear_5m" / f"{symbol}-5m.csv.gz"
    found = correlations(bars_of(read_candles(path, Timeframe.M5, 12_000)))
    assert found.candles > 5_000
    assert abs(found.strangest(1)[0][2]) <= LIMIT


@pytest.mark.process
@pytest.mark.recorded
def test_the_command_prints_the_table(recordings: Path, tmp_path: Path) -> None:
    """`virtuoso research correlations` answers with the matrix, or with what was wrong."""
    folder = str(recordings / "candles" / "bybit_linear_5m")
    arguments = ["research", "correlations", "--candles", folder, "--symbol"]
    done = command(*arguments, "BTCUSDT", "--timeframe", "4h", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "`donchian100`" in done.stdout
    refused = command(*arguments, "NOSUCHUSDT", "--timeframe", "4h", folder=tmp_path)
    assert refused.returncode == 78
    assert "NOSUCHUSDT" in refused.stderr
