"""Every symbol against Bitcoin, and each with each, as documents."""

from collections.abc import Iterator, Sequence
from math import isnan

from virtuoso.domain.scores import (
    Reason,
    State,
)
from virtuoso.domain.time import Timeframe
from virtuoso.engine.across import AcrossView
from virtuoso.engine.documents import Edition, rounded
from virtuoso.market.bitcoin_beta import (
    HALF_LIFE,
    MINIMUM_PAIRS,
    Beta,
    CorrelationMatrix,
    no_correlation,
)
from virtuoso.market.bitcoin_beta import WINDOW as BETA_WINDOW
from virtuoso.wire.beta import BetaMatrixDocument, BetaRecord, BitcoinBetaDocument, LeadLagRecord


def beta_record(symbol: str, found: Beta | Reason) -> BetaRecord:
    """Build one symbol's row of `/api/bitcoin-beta`."""
    if isinstance(found, Reason):
        return BetaRecord(symbol, found)
    lead = found.lead_lag
    return BetaRecord(
        symbol=symbol,
        reason=None,
        beta=rounded(found.beta, 4),
        raw_beta=rounded(found.raw_beta, 4),
        standard_error=rounded(found.standard_error, 4),
        shrinkage=rounded(found.shrinkage, 4),
        correlation=rounded(found.correlation, 4),
        r_squared=rounded(found.r_squared, 4),
        residual_z=rounded(found.residual_z, 2),
        lead_lag=None if lead is None else LeadLagRecord(lead.bars, round(lead.correlation, 4)),
        lagged=found.lagged,
        samples=found.samples,
        effective_samples=rounded(found.effective_samples, 1),
    )


def bitcoin_beta_document(edition: Edition, across: AcrossView) -> BitcoinBetaDocument:
    """Build `/api/bitcoin-beta`."""
    records = tuple(beta_record(str(each.symbol), beta) for each, beta in across.betas.items())
    with_beta = sum(each.beta is not None for each in records)
    reasons = [notice.text for notice in edition.notices]
    if across.bitcoin is None:
        reasons.append("no Bitcoin perpetual is among the symbols watched")
    elif with_beta == 0:
        reasons.append("too few 5m candles are here for any symbol")
    state = across.betas_state_at(edition.cycle.now)
    if state is State.STALE:
        reasons.append("no 5m candle has closed for too long")
    return BitcoinBetaDocument(
        status="degraded" if reasons else "success",
        timestamp=edition.timestamp,
        as_of=across.betas_as_of,
        state=state,
        source=edition.source,
        data_source="cache",
        bitcoin=None if across.bitcoin is None else str(across.bitcoin.symbol),
        timeframe=Timeframe.M5,
        window=BETA_WINDOW,
        symbols=records,
        reasons=tuple(reasons),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
        half_life=HALF_LIFE,
        minimum_pairs=MINIMUM_PAIRS,
    )


def _counts(row: Sequence[float]) -> tuple[int, ...]:
    return tuple(map(int, row))


def correlations(cells: CorrelationMatrix) -> Iterator[tuple[float | Reason, ...]]:
    """Give each row's correlations, or the reason where there is none."""
    for found, samples in zip(cells.correlation.tolist(), cells.samples.tolist(), strict=True):
        yield tuple(
            no_correlation(count) if isnan(each) else round(each, 6)
            for each, count in zip(found, samples, strict=True)
        )


def beta_matrix_document(edition: Edition, across: AcrossView) -> BetaMatrixDocument:
    """Build `/api/bitcoin-beta/matrix`."""
    reasons = [notice.text for notice in edition.notices]
    matrix, state = across.matrix, across.betas_state_at(edition.cycle.now)
    if matrix is None:
        reasons.append("no 5m candle is here for any symbol")
    if state is State.STALE:
        reasons.append("no 5m candle has closed for too long")
    return BetaMatrixDocument(
        status="degraded" if reasons else "success",
        timestamp=edition.timestamp,
        as_of=across.betas_as_of,
        state=state,
        source=edition.source,
        data_source="cache",
        timeframe=Timeframe.M5,
        window=BETA_WINDOW,
        half_life=HALF_LIFE,
        minimum_pairs=MINIMUM_PAIRS,
        symbols=() if matrix is None else tuple(str(each.symbol) for each in matrix.instruments),
        monitored=0 if matrix is None else matrix.monitored,
        correlations=() if matrix is None else tuple(correlations(matrix.cells)),
        samples=() if matrix is None else tuple(map(_counts, matrix.cells.samples.tolist())),
        reasons=tuple(reasons),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )
