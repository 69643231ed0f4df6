"""Turns one cycle into the messages of `wire`: pure, so that a replay gives the same bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from virtuoso.domain.alerts import Alert as KeptAlert
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import (
    Absent,
    ComponentScore,
    DimensionName,
    Reason,
    Source,
    State,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.engine.lens_states import lens_states, worst
from virtuoso.engine.view import CycleView, MarketView
from virtuoso.market.candles import Candles
from virtuoso.market.verdict import Sample
from virtuoso.wire.board import COMPONENT_ORDER, Notice, RowSymbol, ScoreRow
from virtuoso.wire.charts import (
    CandleGap,
    CandlesDocument,
    DefinitionSince,
    FormingBar,
    ScoreHistoryDocument,
    ScorePoint,
)
from virtuoso.wire.cycles import CyclesDocument, CycleTrace
from virtuoso.wire.dashboards import AlertsDocument
from virtuoso.wire.messages import SCHEMA, Document, Quality, Status, to_json
from virtuoso.wire.pushes import Alert
from virtuoso.wire.records import iso, record_of
from virtuoso.wire.refusals import Refusal, RefusalsDocument
from virtuoso.wire.symbols import DimensionValues, SymbolRecord, SymbolsDocument

LENS_KEYS = tuple(f"dimensions.{name}" for name in DimensionName)
"""What the quality of each lens is called in a record."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What every document of one cycle has in common."""

    epoch: str
    source: Source
    definition: str
    cycle: CycleView
    notices: tuple[Notice, ...]

    @property
    def timestamp(self) -> str:
        """When the documents were made, venue clock, ISO 8601 UTC."""
        return iso(self.cycle.now)


def rounded(value: float | None, digits: int) -> float | None:
    """Round for the wire: a number nobody can tell apart need not be sent."""
    return None if value is None else round(value, digits)


def row_of(number: int, view: MarketView) -> ScoreRow:
    """Build one board row."""
    score = view.score
    parts = [score.components.get(name) for name in COMPONENT_ORDER]
    reasons = tuple(part.reason if isinstance(part, Absent) else None for part in parts)
    confidence = score.confidence
    return ScoreRow(
        row=number,
        score=rounded(score.score, 2),
        reason=score.reason,
        confidence=None if confidence is None else round(100.0 * confidence.value, 1),
        direction=view.direction,
        components=tuple(
            round(part.score, 2) if isinstance(part, ComponentScore) else None for part in parts
        ),
        reasons=reasons if any(reasons) else None,
        price=view.price.value,
        change_24h=rounded(view.change_24h.value, 4),
        volume_24h=rounded(view.turnover_24h.value, 0),
        funding=rounded(view.funding_8h.value, 8),
        oi_change_1h=rounded(view.open_interest_change_1h.value, 4),
        score_change_1h=rounded(view.score_change_1h, 2),
        cell=None,
        as_of=score.as_of,
        price_as_of=view.price.as_of,
        live_score=rounded(view.live_score, 2),
        coverage=round(score.coverage, 4),
        state=view.state,
        price_state=view.price.state,
        price_reason=view.price.reason,
        oldest_input=view.oldest_input,
    )


def records_of(edition: Edition, symbols: Sequence[RowSymbol]) -> tuple[SymbolRecord, ...]:
    """Build every symbol's record, in board order."""
    return tuple(
        full_record(row_of(symbol.row, view), symbol, view, edition.cycle.now)
        for symbol, view in zip(symbols, edition.cycle.markets, strict=True)
    )


def full_record(row: ScoreRow, symbol: RowSymbol, view: MarketView, now: Millis) -> SymbolRecord:
    """Build one symbol's record with its lenses; `now` on the venue's clock."""
    lenses = view.dimensions
    states = lens_states(lenses, view.inputs, now)
    quality: dict[str, Quality] = {}
    oldest: Millis | None = None
    for key, lens, state in zip(LENS_KEYS, lenses, states, strict=True):
        if lens.value is None:
            quality[key] = Quality(State.ABSENT, None, lens.reason)
        elif lens.record is not None:
            quality[key] = Quality(state, lens.as_of, None, "unproven")
        if lens.as_of is not None and (oldest is None or lens.as_of < oldest):
            oldest = lens.as_of
    present = [state for state in states if state is not State.ABSENT]
    if present:
        quality["dimensions"] = Quality(worst(present), oldest)
    else:
        quality["dimensions"] = Quality(State.ABSENT, None, lenses[0].reason)
    values = [None if lens.value is None else round(lens.value, 1) for lens in lenses]
    return record_of(row, symbol, DimensionValues(*values), quality)


def oldest_of(records: Iterable[SymbolRecord]) -> int | None:
    """Give the time of the oldest record that has one, which a document is of."""
    return min((each.as_of for each in records if each.as_of is not None), default=None)


def status_of(records: Sequence[SymbolRecord], edition: Edition) -> tuple[Status, tuple[str, ...]]:
    """Say `success` only when every symbol has a score that is live, and nothing is amiss."""
    reasons = [notice.text for notice in edition.notices]
    without = sum(1 for each in records if each.confluence_score is None)
    late = sum(1 for each in records if each.state in {State.DELAYED, State.STALE})
    if without:
        reasons.append(f"{without} of {len(records)} symbols have no score")
    if late:
        reasons.append(f"the inputs of {late} of {len(records)} symbols are late")
    return ("degraded" if reasons else "success"), tuple(reasons)


def symbols_document(edition: Edition, records: tuple[SymbolRecord, ...]) -> SymbolsDocument:
    """Build `/api/symbols`."""
    status, reasons = status_of(records, edition)
    return SymbolsDocument(
        status=status,
        timestamp=edition.timestamp,
        as_of=oldest_of(records),
        source=edition.source,
        data_source="cache",
        symbols=records,
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        definition=edition.definition,
    )


def bar_of(candle: Candle) -> FormingBar:
    """Build the array shape of a candle."""
    return FormingBar(
        candle.open_time, candle.open, candle.high, candle.low, candle.close, candle.volume
    )


def candles_document(
    edition: Edition, symbol: RowSymbol, timeframe: Timeframe, candles: Candles
) -> CandlesDocument:
    """Build `/api/symbols/{symbol}/candles`."""
    series = candles[timeframe]
    reason = Reason.GAP if series.gap else None if series.closed else Reason.NO_FEED
    return CandlesDocument(
        status="success" if reason is None else "degraded",
        timestamp=edition.timestamp,
        source=symbol.source,
        symbol=symbol.symbol,
        timeframe=timeframe,
        candles=tuple(bar_of(each) for each in series.closed),
        reason=reason,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        gaps=tuple(CandleGap(each.start, each.end, each.filled_at) for each in candles.holes),
        backfilled=tuple(sorted(series.backfilled)),
    )


def refusals_document(edition: Edition, refusals: Iterable[tuple[str, Sample]]) -> RefusalsDocument:
    """Build `/api/monitoring/refusals` from what each venue's door refused."""
    newest = sorted(refusals, key=lambda each: -each[1].at)
    return RefusalsDocument(
        status="success",
        timestamp=edition.timestamp,
        source=edition.source,
        refusals=tuple(
            Refusal(venue, each.at, each.kind, each.reason, each.text()) for venue, each in newest
        ),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def history_document(
    edition: Edition,
    symbol: RowSymbol,
    step_ms: int,
    points: Iterable[ScorePoint],
    definitions: Iterable[tuple[Millis, str]] = (),
) -> ScoreHistoryDocument:
    """Build `/api/symbols/{symbol}/scores`."""
    return ScoreHistoryDocument(
        status="success",
        timestamp=edition.timestamp,
        source=symbol.source,
        symbol=symbol.symbol,
        step_ms=step_ms,
        points=tuple(points),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        definitions=tuple(DefinitionSince(at, hash_) for at, hash_ in definitions),
    )


def alert_message(alert: KeptAlert) -> Alert:
    """Build what is pushed and published of an alert."""
    return Alert(
        id=alert.id,
        level=alert.level.value,
        symbol=alert.symbol,
        rule=alert.rule,
        message=alert.message,
        timestamp=iso(alert.at),
        state=alert.state.value,
        source=Source(alert.source),
        signal=alert.signal,
    )


def alerts_document(edition: Edition, alerts: Sequence[Alert] | None) -> AlertsDocument:
    """Build the list of alerts that nobody has resolved; None: nothing watches."""
    return AlertsDocument(
        status="success" if alerts is not None else "degraded",
        timestamp=edition.timestamp,
        as_of=edition.cycle.now,
        source=edition.source,
        data_source="cache",
        alerts=tuple(alerts or ()),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        reasons=() if alerts is not None else ("alerts are off: nothing is watched",),
    )


def cycles_document(edition: Edition, kept: int, traces: Sequence[CycleTrace]) -> CyclesDocument:
    """Build `/api/monitoring/cycles`."""
    return CyclesDocument(
        status="success",
        timestamp=edition.timestamp,
        source=edition.source,
        kept=kept,
        cycles=tuple(traces),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def point_of(at: Millis, score: float | None) -> ScorePoint:
    """Build one point of a score's history."""
    return ScorePoint(at, rounded(score, 2))


def name_of(symbol: RowSymbol) -> Symbol:
    """Give a row's name as the keys want it."""
    return Symbol(symbol.symbol)


def publish_form(edition: Edition, message: msgspec.Struct, as_of: int | None) -> Document:
    """Wrap a message as ready bytes with their ETag."""
    return document_of(edition, to_json(message), as_of)


def document_of(edition: Edition, body: bytes, as_of: int | None) -> Document:
    """Wrap ready bytes with their ETag."""
    tag = blake2b(body, digest_size=8).hexdigest()
    return Document(
        schema=SCHEMA,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        now=edition.cycle.now,
        as_of=as_of,
        etag=f'"{tag}"',
        body=body,
    )
