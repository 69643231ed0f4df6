"""How every symbol moved over every window, in price and in score; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.documents import Edition
from virtuoso.engine.lane import Lane
from virtuoso.engine.score_past import SCORE_STEP_MS
from virtuoso.engine.view import MarketView, Value
from virtuoso.market.candles import Candles
from virtuoso.market.score_movers import History, change_over
from virtuoso.wire.lists import MoverRecord, MoversDocument
from virtuoso.wire.symbols import SymbolRecord

DAY_WINDOW: Final = "24h"
OBSERVED: Final = "observed"
WINDOWS: Final[Mapping[str, int]] = {
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "4h": 4 * HOUR,
}
"""Windows of both, in milliseconds. Beside them: prices over 24 h, by the venue's ticker, and
scores since the first that is kept."""
ALL_WINDOWS: Final = (*WINDOWS, DAY_WINDOW, OBSERVED)
AT_ONCE: Final = 20
"""Symbols compared before others get their turn."""


def price_change(price: Value, candles: Candles, window_ms: int, now: Millis) -> float | Reason:
    """Percent from the close of the minute that was over a window ago to the price of now."""
    if price.value is None or price.state is State.STALE:
        return price.reason or Reason.STALE
    minutes = candles[Timeframe.M1]
    last = minutes.last_close
    if minutes.gap:
        return Reason.GAP
    if last is None:
        return Reason.WARMING_UP
    wanted = (now - window_ms) // MINUTE * MINUTE
    # closed minutes have no hole, so their distance tells their place
    back = (last - wanted) // MINUTE
    if not 0 <= back < len(minutes.closed):
        return Reason.WARMING_UP if back >= 0 else Reason.STALE
    return round(100.0 * (price.value / minutes.closed[-1 - back].close - 1.0), 4)


def score_change(
    history: History, window_ms: int | None, now: Millis, alike_since: Millis
) -> float | Reason:
    """Points from the score kept a window ago to the newest one kept."""
    if not history:
        return Reason.NO_FEED
    if history[-1][0] <= now - 2 * SCORE_STEP_MS - MINUTE:
        return Reason.STALE
    found = change_over(history, window_ms, SCORE_STEP_MS, alike_since)
    return found if isinstance(found, Reason) else round(found.change, 2)


def mover_record(record: SymbolRecord, view: MarketView, lane: Lane, now: Millis) -> MoverRecord:
    """Compare one symbol over every window."""
    candles, alike = lane.market.candles, lane.past.scored_alike_since
    day = view.change_24h
    prices: dict[str, float | Reason] = {
        name: price_change(view.price, candles, window, now) for name, window in WINDOWS.items()
    }
    late = day.value is None or day.state is State.STALE
    prices[DAY_WINDOW] = day.reason or Reason.STALE if late else round(day.value or 0.0, 4)
    prices[OBSERVED] = Reason.NOT_APPLICABLE
    scores: dict[str, float | Reason] = {
        name: score_change(lane.past.samples, window, now, alike)
        for name, window in WINDOWS.items()
    }
    scores[DAY_WINDOW] = Reason.NOT_APPLICABLE
    scores[OBSERVED] = score_change(lane.past.samples, None, now, alike)
    return MoverRecord(
        symbol=record.symbol,
        venue=record.venue,
        price=record.price,
        volume=record.volume,
        score=record.confluence_score,
        direction=record.direction,
        state=record.state,
        price_state=view.price.state,
        price_as_of=view.price.as_of,
        price_changes=prices,
        score_changes=scores,
    )


def mover_records(
    records: Sequence[SymbolRecord],
    views: Sequence[MarketView],
    lanes: Mapping[str, Lane],
    now: Millis,
) -> Iterator[MoverRecord | None]:
    """Give every symbol's record, and None between some, when others may have their turn."""
    for number, (record, view) in enumerate(zip(records, views, strict=True)):
        lane = lanes.get(record.symbol)
        if lane is not None:
            yield mover_record(record, view, lane, now)
        if number % AT_ONCE == AT_ONCE - 1:
            yield None


def movers_document(
    edition: Edition, records: Sequence[MoverRecord], newest: Millis | None
) -> MoversDocument:
    """Build what `/api/market/movers` chooses from."""
    reasons = tuple(notice.text for notice in edition.notices)
    return MoversDocument(
        status="degraded" if reasons else "success",
        timestamp=edition.timestamp,
        as_of=newest,
        source=edition.source,
        data_source="cache",
        windows=ALL_WINDOWS,
        symbols=tuple(records),
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        now=edition.cycle.now,
    )
