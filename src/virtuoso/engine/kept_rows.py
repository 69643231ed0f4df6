"""Turns what one edition says into the rows of history: pure, one function a kind."""

from collections.abc import Mapping
from typing import Final

from virtuoso.domain.history import (
    KeptDerivatives,
    KeptOverview,
    KeptScore,
    Series,
)
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.market_data import TickerField
from virtuoso.domain.scores import Source, State
from virtuoso.domain.time import Millis
from virtuoso.engine.content import Content
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown
from virtuoso.engine.turning import parts_of

_HEARD: Final = frozenset({State.LIVE, State.DELAYED})


def series_of(shown: Shown, sources: Mapping[str, Source]) -> Series:
    """Say whose rows a symbol's are: of the venue that speaks for it."""
    venue = shown.instrument.venue
    return Series(sources[venue], venue, Symbol(shown.symbol))


def is_of_the_board(shown: Shown) -> bool:
    """Whether prices of the market that speaks are per contract of the board's symbol.

    A venue that names a symbol otherwise may count a thousand coins as one.
    """
    return shown.symbol == shown.instrument.symbol


def score_row(shown: Shown, series: Series, at: Millis, lane: Lane | None) -> KeptScore:
    """Build what is kept of one symbol at the second `at`."""
    view, score = shown.view, shown.view.score
    mid, spread_bp = middle(shown, lane)
    confidence = score.confidence
    return KeptScore(
        series=series,
        at=at,
        score=score.score,
        reason=score.reason,
        z=score.z,
        coverage=score.coverage,
        confidence=None if confidence is None else confidence.value,
        direction=view.direction,
        state=view.state,
        definition=score.definition,
        as_of=score.as_of,
        mid=mid,
        spread_bp=spread_bp,
        price=view.price.value,
        change_24h=view.change_24h.value,
        turnover_24h=view.turnover_24h.value,
        funding_8h=view.funding_8h.value,
        open_interest_change_1h=view.open_interest_change_1h.value,
        components=parts_of(score),
    )


def middle(shown: Shown, lane: Lane | None) -> tuple[float | None, float | None]:
    """Give the middle of the best quote and its spread, while the stream is heard."""
    if lane is None or shown.view.heard not in _HEARD:
        return None, None
    found, spread_bp = lane.inputs.middle()
    return (found if is_of_the_board(shown) else None), spread_bp


def derivatives_row(shown: Shown, series: Series, at: Millis, lane: Lane) -> KeptDerivatives:
    """Build what is kept of one perpetual beside its trades."""
    known = lane.market.derivatives
    settled, polled, ratio = known.funding.last, known.open_interest_now, known.ratio
    ticker = known.ticker.get(TickerField.OPEN_INTEREST)
    interest = None if ticker is None else ticker.value
    interest_at = None if ticker is None or interest is None else ticker.confirmed_at
    if interest is None and polled is not None:
        interest, interest_at = polled.contracts, polled.at
    if not is_of_the_board(shown):
        interest = interest_at = None
    priced = is_of_the_board(shown)
    return KeptDerivatives(
        series=series,
        at=at,
        funding_8h=shown.view.funding_8h.value,
        settled_rate=None if settled is None else settled.rate,
        settled_at=None if settled is None else settled.settled_at,
        open_interest=interest,
        open_interest_as_of=interest_at,
        long_share=None if ratio is None else ratio.long_share,
        ratio_as_of=None if ratio is None else ratio.at,
        mark_price=known.value(TickerField.MARK_PRICE) if priced else None,
        index_price=known.value(TickerField.INDEX_PRICE) if priced else None,
    )


def overview_row(content: Content, source: Source, at: Millis) -> KeptOverview:
    """Build what is kept of the market as a whole."""
    state, summed = content.across.state, content.overview[0]
    return KeptOverview(
        source=source,
        at=at,
        symbols=len(content.shown),
        scored=sum(each.view.score.score is not None for each in content.shown),
        regime=state.regime,
        trend_strength=state.trend_strength,
        volatility=state.volatility,
        volatility_percentile=state.volatility_percentile,
        dispersion=summed.market_dispersion,
        breadth=summed.breadth,
        btc_dominance=summed.btc_dominance,
        turnover_24h=summed.total_volume_24h,
        definition=content.definition,
    )
