"""Turns one cycle into the messages of `wire`: pure, so that a replay gives the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from statistics import median
from typing import Final

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
from virtuoso.domain.time import DAY, HOUR, SECOND, Millis, Timeframe
from virtuoso.engine.across import AcrossView
from virtuoso.engine.lens_states import lens_states, worst
from virtuoso.engine.pipeline import SCORE_STEP_MS
from virtuoso.engine.score_past import DAY_STEP_MS, SCORE_NEAR_MS
from virtuoso.engine.view import CycleView, MarketView, Value
from virtuoso.market.candles import Candles
from virtuoso.market.door import Sample
from virtuoso.market.overview import Overview
from virtuoso.market.score_movers import History, ScoreMove, ScoreMovers, score_movers
from virtuoso.wire.messages import (
    COMPONENT_ORDER,
    SCHEMA,
    Alert,
    AlertsDocument,
    CandleGap,
    CandlesDocument,
    CyclesDocument,
    CycleTrace,
    DashboardDocument,
    DefinitionSince,
    DimensionValues,
    Document,
    FormingBar,
    MarketOverview,
    MobileDocument,
    Movers,
    Notice,
    Quality,
    Refusal,
    RefusalsDocument,
    RowSymbol,
    ScoreHistoryDocument,
    ScorePoint,
    ScoreRow,
    Signal,
    Status,
    SymbolRecord,
    SymbolsDocument,
    to_json,
)
from virtuoso.wire.messages import ScoreMove as ScoreMoveRecord
from virtuoso.wire.messages import ScoreMovers as ScoreMoversRecord
from virtuoso.wire.records import iso, record_of

MOVERS = 5
MOST_ALERTS = 50
"""Of the active alerts in a document of the dashboards."""
LENS_KEYS = tuple(f"dimensions.{name}" for name in DimensionName)
"""What the quality of each lens is called in a record."""
TOP_SIGNALS: Final = "top_signals"
SCORE_WINDOWS: Final[Mapping[str, int | None]] = {
    "score_movers_1h": HOUR,
    "score_movers_4h": 4 * HOUR,
    "score_movers_observed": None,
}
"""Windows of the score movers in milliseconds; None: all that is kept."""
DAY_MOVERS = "score_movers_24h"
MOVERS_DELAYED_MS = 5 * SECOND
MOVERS_STALE_MS = 60 * SECOND
"""How late the next kept scores may be."""


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


def _oldest(records: Iterable[SymbolRecord]) -> int | None:
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
        as_of=_oldest(records),
        source=edition.source,
        data_source="cache",
        symbols=records,
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        definition=edition.definition,
    )


def by_pressure(record: SymbolRecord) -> tuple[bool, float, str]:
    """Order the strongest pressure in either direction first, symbols without a score last."""
    score = record.confluence_score
    if score is None:
        return True, 0.0, record.symbol
    return False, -abs(score - 50.0), record.symbol


def movers_of(records: Sequence[SymbolRecord]) -> Movers:
    """Five each by 24 h change above and below zero, ties by turnover."""
    moved = [each for each in records if each.change_24h is not None]

    def order(record: SymbolRecord) -> tuple[float, float]:
        return -(record.change_24h or 0.0), -(record.volume or 0.0)

    up = sorted((each for each in moved if (each.change_24h or 0.0) > 0), key=order)
    down = sorted(
        (each for each in moved if (each.change_24h or 0.0) < 0),
        key=lambda each: (each.change_24h or 0.0, -(each.volume or 0.0)),
    )
    return Movers(gainers=tuple(up[:MOVERS]), losers=tuple(down[:MOVERS]))


def movers_of_scores(
    histories: Mapping[str, History],
    alike_since: Mapping[str, Millis] | None = None,
    days: Mapping[str, History] | None = None,
) -> dict[str, ScoreMovers]:
    """Compare kept scores over every window; histories are by symbol, `days` in wider steps."""
    found = {
        field: score_movers(histories, window, SCORE_STEP_MS, alike_since, SCORE_NEAR_MS)
        for field, window in SCORE_WINDOWS.items()
    }
    found[DAY_MOVERS] = score_movers(days or {}, DAY, DAY_STEP_MS, alike_since)
    return found


def _score_movers(
    found: ScoreMovers, window: int | None, states: Mapping[str, State]
) -> ScoreMoversRecord | None:
    if found.reason is not None or found.as_of is None:
        return None

    def records(moves: Iterable[ScoreMove]) -> tuple[ScoreMoveRecord, ...]:
        return tuple(
            ScoreMoveRecord(
                symbol=each.symbol,
                score=round(each.score, 2),
                before=round(each.before, 2),
                change=round(each.change, 2),
                since=each.since,
                state=states.get(each.symbol, State.STALE),
            )
            for each in moves
        )

    return ScoreMoversRecord(
        window_ms=window,
        risers=records(found.risers),
        fallers=records(found.fallers),
        compared=found.compared,
        as_of=found.as_of,
    )


def _movers_quality(found: ScoreMovers, now: Millis, step_ms: int = SCORE_STEP_MS) -> Quality:
    """Judge movers by when the newest scores were kept."""
    if found.reason is not None or found.as_of is None:
        return Quality(State.ABSENT, None, found.reason or Reason.NO_FEED)
    late = now - found.as_of - step_ms
    state = State.LIVE if late <= MOVERS_DELAYED_MS else State.DELAYED
    return Quality(State.STALE if late > MOVERS_STALE_MS else state, found.as_of, None, "scores")


def overview_message(
    overview: Overview,
    tickers: Value,
    across: AcrossView,
    now: Millis,
    movers: Mapping[str, ScoreMovers] | None = None,
    states: Mapping[str, State] | None = None,
) -> MarketOverview:
    """Build the overview with the quality of each field, `now` on the venue's clock.

    movers: from `movers_of_scores`. states: of each symbol's score now.
    """
    moved = movers_of_scores({}) if movers is None else movers
    shown = {
        field: _score_movers(moved[field], window, states or {})
        for field, window in (*SCORE_WINDOWS.items(), (DAY_MOVERS, DAY))
    }
    state, freshness = across.state, across.state_at(now)

    def closes(value: float | str | None) -> Quality:
        if value is None:
            return Quality(State.ABSENT, None, state.reason or Reason.TOO_FEW)
        return Quality(freshness, across.state_as_of, None, "half-hour closes")

    def ticker(value: float | None, basis: str | None = None) -> Quality:
        if value is None:
            return Quality(State.ABSENT, None, overview.reason or Reason.TOO_FEW, basis)
        return Quality(tickers.state, tickers.as_of, None, basis)

    return MarketOverview(
        market_regime=state.regime,
        trend_strength=rounded(state.trend_strength, 2),
        volatility=rounded(state.volatility, 2),
        btc_dominance=rounded(overview.btc_dominance, 2),
        total_volume_24h=rounded(overview.total_volume_24h, 0),
        breadth=rounded(overview.breadth, 4),
        avg_volatility=rounded(state.avg_volatility, 2),
        volatility_percentile=rounded(state.volatility_percentile, 1),
        market_dispersion=rounded(overview.market_dispersion, 3),
        avg_market_dispersion=rounded(state.avg_market_dispersion, 3),
        score_movers_1h=shown["score_movers_1h"],
        score_movers_4h=shown["score_movers_4h"],
        score_movers_observed=shown["score_movers_observed"],
        score_movers_24h=shown[DAY_MOVERS],
        quality={field: _movers_quality(moved[field], now) for field in SCORE_WINDOWS}
        | {DAY_MOVERS: _movers_quality(moved[DAY_MOVERS], now, DAY_STEP_MS)}
        | {
            "market_regime": closes(state.regime),
            "trend_strength": closes(state.trend_strength),
            "volatility": closes(state.volatility),
            "avg_volatility": closes(state.avg_volatility),
            "volatility_percentile": closes(state.volatility_percentile),
            "avg_market_dispersion": closes(state.avg_market_dispersion),
            "btc_dominance": ticker(overview.btc_dominance, "turnover_24h"),
            "total_volume_24h": ticker(overview.total_volume_24h, "monitored symbols"),
            "breadth": ticker(overview.breadth),
            "market_dispersion": ticker(overview.market_dispersion),
        },
    )


def beta_summary(across: AcrossView) -> dict[str, object] | None:
    """Sum the betas up for the dashboards; None while no symbol has one."""
    found = sorted(
        (beta.beta, str(each.symbol), beta.correlation)
        for each, beta in across.betas.items()
        if not isinstance(beta, Reason)
    )
    if not found:
        return None
    return {
        "as_of": across.betas_as_of,
        "symbols": len(found),
        "median_beta": round(median(beta for beta, _, _ in found), 4),
        "median_correlation": round(median(each for _, _, each in found), 4),
        "lowest": {"symbol": found[0][1], "beta": round(found[0][0], 4)},
        "highest": {"symbol": found[-1][1], "beta": round(found[-1][0], 4)},
    }


def dashboard_document(
    edition: Edition,
    records: tuple[SymbolRecord, ...],
    market: MarketOverview,
    across: AcrossView,
    alerts: Sequence[Alert] | None = None,
    top: tuple[tuple[Signal, ...], Quality] | None = None,
) -> DashboardDocument:
    """Build `/api/dashboard/data`. `top`: from `followed.top_signals`; None: nobody follows any."""
    beta = beta_summary(across)
    no_beta = Reason.NO_FEED if across.bitcoin is None else Reason.WARMING_UP
    status, reasons = status_of(records, edition)
    top_signals, of_signals = top or ((), Quality(State.ABSENT, None, Reason.NOT_APPLICABLE))
    return DashboardDocument(
        status=status,
        timestamp=edition.timestamp,
        as_of=_oldest(records),
        source=edition.source,
        data_source="cache",
        market_overview=market,
        symbols=records,
        top_movers=movers_of(records),
        top_signals=top_signals,
        alerts=() if alerts is None else tuple(reversed(alerts[-MOST_ALERTS:])),
        bitcoin_beta=beta,
        quality={
            "alerts": Quality(State.ABSENT, None, Reason.NOT_APPLICABLE)
            if alerts is None
            else Quality(State.LIVE, edition.cycle.now),
            "bitcoin_beta": Quality(State.ABSENT, None, no_beta)
            if beta is None
            else Quality(across.betas_state_at(edition.cycle.now), across.betas_as_of),
            TOP_SIGNALS: of_signals,
        },
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def mobile_document(dashboard: DashboardDocument) -> MobileDocument:
    """Build `/api/dashboard/mobile-data`: a view of the dashboard document, nothing of its own."""
    market, movers = dashboard.market_overview, dashboard.top_movers
    ranked = tuple(sorted(dashboard.symbols, key=by_pressure))
    of_fields = {name: each for name, each in dashboard.quality.items() if name != TOP_SIGNALS}
    return MobileDocument(
        status=dashboard.status,
        timestamp=dashboard.timestamp,
        data_source=dashboard.data_source,
        market_overview=market,
        confluence_scores=ranked,
        top_movers=movers,
        market_regime=market.market_regime,
        regime=market.market_regime,
        trend_strength=market.trend_strength,
        trend_score=market.trend_strength,
        current_volatility=market.volatility,
        btc_dominance=market.btc_dominance,
        total_volume_24h=market.total_volume_24h,
        gainers=movers.gainers,
        top_gainers=movers.gainers,
        losers=movers.losers,
        symbols=ranked,
        top_symbols=ranked,
        as_of=dashboard.as_of,
        source=dashboard.source,
        reasons=dashboard.reasons,
        quality=market.quality | of_fields,
        truncated=False,
        alerts=tuple(each for each in dashboard.alerts if each.level == "critical"),
        epoch=dashboard.epoch,
        seq=dashboard.seq,
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
