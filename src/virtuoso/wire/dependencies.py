"""What is derived from what: when the one is written anew, the other may not be kept any longer."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from virtuoso.domain.instruments import Symbol
from virtuoso.wire import keys

DEPENDENTS: Final[Mapping[str, frozenset[str]]] = {
    "market_data": frozenset(
        {"candles", "confluence_scores", "bitcoin_beta", "bitcoin_beta_matrix", "patterns"}
    ),
    "candles": frozenset({"symbol"}),
    "confluence_scores": frozenset({"symbol", "scores", "symbols", "symbols_plain", "ui"}),
    "bitcoin_beta": frozenset({"dashboard"}),
    "symbols": frozenset({"dashboard"}),
    "alerts": frozenset({"dashboard", "mobile"}),
    "dashboard": frozenset({"mobile"}),
    "ui": frozenset({"board", "dashboard", "mobile"}),
}
"""By `keys.KeyKind.thing`, and by the events that the owner names; one step each.

`market_data`, `confluence_scores`, `alerts`, `betas` and `ui` are events and groups: no key bears
their name.
"""

OF_THE_WHOLE: Final[Mapping[str, str]] = {
    kind.thing: kind.pattern for kind in keys.KINDS if "{" not in kind.pattern
}
"""Things that are there once."""


def dependents(root: str) -> frozenset[str]:
    """Everything that is derived from `root`, over all steps, without itself."""
    found: set[str] = set()
    left = [root]
    while left:
        for each in DEPENDENTS.get(left.pop(), frozenset()):
            if each not in found:
                found.add(each)
                left.append(each)
    return frozenset(found)


_ALL: Final = {kind.thing: dependents(kind.thing) for kind in keys.KINDS}


def stale_after(written: Iterable[str]) -> frozenset[str]:
    """Keys that may not be kept when these were written: they, and what is derived from them.

    What one symbol's documents bear on is that symbol's and the whole's, not another symbol's.
    """
    found: set[str] = set()
    for key in written:
        found.add(key)
        thing = keys.kind_of(key).thing
        symbol = _symbol_of(key, thing)
        found |= _keys_of(_ALL.get(thing, frozenset()), symbol)
    return frozenset(found)


def _keys_of(things: Collection[str], symbol: str) -> frozenset[str]:
    found = {OF_THE_WHOLE[each] for each in things if each in OF_THE_WHOLE}
    if symbol and "symbol" in things:
        found.add(keys.symbol_detail(Symbol(symbol)))
    if symbol and "scores" in things:
        found.add(keys.score_history(Symbol(symbol)))
    return frozenset(found)


def _symbol_of(key: str, thing: str) -> str:
    """The symbol in a key, or nothing."""
    words = key.split(":")
    return words[2] if len(words) > 3 and thing != "process" else ""
