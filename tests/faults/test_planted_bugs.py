"""The checks are sensitive: with a rule of the door or the book taken away, each goes red."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import msgspec
import pytest

from support.markets import BTC, NOW, event, heard_of, pipeline_of
from virtuoso.adapters.feed.bybit import parse
from virtuoso.adapters.feed.bybit.parse import DataFrame, read_frame
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    Liquidation,
    MarketData,
    MarketEvent,
    PositionSide,
    Side,
    Trade,
)
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.pipeline import Pipeline
from virtuoso.market.door import Door
from virtuoso.market.door_state import DoorState
from virtuoso.market.order_book import BookFault, OrderBook
from virtuoso.market.verdict import ACCEPTED, Verdict

Patch = pytest.MonkeyPatch
LEVELS = [(100.0 - i, 1.0) for i in range(10)], [(101.0 + i, 1.0) for i in range(10)]


def _with_book(*updates: BookSnapshot | BookDelta) -> OrderBook:
    pipeline = pipeline_of(BTC)
    for number, each in enumerate(updates):
        pipeline.handle(event(each, NOW + number))
    return pipeline.market("BTCUSDT").book


def _with_trades(*trades: Trade) -> Pipeline:
    pipeline = pipeline_of(BTC)
    for each in heard_of(BTC, NOW):
        pipeline.handle(each)
    for trade in trades:
        pipeline.handle(event(trade, NOW + 100))
    pipeline.second(Millis(NOW + SECOND))
    return pipeline


def _facts_of(topic: str, row: dict[str, object]) -> list[MarketData]:
    frame = {"topic": topic, "type": "snapshot", "ts": NOW, "data": [row]}
    topics = {each.text: each for each in topics_of(BTC, BybitSettings())}
    found = read_frame(msgspec.json.encode(frame).decode(), topics, Millis(NOW))
    assert isinstance(found, DataFrame)
    return [each.data for each in found.events]


def no_book_with_a_hole() -> None:
    """After a skipped update there is no book."""
    snapshot = BookSnapshot(*LEVELS, sequence=5)
    assert not _with_book(snapshot, BookDelta([(100.0, 9.0)], [], 6, 7)).synced


def no_book_before_a_snapshot() -> None:
    """An update alone makes no book."""
    assert not _with_book(BookDelta([(100.0, 9.0)], [], 6, 7)).synced


def no_book_over_a_restart() -> None:
    """An update with u = 1 ends the book."""
    snapshot = BookSnapshot(*LEVELS, sequence=5)
    restart = BookDelta([(100.0, 9.0)], [], 0, 1, restart=True)
    assert not _with_book(snapshot, restart).synced


def no_crossed_book() -> None:
    """A bid above the best ask is never served."""
    snapshot = BookSnapshot(*LEVELS, sequence=5)
    best = _with_book(snapshot, BookDelta([(103.5, 1.0)], [], 5, 6)).best()
    assert best is None or best.bid <= best.ask


def no_price_that_is_none() -> None:
    """Every number that is shown is finite."""
    cycle = _with_trades(Trade("x", math.nan, 1.0, Side.BUY)).view()
    assert cycle is not None
    assert math.isfinite(cycle.markets[0].price.value or math.nan)


def no_trade_twice() -> None:
    """A repeated trade adds nothing to the flow."""
    trade = Trade("x", 100.0, 3.0, Side.BUY)
    once, twice = (_with_trades(*[trade] * count).market("BTCUSDT") for count in (1, 2))
    assert once.trades.windows[10].volume == twice.trades.windows[10].volume


def no_long_for_a_short() -> None:
    """Bybit's `Sell` is a liquidated short."""
    row = {"T": NOW, "s": "BTCUSDT", "S": "Sell", "v": "1", "p": "100"}
    (found,) = _facts_of("allLiquidation.BTCUSDT", row)
    assert isinstance(found, Liquidation)
    assert found.side is PositionSide.SHORT


def no_candle_before_its_close() -> None:
    """One that is not confirmed is no Candle."""
    row: dict[str, object] = {"start": NOW, "end": NOW + MINUTE - 1, "interval": "1"}
    row |= dict.fromkeys(("open", "close", "high", "low", "volume", "turnover"), "100")
    row |= {"confirm": False, "timestamp": NOW + 500}
    assert not any(isinstance(each, Candle) for each in _facts_of("kline.1.BTCUSDT", row))


_apply_delta = OrderBook._apply_delta
_judge_trade = Door._judge_trade


def gap_check_removed(patch: Patch) -> None:
    """Every update claims to follow."""

    def apply(book: OrderBook, data: BookDelta, at: Millis) -> BookFault | None:
        previous = data.previous if book.reason else book.sequence
        return _apply_delta(
            book, BookDelta(data.bids, data.asks, previous, data.sequence, restart=data.restart), at
        )

    patch.setattr(OrderBook, "_apply_delta", apply)


def update_before_the_snapshot_applied(patch: Patch) -> None:
    """An empty book will do."""

    def apply(book: OrderBook, data: BookDelta, at: Millis) -> BookFault | None:
        if book.reason is not None:
            book.reason, book.sequence = None, data.previous
        return _apply_delta(book, data, at)

    patch.setattr(OrderBook, "_apply_delta", apply)


def restart_merged(patch: Patch) -> None:
    """Number one is a number like others."""

    def apply(book: OrderBook, data: BookDelta, at: Millis) -> BookFault | None:
        if data.restart:
            data = BookDelta(data.bids, data.asks, book.sequence, book.sequence + 1)
        return _apply_delta(book, data, at)

    patch.setattr(OrderBook, "_apply_delta", apply)


def crossed_book_served(patch: Patch) -> None:
    """What was applied stays."""

    def apply(book: OrderBook, data: BookDelta, _at: Millis) -> BookFault | None:
        book.bids.merge(data.bids)
        book.asks.merge(data.asks)
        book.sequence = data.sequence
        return None

    patch.setattr(OrderBook, "_apply_delta", apply)


def nan_let_through(patch: Patch) -> None:
    """The bounds are not looked at."""

    def judge(door: Door, each: MarketEvent[MarketData], trade: Trade, state: DoorState) -> Verdict:
        return _judge_trade(door, each, trade, state) if trade.price > 0 else ACCEPTED

    patch.setattr(Door, "_judge_trade", judge)


def trades_not_remembered(patch: Patch) -> None:
    """Each trade is new."""
    patch.setattr(DoorState, "remember_trade", lambda _state, _identity: None)


def liquidation_side_swapped(patch: Patch) -> None:
    """The order's side is taken for the position's."""
    swapped = SimpleNamespace(LONG=PositionSide.SHORT, SHORT=PositionSide.LONG)
    patch.setattr(parse, "PositionSide", swapped)


def unconfirmed_candle_taken_as_closed(patch: Patch) -> None:
    """A candle is a candle."""
    patch.setattr(parse, "FormingCandle", Candle)


PLANTED: tuple[tuple[Callable[[], None], Callable[[Patch], None]], ...] = (
    (no_book_with_a_hole, gap_check_removed),
    (no_book_before_a_snapshot, update_before_the_snapshot_applied),
    (no_book_over_a_restart, restart_merged),
    (no_crossed_book, crossed_book_served),
    (no_price_that_is_none, nan_let_through),
    (no_trade_twice, trades_not_remembered),
    (no_long_for_a_short, liquidation_side_swapped),
    (no_candle_before_its_close, unconfirmed_candle_taken_as_closed),
)


@pytest.mark.fault
@pytest.mark.parametrize(("check", "bug"), PLANTED, ids=[bug.__name__ for _, bug in PLANTED])
def test_a_planted_bug_is_found(
    check: Callable[[], None], bug: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    """The check is green without the bug and red with it."""
    check()
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        check()
