"""What is served of the past: documents made from the store's rows.

Points are arrays, which only grow at the end. Times are milliseconds UTC; `start <= at < end`.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeAlias, TypedDict

import msgspec

from virtuoso.domain.history import (
    Gap,
    GapKind,
    GapReason,
    KeptDerivatives,
    KeptOverview,
    KeptScore,
)
from virtuoso.domain.rounding import rounded_parts
from virtuoso.domain.scores import Direction, Reason, Source, State
from virtuoso.wire.board import COMPONENT_ORDER
from virtuoso.wire.charts import DefinitionSince, ScorePoint
from virtuoso.wire.messages import DataSource, Status
from virtuoso.wire.records import iso
from virtuoso.wire.symbols import ComponentValues


class HistoryGap(msgspec.Struct, frozen=True):
    """A hole: rows that are missing, or that have no score."""

    kind: GapKind
    start: int
    end: int | None
    """The first instant that is there again; null while it lasts."""
    reason: GapReason
    detail: str
    venue: str


class ComponentPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, six scores, six contributions, confidence, coverage]` in the order of the board."""

    at: int
    scores: tuple[float | None, ...]
    """0..100 or null."""
    points: tuple[float | None, ...]
    """What each added to score - 50, as it was shown: they add up to the shown score - 50."""
    confidence: float | None
    """0..100."""
    coverage: float


class AboutPast(TypedDict):
    """What every document of a span of the past says of itself."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    start: int
    end: int
    step_ms: int
    reasons: tuple[str, ...]


class StoredScoresDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/scores/history?from=&to=&resolution=`: scores as they were said."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    symbol: str
    start: int
    end: int
    step_ms: int
    """Of each such interval the first row is shown; 0: every row."""
    points: tuple[ScorePoint, ...]
    components: tuple[ComponentPoint, ...] | None
    """Null unless asked for by `components=true`."""
    definitions: tuple[DefinitionSince, ...]
    """Scores on two sides of a change were measured with different rules."""
    gaps: tuple[HistoryGap, ...]
    reasons: tuple[str, ...] = ()


class RecordedScore(msgspec.Struct, frozen=True):
    """One symbol of the board as it was."""

    symbol: str
    venue: str
    source: Source
    at: int
    """When it was said; at most minutes before the instant asked for."""
    confluence_score: float | None
    reason: Reason | None
    confidence: float | None
    """0..100."""
    direction: Direction | None
    coverage: float
    state: State
    """As it was then."""
    components: ComponentValues
    contributions: ComponentValues
    """What each added to score - 50."""
    absent: dict[str, Reason]
    """Why a component is null."""
    price: float | None
    change_24h: float | None
    """Percent."""
    volume: float | None
    """24 h turnover in quote currency."""
    funding: float | None
    """The coming rate converted to 8 hours, a fraction."""
    oi_change_1h: float | None
    """Percent, in contracts."""
    definition: str
    as_of: int | None


class RecordedOverview(msgspec.Struct, frozen=True):
    """The market as a whole at one instant, as it was said."""

    at: int
    source: Source
    symbols: int
    scored: int
    market_regime: str | None
    trend_strength: float | None
    volatility: float | None
    volatility_percentile: float | None
    market_dispersion: float | None
    breadth: float | None
    btc_dominance: float | None
    total_volume_24h: float | None
    definition: str


class RecordedBoard(msgspec.Struct, frozen=True):
    """`/api/history/board?at=`: the board as it was; nothing of it is the present."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    at: int
    """The instant asked for."""
    as_of: int | None
    """Of the newest row shown."""
    symbols: tuple[RecordedScore, ...]
    """The strongest pressure in either direction first, symbols without a score last."""
    market: RecordedOverview | None
    reasons: tuple[str, ...] = ()


class RecordedOverviewDocument(msgspec.Struct, frozen=True):
    """`/api/history/overview?from=&to=&resolution=`."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    start: int
    end: int
    step_ms: int
    points: tuple[RecordedOverview, ...]
    reasons: tuple[str, ...] = ()


class DerivativesPoint(msgspec.Struct, frozen=True):
    """What was known of one perpetual beside its trades."""

    at: int
    venue: str
    funding_8h: float | None
    """The coming rate converted to 8 hours, a fraction."""
    settled_rate: float | None
    settled_at: int | None
    open_interest: float | None
    """Contracts in base currency."""
    open_interest_as_of: int | None
    long_share: float | None
    """Of accounts, 0..1."""
    ratio_as_of: int | None
    mark_price: float | None
    index_price: float | None


class DerivativesHistoryDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/derivatives/history?from=&to=&resolution=`."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    symbol: str
    start: int
    end: int
    step_ms: int
    points: tuple[DerivativesPoint, ...]
    reasons: tuple[str, ...] = ()


Past: TypeAlias = (
    StoredScoresDocument | RecordedBoard | RecordedOverviewDocument | DerivativesHistoryDocument
)


def gap_of(gap: Gap) -> HistoryGap:
    """Build the record of a hole."""
    return HistoryGap(gap.kind, gap.start, gap.end, gap.reason, gap.detail, gap.series.venue)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def score_points(marks: Iterable[tuple[int, float | None, str]]) -> tuple[ScorePoint, ...]:
    """Build the points of a chart."""
    return tuple([ScorePoint(at, _rounded(score, 2)) for at, score, _ in marks])


def definitions_of(
    marks: Iterable[tuple[int, float | None, str]],
) -> tuple[DefinitionSince, ...]:
    """Say where the definition changes."""
    return tuple(
        DefinitionSince(next(group)[0], definition)
        for definition, group in groupby(marks, key=lambda each: each[2])
    )


def _shown_points(row: KeptScore) -> tuple[float | None, ...]:
    """Give what each component added with two decimals, in the order of the board.

    They are rounded as when they were live, or the past would not add up to its own score.
    """
    parts = [(row.components or {}).get(name) for name in COMPONENT_ORDER]
    exact = [None if each is None else each.points for each in parts]
    if row.score is None:
        return tuple([_rounded(each, 2) for each in exact])
    known = [each for each in exact if each is not None]
    shown = iter(rounded_parts(known, round(row.score, 2) - 50.0))
    return tuple([None if each is None else next(shown) for each in exact])


def component_points(rows: Iterable[KeptScore]) -> tuple[ComponentPoint, ...]:
    """Build the points of the six components."""
    found = []
    for row in rows:
        parts = [(row.components or {}).get(name) for name in COMPONENT_ORDER]
        found.append(
            ComponentPoint(
                row.at,
                tuple([None if each is None else _rounded(each.score, 2) for each in parts]),
                _shown_points(row),
                None if row.confidence is None else round(100 * row.confidence, 1),
                round(row.coverage, 4),
            )
        )
    return tuple(found)


def recorded_score(row: KeptScore) -> RecordedScore:
    """Build one symbol's record of the past."""
    parts = row.components or {}
    known = [parts.get(name) for name in COMPONENT_ORDER]
    return RecordedScore(
        symbol=row.series.symbol,
        venue=row.series.venue,
        source=row.series.source,
        at=row.at,
        confluence_score=_rounded(row.score, 2),
        reason=row.reason,
        confidence=None if row.confidence is None else round(100 * row.confidence, 1),
        direction=row.direction,
        coverage=round(row.coverage, 4),
        state=row.state,
        components=ComponentValues(*(each and _rounded(each.score, 2) for each in known)),
        contributions=ComponentValues(*_shown_points(row)),
        absent={name: part.reason for name, part in parts.items() if part.reason is not None},
        price=row.price,
        change_24h=_rounded(row.change_24h, 4),
        volume=_rounded(row.turnover_24h, 0),
        funding=_rounded(row.funding_8h, 8),
        oi_change_1h=_rounded(row.open_interest_change_1h, 4),
        definition=row.definition,
        as_of=row.as_of,
    )


def recorded_board(
    at: int,
    now: int,
    sources: Sequence[Source],
    rows: Iterable[KeptScore],
    market: KeptOverview | None,
) -> RecordedBoard:
    """Build the board of an instant."""
    found = sorted(
        (recorded_score(row) for row in rows),
        key=lambda each: (
            each.confluence_score is None,
            -abs((each.confluence_score or 50.0) - 50.0),
            each.symbol,
        ),
    )
    reasons = () if found else (f"nothing was recorded at {iso(at)}",)
    return RecordedBoard(
        status="success" if found else "degraded",
        timestamp=iso(now),
        sources=tuple(sources),
        data_source="store",
        at=at,
        as_of=max((each.at for each in found), default=None),
        symbols=tuple(found),
        market=None if market is None else recorded_overview(market),
        reasons=reasons,
    )


def recorded_overview(row: KeptOverview) -> RecordedOverview:
    """Build the record of the market as a whole."""
    return RecordedOverview(
        at=row.at,
        source=row.source,
        symbols=row.symbols,
        scored=row.scored,
        market_regime=row.regime,
        trend_strength=_rounded(row.trend_strength, 2),
        volatility=_rounded(row.volatility, 2),
        volatility_percentile=_rounded(row.volatility_percentile, 1),
        market_dispersion=_rounded(row.dispersion, 3),
        breadth=_rounded(row.breadth, 4),
        btc_dominance=_rounded(row.btc_dominance, 2),
        total_volume_24h=_rounded(row.turnover_24h, 0),
        definition=row.definition,
    )


def derivatives_point(row: KeptDerivatives) -> DerivativesPoint:
    """Build one point of a perpetual's derivatives."""
    return DerivativesPoint(row.at, row.series.venue, *row[2:])
