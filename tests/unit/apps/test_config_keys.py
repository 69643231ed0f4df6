"""What may be changed over the API: a law over every key, and limits that only tighten."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.apps.config_keys import (
    EDITABLE,
    NEVER,
    descriptions,
    flattened,
    is_editable,
    leaves,
    loosened,
    nested,
)
from virtuoso.apps.settings import builtins_of
from virtuoso.apps.settings_sources import default_settings

KEYS = tuple(leaf.key for leaf in leaves())
FORBIDDEN = ("token", "secret", "password", "key", "host", "port", "url", "rest", "dir", "socket")
WORDS = st.sampled_from(
    [*sorted(NEVER), "scoring", "weights", "symbols", "universe", "size", "*", "", "__class__"]
)


def test_every_setting_of_the_tree_is_listed_once() -> None:
    """Nothing is left out of the document, nothing invented."""
    tree = flattened(builtins_of(default_settings()))
    assert sorted(KEYS) == sorted(tree)
    assert len(set(KEYS)) == len(KEYS)


def test_no_key_of_credentials_addresses_or_paths_can_be_edited() -> None:
    """Promise S4, over all settings there are."""
    editable = [key for key in KEYS if is_editable(key)]
    assert editable
    for key in editable:
        assert key.partition(".")[0] not in NEVER
        assert not any(word == part for word in FORBIDDEN for part in key.split("."))


@given(st.lists(st.one_of(WORDS, st.text(max_size=8)), min_size=1, max_size=4))
def test_whatever_a_key_is_spelled_like_nothing_but_the_listed_ones_is_editable(
    words: list[str],
) -> None:
    """The law behind the list: a section that is closed stays closed, at any depth."""
    key = ".".join(words)
    if is_editable(key):
        assert words[0] not in NEVER
        table, _, last = key.rpartition(".")
        assert key in EDITABLE or (f"{table}.*" in EDITABLE and last)


def test_every_editable_setting_says_what_it_is() -> None:
    """The form has a sentence for each."""
    said = descriptions()
    missing = [
        key
        for key in KEYS
        if is_editable(key) and not (said.get(key) or said.get(key.rpartition(".")[0]))
    ]
    assert missing == []


NAMES = st.sampled_from(["risk.exposure", "risk.stop", "other"])
NUMBERS = st.dictionaries(NAMES, st.floats(0, 100, allow_nan=False))
LIMITS: dict[str, Any] = {"risk.exposure": "lower", "risk.stop": "higher"}


@given(NUMBERS, NUMBERS)
def test_a_limit_of_risk_only_ever_gets_tighter(
    before: dict[str, float], after: dict[str, float]
) -> None:
    """Promise S5: what is let through is nowhere looser, and no limit is gone."""
    if loosened(before, after, LIMITS):
        return
    if "risk.exposure" in before:
        assert after["risk.exposure"] <= before["risk.exposure"]
    if "risk.stop" in before:
        assert after["risk.stop"] >= before["risk.stop"]


def test_each_way_of_loosening_is_named() -> None:
    """Higher, lower, gone."""
    before = {"risk.exposure": 10.0, "risk.stop": 2.0}
    assert loosened(before, {"risk.exposure": 11.0, "risk.stop": 2.0}, LIMITS) == ("risk.exposure",)
    assert loosened(before, {"risk.exposure": 9.0, "risk.stop": 1.0}, LIMITS) == ("risk.stop",)
    assert loosened(before, {"risk.stop": 2.0}, LIMITS) == ("risk.exposure",)


@given(
    st.dictionaries(
        st.sampled_from([key for key in KEYS if key.count(".") < 3]), st.integers(), max_size=8
    )
)
def test_a_tree_and_its_keys_are_the_same(values: dict[str, int]) -> None:
    """Round trip of what a version holds."""
    assert flattened(nested(values)) == values
