"""The past: long enough, without a hole, and the same on every timeframe."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from virtuoso.simulator.candles import (
    CLOSE,
    HIGH,
    KEPT,
    LOW,
    MINUTE,
    OPEN,
    TURNOVER,
    VOLUME,
    Candles,
    merged,
)
from virtuoso.simulator.changes import Change
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.market import Market

Lived = tuple[Market, list[Change]]


def _all(market: Market) -> tuple[Candles, Candles, Candles]:
    return market.trades, market.mark, market.index


_NAMES = {MINUTE: "1", KEPT[1]: "5", KEPT[2]: "30", KEPT[3]: "240"}


def _whole(candles: Candles, length: int) -> tuple[Integers, Integers]:
    """Return every closed candle of one length: shapes (n,) and (n, symbols, 6)."""
    pages = [
        candles.page(symbol, _NAMES[length], None, candles.minute - length, 4_000)
        for symbol in range(len(candles.forming))
    ]
    return pages[0][0], np.stack([rows for _, rows in pages], axis=1)


def test_there_are_a_thousand_closed_candles_on_each_timeframe(lived: Lived) -> None:
    """One REST request of 1,000 candles is answered in full, of trades, mark and index."""
    for candles in _all(lived[0]):
        for length in KEPT:
            assert len(_whole(candles, length)[0]) >= 1_000


def test_candles_follow_each_other_without_a_hole(lived: Lived) -> None:
    """Each opens where and when the one before closed, as on the venue, up to the live minute."""
    for candles in _all(lived[0]):
        for length in KEPT:
            starts, rows = _whole(candles, length)
            assert np.all(np.diff(starts) == length)
            assert np.array_equal(rows[1:, :, OPEN], rows[:-1, :, CLOSE])
        assert candles.series(MINUTE).starts[-1] + MINUTE == candles.minute


def test_no_candle_is_impossible(lived: Lived) -> None:
    """Low <= open, close <= high; turnover is volume at prices between low and high."""
    for length in KEPT:
        _, rows = _whole(lived[0].trades, length)
        low, high, volume = rows[..., LOW], rows[..., HIGH], rows[..., VOLUME]
        for edge in (OPEN, CLOSE):
            assert np.all(low <= rows[..., edge])
            assert np.all(rows[..., edge] <= high)
        assert np.all(low > 0)
        assert np.all(volume >= 0)
        assert np.all(low * volume <= rows[..., TURNOVER])
        assert np.all(rows[..., TURNOVER] <= high * volume)


@pytest.mark.parametrize(("finer", "length"), list(pairwise(KEPT)))
def test_longer_candles_are_the_exact_sum_of_shorter_ones(
    lived: Lived, finer: int, length: int
) -> None:
    """Wherever both are kept, to the last digit."""
    for candles in _all(lived[0]):
        (starts, rows), (long_starts, long) = _whole(candles, finer), _whole(candles, length)
        first = max(-(-starts[0] // length) * length, long_starts[0])
        last = long_starts[-1] + length
        rows = rows[(starts >= first) & (starts < last)]
        sums = merged(rows, np.arange(0, len(rows), length // finer))
        assert len(sums) > 100 or length == KEPT[-1]
        assert np.array_equal(sums, long[long_starts >= first])


def test_open_interest_accounts_and_funding_reach_back_far_enough(lived: Lived) -> None:
    """200 hours of open interest, 500 hours of account ratios, 200 settlements."""
    market = lived[0]
    for symbol in range(len(market.listings)):
        times, steps = market.derivatives.interest_rows(symbol)
        assert np.all(np.diff(times) == 5 * MINUTE)
        assert np.count_nonzero(times % (60 * MINUTE) == 0) >= 500
        assert np.all(steps > 0)
        times, shares = market.derivatives.account_rows(symbol)
        assert np.count_nonzero(times % (60 * MINUTE) == 0) >= 500
        assert np.all((shares > 0) & (shares < 10_000))
        settlements = market.derivatives.settlements(symbol)
        hours = market.listings[symbol].funding_hours
        assert len(settlements) >= 200
        assert {late - early for (early, _), (late, _) in pairwise(settlements)} == {
            hours * 60 * MINUTE
        }


def test_the_market_moves_together_and_each_symbol_in_its_own_way(
    new_market: Callable[..., Market],
) -> None:
    """Returns correlate, none perfectly; wild and calm times come in clusters."""
    market = new_market(symbols=8)
    rows = market.trades.series(5 * MINUTE).rows
    returns = np.diff(np.log(rows[..., CLOSE]), axis=0)
    correlation = np.corrcoef(returns.T)
    others = correlation[~np.eye(8, dtype=bool)]
    assert others.min() > 0.3
    assert others.max() < 0.97
    size = np.abs(returns)
    clustering = [np.corrcoef(size[1:, each], size[:-1, each])[0, 1] for each in range(8)]
    assert np.mean(clustering) > 0.1
    prices = rows[-1, :, CLOSE] * [listing.tick for listing in market.listings]
    usual = [listing.price for listing in market.listings]
    assert np.all(np.abs(np.log(prices / usual)) < 0.15)
