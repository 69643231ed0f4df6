"""Keys, and the table of them in the documentation."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from virtuoso import wire
from virtuoso.apps.settings import CacheSettings
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.wire import keys

DOCUMENT = Path(__file__).parents[3] / "docs" / "cache.md"
MODULES = [import_module(f"virtuoso.wire.{each.name}") for each in iter_modules(wire.__path__)]
BTC = Symbol("BTCUSDT")
CHANNELS = {"LOOKED", "PUSH"} | {
    f"{subject}_{way}" for subject in ("ALERT", "CONFIG", "MONITOR") for way in ("ASK", "ANSWER")
}
NO_CACHE = {*CHANNELS, "MARK", "LEASE", "LAST_GOOD", "PROCESS"}
"""Channels, the keys of other ports than the cache, and how a key begins."""


def test_the_documentation_lists_every_key_as_it_is() -> None:
    """docs/cache.md and wire/keys.py cannot disagree: thing, key, message and both lives."""
    found = re.findall(
        r"^\| `(\w+)` \| `(virtuoso:\S+)` \| `(\w+)` \| (\d+) \| (\d+) \|$",
        DOCUMENT.read_text("utf-8"),
        re.MULTILINE,
    )
    assert found == [
        (
            kind.thing,
            kind.pattern,
            kind.message,
            str(kind.life_ms // 1_000),
            str(kind.near_ms // 1_000),
        )
        for kind in keys.KINDS
    ]


def test_every_key_of_the_module_is_one_of_the_table() -> None:
    """Constants and functions alike, and each names a message that exists."""
    constants = {
        value
        for name, value in vars(keys).items()
        if name.isupper() and isinstance(value, str) and name not in NO_CACHE
    }
    made = {
        keys.symbol_detail(BTC): "symbol",
        keys.candles(BTC, Timeframe.M5): "candles",
        keys.score_history(BTC): "scores",
        keys.order_book(BTC): "orderbook",
        keys.trades(BTC): "trades",
        keys.liquidations(BTC): "liquidations",
        keys.derivatives(BTC): "derivatives",
        keys.process(7): "process",
    }
    whole = {kind.pattern for kind in keys.KINDS if "{" not in kind.pattern}
    assert constants == whole
    assert {key: keys.kind_of(key).thing for key in made} == made
    for kind in keys.KINDS:
        filled = kind.pattern.format(symbol=BTC, timeframe=Timeframe.M5, slot=7)
        assert keys.kind_of(filled) is kind
        assert any(hasattr(each, kind.message) for each in MODULES)


@pytest.mark.parametrize("key", ["", "key", "virtuoso", "virtuoso:no:v1", "virtuoso::", "a:b:c"])
def test_a_key_of_nobodys_is_other(key: str) -> None:
    """Counters stay bounded, whatever is asked for."""
    assert keys.kind_of(key) is keys.OTHER


def test_lives_change_in_proportion_to_the_base() -> None:
    """The owner's figures at thirty seconds; nothing a reader keeps outlives the tier below."""
    assert keys.life_ms(keys.SYMBOLS) == 30_000
    assert keys.life_ms(keys.BITCOIN_BETA) == 60_000
    assert keys.life_ms(keys.BITCOIN_BETA, 10_000) == 20_000
    assert all(kind.near_ms <= kind.life_ms for kind in keys.KINDS)
    assert all(30_000 <= kind.life_ms <= 90_000 for kind in keys.KINDS)


def test_the_documentation_lists_every_setting() -> None:
    """Each key of [cache] has its line in docs/cache.md."""
    text = DOCUMENT.read_text("utf-8")
    fields = CacheSettings.__struct_fields__
    assert [name for name in fields if f"`cache.{name}`" not in text] == []
