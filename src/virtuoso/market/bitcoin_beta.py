"""How much of a market's movement is Bitcoin's. Formulas: section 8 of docs/scoring.md.

Returns are log returns of closed candles with equal close times, on one grid (`market.closes`): a
missing candle is NaN in the two places it would have touched. Moments are about zero and weighted
by age.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from virtuoso.domain.scores import Reason
from virtuoso.indicators.pairwise_moments import (
    PairwiseMoments,
    exponential_weights,
    pairwise_moments,
)
from virtuoso.indicators.state import Floats

WINDOW: Final = 1_000
"""Candles looked back on."""
HALF_LIFE: Final = 288.0
MINIMUM_PAIRS: Final = 250
QUIET_WINDOW: Final = 288
QUIET_SHARE: Final = 0.05
"""More returns of exactly zero than this share of the quiet window, and the lag counts too."""
PRIOR_MEAN: Final = 1.0
PRIOR_VARIANCE: Final = 0.09
LEAST_VARIANCE: Final = 0.01
OTHERS_NEEDED: Final = 10
RESIDUAL_BARS: Final = 12
MOST_LAGS: Final = 6
LAGS: Final = (0, *(lag for lag in range(-MOST_LAGS, MOST_LAGS + 1) if lag))
"""Bars by which Bitcoin's returns are shifted: moments with all of them are taken at once."""
LEAD_LIMIT: Final = 3.0
SHORT_BARS: Final = 36
"""Three hours."""
SHORT_PAIRS: Final = 30
AT_ONCE: Final = 8
"""Markets in one part of the work: a few milliseconds, and products so small that the library does
not start threads for them, which on busy cores take longer than the work."""


@dataclass(frozen=True, slots=True)
class LeadLag:
    """The strongest correlation with Bitcoin's returns of other instants, as description."""

    bars: int
    """Above 0: Bitcoin moved first; below 0: this market did."""
    correlation: float


@dataclass(frozen=True, slots=True)
class Beta:
    """One market against Bitcoin."""

    beta: float
    """Shrunk towards the other markets (Vasicek)."""
    raw_beta: float
    standard_error: float
    """Of the raw one."""
    shrinkage: float
    """k in `beta = k * raw + (1 - k) * mean`: the share of its own estimate."""
    correlation: float
    r_squared: float
    residual_z: float | None
    """The last twelve bars' own movement in standard deviations; None when one is missing."""
    lead_lag: LeadLag | None
    """None when no lag but 0 stands out."""
    lagged: bool
    """The market often stands still: Bitcoin's return before counts too (Dimson)."""
    samples: int
    effective_samples: float


@dataclass(frozen=True, slots=True)
class ShortBeta:
    """One market against Bitcoin over the last bars alone, equally weighted."""

    beta: float
    standard_error: float
    correlation: float
    samples: int


@dataclass(frozen=True, slots=True)
class _Raw:
    beta: float
    standard_error: float
    lagged: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one market before the others are: arrays in the order of LAGS."""

    raw: _Raw
    correlations: Floats
    effective: Floats
    samples: int


def bitcoin_betas(
    returns: Mapping[str, Floats], bitcoin: str, half_life: float = HALF_LIFE
) -> dict[str, Beta | Reason]:
    """Every market against Bitcoin; for one that has none, the reason.

    `returns` are of equal length, on one grid. Without Bitcoin's, all are `no_feed`.
    """
    working = betas_in_parts(returns, bitcoin, half_life)
    while True:
        try:
            next(working)
        except StopIteration as done:
            return dict(done.value)


def betas_in_parts(
    returns: Mapping[str, Floats], bitcoin: str, half_life: float = HALF_LIFE
) -> Generator[None, None, dict[str, Beta | Reason]]:
    """Do the work of `bitcoin_betas` in parts of some markets, between which others may work."""
    if bitcoin not in returns:
        return dict.fromkeys(returns, Reason.NO_FEED)
    names = list(returns)
    reference = returns[bitcoin]
    weights = exponential_weights(len(reference), half_life)
    shifted = np.array([_shifted(reference, lag) for lag in LAGS])
    known: dict[str, _Known] = {}
    found: dict[str, Beta | Reason] = {}
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        rows = np.array([returns[name] for name in some])
        moments = pairwise_moments(rows, shifted, weights)
        correlations = moments.correlation
        for number, name in enumerate(some):
            if name == bitcoin:
                found[name] = Reason.NOT_APPLICABLE
            elif moments.count[number, 0] < MINIMUM_PAIRS:
                found[name] = Reason.WARMING_UP
            else:
                estimate = _estimate(rows[number], reference, weights, moments, number)
                if estimate is None:
                    found[name] = Reason.TOO_FEW
                else:
                    known[name] = _Known(
                        raw=estimate,
                        correlations=correlations[number],
                        effective=moments.effective[number],
                        samples=int(moments.count[number, 0]),
                    )
        yield
    betas = np.array([each.raw.beta for each in known.values()])
    errors = np.array([each.raw.standard_error for each in known.values()])
    for number, (name, each) in enumerate(known.items()):
        prior = _prior(np.delete(betas, number), np.delete(errors, number))
        found[name] = _finish(each, prior, returns[name], reference, weights)
        if number % AT_ONCE == AT_ONCE - 1:
            yield
    return {name: found[name] for name in names}


def short_betas(returns: Mapping[str, Floats], bitcoin: str) -> dict[str, ShortBeta | Reason]:
    """Every market against Bitcoin over the last SHORT_BARS; for one that has none, the reason.

    `returns` as for `bitcoin_betas`; the formulas are those of section 8 with equal weights and
    without shrinkage.
    """
    if bitcoin not in returns:
        return dict.fromkeys(returns, Reason.NO_FEED)
    reference = returns[bitcoin][-SHORT_BARS:]
    found: dict[str, ShortBeta | Reason] = {}
    for name, row in returns.items():
        own = row[-SHORT_BARS:]
        whole = np.isfinite(own) & np.isfinite(reference)
        x, y = reference[whole], own[whole]
        samples = len(x)
        if name == bitcoin:
            found[name] = Reason.NOT_APPLICABLE
        elif samples < SHORT_PAIRS:
            found[name] = Reason.WARMING_UP
        else:
            square, own_square, product = float(x @ x), float(y @ y), float(x @ y)
            if square == 0.0 or own_square == 0.0:
                found[name] = Reason.TOO_FEW
                continue
            beta = product / square
            left = max(own_square - beta * product, 0.0)
            found[name] = ShortBeta(
                beta=beta,
                standard_error=sqrt(left / (square * (samples - 2))),
                correlation=min(1.0, max(-1.0, product / sqrt(square * own_square))),
                samples=samples,
            )
    return found


@dataclass(frozen=True, slots=True)
class CorrelationMatrix:
    """How alike markets moved, each with each; arrays of shape (markets, markets)."""

    correlation: Floats
    """About zero, -1..1; NaN where there is none."""
    samples: Floats
    """Pairs of returns behind each; fewer than MINIMUM_PAIRS give no correlation."""


def no_correlation(samples: float) -> Reason:
    """Why two markets have no correlation, given the pairs of their returns."""
    return Reason.WARMING_UP if samples < MINIMUM_PAIRS else Reason.TOO_FEW


def correlation_matrix(
    returns: Sequence[Floats], half_life: float = HALF_LIFE
) -> CorrelationMatrix:
    """Correlations of markets with one another, weighted as the betas are.

    `returns` are of equal length, on one grid, NaN where one is missing. A market that never moved
    correlates with nothing.
    """
    rows = np.array(returns)
    count, weights = len(rows), exponential_weights(rows.shape[1], half_life)
    correlation, samples = np.full((count, count), np.nan), np.zeros((count, count))
    for first in range(0, count, AT_ONCE):
        for second in range(first, count, AT_ONCE):
            one, other = slice(first, first + AT_ONCE), slice(second, second + AT_ONCE)
            moments = pairwise_moments(rows[one], rows[other], weights)
            enough = moments.count >= MINIMUM_PAIRS
            correlation[one, other] = np.where(enough, moments.correlation, np.nan)
            samples[one, other] = moments.count
    return CorrelationMatrix(_mirrored(correlation), _mirrored(samples))


def _mirrored(upper: Floats) -> Floats:
    """Give the symmetric matrix with this upper half."""
    return np.triu(upper) + np.triu(upper, 1).T


def _estimate(
    own: Floats, reference: Floats, weights: Floats, moments: PairwiseMoments, number: int
) -> _Raw | None:
    product = moments.product[number, 0]
    own_square = moments.row_square[number, 0]
    other_square = moments.other_square[number, 0]
    effective = moments.effective[number, 0]
    if other_square == 0.0 or own_square == 0.0 or effective <= 3.0:
        return None
    recent = own[-QUIET_WINDOW:]
    recent = recent[np.isfinite(recent)]
    if len(recent) and np.mean(recent == 0.0) > QUIET_SHARE:
        return _with_lag(own, reference, weights)
    beta = product / other_square
    variance = max(own_square - beta * product, 0.0) / (other_square * (effective - 2.0))
    return _Raw(float(beta), sqrt(variance), lagged=False)


def _with_lag(own: Floats, reference: Floats, weights: Floats) -> _Raw | None:
    """Regress on Bitcoin's return and the one before; beta is the sum of both (Dimson)."""
    y, now, before, w = own[1:], reference[1:], reference[:-1], weights[1:]
    whole = np.isfinite(y) & np.isfinite(now) & np.isfinite(before)
    y, now, before, w = y[whole], now[whole], before[whole], w[whole]
    if len(y) < MINIMUM_PAIRS:
        return None
    w = w / w.sum()
    design = np.stack([now, before])
    gram = (design * w) @ design.T
    if np.linalg.cond(gram) > 1e12:
        return None
    inverse = np.linalg.inv(gram)
    slopes = inverse @ ((design * w) @ y)
    effective = 1.0 / float(np.sum(w * w))
    residual = float(np.sum(w * (y - slopes @ design) ** 2))
    variance = residual * float(inverse.sum()) / (effective - 3.0)
    return _Raw(float(slopes.sum()), sqrt(max(variance, 0.0)), lagged=True)


def _prior(betas: Floats, errors: Floats) -> tuple[float, float]:
    """Mean and variance of the other markets' betas, less what is error of estimation."""
    if len(betas) < OTHERS_NEEDED:
        return PRIOR_MEAN, PRIOR_VARIANCE
    variance = float(betas.var(ddof=1) - np.mean(errors**2))
    return float(betas.mean()), max(variance, LEAST_VARIANCE)


def _finish(
    known: _Known, prior: tuple[float, float], own: Floats, reference: Floats, weights: Floats
) -> Beta:
    raw = known.raw
    mean, variance = prior
    share = variance / (variance + raw.standard_error**2)
    beta = share * raw.beta + (1.0 - share) * mean
    correlation = float(known.correlations[0])
    return Beta(
        beta=beta,
        raw_beta=raw.beta,
        standard_error=raw.standard_error,
        shrinkage=share,
        correlation=correlation,
        r_squared=correlation**2,
        residual_z=_residual_z(own, reference, weights, beta),
        lead_lag=_lead_lag(known.correlations.tolist(), known.effective.tolist()),
        lagged=raw.lagged,
        samples=known.samples,
        effective_samples=float(known.effective[0]),
    )


def _residual_z(own: Floats, reference: Floats, weights: Floats, beta: float) -> float | None:
    residuals = own - beta * reference
    latest = residuals[-RESIDUAL_BARS:]
    if len(latest) < RESIDUAL_BARS or not np.isfinite(latest).all():
        return None
    whole = np.isfinite(residuals)
    w = weights[whole]
    deviation = sqrt(float(np.sum(w * residuals[whole] ** 2) / w.sum()))
    return float(latest.sum()) / (deviation * sqrt(RESIDUAL_BARS)) if deviation > 0.0 else None


def _shifted(reference: Floats, lag: int) -> Floats:
    """Give Bitcoin's return `lag` bars before, NaN where that is outside the window."""
    if lag == 0:
        return reference
    shifted = np.full(len(reference), np.nan)
    if lag > 0:
        shifted[lag:] = reference[:-lag]
    else:
        shifted[:lag] = reference[-lag:]
    return shifted


def _lead_lag(correlations: Sequence[float], effective: Sequence[float]) -> LeadLag | None:
    """Give the strongest correlation that stands out; both in the order of LAGS."""
    best: LeadLag | None = None
    for lag, correlation, samples in zip(LAGS, correlations, effective, strict=True):
        if lag == 0 or not abs(correlation) > LEAD_LIMIT / sqrt(samples):  # also when it is NaN
            continue
        if best is None or abs(correlation) > abs(best.correlation):
            best = LeadLag(lag, correlation)
    return best
