"""Every symbol against Bitcoin, and each with each."""

import msgspec

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.wire.messages import DataSource, Status


class LeadLagRecord(msgspec.Struct, frozen=True):
    """The strongest correlation with Bitcoin's returns of other instants, as description."""

    bars: int
    """Above 0: Bitcoin moved first."""
    correlation: float


class BetaRecord(msgspec.Struct, frozen=True):
    """One symbol against Bitcoin; without a beta, the reason. x Bitcoin's returns, y its own."""

    symbol: str
    reason: Reason | None
    beta: float | None = None
    """Shrunk towards the other symbols: shrinkage x raw_beta + (1 - shrinkage) x their mean."""
    raw_beta: float | None = None
    """sum w x y / sum w x^2; where `lagged`, the sum of both slopes."""
    standard_error: float | None = None
    """Of raw_beta."""
    shrinkage: float | None = None
    """Share of its own estimate in `beta`, 0..1."""
    correlation: float | None = None
    """sum w x y / sqrt(sum w x^2 sum w y^2), -1..1."""
    r_squared: float | None = None
    """correlation^2: share of movement that is Bitcoin's, 0..1."""
    residual_z: float | None = None
    """The last hour's own movement in standard deviations; null when one of its returns is not
    there."""
    lead_lag: LeadLagRecord | None = None
    """Null when no lag of 1 to 6 bars either way stands out: abs > 3 / sqrt(effective_samples)."""
    lagged: bool = False
    """Hardly traded: Bitcoin's return one bar before counts too."""
    samples: int = 0
    """n: common returns in the window."""
    effective_samples: float | None = None
    """1 / sum w^2."""


class BitcoinBetaDocument(msgspec.Struct, frozen=True):
    """`/api/bitcoin-beta`: regression of 5m log returns on Bitcoin's, half-life 288 bars."""

    status: Status
    timestamp: str
    as_of: int | None
    """Close time of the newest candle used."""
    state: State
    source: Source
    data_source: DataSource
    bitcoin: str | None
    """The symbol that stands for Bitcoin."""
    timeframe: str
    window: int
    """Candles looked back on."""
    symbols: tuple[BetaRecord, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    half_life: float | None = None
    """Candles: a return so old weighs half."""
    minimum_pairs: int | None = None
    """Fewer common returns give no beta."""


class BetaMatrixDocument(msgspec.Struct, frozen=True):
    """`/api/bitcoin-beta/matrix`: how alike the most traded symbols move, each with each.

    Correlation about zero of log returns between equal closes, weighted by age with the half-life:
    sum w x y / sqrt(sum w x^2 sum w y^2), -1..1, over the instants at which both have a return.
    """

    status: Status
    timestamp: str
    as_of: int | None
    """Close time of the newest candle used."""
    state: State
    source: Source
    data_source: DataSource
    timeframe: str
    window: int
    """Candles looked back on."""
    half_life: float
    """Candles."""
    minimum_pairs: int
    """Fewer common returns give no correlation."""
    symbols: tuple[str, ...]
    """Of rows and columns, most traded first."""
    monitored: int
    """Symbols watched in all; the matrix holds the first of them."""
    correlations: tuple[tuple[float | Reason, ...], ...]
    """A number, or the reason why there is none: `warming_up` below the minimum of pairs, `too_few`
    where a symbol did not move."""
    samples: tuple[tuple[int, ...], ...]
    """n: common returns behind each correlation."""
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
