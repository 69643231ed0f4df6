"""Which instruments are watched."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from support.markets import listing_of
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Listing, Symbol
from virtuoso.engine.universe import Wanted, choose, partners, same_facts


def listed(*turnovers: float | None) -> list[Listing]:
    """Make a catalogue: A0USDT with the first turnover, A1USDT with the second, ..."""
    return [
        listing_of(Instrument(BYBIT, Symbol(f"A{i}USDT")), turnover)
        for i, turnover in enumerate(turnovers)
    ]


def names(choice: tuple[Listing, ...]) -> list[str]:
    """Give the symbols."""
    return [str(each.instrument.symbol) for each in choice]


def test_the_most_traded_come_first_and_those_without_a_turnover_last() -> None:
    """Rank is by 24 h turnover."""
    assert names(choose(listed(5.0, None, 9.0, 7.0), Wanted(3, ())).listings) == [
        "A2USDT",
        "A3USDT",
        "A0USDT",
    ]


def test_one_that_is_watched_stays_until_it_is_well_below_the_edge() -> None:
    """It enters at rank N and leaves below 1.2 N, so that two neighbours do not flap."""
    catalogue = listed(*[100.0 - i for i in range(20)])
    watched = [each.instrument for each in catalogue[:10]]
    swapped = [
        replace(catalogue[9], turnover_24h=88.5),  # rank 12 from now on
        replace(catalogue[8], turnover_24h=87.5),  # rank 13
    ]
    now = [*catalogue[:8], *catalogue[10:], *swapped]
    chosen = names(choose(now, Wanted(10, ()), watched).listings)
    assert "A10USDT" in chosen
    assert "A9USDT" in chosen
    assert "A8USDT" not in chosen


def test_a_pinned_symbol_is_watched_whatever_its_rank() -> None:
    """One that the venue does not list is named."""
    choice = choose(listed(3.0, 2.0, 1.0), Wanted(1, ("A2USDT", "GONEUSDT")))
    assert names(choice.listings) == ["A0USDT", "A2USDT"]
    assert choice.unknown == ("GONEUSDT",)


@given(
    st.lists(st.floats(0, 1e9), min_size=1, max_size=60),
    st.integers(1, 50),
    st.sets(st.integers(0, 59)),
)
def test_the_universe_holds_the_top_and_never_much_more(
    turnovers: list[float], size: int, kept: set[int]
) -> None:
    """All of the top N are in; nobody below 1.2 N is; choosing again changes nothing."""
    catalogue = listed(*turnovers)
    watched = [each.instrument for i, each in enumerate(catalogue) if i in kept]
    chosen = choose(catalogue, Wanted(size, ()), watched).listings
    ranked = sorted(catalogue, key=lambda each: (-(each.turnover_24h or 0.0), each.instrument))
    assert set(ranked[:size]) <= set(chosen)
    assert len(chosen) <= -(-size * 12 // 10)
    again = choose(catalogue, Wanted(size, ()), [each.instrument for each in chosen]).listings
    assert again == chosen


def test_turnover_alone_is_no_news_but_a_new_tick_size_is() -> None:
    """The line is told of what changes a market, not of every ranking."""
    one = listed(3.0, 2.0)
    assert same_facts(one, [replace(each, turnover_24h=9.0) for each in reversed(one)])
    assert not same_facts(one, [replace(one[0], tick_size=0.5), one[1]])
    assert not same_facts(one, one[:1])


def test_a_second_venue_watches_the_coins_of_the_first() -> None:
    """What is not traded there is left out; without a first one it chooses for itself."""
    here = [
        listing_of(Instrument(BINANCE, Symbol(f"{base}USDT")), turnover)
        for base, turnover in (("BTC", 9.0), ("ETH", 8.0), ("XRP", 7.0))
    ]
    coins = {(here[2].base, "USDT"), (here[0].base, "USDT")}
    assert names(partners(here, coins, Wanted(1, ())).listings) == ["BTCUSDT", "XRPUSDT"]
    assert names(partners(here, set(), Wanted(1, ())).listings) == ["BTCUSDT"]
