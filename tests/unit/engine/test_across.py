"""What is computed across markets follows their candles, however they come."""

import numpy as np
import pytest

from support.candles import random_candles
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.engine.across import MATRIX_MOST, REFRESH_MS, Across
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.market.candles import Candles

NAMES = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT"]
MARKETS = [Instrument(BYBIT, Symbol(name)) for name in NAMES]


def histories(count: int) -> dict[Instrument, Candles]:
    """The first candles of five minutes and of half an hour."""
    found = {}
    for seed, market in enumerate(MARKETS):
        candles = Candles()
        for timeframe in (Timeframe.M5, Timeframe.M30):
            candles.replace(timeframe, random_candles(seed, 700, timeframe)[:count])
        found[market] = candles
    return found


def refreshed(across: Across, candles: dict[Instrument, Candles]) -> Across:
    """Take everything and compute."""
    for market, each in candles.items():
        across.take(market, each)
    for _ in across.refresh(Millis(REFRESH_MS)):
        pass
    return across


def test_candles_one_by_one_say_what_a_history_says() -> None:
    """Closing live and loading at once end in the same numbers."""
    whole = histories(700)
    slow = Across()
    growing = histories(690)
    refreshed(slow, growing)
    for number in range(690, 700):
        for market, candles in growing.items():
            for timeframe in (Timeframe.M5, Timeframe.M30):
                candles[timeframe].append(whole[market][timeframe].closed[number])
        refreshed(slow, growing)
    at_once = refreshed(Across(), whole).view
    assert slow.view.state == at_once.state
    assert slow.view.betas == at_once.betas
    assert at_once.state.volatility is not None
    assert at_once.betas[MARKETS[0]] is Reason.NOT_APPLICABLE
    assert all(isinstance(at_once.betas[each], Beta) for each in MARKETS[1:])
    assert at_once.bitcoin == MARKETS[0]
    assert at_once.betas_as_of == whole[MARKETS[0]][Timeframe.M5].last_close


def test_nothing_is_known_before_the_first_candle() -> None:
    """Absent with its reason, never a zero."""
    view = Across().view
    assert view.state.reason is Reason.NO_FEED
    assert view.state.volatility is None
    assert view.betas == {}


def test_it_is_computed_at_most_every_ten_seconds() -> None:
    """Between two of them the closes are only collected."""
    across = Across()
    for market, candles in histories(300).items():
        across.take(market, candles)
    assert list(across.refresh(Millis(REFRESH_MS + 1_000))) == []
    assert across.view.betas == {}
    assert list(across.refresh(Millis(2 * REFRESH_MS)))
    assert across.view.betas


def test_a_market_that_left_is_in_nothing() -> None:
    """It is neither in the betas nor in the index."""
    across = refreshed(Across(), histories(400))
    across.keep(MARKETS[:5])
    for _ in across.refresh(Millis(2 * REFRESH_MS)):
        pass
    assert set(across.view.betas) == set(MARKETS[:5])
    assert np.isfinite(across.view.state.volatility or np.nan)


def test_without_bitcoin_there_is_no_beta() -> None:
    """The reason is said for every market."""
    candles = histories(400)
    del candles[MARKETS[0]]
    view = refreshed(Across(), candles).view
    assert set(view.betas.values()) == {Reason.NO_FEED}
    assert view.bitcoin is None


def test_what_no_candle_confirms_any_more_is_not_live() -> None:
    """Live until the next close is due and computed, then delayed, then stale."""
    assert Across().view.betas_state_at(Millis(0)) is State.ABSENT
    view = refreshed(Across(), histories(400)).view
    assert view.betas_as_of is not None
    assert view.state_as_of is not None
    due = view.betas_as_of + Timeframe.M5.ms + REFRESH_MS
    assert view.betas_state_at(Millis(due)) is State.LIVE
    assert view.betas_state_at(Millis(due + 6_000)) is State.DELAYED
    assert view.betas_state_at(Millis(due + 61_000)) is State.STALE
    later = view.state_as_of + Timeframe.M30.ms + REFRESH_MS
    assert view.state_at(Millis(later)) is State.LIVE
    assert view.state_at(Millis(later + 61_000)) is State.STALE


def test_the_matrix_holds_the_first_of_the_board_in_its_order() -> None:
    """Of more markets than it may hold, the most traded; each with n beside it."""
    candles = histories(400)
    across = Across()
    for market, each in candles.items():
        across.take(market, each)
    assert Across().view.matrix is None
    board = [MARKETS[3], MARKETS[0], MARKETS[5]]
    for _ in across.refresh(Millis(REFRESH_MS), board):
        pass
    matrix = across.view.matrix
    assert matrix is not None
    assert matrix.instruments == tuple(board)
    assert matrix.monitored == len(MARKETS)
    assert matrix.cells.samples.tolist() == [[399.0] * 3] * 3
    assert np.allclose(np.diag(matrix.cells.correlation), 1.0)
    beta = across.view.betas[MARKETS[3]]
    assert isinstance(beta, Beta)
    assert matrix.cells.correlation[0, 1] == pytest.approx(beta.correlation, abs=1e-12)


def test_the_matrix_is_bounded() -> None:
    """Whatever the number of markets, its work and its document stay small."""
    across, candles = Across(), Candles()
    candles.replace(Timeframe.M5, random_candles(1, 300, Timeframe.M5))
    many = [Instrument(BYBIT, Symbol(f"S{n}USDT")) for n in range(MATRIX_MOST + 20)]
    for each in many:
        across.take(each, candles)
    for _ in across.refresh(Millis(REFRESH_MS)):
        pass
    matrix = across.view.matrix
    assert matrix is not None
    assert matrix.instruments == tuple(many[:MATRIX_MOST])
    assert matrix.monitored == MATRIX_MOST + 20
