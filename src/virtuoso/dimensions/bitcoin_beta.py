"""The lens `bitcoin_beta`: the share of a market's movement that it shares with Bitcoin."""

from virtuoso.domain.scores import DimensionName, DimensionScore, Reason
from virtuoso.domain.time import Millis
from virtuoso.market.bitcoin_beta import Beta


def bitcoin_beta(found: Beta | Reason, as_of: Millis | None) -> DimensionScore:
    """Give 100 R2; parts: beta, its standard error, correlation, R2, n and the residual z.

    `as_of` is the close time of the newest candle used. Bitcoin itself is `not_applicable`.
    """
    if isinstance(found, Reason):
        return DimensionScore(DimensionName.BITCOIN_BETA, None, found, None)
    return DimensionScore(
        DimensionName.BITCOIN_BETA,
        100.0 * found.r_squared,
        None,
        as_of,
        (
            ("beta", found.beta),
            ("standard_error", found.standard_error),
            ("correlation", found.correlation),
            ("r_squared", found.r_squared),
            ("samples", float(found.samples)),
            ("residual_z", found.residual_z),
        ),
    )
