"""The market as a whole and the documents of the dashboards, of one cycle: pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from virtuoso.domain.scores import (
    Reason,
    State,
)
from virtuoso.domain.time import DAY, HOUR, SECOND, Millis
from virtuoso.engine.across import AcrossView
from virtuoso.engine.documents import Edition, oldest_of, rounded, status_of
from virtuoso.engine.score_past import DAY_STEP_MS, SCORE_NEAR_MS, SCORE_STEP_MS
from virtuoso.engine.view import Value
from virtuoso.market.overview import Overview
from virtuoso.market.score_movers import History, ScoreMove, ScoreMovers, score_movers
from virtuoso.wire.dashboards import DashboardDocument, MobileDocument, Movers, Signal
from virtuoso.wire.messages import Quality
from virtuoso.wire.overview import MarketOverview
from virtuoso.wire.overview import ScoreMove as ScoreMoveRecord
from virtuoso.wire.overview import ScoreMovers as ScoreMoversRecord
from virtuoso.wire.pushes import Alert
from virtuoso.wire.symbols import SymbolRecord

MOVERS = 5
MOST_ALERTS = 50
"""Of the active alerts in a document of the dashboards."""
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
        as_of=oldest_of(records),
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
