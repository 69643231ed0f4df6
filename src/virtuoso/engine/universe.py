"""Which instruments are watched: the most traded and the pinned, without flapping at the edge."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from virtuoso.domain.instruments import Instrument, Listing

STAY_FACTOR = 1.2
"""One that is watched stays until its rank is below the size of the universe times this."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings say."""

    size: int
    pinned: Sequence[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What came of it."""

    listings: tuple[Listing, ...]
    """Most traded first, the pinned ones after the ranked."""
    unknown: tuple[str, ...]
    """Pinned symbols that the venue does not list."""


def choose(
    listed: Iterable[Listing], wanted: Wanted, watched: Collection[Instrument] = ()
) -> Choice:
    """Choose from a catalogue, given what is watched already."""
    ranked = sorted(listed, key=lambda each: (-(each.turnover_24h or 0.0), each.instrument))
    stays = ceil(wanted.size * STAY_FACTOR)
    kept = set(watched)
    chosen = [
        each
        for rank, each in enumerate(ranked, start=1)
        if rank <= wanted.size or (rank <= stays and each.instrument in kept)
    ]
    known = {str(each.instrument.symbol): each for each in ranked}
    there = {each.instrument for each in chosen}
    for symbol in wanted.pinned:
        pinned = known.get(symbol)
        if pinned is not None and pinned.instrument not in there:
            chosen.append(pinned)
            there.add(pinned.instrument)
    unknown = tuple(each for each in wanted.pinned if each not in known)
    return Choice(tuple(chosen), unknown)


def partners(
    listed: Iterable[Listing], coins: Collection[tuple[str, str]], usual: Wanted
) -> Choice:
    """Choose those that trade the coins of another venue's universe; all else is not needed.

    coins: (coin, quote) pairs. Of several contracts on one coin the most traded is taken.
    """
    best: dict[tuple[str, str], Listing] = {}
    for each in sorted(listed, key=lambda one: (-(one.turnover_24h or 0.0), one.instrument)):
        best.setdefault(coin_of(each), each)
    if not coins:
        return replace(choose(best.values(), usual), unknown=())
    return Choice(tuple(each for coin, each in best.items() if coin in coins), ())


def coin_of(listing: Listing) -> tuple[str, str]:
    """Name what a contract is on: its coin, whatever the number of them, and its quote."""
    return listing.coin or listing.base, listing.quote


def same_facts(one: Sequence[Listing], other: Sequence[Listing]) -> bool:
    """Whether two choices are of the same instruments with the same facts; turnover is none."""

    def facts(listings: Sequence[Listing]) -> set[Listing]:
        return {replace(each, turnover_24h=None) for each in listings}

    return len(one) == len(other) and facts(one) == facts(other)
