"""What must be read anew when something was written: the root and its dependents, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.wire import keys
from virtuoso.wire.dependencies import DEPENDENTS, dependents, stale_after

BTC, ETH = Symbol("BTCUSDT"), Symbol("ETHUSDT")


@pytest.mark.parametrize(
    ("event", "least"),
    [
        ("market_data", {"confluence_scores", "dashboard"}),
        ("confluence_scores", {"ui", "board", "dashboard", "mobile"}),
        ("alerts", {"dashboard", "mobile"}),
    ],
)
def test_the_owners_events_reach_what_the_owner_names(event: str, least: set[str]) -> None:
    """Directly or over others. contract: K10."""
    assert least <= dependents(event)


def test_alerts_reach_nothing_else() -> None:
    """An alert changes no score and no candle."""
    assert dependents("alerts") == {"dashboard", "mobile"}


@given(st.sampled_from(sorted(DEPENDENTS)))
def test_nothing_depends_on_itself(root: str) -> None:
    """The graph has no circle."""
    assert root not in dependents(root)


@given(st.sampled_from(sorted(DEPENDENTS)))
def test_dependents_of_dependents_are_dependents(root: str) -> None:
    """What follows is closed."""
    for each in dependents(root):
        assert dependents(each) <= dependents(root)


def test_a_symbols_candles_take_its_detail_with_them_and_no_other_symbols() -> None:
    """Exactly the root and its dependents go."""
    key = keys.candles(BTC, Timeframe.M5)
    assert stale_after([key]) == {key, keys.symbol_detail(BTC)}
    assert keys.symbol_detail(ETH) not in stale_after([key])


def test_the_symbols_document_takes_what_is_made_of_it() -> None:
    """Dashboard and phone are made from the records of the symbols."""
    assert stale_after([keys.SYMBOLS]) == {keys.SYMBOLS, keys.DASHBOARD, keys.MOBILE}


def test_a_key_of_nobodys_takes_nothing_with_it() -> None:
    """Only itself."""
    assert stale_after(["something:else"]) == {"something:else"}
    assert stale_after([keys.process(3)]) == {keys.process(3)}
