"""One symbol's book, trades, liquidations and derivatives as messages; pure."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, Literal, TypedDict

from virtuoso.domain.market_data import TickerField, Topic
from virtuoso.domain.scores import Reason, Source, State
from virtuoso.domain.time import MINUTE, Millis
from virtuoso.engine.documents import Edition, rounded
from virtuoso.engine.lane import Lane
from virtuoso.engine.lens_states import worst
from virtuoso.engine.view import Input, MarketView, Value
from virtuoso.market import large_trades, liquidation_flow
from virtuoso.market.order_book import OrderBook
from virtuoso.market.tape import LIQUIDATIONS_KEPT, TRADES_KEPT
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.market import (
    BookLevel,
    DepthPoint,
    DerivativesDocument,
    Figure,
    FundingPoint,
    ImpactPoint,
    InterestPoint,
    LiquidationRecord,
    LiquidationsDocument,
    OrderBookDocument,
    RatioPoint,
    TradeRecord,
    TradesDocument,
)
from virtuoso.wire.messages import DataSource, Status
from virtuoso.wire.records import iso

LEVELS_SHOWN: Final = 50
IMBALANCE_LEVELS: Final = 10
DEPTHS_BPS: Final = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)
IMPACTS: Final = (10_000.0, 50_000.0, 100_000.0, 500_000.0, 1_000_000.0)
FUNDING_SHOWN: Final = 30
HOURS_SHOWN: Final = 72
HOURS_A_YEAR: Final = 8_760

_Levels = Sequence[tuple[float, float]]


def _input(view: MarketView, kind: str) -> Input:
    return next(each for each in view.inputs if each.kind == kind)


def _said(edition: Edition, what: str, state: State, reason: Reason | None) -> tuple[str, ...]:
    """Say what is amiss with one document, beside the engine's notices."""
    reasons = [notice.text for notice in edition.notices]
    if state is State.ABSENT:
        reasons.append(f"there is no {what}: {reason or Reason.NO_FEED}")
    elif state is not State.LIVE:
        reasons.append(f"the {what} is {state}")
    return tuple(reasons)


class _About(TypedDict):
    """What every document of a symbol says of itself."""

    status: Status
    timestamp: str
    source: Source
    data_source: DataSource
    symbol: str
    venue: str
    state: State
    now: int
    reasons: tuple[str, ...]
    epoch: str
    seq: int


def _about(
    edition: Edition,
    symbol: RowSymbol,
    state: State,
    reasons: Sequence[str],
    heard: Iterable[Millis | None],
) -> _About:
    """`heard`: venue times of what the document shows.

    The market goes on while a cycle is written down: a document is of no earlier moment than the
    newest thing in it, or an age would be negative.
    """
    now = max([edition.cycle.now, *(each for each in heard if each is not None)])
    return _About(
        status="degraded" if reasons else "success",
        timestamp=iso(now),
        source=symbol.source,
        data_source="cache",
        symbol=symbol.symbol,
        venue=symbol.venue,
        state=state,
        now=now,
        reasons=tuple(reasons),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def _imbalance(bid: float | None, ask: float | None) -> float | None:
    if bid is None or ask is None or bid + ask <= 0:
        return None
    return round((bid - ask) / (bid + ask), 4)


def _levels(side: _Levels) -> tuple[BookLevel, ...]:
    sums = accumulate(quantity for _, quantity in side)
    return tuple(
        BookLevel(price, quantity, round(total, 10))
        for (price, quantity), total in zip(side, sums, strict=True)
    )


def _within(
    side: _Levels, limit: float, complete_to: float | None, *, bid: bool
) -> tuple[float | None, float | None]:
    """Quantity and notional that rest up to a price; None where not every level is known."""
    if complete_to is None or (complete_to > limit if bid else complete_to < limit):
        return None, None
    quantity = notional = 0.0
    for price, size in side:
        if price < limit if bid else price > limit:
            break
        quantity += size
        notional += price * size
    return quantity, notional


def depth_of(book: OrderBook, mid: float, bids: _Levels, asks: _Levels) -> tuple[DepthPoint, ...]:
    """What rests within each distance from the middle."""
    low, high = book.complete_to
    found = []
    for bps in DEPTHS_BPS:
        bid, bid_notional = _within(bids, mid * (1 - bps / 10_000), low, bid=True)
        ask, ask_notional = _within(asks, mid * (1 + bps / 10_000), high, bid=False)
        found.append(
            DepthPoint(
                bps=bps,
                bid_quantity=rounded(bid, 8),
                ask_quantity=rounded(ask, 8),
                bid_notional=rounded(bid_notional, 2),
                ask_notional=rounded(ask_notional, 2),
                imbalance=_imbalance(bid, ask),
            )
        )
    return tuple(found)


def impact_of(
    side: _Levels, notional: float, mid: float, complete_to: float | None
) -> float | None:
    """Basis points between the middle and the average price of taking `notional` from a side.

    None when the levels that are known do not hold so much.
    """
    left, quantity = notional, 0.0
    for price, size in side:
        beyond = complete_to is None or abs(price - mid) > abs(complete_to - mid)
        if beyond:
            return None
        taken = min(left, price * size)
        quantity += taken / price
        left -= taken
        if left <= 0:
            return round(10_000 * abs(notional / quantity / mid - 1), 3)
    return None


def order_book_document(
    edition: Edition, symbol: RowSymbol, view: MarketView, lane: Lane
) -> OrderBookDocument:
    """Build `/api/symbols/{symbol}/orderbook`."""
    book = lane.market.book
    best = book.best()
    known = _input(view, "book")
    reason = book.reason
    if best is None and reason is None:
        reason = Reason.TOO_FEW  # a side is empty: a book, but no price in it
    # the book may have been lost, or made whole, since the second was closed
    state = State.ABSENT if reason is not None else known.state
    if reason is None and state is State.ABSENT:
        state = State.DELAYED
    reasons = _said(edition, "order book", state, reason)
    bids, asks = list(book.bids), list(book.asks)
    mid = None if best is None else (best.bid + best.ask) / 2
    low, high = book.complete_to
    delayed, stale = lane.inputs.late_from_ms
    top = [sum(size for _, size in side[:IMBALANCE_LEVELS]) for side in (bids, asks)]
    return OrderBookDocument(
        **_about(edition, symbol, state, reasons, [book.as_of]),
        as_of=book.as_of if reason is None else None,
        reason=reason,
        bids=_levels(bids[:LEVELS_SHOWN]),
        asks=_levels(asks[:LEVELS_SHOWN]),
        mid=rounded(mid, 10),
        microprice=None
        if best is None
        else round(
            (best.bid * best.ask_quantity + best.ask * best.bid_quantity)
            / (best.bid_quantity + best.ask_quantity),
            10,
        ),
        spread=None if best is None else round(best.ask - best.bid, 10),
        spread_bps=None
        if best is None or not mid
        else round(10_000 * (best.ask - best.bid) / mid, 4),
        imbalance=None if best is None else _imbalance(*top),
        depth=() if mid is None else depth_of(book, mid, bids, asks),
        impact=()
        if mid is None
        else tuple(
            ImpactPoint(
                notional=each,
                buy_bps=impact_of(asks, each, mid, high),
                sell_bps=impact_of(bids, each, mid, low),
            )
            for each in IMPACTS
        ),
        levels_known=(len(bids), len(asks)),
        sequence=book.sequence if reason is None else None,
        synced_since=book.synced_since,
        gaps=book.gaps,
        resyncs=book.resyncs,
        distrusted_since=lane.book_trust.distrusted_since,
        delayed_ms=delayed,
        stale_ms=stale,
    )


def _large(limit: float | None, floor: float) -> float | None:
    """Give the notional from which on something is large, while it is known."""
    return None if limit is None else max(limit, floor)


def trades_document(
    edition: Edition, symbol: RowSymbol, view: MarketView, lane: Lane
) -> TradesDocument:
    """Build `/api/symbols/{symbol}/trades`."""
    known = _input(view, "trades")
    trades = lane.market.tape.trades
    # trades of before a cut stay on the tape: what happened, happened
    state = State.STALE if known.state is State.ABSENT and trades else known.state
    reason = None if trades else known.reason or Reason.NO_FEED
    state = state if trades else State.ABSENT
    reasons = _said(edition, "stream of trades", state, reason)
    delayed, stale = lane.inputs.late_from_ms
    return TradesDocument(
        **_about(edition, symbol, state, reasons, [at for at, _ in trades]),
        as_of=trades[0].at if trades else None,
        reason=reason,
        trades=tuple(
            TradeRecord(
                at=at,
                price=each.price,
                quantity=each.quantity,
                side="buy" if each.side == "buy" else "sell",
                notional=round(each.price * each.quantity, 4),
                id=each.id,
            )
            for at, each in trades
        ),
        complete_since=lane.market.trades.trades_since,
        kept=TRADES_KEPT,
        alive_at=known.as_of,
        delayed_ms=delayed,
        stale_ms=stale,
        large_from=_large(lane.market.trades.whales.limit, large_trades.FLOOR),
    )


def liquidations_document(
    edition: Edition, symbol: RowSymbol, view: MarketView, lane: Lane
) -> LiquidationsDocument:
    """Build `/api/symbols/{symbol}/liquidations`."""
    known = _input(view, "trades")
    delayed, stale = lane.inputs.late_from_ms
    records = tuple(
        LiquidationRecord(
            at=at,
            price=each.price,
            quantity=each.quantity,
            side="long" if each.side == "long" else "short",
            notional=round(each.price * each.quantity, 4),
        )
        for at, each in lane.market.tape.liquidations
    )
    state, reason = known.state, known.reason
    if Topic.LIQUIDATIONS in lane.market.silent or (lane.liquidations == "unknown" and not records):
        # trades say that the connection lives, not that anybody tells of liquidations
        state, reason = State.ABSENT, Reason.NO_FEED
    if records and state is State.ABSENT:
        state = State.STALE  # what happened, happened
    reasons = _said(edition, "stream of liquidations", state, reason)
    return LiquidationsDocument(
        **_about(edition, symbol, state, reasons, [Millis(each.at) for each in records]),
        as_of=records[0].at if records else None,
        reason=reason,
        coverage=lane.liquidations,
        liquidations=records,
        long_notional=_sum_of(records, "long", reason),
        short_notional=_sum_of(records, "short", reason),
        complete_since=lane.market.trades.trades_since,
        kept=LIQUIDATIONS_KEPT,
        alive_at=known.as_of,
        delayed_ms=delayed,
        stale_ms=stale,
        large_from=_large(lane.market.trades.liquidated.limit, liquidation_flow.FLOOR),
    )


def _sum_of(
    records: Sequence[LiquidationRecord], side: Literal["long", "short"], reason: Reason | None
) -> float | None:
    """Sum what is listed; an empty list that has a reason is not 0."""
    if reason is not None and not records:
        return None
    return round(sum(each.notional for each in records if each.side == side), 4)


def _figure(value: Value, unit: str, limits: tuple[int, int], digits: int = 10) -> Figure:
    delayed, stale = limits
    return Figure(
        rounded(value.value, digits),
        unit,
        value.state,
        value.as_of,
        value.reason,
        delayed,
        stale,
    )


def _derived(of: Sequence[Value], value: float | None) -> Value:
    """A value made of others: as old as the oldest, as good as the worst, absent with one."""
    missing = next((each for each in of if each.value is None), None)
    if missing is not None or value is None:
        reason = Reason.TOO_FEW if missing is None else missing.reason or Reason.NO_FEED
        return Value.absent(reason)
    oldest = min((each.as_of for each in of if each.as_of is not None), default=None)
    return Value(value, oldest, worst([each.state for each in of]))


def _ratio(view: MarketView, lane: Lane) -> tuple[Value, Value]:
    """Shares of long and of short accounts."""
    known, found = _input(view, "account ratio"), lane.market.derivatives.ratio
    if found is None:
        absent = Value.absent(known.reason or Reason.NO_FEED)
        return absent, absent
    # the second may have been closed before the ratio came
    state = State.LIVE if known.state is State.ABSENT else known.state
    return Value(found.long_share, found.at, state), Value(found.short_share, found.at, state)


def derivatives_document(
    edition: Edition, symbol: RowSymbol, view: MarketView, lane: Lane
) -> DerivativesDocument:
    """Build `/api/symbols/{symbol}/derivatives`."""
    now, market = edition.cycle.now, lane.market.derivatives
    ticks = lane.inputs.late_from_ms

    def ticker(field: TickerField, scale: float = 1.0) -> Value:
        return lane.inputs.ticker(field, now, scale)

    mark, index = ticker(TickerField.MARK_PRICE), ticker(TickerField.INDEX_PRICE)
    basis = (
        10_000 * (mark.value - index.value) / index.value if mark.value and index.value else None
    )
    interest, rate = lane.inputs.open_interest(now), ticker(TickerField.FUNDING_RATE)
    notional = interest.value * mark.value if interest.value and mark.value else None
    hours = lane.inputs.funding_interval_hours
    yearly = None if rate.value is None or not hours else 100 * rate.value * HOURS_A_YEAR / hours
    longs, shorts = _ratio(view, lane)
    every = market.ratio_every
    polled = (every + 6 * MINUTE, every + 15 * MINUTE)
    split = longs.value / shorts.value if longs.value is not None and shorts.value else None
    values = {
        "last_price": _figure(view.price, "quote currency", ticks),
        "mark_price": _figure(mark, "quote currency", ticks),
        "index_price": _figure(index, "quote currency", ticks),
        "basis_bps": _figure(_derived((mark, index), basis), "basis points", ticks, 4),
        "open_interest": _figure(interest, "contracts in base currency", ticks, 4),
        "open_interest_notional": _figure(
            _derived((interest, mark), notional), "quote currency", ticks, 2
        ),
        "open_interest_change_1h": _figure(view.open_interest_change_1h, "percent", ticks, 4),
        "funding_rate": _figure(rate, "fraction per interval", ticks),
        "funding_8h": _figure(view.funding_8h, "fraction per 8 hours", ticks),
        "funding_yearly": _figure(_derived((rate,), yearly), "percent a year", ticks, 4),
        "long_share": _figure(longs, "share, 0..1", polled, 6),
        "short_share": _figure(shorts, "share, 0..1", polled, 6),
        "long_short_ratio": _figure(
            _derived((longs, shorts), split), "long share / short share", polled, 6
        ),
        "change_24h": _figure(view.change_24h, "percent", ticks, 4),
        "volume_24h": _figure(ticker(TickerField.VOLUME_24H), "base currency", ticks, 4),
        "turnover_24h": _figure(view.turnover_24h, "quote currency", ticks, 2),
    }
    present = [each for each in values.values() if each.state is not State.ABSENT]
    missing = sorted(name for name, each in values.items() if each.state is State.ABSENT)
    state = worst([each.state for each in present]) if present else State.ABSENT
    reasons = [notice.text for notice in edition.notices]
    if missing:
        reasons.append(f"not known: {', '.join(missing)}")
    if state in {State.DELAYED, State.STALE}:
        reasons.append(f"the oldest of the figures is {state}")
    coming = market.value(TickerField.NEXT_FUNDING_TIME)
    return DerivativesDocument(
        **_about(
            edition,
            symbol,
            state,
            reasons,
            [Millis(each.as_of) for each in present if each.as_of is not None],
        ),
        as_of=min((each.as_of for each in present if each.as_of is not None), default=None),
        open_interest_sides=lane.open_interest_sides,
        funding_interval_hours=hours,
        next_funding_time=None if coming is None else int(coming),
        funding_history=tuple(
            FundingPoint(at, each.rate, each.interval_hours)
            for at, each in list(market.funding)[-FUNDING_SHOWN:]
        ),
        open_interest_history=tuple(
            InterestPoint(at, each) for at, each in list(market.open_interest)[-HOURS_SHOWN:]
        ),
        ratio_history=tuple(
            RatioPoint(at, each.long_share, each.short_share)
            for at, each in list(market.ratios)[-HOURS_SHOWN:]
        ),
        **values,
    )
