"""Trades and quotes become sums of grid seconds, in which nothing is counted twice or invented."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stream_events import BTC, START, liquidation, quote, trade
from virtuoso.components.orderbook import imbalance
from virtuoso.domain.market_data import (
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import DAY, HOUR, Millis
from virtuoso.market.trades import TradeFlow

BUY, SELL = Side.BUY, Side.SELL


def close(flow: TradeFlow, second: int) -> None:
    """Close the grid second that ends so many seconds after the start."""
    flow.second(Millis(START + second * 1_000))


def ofi_after(*quotes: tuple[float, float, float, float]) -> float:
    """Order flow imbalance of a run of quotes within one second."""
    flow = TradeFlow()
    for i, each in enumerate(quotes):
        flow.quote(quote(START + i + 1, *each))
    close(flow, 1)
    return flow.windows[1].ofi


BEFORE = (100.0, 5.0, 100.1, 4.0)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((100.0, 7.0, 100.1, 4.0), 2.0),  # limit add of 2 at the best bid
        ((100.0, 2.0, 100.1, 4.0), -3.0),  # cancel of 3 at the best bid
        ((100.0, 5.0, 100.1, 3.0), 1.0),  # market buy that takes 1
        ((100.0, 5.0, 100.1, 6.0), -2.0),  # limit add of 2 at the best ask
        ((100.05, 1.0, 100.1, 4.0), 1.0),  # a better bid counts with its whole size
        ((99.9, 9.0, 100.1, 4.0), -5.0),  # a bid that is gone counts with what it had
        ((100.0, 5.0, 100.2, 8.0), 4.0),
        ((100.0, 5.0, 100.05, 2.0), -2.0),
        (BEFORE, 0.0),
    ],
)
def test_a_change_of_the_best_quotes_presses_by_what_was_added_or_taken(
    after: tuple[float, float, float, float], expected: float
) -> None:
    """The identities of section 10."""
    assert ofi_after(BEFORE, after) == pytest.approx(expected, abs=1e-12)


def test_the_first_quote_adds_nothing_and_neither_does_the_first_after_a_reset() -> None:
    """What happened between is not known."""
    flow = TradeFlow()
    flow.quote(quote(START + 1, *BEFORE))
    assert (flow.quotes_since, flow.quotes_broken) == (START + 1, False)
    flow.reset_quotes()
    assert (flow.quotes_since, flow.quotes_broken) == (None, True)
    flow.quote(quote(START + 500, 90.0, 1.0, 90.1, 1.0))
    close(flow, 1)
    assert flow.windows[1].ofi == 0.0
    assert flow.quotes_since == START + 500


def test_a_reset_before_the_first_quote_is_a_start_not_a_hole() -> None:
    """Nothing was lost where nothing had come."""
    flow = TradeFlow()
    flow.reset_quotes()
    flow.reset_trades()
    assert not flow.quotes_broken
    assert not flow.trades_broken


def test_windows_hold_the_seconds_they_name() -> None:
    """An event at g belongs to g; after w seconds it has left the window of w."""
    flow = TradeFlow()
    flow.trade(trade(START + 1_000, BUY, 3.0))
    close(flow, 1)
    for second in range(2, 12):
        close(flow, second)
        assert flow.windows[1].flow == 0.0
        assert flow.windows[10].flow == (3.0 if second <= 10 else 0.0)
        assert flow.windows[300].volume == 3.0
    for second in range(12, 301):
        close(flow, second)
    assert flow.windows[300].flow == 3.0
    close(flow, 301)
    assert flow.windows[300].flow == 0.0


def test_seconds_that_were_passed_over_hold_nothing() -> None:
    """A stall moves the windows on by the time that went by."""
    flow = TradeFlow()
    flow.trade(trade(START + 1_000, BUY, 3.0))
    close(flow, 1)
    close(flow, 12)
    assert flow.windows[10].flow == 0.0
    assert flow.windows[60].flow == 3.0
    close(flow, 5_000)
    assert flow.windows[300].volume == 0.0


def test_only_market_trades_enter_price_and_flow() -> None:
    """Block and off-market prints are counted apart."""
    flow = TradeFlow()
    flow.trade(trade(START + 1, SELL, 2.0, 100.0, event_time=START - 80))
    flow.trade(trade(START + 2, BUY, 50.0, 98.0, kind=TradeKind.OFF_MARKET))
    flow.trade(trade(START + 3, BUY, 50.0, 98.0, kind=TradeKind.BLOCK))
    close(flow, 1)
    assert flow.windows[1].flow == -2.0
    assert flow.windows[1].volume == 2.0
    assert (flow.last_price, flow.last_price_at) == (100.0, START - 80)
    assert (flow.trade_count, flow.set_aside_count) == (1, 2)


def test_a_trade_that_comes_late_does_not_replace_a_newer_price() -> None:
    """It counts in the flow; the last price stays that of the newest trade."""
    flow = TradeFlow()
    flow.trade(trade(START + 10, BUY, 1.0, 101.0, event_time=START))
    flow.trade(trade(START + 11, SELL, 2.0, 99.0, event_time=START - 50))
    close(flow, 1)
    assert (flow.last_price, flow.last_price_at) == (101.0, START)
    assert flow.windows[1].volume == 3.0


def orders(flow: TradeFlow, count: int, quantity: float, second: int) -> None:
    """So many orders of equal size within one second, sides in turn."""
    for i in range(count):
        side = BUY if i % 2 else SELL
        flow.trade(trade(START + second * 1_000 - 500, side, quantity, event_time=START + i))
    close(flow, second)


def test_fills_of_one_side_and_millisecond_are_one_order() -> None:
    """They are counted together, also for the limit."""
    flow = TradeFlow()
    close(flow, 0)
    for quantity in (1.0, 2.0, 3.0):
        flow.trade(trade(START + 1, BUY, quantity, event_time=START))
    flow.trade(trade(START + 2, SELL, 1.0, event_time=START))
    flow.trade(trade(START + 3, SELL, 1.0, event_time=START + 1))
    close(flow, 1)
    assert flow.order_count == 3
    assert flow.windows[1].flow == 4.0
    assert flow.windows[1].volume == 8.0


def test_the_limit_is_known_from_2000_orders_on_and_splits_what_follows() -> None:
    """Before it, taker flow takes all; after it, the two are disjoint and complete."""
    flow = TradeFlow()
    close(flow, 0)
    orders(flow, 1_999, 1.0, 1)
    assert flow.large_limit is None
    flow.trade(trade(START + 1_001, BUY, 50.0, event_time=START + 1))
    close(flow, 2)
    assert flow.windows[1].flow == 50.0
    assert flow.order_count == 2_000
    # 100 lies in the bin [2^(106/16), 2^(107/16)); its upper edge is the limit
    assert flow.large_limit == pytest.approx(2.0 ** (107 / 16))
    flow.trade(trade(START + 2_001, BUY, 50.0, event_time=START + 2_000))
    flow.trade(trade(START + 2_002, SELL, 1.0, event_time=START + 2_000))
    flow.trade(trade(START + 2_003, SELL, 1.02, event_time=START + 2_001))
    close(flow, 3)
    assert flow.windows[1].large_flow == 50.0
    assert flow.windows[1].large_volume == 50.0
    assert flow.windows[1].flow == pytest.approx(-2.02)


def test_an_order_at_the_limit_is_large() -> None:
    """At or above it: 128 is the edge of a bin, to the bit."""
    flow = TradeFlow()
    close(flow, 0)
    orders(flow, 2_000, 1.25, 1)  # 125 each, in the last bin below 128
    assert flow.large_limit == 128.0
    flow.trade(trade(START + 1_500, BUY, 1.28, event_time=START + 1_500))
    flow.trade(trade(START + 1_600, SELL, 1.27, event_time=START + 1_600))
    close(flow, 2)
    assert (flow.windows[1].large_flow, flow.windows[1].flow) == (1.28, -1.27)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0.001, 100.0), st.integers(0, 20)),
        min_size=1,
        max_size=80,
    ),
    st.sampled_from((2, 2_000)),
)
def test_small_and_large_flow_together_are_buys_less_sells(
    fills: list[tuple[bool, float, int]], known: int
) -> None:
    """With a limit or without, and however fills join to orders: nothing lost, nothing twice."""
    flow = TradeFlow()
    close(flow, 0)
    orders(flow, known, 1.0, 1)
    before = flow.windows[300]
    for buys, quantity, at in fills:
        when = START + 1_100 + at
        flow.trade(trade(when, BUY if buys else SELL, quantity, event_time=when))
    close(flow, 2)
    after = flow.windows[300]
    signed = sum(quantity if buys else -quantity for buys, quantity, _ in fills)
    moved = after.flow + after.large_flow - before.flow - before.large_flow
    traded = after.volume + after.large_volume - before.volume - before.large_volume
    assert moved == pytest.approx(signed, abs=1e-9)
    assert traded == pytest.approx(sum(quantity for _, quantity, _ in fills), abs=1e-9)


def test_the_limit_lies_at_the_first_bin_that_holds_99_percent() -> None:
    """One order in a hundred is large, two in a hundred push the limit up."""
    for large, limit in ((20, 2.0 ** (107 / 16)), (21, 2.0 ** (160 / 16))):
        flow = TradeFlow()
        close(flow, 0)
        orders(flow, 2_000 - large, 1.0, 1)
        orders(flow, large, 10.0, 2)
        assert flow.large_limit == pytest.approx(limit)


def test_orders_are_forgotten_after_24_hours() -> None:
    """Hourly histograms leave one by one; a long silence empties all."""
    flow = TradeFlow()
    close(flow, 0)
    orders(flow, 2_000, 1.0, 1)
    flow.second(Millis(START + DAY - HOUR))
    assert flow.order_count == 2_000
    flow.second(Millis(START + DAY))
    assert (flow.order_count, flow.large_limit) == (0, None)
    orders(flow, 10, 1.0, 86_500)
    flow.second(Millis(START + 3 * DAY + 500_000))
    assert flow.order_count == 0


def test_liquidations_fade_with_a_half_life_of_300_seconds() -> None:
    """From the millisecond they came."""
    flow = TradeFlow()
    flow.liquidation(liquidation(START + 500, PositionSide.LONG, 8.0))
    flow.liquidation(liquidation(START + 500, PositionSide.SHORT, 2.0))
    flow.second(Millis(START + 300_500))
    assert flow.long_liquidated == pytest.approx(4.0, abs=1e-12)
    assert flow.short_liquidated == pytest.approx(1.0, abs=1e-12)
    flow.reset_trades()
    assert flow.long_liquidated == 0.0


def test_depth_is_seeded_by_the_first_second_and_then_averaged() -> None:
    """Half-life 300 s of (qb + qa)/2."""
    flow = TradeFlow()
    flow.quote(quote(START + 1, 100.0, 6.0, 100.1, 2.0))
    close(flow, 1)
    assert flow.depth == 4.0
    flow.quote(quote(START + 1_001, 100.0, 10.0, 100.1, 6.0))
    for second in range(2, 302):
        close(flow, second)
    assert flow.depth == pytest.approx(6.0, abs=1e-9)


def test_the_same_seconds_give_the_same_bits_whatever_came_before() -> None:
    """The sums have no memory beyond their window."""
    rng = np.random.Generator(np.random.PCG64(7))
    sizes = rng.lognormal(0.0, 3.0, 400).tolist()
    young, old = TradeFlow(), TradeFlow()
    for second in range(-700, 0):
        old.trade(trade(START + second * 1_000, BUY, 0.1 * -second))
        close(old, second)
    for i, size in enumerate(sizes):
        for flow in (young, old):
            flow.trade(trade(START + i * 1_000, BUY if i % 3 else SELL, size))
            close(flow, i)
    assert young.windows == old.windows


@dataclass(frozen=True)
class Golden:
    """What section 10 says of one instant."""

    at: int
    quote: Quote
    queue: float
    micro_price: float
    ofi: Mapping[int, float]
    flow: Mapping[int, tuple[float, float]]
    """Window in seconds to signed and total base volume."""


GOLDEN = (
    Golden(
        1_723_161_315_000,
        Quote(61_815.0, 0.707, 61_815.1, 5.123, 5_123_113_093_632),
        -0.757461,
        61_815.012127,
        {1: -7.351, 10: 42.788},  # the recording begins inside the minute
        {10: (9.029, 35.033), 60: (-13.953, 175.115)},
    ),
    Golden(
        1_723_161_435_000,
        Quote(61_700.0, 21.526, 61_700.1, 3.593, 5_123_121_346_147),
        0.713922,
        61_700.085696,
        {1: -32.338, 10: -34.621, 60: -308.653},
        {10: (-9.461, 35.767), 60: (0.861, 216.491)},
    ),
    Golden(
        1_723_161_555_000,
        Quote(61_700.1, 5.244, 61_700.2, 2.130, 5_123_131_681_222),
        0.422295,
        61_700.171115,
        {1: 8.473, 10: -3.473, 60: 227.965},
        {10: (-20.939, 59.357), 60: (224.371, 1_000.999)},
    ),
)


def check_golden(golden: Golden, flow: TradeFlow) -> None:
    """Compare one instant with what it must be."""
    best = flow.best
    assert best == golden.quote
    balance = imbalance(best.bid_quantity, best.ask_quantity)
    assert balance == pytest.approx(golden.queue, abs=1e-6)
    total = best.bid_quantity + best.ask_quantity
    micro_price = (best.ask * best.bid_quantity + best.bid * best.ask_quantity) / total
    assert micro_price == pytest.approx(golden.micro_price, abs=1e-6)
    for seconds, value in golden.ofi.items():
        assert flow.windows[seconds].ofi == pytest.approx(value, abs=1e-6)
    for seconds, (signed, volume) in golden.flow.items():
        sums = flow.windows[seconds]
        assert sums.flow + sums.large_flow == pytest.approx(signed, abs=1e-6)
        assert sums.volume + sums.large_volume == pytest.approx(volume, abs=1e-6)


def recorded(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Best quotes and trades of a recording, with the first millisecond not before receipt."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if "@bookTicker" in line[:80] or "@trade" in line[:80]:
                stamp, text = line.split(" ", 1)
                yield -(-int(stamp) // 1_000_000), json.loads(text)["data"]


@pytest.mark.recorded
def test_the_golden_book_and_flow_come_out_of_the_recording(recordings: Path) -> None:
    """Section 10, "Golden book": OFI, flow and queue at three instants of 8 August 2024."""
    flow = TradeFlow()
    path = recordings / "replay" / "binance_usdm" / "btcusdt_20240808.gz"
    due = {golden.at: golden for golden in GOLDEN}
    grid = 1_723_161_256_000
    for at, data in recorded(path):
        while at > grid:
            flow.second(Millis(grid))
            if grid in due:
                check_golden(due.pop(grid), flow)
            grid += 1_000
        happened = Millis(data["T"])
        if data["e"] == "bookTicker":
            bid, bid_quantity, ask, ask_quantity = (float(data[key]) for key in "bBaA")
            best = Quote(bid, bid_quantity, ask, ask_quantity, data["u"])
            flow.quote(MarketEvent(BTC, best, happened, Millis(at)))
        elif data["X"] == "MARKET":
            side = SELL if data["m"] else BUY
            fill = Trade(str(data["t"]), float(data["p"]), float(data["q"]), side)
            flow.trade(MarketEvent(BTC, fill, happened, Millis(at)))
    assert not due
    assert flow.trade_count == 21_313
    assert flow.large_limit is not None
