"""Binance's side of the market: one coin, two venues, and every sum right on both."""

from collections import defaultdict

import msgspec
import numpy as np
import pytest

from virtuoso.simulator.binance.changes import (
    BestChanged,
    BinanceChange,
    Differences,
    Forced,
    Take,
    Taken,
)
from virtuoso.simulator.binance.contracts import contract_of
from virtuoso.simulator.binance.market import BinanceMarket
from virtuoso.simulator.candles import (
    CLOSE,
    COUNT,
    HIGH,
    LOW,
    MINUTE,
    OPEN,
    TAKER_TURNOVER,
    TAKER_VOLUME,
    TURNOVER,
    VOLUME,
)
from virtuoso.simulator.listings import LISTINGS
from virtuoso.simulator.market import Market

START = 1_763_700_000_000 + 58 * 60_000 + 20_000
Lived = tuple[Market, BinanceMarket, list[BinanceChange]]


def _new(symbols: int = 3, seed: int = 7) -> tuple[Market, BinanceMarket]:
    listings = LISTINGS[:symbols]
    contracts = tuple(map(contract_of, listings))
    market = Market(listings, START, np.random.default_rng(seed), contracts)
    assert market.binance is not None
    return market, market.binance


def _live(market: Market, binance: BinanceMarket, steps: int) -> list[BinanceChange]:
    changes: list[BinanceChange] = []
    for _ in range(steps):
        market.step(market.now_ms + 100)
        changes += binance.changes
    return changes


@pytest.fixture(scope="module")
def lived() -> Lived:
    """Return a market of both venues after four minutes, and what Binance told."""
    market, binance = _new()
    return market, binance, _live(market, binance, 2_400)


def test_same_seed_same_venue() -> None:
    """What Binance tells is a function of seed, start and steps, to the byte."""
    told = [msgspec.json.encode(_live(*_new(), 200)) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0] != msgspec.json.encode(_live(*_new(seed=8), 200))


def test_bybit_does_not_notice_its_neighbour() -> None:
    """With and without the second venue, the first one tells the same."""
    alone = Market(LISTINGS[:3], START, np.random.default_rng(7))
    both, _ = _new()
    one, two = alone.step(alone.now_ms + 5_000), both.step(both.now_ms + 5_000)
    assert msgspec.json.encode(one) == msgspec.json.encode(two)


def test_differences_give_the_venues_own_book_at_every_update() -> None:
    """From any book on, applying differences gives the book; `pu` is the `u` before."""
    market, binance = _new(seed=11)
    books = [
        (dict(each.book.bids.levels(10_000)), dict(each.book.asks.levels(10_000)))
        for each in binance.symbols
    ]
    last = [each.last_update for each in binance.symbols]
    updates = 0
    for _ in range(600):
        market.step(market.now_ms + 100)
        for change in binance.changes:
            if not isinstance(change, Differences):
                continue
            assert change.previous == last[change.symbol]
            assert change.previous < change.first <= change.last
            last[change.symbol] = change.last
            for side, rows in zip(books[change.symbol], (change.bids, change.asks), strict=True):
                for ticks, steps in rows:
                    if steps:
                        side[ticks] = steps
                    else:
                        side.pop(ticks, None)
            true = binance.symbols[change.symbol].book
            assert books[change.symbol][0] == dict(true.bids.levels(10_000))
            assert books[change.symbol][1] == dict(true.asks.levels(10_000))
            assert true.best_bid < true.best_ask
            assert len(true.bids) <= 1_000
            updates += 1
    assert updates > 500


def test_update_numbers_are_not_those_of_the_spot_rule(lived: Lived) -> None:
    """`U` is hardly ever the previous `u` + 1, as captured."""
    changes = [each for each in lived[2] if isinstance(each, Differences)]
    spot = sum(each.first == each.previous + 1 for each in changes)
    assert len(changes) > 0
    assert spot < 0.3 * len(changes)


def test_best_prices_are_those_of_the_differences_with_the_same_number(lived: Lived) -> None:
    """A bookTicker follows the update whose number it has."""
    numbers = {(each.symbol, each.last) for each in lived[2] if isinstance(each, Differences)}
    best = [each for each in lived[2] if isinstance(each, BestChanged)]
    assert len(best) > 200
    assert {(each.symbol, each.update) for each in best} <= numbers
    assert all(each.bid[0] < each.ask[0] for each in best)


def _takes_by_minute(lived: Lived) -> dict[tuple[int, int], list[Take]]:
    minutes = defaultdict(list)
    for change in lived[2]:
        if isinstance(change, Taken):
            for take in change.takes:
                minutes[change.symbol, take.time // MINUTE * MINUTE].append(take)
    return minutes


def test_trades_of_a_minute_add_up_to_its_candle_and_its_taker_split(lived: Lived) -> None:
    """Prices, volume, turnover, number of trades, and what takers bought."""
    series, minutes = lived[1].trades.series(MINUTE), _takes_by_minute(lived)
    for at in range(len(series.starts) - 3, len(series.starts)):
        for symbol in range(3):
            row, takes = series.rows[at, symbol], minutes[symbol, int(series.starts[at])]
            prices = [take.ticks for take in takes]
            opened = int(series.rows[at - 1, symbol, CLOSE])
            assert row[OPEN] == opened
            assert row[HIGH] == max([opened, *prices])
            assert row[LOW] == min([opened, *prices])
            assert row[CLOSE] == prices[-1]
            assert row[VOLUME] == sum(take.steps for take in takes)
            assert row[TURNOVER] == sum(take.steps * take.ticks for take in takes)
            assert row[COUNT] == sum(len(take.fills) for take in takes)
            bought = [take for take in takes if take.buyer_took]
            assert row[TAKER_VOLUME] == sum(take.steps for take in bought)
            assert row[TAKER_TURNOVER] == sum(take.steps * take.ticks for take in bought)


def test_the_past_has_a_taker_split_within_its_volume(lived: Lived) -> None:
    """Every candle ever made: 0 < taker volume < volume, about a half of it on average."""
    _, rows = lived[1].trades.page(0, "1", None, None, 2_900)
    volume, taker = rows[..., VOLUME], rows[..., TAKER_VOLUME]
    assert (taker >= 0).all()
    assert (taker <= volume).all()
    assert (rows[..., TAKER_TURNOVER] <= rows[..., TURNOVER]).all()
    assert 0.45 < (taker / volume).mean() < 0.55
    assert (rows[..., COUNT] >= 1).all()


def test_trade_numbers_have_no_hole(lived: Lived) -> None:
    """Aggregate trades and the single ones in them count on by one."""
    last: dict[int, Take] = {}
    for change in lived[2]:
        if isinstance(change, Taken):
            for take in change.takes:
                assert sum(take.fills) == take.steps
                assert min(take.fills) > 0
                before = last.get(change.symbol)
                if before is not None:
                    assert take.id == before.id + 1
                    assert take.first == before.last + 1
                    assert take.time >= before.time
                last[change.symbol] = take


def test_a_forced_order_that_sells_was_a_long_and_is_among_the_trades() -> None:
    """Only the latest of a symbol and second is told; takers sold what it says, at its price."""
    market, binance = _new(seed=5)
    changes: list[BinanceChange] = []
    for _ in range(40):
        market.jump(1, 0.998)
        changes += _live(market, binance, 20)
    forced = [each for each in changes if isinstance(each, Forced) and each.symbol == 1]
    assert len(forced) > 3
    sold = [each.order.sells for each in forced]
    assert sum(sold) > 0.7 * len(sold)
    seconds = [each.at for each in forced]
    assert len(set(seconds)) == len(seconds)
    assert all(at % 1_000 == 0 for at in seconds)
    takes = [
        take
        for each in changes
        if isinstance(each, Taken) and each.symbol == 1
        for take in each.takes
    ]
    for each in forced:
        order = each.order
        assert each.at - 1_000 <= order.time < each.at
        own = [t for t in takes if t.time == order.time and t.buyer_took != order.sells]
        assert sum(take.steps for take in own) >= order.steps
        worse = order.limit_ticks < order.average_ticks
        assert worse == order.sells


def test_the_venues_agree_within_some_basis_points_and_never_quite() -> None:
    """The basis is small, wanders, is not that of another coin, and shows in the prices."""
    market, binance = _new(seed=3)
    gaps = []
    for _ in range(60):
        _live(market, binance, 20)
        gaps.append(binance.basis() * 1e4)
    bases = np.array(gaps)
    assert np.abs(bases).max() < 10
    assert bases.std(axis=0).min() > 0.05
    assert np.abs(bases[:, 0] - bases[:, 1]).max() > 0.2
    for number, (listing, contract) in enumerate(
        zip(market.listings, binance.listings, strict=True)
    ):
        bybit = market.symbols[number].book.best_bid * listing.tick
        other = binance.symbols[number].book.best_bid * contract.tick
        assert abs(np.log(other / bybit) * 1e4 - bases[-1, number]) < 5


def test_a_contract_on_another_number_of_coins_has_the_same_price_a_coin() -> None:
    """10000SATSUSDT here, 1000SATSUSDT there; SHIB1000USDT here, 1000SHIBUSDT there."""
    market, binance = _new(symbols=len(LISTINGS))
    names = [listing.symbol for listing in market.listings]
    for symbol, other, ratio in (
        ("SHIB1000USDT", "1000SHIBUSDT", 1.0),
        ("10000SATSUSDT", "1000SATSUSDT", 0.1),
    ):
        number = names.index(symbol)
        contract = binance.listings[number]
        assert contract.symbol == other
        ours = market.symbols[number].book.best_bid * market.listings[number].tick
        theirs = binance.symbols[number].book.best_bid * contract.tick
        assert theirs / ours == pytest.approx(ratio, rel=3e-3)


def test_every_contract_is_on_the_grid_of_its_own_tick() -> None:
    """Ticks and steps of the two venues differ for most coins, and prices are multiples."""
    contracts = [contract_of(listing) for listing in LISTINGS]
    same = sum(
        (one.tick, one.step) == (two.tick, two.step)
        for one, two in zip(LISTINGS, contracts, strict=True)
    )
    assert same < len(LISTINGS) / 2
    assert len({contract.symbol for contract in contracts}) == len(contracts)
