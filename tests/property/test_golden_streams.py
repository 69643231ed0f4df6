"""The published figures of what streams and of what is polled, each beside a plain count."""

import csv
import gzip
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, inf, log, log2
from pathlib import Path
from typing import Any

import pytest

from support.stream_events import BTC
from virtuoso.components.orderbook import imbalances
from virtuoso.components.sentiment import Sentiment
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    FundingRate,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    Side,
    Trade,
)
from virtuoso.domain.scores import MemberScore
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.market.market import Market
from virtuoso.market.order_book import MOST_LEVELS, OrderBook
from virtuoso.market.trades import TradeFlow

pytestmark = pytest.mark.recorded

BOOK_FILE = "replay/binance_usdm/btcusdt_20240808.gz"
SOL = "factors/okx_SOL-USDT-SWAP"

SLICES = {
    1_723_161_315_000: (-0.757461, 0.659688, -0.095681),
    1_723_161_435_000: (0.713922, -0.710084, -0.675717),
    1_723_161_555_000: (0.351372, 0.466030, 0.177250),
}
"""Queue, near and outer of the depth stream at the receive times of the golden book."""

LARGE = 1_723_161_555_000, 440_871.899761, 57.525
"""Receive time; the limit in USDT; the signed volume of large orders since the start, in BTC."""

MEMBERS: Mapping[str, tuple[float, float]] = {
    "funding": (0.024846, 52.5),
    "long_short": (0.792993, 75.5),
    "oi_quadrant": (0.016232, 97.474747),
}
"""X and s at the last recorded value."""


@dataclass
class PlainBook:
    """Two dicts of the best 1,000 levels, and the range in which all of them are known."""

    bids: dict[float, float]
    asks: dict[float, float]
    low: float
    high: float

    def merge(self, data: dict[str, Any]) -> None:
        """Take one update: a quantity of 0 removes; what is beyond the best 1,000 is forgotten."""
        for side, rows in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, quantity in rows:
                side[float(price)] = float(quantity)
                if side[float(price)] == 0.0:
                    del side[float(price)]
        for price in sorted(self.bids, reverse=True)[MOST_LEVELS:]:
            del self.bids[price]
            self.low = max(self.low, min(self.bids))
        for price in sorted(self.asks)[MOST_LEVELS:]:
            del self.asks[price]
            self.high = min(self.high, max(self.asks))

    def balances(self) -> tuple[float, float, float]:
        """Count (B - A)/(B + A) of level 1, of 2 to 10, and from 11 on within reach."""
        bids, asks = sorted(self.bids, reverse=True), sorted(self.asks)
        mid = (bids[0] + asks[0]) / 2.0
        reach = min(mid * 1e-3, mid - self.low, self.high - mid) * (1.0 + 1e-9)
        far_bids = [price for price in bids[10:] if price >= mid - reach]
        far_asks = [price for price in asks[10:] if price <= mid + reach]
        found = []
        for own, other in ((bids[:1], asks[:1]), (bids[1:10], asks[1:10]), (far_bids, far_asks)):
            b, a = sum(self.bids[each] for each in own), sum(self.asks[each] for each in other)
            found.append((b - a) / (b + a))
        return found[0], found[1], found[2]


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Book frames with the first millisecond not before their receipt."""
    with gzip.open(path, "rt") as rows:
        for row in rows:
            if "@depth" in row[:80] or '"lastUpdateId"' in row[:80]:
                stamp, text = row.split(" ", 1)
                yield -(-int(stamp) // 1_000_000), json.loads(text)


def levels(rows: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
    """Turn text into numbers."""
    return [(float(price), float(quantity)) for price, quantity in rows]


def test_the_slices_of_a_recorded_book_have_their_published_values(recordings: Path) -> None:
    """Our book and two plain dicts, over half a million levels, at three instants."""
    book, plain = OrderBook(), PlainBook({}, {}, 0.0, 0.0)
    waiting: list[dict[str, Any]] = []
    due = dict(SLICES)
    for at, frame in lines(recordings / BOOK_FILE):
        while due and at > min(due):
            now = imbalances(book)
            assert now == pytest.approx(plain.balances(), abs=1e-9)
            assert now == pytest.approx(due.pop(min(due)), abs=1e-6)
        if "lastUpdateId" in frame:
            bids, asks, known = levels(frame["bids"]), levels(frame["asks"]), frame["lastUpdateId"]
            book.apply(BookSnapshot(bids, asks, sequence=known), Millis(at))
            plain = PlainBook(dict(bids), dict(asks), bids[-1][0], asks[-1][0])
            fresh = [each for each in waiting if each["u"] >= known]
        else:
            fresh = [frame["data"]]
            if not book.synced:
                waiting += fresh
                continue
        for data in fresh:
            previous = book.sequence if data["U"] <= book.sequence <= data["u"] else data["pu"]
            update = BookDelta(levels(data["b"]), levels(data["a"]), previous, data["u"])
            assert book.apply(update, Millis(at)) is None
            plain.merge(data)
    assert not due


def fills(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Market trades of a recording, with the grid second that each belongs to."""
    with gzip.open(path, "rt") as rows:
        for row in rows:
            if "@trade" in row[:80]:
                stamp, text = row.split(" ", 1)
                data = json.loads(text)["data"]
                if data["X"] == "MARKET":
                    yield -(-int(stamp) // 1_000_000_000) * 1_000, data


def plain_limit(notionals: Sequence[float]) -> float | None:
    """Upper edge of the first bin, 16 an octave, up to which 99 of 100 orders lie."""
    if len(notionals) < 2_000:
        return None
    places = sorted(floor(log2(each) * 16) for each in notionals)
    return float(2.0 ** ((places[ceil(0.99 * len(places)) - 1] + 1) / 16))


def test_large_orders_of_a_recording_have_their_published_volume(recordings: Path) -> None:
    """The limit and what lies above it, beside a plain list of taker orders."""
    until, limit, volume = LARGE
    flow, notionals, signed, known = TradeFlow(), list[float](), 0.0, None
    grid, begun = 0, False
    for second, rows in groupby(fills(recordings / BOOK_FILE), key=lambda each: each[0]):
        if second > until:
            break
        while 0 < grid < second - 1_000:
            grid += 1_000
            flow.second(Millis(grid))
        grid = second
        orders = []
        for (sells, at), parts in groupby((row for _, row in rows), lambda d: (d["m"], d["T"])):
            pairs = [(float(each["q"]), float(each["p"])) for each in parts]
            quantity = sum(quantity for quantity, _ in pairs)
            orders.append((-quantity if sells else quantity, sum(q * p for q, p in pairs)))
            side = Side.SELL if sells else Side.BUY
            for q, p in pairs:
                data = Trade("", p, q, side)
                flow.trade(MarketEvent(BTC, data, Millis(at), Millis(second)))
        flow.second(Millis(second))
        signed += sum(size for size, notional in orders if notional >= (known or inf))
        notionals += [notional for _, notional in orders if begun]
        begun = True  # the hours of the histogram begin with the first second
        known = plain_limit(notionals)
        assert flow.large_limit == known
    assert flow.large_limit == pytest.approx(limit, abs=1e-6)
    assert flow.windows[300].large_flow == pytest.approx(signed, abs=1e-9)
    assert signed == pytest.approx(volume, abs=1e-6)


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a recorded csv.gz file."""
    with gzip.open(path, "rt") as text:
        yield from csv.DictReader(text)


def share_below(values: Sequence[float], x: float) -> float:
    """Mid-rank F of x among values, counted."""
    ordered = sorted(values)
    return (bisect_left(ordered, x) + bisect_right(ordered, x)) / 2 / len(ordered)


def contrarian(values: Sequence[float], window: int) -> tuple[float, float]:
    """X and 100 (1 - F) of the last value among those before it."""
    rounded = [round(each, 9) for each in values]
    return rounded[-1], 100.0 * (1.0 - share_below(rounded[-1 - window : -1], rounded[-1]))


def pressing(values: Sequence[float], window: int) -> tuple[float, float]:
    """X and T1 of the last value: its size among the sizes of those before it."""
    rounded = [round(each, 9) for each in values]
    sizes = [abs(each) for each in rounded[-1 - window : -1] if each != 0.0]
    x = rounded[-1]
    return x, 50.0 + (50.0 if x > 0.0 else -50.0) * share_below(sizes, abs(x)) * (x != 0.0)


def funding(recordings: Path, market: Market) -> tuple[int, tuple[float, float]]:
    """Settled rates of Bitcoin on Bybit."""
    path = recordings / "candles/bybit_linear_5m/BTCUSDT-funding.csv.gz"
    rates = [(int(row["ts"]), float(row["rate"])) for row in rows_of(path)]
    market.derivatives.add_funding([FundingRate(Millis(at), rate, 8.0) for at, rate in rates])
    return rates[-1][0], contrarian([rate * 3.0 * 365.0 for _, rate in rates], 200)


def long_short(recordings: Path, market: Market) -> tuple[int, tuple[float, float]]:
    """Account ratio of SOL on OKX."""
    path = recordings / SOL / "long_short_ratio.csv.gz"
    ratios = [(int(row["ts"]), float(row["ratio"])) for row in rows_of(path)]
    market.derivatives.add_ratios(
        [LongShortRatio(Millis(at), each / (1.0 + each), 1.0 / (1.0 + each)) for at, each in ratios]
    )
    return ratios[-1][0], contrarian([log(each) for _, each in ratios], 500)


def oi_quadrant(recordings: Path, market: Market) -> tuple[int, tuple[float, float]]:
    """Open interest of SOL on OKX, with the candles of its minutes."""
    path = recordings / SOL / "open_interest.csv.gz"
    interest = {int(row["ts"]): float(row["oi"]) for row in rows_of(path)}
    minutes = list(rows_of(recordings / SOL / "ohlcv_1m.csv.gz"))
    closes = {int(row["ts"]) + MINUTE: float(row["close"]) for row in minutes}
    halves = [at for at in closes if at % Timeframe.M30.ms == 0]
    market.candles.replace(
        Timeframe.M30,
        [
            Candle(Timeframe.M30, Millis(at - Timeframe.M30.ms), *(4 * (closes[at],)), 1.0)
            for at in halves
        ],
    )
    hours = [at for at in interest if at in closes and at <= halves[-1]]
    market.derivatives.add_open_interest([OpenInterest(Millis(at), interest[at]) for at in hours])
    values = []
    for at in hours[-202:]:
        change = log(interest[at] / interest[at - HOUR])
        move = (closes[at] > closes[at - HOUR]) - (closes[at] < closes[at - HOUR])
        values.append(move * (max(change, 0.0) + 0.5 * max(-change, 0.0)))
    return hours[-1], pressing(values, 200)


Setting = Callable[[Path, Market], tuple[int, tuple[float, float]]]


@pytest.mark.parametrize("setting", [funding, long_short, oi_quadrant])
def test_what_is_polled_has_its_published_values(recordings: Path, setting: Setting) -> None:
    """X and s by the component, by a plain count, and as published."""
    market, component = Market(BTC), Sentiment()
    at, counted = setting(recordings, market)
    component.second(Millis(at + MINUTE), market)
    members: dict[str, MemberScore] = {
        each.name: each for each in component.score(Millis(at + MINUTE), market).members
    }
    found = members[setting.__name__]
    assert (found.x, found.score) == pytest.approx(counted, abs=1e-9)
    assert (found.x, found.score) == pytest.approx(MEMBERS[setting.__name__], abs=1e-6)
