"""Which contracts of the captured catalogues are taken, and what their names say."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog.testing

from virtuoso.adapters.feed.binance import rest as binance_rest
from virtuoso.adapters.feed.bybit import rest as bybit_rest
from virtuoso.adapters.feed.listings import Excluded, log_excluded, split_multiple
from virtuoso.domain.instruments import BINANCE, Listing

Found = list[Listing | Excluded]


def read(folder: Path, name: str) -> Any:  # noqa: ANN401 - JSON
    """Read one of the captured answers."""
    return msgspec.json.decode((folder / "conformance/mini_fintickstreams" / name).read_bytes())


@pytest.fixture
def bybit(recordings: Path) -> Found:
    """The captured page of Bybit's catalogue."""
    answer = read(recordings, "BybitLinearExchangeInfoSnapshot.json")
    return bybit_rest.to_listings(answer["result"]["list"], {"BTCUSDT": 1e9})


@pytest.fixture
def binance(recordings: Path) -> Found:
    """The captured catalogue of Binance."""
    answer = read(recordings, "BinanceLinearExchangeInfoSnapshot.json")
    return binance_rest.to_listings(answer["symbols"], {}, {"CATIUSDT": 4.0})


def listed(found: Found) -> dict[str, Listing]:
    """Those that are taken, by symbol."""
    return {str(each.instrument.symbol): each for each in found if isinstance(each, Listing)}


def reasons(found: Found) -> dict[str, str]:
    """Those that are not, with their reasons."""
    return {each.name: each.reason for each in found if isinstance(each, Excluded)}


@pytest.mark.recorded
def test_the_captured_page_of_bybit_has_429_perpetuals_in_usdt(bybit: Found) -> None:
    """500 rows: 24 dated, 47 in USDC; each one left out has a reason."""
    assert len(bybit) == 500
    taken = listed(bybit)
    assert len(taken) == 429
    assert taken["BTCUSDT"].turnover_24h == 1e9
    why = list(reasons(bybit).values())
    assert sum("LinearFutures" in each for each in why) == 24
    assert sum("quoted in USDC" in each for each in why) == 47
    assert {each.funding_interval_hours for each in taken.values()} == {1, 2, 4, 8}
    ending = [each for each in taken.values() if each.delisting_at is not None]
    assert len(ending) == 1


@pytest.mark.recorded
def test_the_captured_catalogue_of_binance_has_528_perpetuals_on_coins(binance: Found) -> None:
    """649 rows, 531 trading in USDT; indices, commodities and what settles are left out."""
    assert len(binance) == 649
    taken = listed(binance)
    why = reasons(binance)
    assert len(taken) == 528 - sum("plain capitals" in each for each in why.values())
    assert sum("status is SETTLING" in each for each in why.values()) == 72
    assert sum("is a INDEX" in each or "is a PREMARKET" in each for each in why.values()) == 3
    (foreign,) = [name for name, reason in why.items() if "plain capitals" in reason]
    assert not foreign.isascii()
    assert taken["BTCUSDT"].funding_interval_hours == 8
    assert all(each.delisting_at is None for each in taken.values())


@pytest.mark.recorded
def test_357_names_are_equal_and_multiples_meet_per_coin(bybit: Found, binance: Found) -> None:
    """Of all that trade in USDT; and where names differ the coins are found to be the same."""
    ours, theirs = listed(bybit), listed(binance)
    # the count of the specification is made before indices and foreign names are left out
    assert abs(len(ours.keys() & theirs.keys()) - 357) <= 1
    coins = {each.coin: each for each in theirs.values()}
    pairs = {
        (name, str(coins[each.coin].instrument.symbol)): each.multiplier
        / coins[each.coin].multiplier
        for name, each in ours.items()
        if each.coin in coins and str(coins[each.coin].instrument.symbol) != name
    }
    assert pairs["SHIB1000USDT", "1000SHIBUSDT"] == 1
    assert pairs["10000SATSUSDT", "1000SATSUSDT"] == 10
    assert pairs["1000000CHEEMSUSDT", "1000CHEEMSUSDT"] == 1_000
    assert pairs["1000000BABYDOGEUSDT", "1MBABYDOGEUSDT"] == 1
    assert all(ours[name].coin == theirs[name].coin for name in ours.keys() & theirs.keys())


@pytest.mark.parametrize(
    ("base", "coin", "multiplier"),
    [
        ("BTC", "BTC", 1),
        ("1000SHIB", "SHIB", 1_000),
        ("SHIB1000", "SHIB", 1_000),
        ("10000SATS", "SATS", 10_000),
        ("1000000CHEEMS", "CHEEMS", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("1000X", "X", 1_000),
        ("1INCH", "1INCH", 1),
        ("C98", "C98", 1),
        ("LUNA2", "LUNA2", 1),
        ("BANANAS31", "BANANAS31", 1),
        ("AI16Z", "AI16Z", 1),
        ("1000", "1000", 1),
        ("42", "42", 1),
        ("0G", "0G", 1),
    ],
)
def test_a_base_is_a_coin_or_many_of_it(base: str, coin: str, multiplier: float) -> None:
    """On both venues' ways of writing it."""
    assert split_multiple(base) == (coin, multiplier)


def test_a_contract_that_is_not_for_us_says_why() -> None:
    """Not yet trading, closed, a stock."""
    row = {
        "symbol": "AUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "A",
        "quoteCoin": "USDT",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"qtyStep": "1"},
        "fundingInterval": 240,
        "deliveryTime": "1795000000000",
    }
    changes: list[dict[str, object]] = [
        {},
        {"isPreListing": True},
        {"status": "Closed"},
        {"symbolType": "stock"},
        {"priceFilter": {"tickSize": "0"}},
    ]
    found = bybit_rest.to_listings([row | change for change in changes], {})
    first = found[0]
    assert isinstance(first, Listing)
    assert (first.delisting_at, first.funding_interval_hours) == (1_795_000_000_000, 4)
    assert [each.reason for each in found[1:] if isinstance(each, Excluded)] == [
        "it is not traded continuously yet",
        "its status is Closed",
        "it is a stock",
        "its tick is 0.0 and its step 1.0",
    ]


def test_what_is_left_out_is_said_once_and_again_when_it_changes() -> None:
    """Names as a log can carry them, and a bound on how many."""
    many = tuple(Excluded(f"\u5e01{at}USDT", "no") for at in range(30))
    with structlog.testing.capture_logs() as lines:
        log_excluded(BINANCE, (), ())
        log_excluded(BINANCE, (), many)
        log_excluded(BINANCE, many, tuple(reversed(many)))
        log_excluded(BINANCE, many, many[:1])
    assert [line["count"] for line in lines] == [30, 1]
    assert len(lines[0]["first"]) == 20
    assert "\u5e010USDT" in lines[1]["first"][0]
