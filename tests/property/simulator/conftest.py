"""A small market that has lived for some minutes, shared by the tests that only look at it."""

from collections.abc import Callable

import numpy as np
import pytest

from virtuoso.simulator.changes import Change
from virtuoso.simulator.listings import LISTINGS
from virtuoso.simulator.market import Market

START = 1_763_700_000_000 + 58 * 60_000 + 20_000
"""2025-11-21 05:38:20 UTC, in the middle of a minute."""
SYMBOLS = 3
MINUTES = 4


def _new_market(seed: int = 7, symbols: int = SYMBOLS, start: int = START) -> Market:
    return Market(LISTINGS[:symbols], start, np.random.default_rng(seed))


@pytest.fixture(scope="session")
def new_market() -> Callable[..., Market]:
    """Return a function that makes a market from `seed`, `symbols` and `start`."""
    return _new_market


@pytest.fixture(scope="session")
def lived() -> tuple[Market, list[Change]]:
    """Return a market after some minutes of life, and everything it told its subscribers."""
    market = _new_market()
    changes = []
    while market.now_ms < START + MINUTES * 60_000:
        changes += market.step(market.now_ms + 100)
    return market, changes
