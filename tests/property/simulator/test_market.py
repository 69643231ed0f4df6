"""The live market, step by step, without a socket."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import msgspec
import numpy as np

from virtuoso.simulator import frames
from virtuoso.simulator.candles import CLOSE, HIGH, HOUR, LOW, MINUTE, OPEN, TURNOVER, VOLUME
from virtuoso.simulator.changes import (
    BookChanged,
    CandleFormed,
    Change,
    Liquidated,
    MinuteClosed,
    TickerChanged,
    Trade,
    Traded,
)
from virtuoso.simulator.market import Market

Lived = tuple[Market, list[Change]]
NewMarket = Callable[..., Market]
FIVE_MINUTES = 5 * MINUTE


def _run(market: Market, steps: int) -> list[Change]:
    changes: list[Change] = []
    for _ in range(steps):
        changes += market.step(market.now_ms + 100)
    return changes


def test_same_seed_and_start_give_the_same_history_and_the_same_life(
    new_market: NewMarket,
) -> None:
    """The market is a pure function of seed, start and steps, to the byte."""
    one, two = new_market(seed=3), new_market(seed=3)
    for length in (MINUTE, 4 * HOUR):
        assert np.array_equal(one.trades.series(length).rows, two.trades.series(length).rows)
    assert msgspec.json.encode(_run(one, 300)) == msgspec.json.encode(_run(two, 300))


def test_another_seed_gives_another_market(new_market: NewMarket) -> None:
    """The seed is not ignored, neither in the past nor in the present."""
    one, two = new_market(seed=3), new_market(seed=4)
    assert not np.array_equal(one.trades.series(MINUTE).rows, two.trades.series(MINUTE).rows)
    assert msgspec.json.encode(_run(one, 20)) != msgspec.json.encode(_run(two, 20))


def test_one_long_step_lives_through_the_same_as_many_short_ones(new_market: NewMarket) -> None:
    """How often the clock is looked at does not matter."""
    one, two = new_market(seed=3), new_market(seed=3)
    together = one.step(one.now_ms + 5_000)
    assert msgspec.json.encode(together) == msgspec.json.encode(_run(two, 50))


def _trades_by_minute(lived: Lived) -> dict[tuple[int, int], list[Trade]]:
    minutes = defaultdict(list)
    for change in lived[1]:
        if isinstance(change, Traded):
            for trade in change.trades:
                minutes[change.symbol, trade.time // MINUTE * MINUTE].append(trade)
    return minutes


def test_the_trades_of_a_minute_add_up_exactly_to_its_candle(lived: Lived) -> None:
    """Opening at the last close, as on the venue: the rest is made of the trades alone."""
    market = lived[0]
    series = market.trades.series(MINUTE)
    minutes = _trades_by_minute(lived)
    checked = 0
    for at in range(len(series.starts) - 3, len(series.starts)):
        for symbol in range(len(market.listings)):
            row = series.rows[at, symbol]
            trades = minutes[symbol, int(series.starts[at])]
            prices = [trade.ticks for trade in trades]
            opened = int(series.rows[at - 1, symbol, CLOSE])
            assert row[OPEN] == opened
            assert row[HIGH] == max([opened, *prices])
            assert row[LOW] == min([opened, *prices])
            assert row[CLOSE] == prices[-1]
            assert row[VOLUME] == sum(trade.steps for trade in trades)
            assert row[TURNOVER] == sum(trade.ticks * trade.steps for trade in trades)
            checked += len(trades)
    assert checked > 500


def test_the_minute_in_which_the_market_starts_is_whole(new_market: NewMarket) -> None:
    """Trades from before the start are in the recent ones, and add up with the later ones."""
    market = new_market()
    minute = market.trades.minute
    _run(market, 450)
    assert market.trades.minute == minute + MINUTE
    row = market.trades.series(MINUTE).rows[-1, 1]
    trades = [each for each in market.symbols[1].recent if minute <= each.time < minute + MINUTE]
    assert row[VOLUME] == sum(trade.steps for trade in trades)


def test_trades_have_ids_of_their_own_and_come_in_order(lived: Lived) -> None:
    """Times never go back, `seq` rises, no id is used twice."""
    seen: set[str] = set()
    last = [(0, 0)] * len(lived[0].listings)
    for change in lived[1]:
        if isinstance(change, Traded):
            for trade in change.trades:
                assert trade.id not in seen
                seen.add(trade.id)
                assert (trade.time, trade.sequence) >= last[change.symbol]
                assert change.at - 100 <= trade.time < change.at
                last[change.symbol] = (trade.time, trade.sequence)


def test_books_are_never_crossed_and_count_every_update(lived: Lived) -> None:
    """Applied to what was known, each update gives 200, 50, 1 levels with bid below ask."""
    known: dict[tuple[int, int], tuple[dict[int, int], dict[int, int]]] = {}
    numbers: dict[tuple[int, int], int] = {}
    checked = 0
    for change in lived[1]:
        if not isinstance(change, BookChanged):
            continue
        update, key = change.update, (change.symbol, change.update.depth)
        if update.depth == 1:
            assert update.update_id - numbers.get(key, update.update_id) in {0, 1}
            assert update.bids[0][0] < update.asks[0][0]
        elif key in numbers:
            assert update.update_id == numbers[key] + 1
        numbers[key] = update.update_id
        bids, asks = known.setdefault(key, ({}, {}))
        for side, levels in ((bids, update.bids), (asks, update.asks)):
            for ticks, steps in levels:
                side[ticks] = steps
        best_bid = max((ticks for ticks, steps in bids.items() if steps), default=0)
        best_ask = min((ticks for ticks, steps in asks.items() if steps), default=2**60)
        if update.depth > 1:
            assert best_bid < best_ask
        assert update.matched_at <= change.at
        checked += 1
    assert checked > 1_000
    for symbol in lived[0].symbols:
        for view in symbol.depth_views:
            snapshot = view.snapshot()
            assert len(snapshot.bids) == len(snapshot.asks) == view.depth
            assert snapshot.bids == symbol.book.bids.levels(view.depth)
            assert snapshot.asks == symbol.book.asks.levels(view.depth)


def test_takers_buy_more_when_the_price_goes_up(lived: Lived) -> None:
    """The share of taker buys correlates with the return of the same 5 seconds."""
    flows: dict[tuple[int, int], list[int]] = defaultdict(list)
    lasts: dict[tuple[int, int], int] = {}
    for change in lived[1]:
        if isinstance(change, Traded):
            key = (change.symbol, change.at // 5_000)
            lasts[key] = change.trades[-1].ticks
            flows[key] += [
                trade.steps if trade.buyer_took else -trade.steps for trade in change.trades
            ]
    pairs = []
    for (symbol, slot), flow in flows.items():
        if (symbol, slot - 1) in lasts:
            move = np.log(lasts[symbol, slot] / lasts[symbol, slot - 1])
            pairs.append((move, sum(flow) / sum(abs(each) for each in flow)))
    moves, shares = zip(*pairs, strict=True)
    assert np.corrcoef(moves, shares)[0, 1] > 0.2


def test_a_day_of_a_ticker_is_the_sum_of_its_candles(lived: Lived) -> None:
    """24 h volume, turnover, high, low and opening come from the candles that REST shows."""
    market = lived[0]
    rows = market.trades.series(MINUTE).rows
    for symbol, listing in enumerate(market.listings):
        fields = market.tickers.fields(symbol, market.now_ms)
        day = np.append(rows[-1_439:, symbol], [market.trades.forming[symbol]], axis=0)
        assert float(fields["volume24h"]) == round(float(day[:, VOLUME].sum()) * listing.step, 4)
        turnover = int(day[:, TURNOVER].sum()) * listing.tick * listing.step
        assert abs(float(fields["turnover24h"]) - turnover) <= 1e-9 * turnover + 1e-4
        assert fields["highPrice24h"] == listing.price_text(int(day[:, HIGH].max()))
        assert fields["lowPrice24h"] == listing.price_text(int(day[:, LOW].min()))
        assert fields["prevPrice24h"] == listing.price_text(int(day[0, OPEN]))
        assert fields["prevPrice1h"] == listing.price_text(int(rows[-60, symbol, CLOSE]))
        assert fields["lastPrice"] == listing.price_text(market.symbols[symbol].recent[-1].ticks)
        ratio = float(fields["lastPrice"]) / float(fields["prevPrice24h"]) - 1
        assert abs(float(fields["price24hPcnt"]) - ratio) < 1e-6


def test_ticker_deltas_merge_into_the_ticker(lived: Lived) -> None:
    """Only changed fields are sent, and merged they give what new subscribers are told."""
    market, changes = lived
    merged: list[dict[str, str]] = [{} for _ in market.listings]
    sizes = []
    for change in changes:
        if isinstance(change, TickerChanged):
            for name, text in change.fields.items():
                if name not in {"bid1Price", "bid1Size", "ask1Price", "ask1Size"}:
                    assert merged[change.symbol].get(name) != text
            merged[change.symbol].update(change.fields)
            sizes.append(len(change.fields))
    for symbol in range(len(market.listings)):
        known = market.tickers.known(symbol)
        assert {name: known[name] for name in merged[symbol]} == merged[symbol]
    assert np.mean(sizes) < 16


def test_open_interest_rows_are_what_the_ticker_showed_at_that_time(
    new_market: NewMarket,
) -> None:
    """The series and the live value are one number."""
    market = new_market(start=1_763_700_000_000 + 4 * MINUTE + 59_000)
    _run(market, 10)
    assert market.now_ms % FIVE_MINUTES == 0
    for symbol in range(len(market.listings)):
        times, steps = market.derivatives.interest_rows(symbol)
        assert times[-1] == market.now_ms
        assert steps[-1] == market.derivatives.interest_steps[symbol]
        assert times[-1] - times[-2] == FIVE_MINUTES


def test_funding_is_settled_on_the_hour_at_the_rate_that_was_announced(
    new_market: NewMarket,
) -> None:
    """At 08:00 the coming rate becomes history and the next time moves on by 8 hours."""
    eight = 1_763_712_000_000
    market = new_market(start=eight - 500)
    assert market.tickers.fields(0, market.now_ms)["nextFundingTime"] == str(eight)
    before = market.derivatives.settlements(0)[-1]
    _run(market, 6)
    time, rate = market.derivatives.settlements(0)[-1]
    assert (time, before[0]) == (eight, eight - 8 * HOUR)
    assert rate == market.derivatives.funding_rates[0]
    assert market.tickers.fields(0, market.now_ms)["nextFundingTime"] == str(eight + 8 * HOUR)


def test_mark_and_index_stay_near_the_price_with_a_basis_that_moves(lived: Lived) -> None:
    """The basis is some basis points, and not always the same."""
    market = lived[0]
    for symbol, listing in enumerate(market.listings):
        fine = 10.0**-listing.price_scale
        mark = market.mark.series(MINUTE).rows[:, symbol, CLOSE] * fine
        index = market.index.series(MINUTE).rows[:, symbol, CLOSE] * fine
        last = market.trades.series(MINUTE).rows[:, symbol, CLOSE] * listing.tick
        basis = np.log(mark / index)
        assert 1e-5 < basis.std() < 1e-3
        assert np.abs(basis).max() < 3e-3
        assert np.abs(np.log(mark / last)).max() < 2e-3


def test_candles_are_told_about_once_a_second_and_closed_at_the_boundary(lived: Lived) -> None:
    """Every minute closes once, in the very step that ends it; forming ones at most 1 a second."""
    market, changes = lived
    for symbol in range(len(market.listings)):
        closed = [
            each.at for each in changes if isinstance(each, MinuteClosed) and each.symbol == symbol
        ]
        assert closed == list(range(closed[0], market.now_ms + 1, MINUTE))
        assert closed[0] % MINUTE == 0
        formed = [
            each.at for each in changes if isinstance(each, CandleFormed) and each.symbol == symbol
        ]
        assert min(late - early for early, late in pairwise(formed)) >= 1_000
        assert len(formed) > 100


def test_a_fast_fall_liquidates_longs_in_a_burst(new_market: NewMarket) -> None:
    """Liquidations are rare until the price runs, and hit the side that loses."""
    market = new_market(seed=11)
    calm = [each for each in _run(market, 600) if isinstance(each, Liquidated)]
    impulse = np.full(len(market.listings), -12.0) * market._factors.volatility
    market._factors._impulse = market._factors._impulse + impulse
    burst = [each for each in _run(market, 300) if isinstance(each, Liquidated)]
    liquidations = [one for each in burst for one in each.liquidations]
    longs = sum(each.long for each in liquidations)
    assert len(liquidations) > 5 * max(1, sum(len(each.liquidations) for each in calm))
    assert longs > 0.8 * len(liquidations)
    assert all(each.at % 500 == 0 for each in burst)


def test_frames_of_a_symbol_carry_all_its_decimals(lived: Lived) -> None:
    """Prices on the stream are written to the last decimal of the listing."""
    market, changes = lived
    listing = market.listings[0]
    change = next(each for each in changes if isinstance(each, Traded) and each.symbol == 0)
    frame = msgspec.json.decode(frames.trades(listing, change.trades, change.at))
    for row in frame["data"]:
        assert len(row["p"].partition(".")[2]) == 2
        assert len(row["v"].partition(".")[2]) == 3
