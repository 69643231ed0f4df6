"""Statistics of signals: every rate with its denominator, every interval against another one."""

import numpy as np
import pytest

from virtuoso.domain.fees import TakerFee
from virtuoso.domain.scores import Direction, Reason
from virtuoso.domain.signals import Outcome, SignalResult, SignalState
from virtuoso.domain.time import DAY, HOUR, Millis
from virtuoso.signals.record import ALL, Standing, draws, mean, rate, record, wilson

START = 20_000 * DAY


def result(
    day: int,
    *,
    hit: bool = True,
    symbol: str = "BTCUSDT",
    direction: Direction = Direction.BULLISH,
    outcome: Outcome | None = Outcome.EXPIRED,
    r: float | None = 0.5,
    has_stop: bool = True,
    venue: str = "bybit",
) -> SignalResult:
    """A signal that was opened on this day and ended."""
    state = SignalState.ACTIVE if outcome is None else SignalState.CLOSED
    return SignalResult(
        symbol, direction, 4 * HOUR, Millis(START + day * DAY), state, "method", "abcdef012345",
        outcome, r, int(hit), 0.004, -0.002, has_stop, venue, 0.004,
    )  # fmt: skip


def test_a_cell_counts_everything_and_says_of_how_many() -> None:
    """What is open, lost or without a stop is counted apart and is in no rate."""
    results = [result(day, hit=day % 3 == 0) for day in range(36)]
    results += [result(1, outcome=None, r=None)] * 2
    results += [result(2, outcome=Outcome.LOST_DATA, r=None, hit=False)] * 3
    results += [result(3, has_stop=False, r=None, hit=False)] * 4
    everything, bitcoin = record(results)
    assert (everything.symbol, bitcoin.symbol) == (ALL, "BTCUSDT")
    assert (bitcoin.n, bitcoin.open, bitcoin.lost, bitcoin.without_stop) == (43, 2, 3, 4)
    assert (bitcoin.first_target.hits, bitcoin.first_target.n) == (12, 36)
    assert bitcoin.first_target.value == pytest.approx(1 / 3)
    assert bitcoin.outcomes == {Outcome.EXPIRED: 40, Outcome.LOST_DATA: 3}
    assert bitcoin.mean_r.n == 36
    assert bitcoin.standing is Standing.EARLY


def test_up_and_down_and_symbols_are_counted_apart_and_together() -> None:
    """A cell for each, and one over all symbols."""
    results = [
        result(0, symbol=symbol, direction=direction)
        for symbol in ("BTCUSDT", "ETHUSDT")
        for direction in (Direction.BULLISH, Direction.BEARISH)
    ]
    cells = {(each.symbol, each.direction): each.n for each in record(results)}
    assert cells[ALL, Direction.BEARISH] == 2
    assert cells["ETHUSDT", Direction.BULLISH] == 1
    assert len(cells) == 6


@pytest.mark.parametrize(("n", "days"), [(29, 29), (40, 9), (1, 1)])
def test_too_few_signals_or_days_are_counts_and_nothing_else(n: int, days: int) -> None:
    """No rate, no mean, no median: null with `too_few` and n."""
    (_, cell) = record([result(number % days) for number in range(n)])
    assert cell.standing is Standing.TOO_FEW
    assert (cell.first_target.value, cell.first_target.low) == (None, None)
    assert cell.first_target.reason is Reason.TOO_FEW
    assert (cell.first_target.hits, cell.first_target.n) == (n, n)
    assert (cell.mean_r.value, cell.mean_r.reason, cell.mean_r.n) == (None, Reason.TOO_FEW, n)
    assert cell.median_r is None


def test_enough_signals_over_enough_days_are_called_measured() -> None:
    """300 effective ones on 30 days."""
    results = [result(day, hit=number % 2 == 0) for day in range(30) for number in range(10)]
    assert record(results)[0].standing is Standing.MEASURED
    assert record(results[10:])[0].standing is Standing.EARLY


def test_signals_that_end_alike_on_a_day_count_as_fewer() -> None:
    """Ten that share one fate are one observation."""
    alike = [(day % 2 == 0, day) for day in range(40) for _ in range(10)]
    apart = [(number % 2 == 0, day) for day in range(40) for number in range(10)]
    together = rate(alike)
    assert together.n_eff == pytest.approx(40.0)
    assert rate(apart).n_eff == pytest.approx(400.0)
    assert together.low is not None
    assert rate(apart).low is not None
    assert together.low < (rate(apart).low or 0.0)


def test_wilson_agrees_with_the_published_example() -> None:
    """81 of 263: .2553 to .3662 (Newcombe, Statistics in Medicine 17, 1998, table I, method 3)."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_interval_of_a_mean_is_that_of_drawing_whole_days() -> None:
    """Against NumPy's own generator; and it is the same each time."""
    rng = np.random.default_rng(7)
    days = [day for day in range(60) for _ in range(4)]
    shocks = rng.normal(0.1, 1.0, 60)
    values = [float(shocks[day] + rng.normal(0.0, 0.2)) for day in days]
    found = mean(values, days)
    by_day = np.array(values).reshape(60, 4)
    picks = rng.integers(0, 60, (20_000, 60))
    low, high = np.percentile(by_day[picks].mean(axis=(1, 2)), (2.5, 97.5))
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    assert mean(values, days) == found


def test_the_draws_are_even_and_fixed() -> None:
    """SplitMix64 from a fixed seed: its first words are the published algorithm's."""
    drawn = draws(1_000, 50)
    assert drawn.min() == 0
    assert drawn.max() == 49
    counts = np.bincount(drawn.ravel(), minlength=50)
    assert np.sum((counts - 1_000.0) ** 2 / 1_000.0) < 86.0  # chi square, 49, one in a thousand
    state = (20_240_101 + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    assert drawn[0, 0] == (state ^ (state >> 31)) % 50


def test_the_mean_after_fees_counts_only_those_whose_fee_is_known() -> None:
    """Its own n; where no fee is known there is no number, and the reason."""
    fees = {"bybit": TakerFee(0.055, "as a test says")}
    results = [result(day % 40, venue="bybit" if day % 2 else "kraken") for day in range(80)]
    (_, cell) = record(results, fees)
    assert cell.mean_r.n == 80
    assert cell.mean_r.value == pytest.approx(0.5)
    paid = 2 * 0.00055 / (1.5 * 0.004)
    assert cell.mean_r_after_fees.n == 40
    assert cell.mean_r_after_fees.value == pytest.approx(0.5 - paid, abs=1e-6)
    (_, unknown) = record(results)
    found = unknown.mean_r_after_fees
    assert (found.n, found.value, found.reason) == (0, None, Reason.NO_FEED)
