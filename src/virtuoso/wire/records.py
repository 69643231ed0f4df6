"""One board row as the object REST and the socket's `records` form show: made in one place."""

from collections.abc import Mapping
from datetime import UTC, datetime

from virtuoso.domain.scores import Reason, State
from virtuoso.domain.time import Millis
from virtuoso.wire.board import COMPONENT_ORDER, RowSymbol, ScoreRow
from virtuoso.wire.messages import Quality
from virtuoso.wire.symbols import ComponentValues, DimensionValues, SymbolRecord


def millis_of(text: str) -> Millis:
    """Read ISO 8601 as milliseconds UTC; no zone means UTC. Raises ValueError."""
    found = datetime.fromisoformat(text.strip())
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return Millis(round(found.timestamp() * 1_000))


def iso(at: int) -> str:
    """Milliseconds UTC as ISO 8601 with milliseconds, such as 2026-07-19T12:00:03.250Z."""
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def record_of(
    row: ScoreRow,
    symbol: RowSymbol,
    dimensions: DimensionValues | None = None,
    of_dimensions: Mapping[str, Quality] | None = None,
) -> SymbolRecord:
    """Say of one row everything a reader of objects needs, with a reason for each null.

    A component that is there has the state of the score; only a missing one is named in `quality`,
    as `components.{name}`, since the component `volume` is not the field `volume`.

    A row says nothing of the lenses: who knows them gives them, with the quality of `dimensions`
    and of each that is missing as `dimensions.{name}`.
    """
    return SymbolRecord(
        symbol=symbol.symbol,
        confluence_score=row.score,
        confidence=row.confidence,
        direction=row.direction,
        change_24h=row.change_24h,
        price=row.price,
        volume=row.volume_24h,
        components=ComponentValues(*row.components),
        as_of=row.as_of,
        source=symbol.source,
        state=row.state,
        reason=row.reason,
        coverage=row.coverage,
        quality=_quality(row, of_dimensions or _NO_DIMENSIONS),
        venue=symbol.venue,
        live_score=row.live_score,
        dimensions=dimensions,
        definition=symbol.definition,
    )


_NO_DIMENSIONS = {
    "dimensions": Quality(State.ABSENT, None, Reason.NOT_APPLICABLE, "see /api/symbols/{symbol}")
}


def _quality(row: ScoreRow, of_dimensions: Mapping[str, Quality]) -> dict[str, Quality]:
    score = Quality(row.state, row.as_of, row.reason)
    quality = {
        "confluence_score": score,
        "confidence": score,
        "price": Quality(row.price_state, row.price_as_of, row.price_reason),
        "change_24h": _of_ticker(row, row.change_24h),
        "volume": _of_ticker(row, row.volume_24h),
        **of_dimensions,
        "outlook": Quality(State.ABSENT, None, Reason.UNPROVEN),
    }
    for name, reason in zip(COMPONENT_ORDER, row.reasons or (), strict=False):
        if reason is not None:
            quality[f"components.{name}"] = Quality(State.ABSENT, None, reason)
    return quality


def _of_ticker(row: ScoreRow, value: float | None) -> Quality:
    """Judge a number that comes with the price's feed, and is as old as the price."""
    if value is None:
        return Quality(State.ABSENT, None, row.price_reason or Reason.NO_FEED)
    return Quality(row.price_state, row.price_as_of, row.price_reason)
