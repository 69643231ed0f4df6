"""Five scans. Each is a function of a few numbers; an absent number makes its answer unknown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import atanh, sqrt
from typing import Final

from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason
from virtuoso.domain.time import Timeframe
from virtuoso.domain.words import Word
from virtuoso.market.bitcoin_beta import Beta, ShortBeta

STANDARD_ERRORS: Final = 4.0
"""How far the last three hours must lie from the long window.

Returns have fat tails: in recorded markets 3 is passed at one instant in 20, 4 at one in 40 or
fewer.
"""
ALIKE: Final = 0.5
"""A market that moved less alike with Bitcoin has nothing that could break."""
RESIDUAL: Final = 3.0
AGREED: Final = 10.0
"""Points from 50 that every timeframe must lie to one side."""
LEAST_PRESENT: Final = 0.5
"""Of a timeframe's weight."""
_CANDLE_VIEWS: Final = (
    ComponentName.TECHNICAL,
    ComponentName.VOLUME,
    ComponentName.PRICE_STRUCTURE,
)


class PatternName(Word):
    """What is looked for."""

    CORRELATION_BREAKDOWN = "correlation_breakdown"
    BETA_EXPANSION = "beta_expansion"
    BETA_COMPRESSION = "beta_compression"
    TIMEFRAME_AGREEMENT = "timeframe_agreement"
    RESIDUAL_BREAKOUT = "residual_breakout"


class Side(Word):
    """Which way a pattern points, where it has a side."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a scan looks for, for readers, and what is known of what followed it."""

    name: PatternName
    title: str
    what: str
    record: Reason | None = Reason.UNPROVEN
    """`unproven`: nothing was measured."""


KINDS: Final = (
    Kind(
        PatternName.CORRELATION_BREAKDOWN,
        "Correlation breakdown",
        "The correlation with Bitcoin of the last three hours lies four standard errors "
        "(Fisher's z) under that of the long window, which is at least 0.5.",
    ),
    Kind(
        PatternName.BETA_EXPANSION,
        "Beta expansion",
        "The beta of the last three hours lies four standard errors further from 0 than the "
        "long one.",
    ),
    Kind(
        PatternName.BETA_COMPRESSION,
        "Beta compression",
        "The beta of the last three hours lies four standard errors nearer to 0 than the long one.",
    ),
    Kind(
        PatternName.TIMEFRAME_AGREEMENT,
        "Timeframes agree",
        "The candle views of each of 1m, 5m, 30m and 4h lie ten points or more to one side of 50.",
    ),
    Kind(
        PatternName.RESIDUAL_BREAKOUT,
        "Residual breakout",
        "The move of the last hour that Bitcoin does not explain is three standard deviations "
        "or more.",
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of one scan for one symbol."""

    name: PatternName
    found: bool | None
    """None: not known, for `reason`."""
    value: float | None
    limit: float
    numbers: Mapping[str, float | None]
    reason: Reason | None = None
    side: Side | None = None


def of_bitcoin(long: Beta | Reason, short: ShortBeta | Reason) -> tuple[Found, ...]:
    """Run the four scans of a market against Bitcoin."""
    return (
        correlation_breakdown(long, short),
        *beta_change(long, short),
        residual_breakout(long),
    )


def correlation_gap(long: Beta, short: ShortBeta) -> float | None:
    """Give Fisher's z of the short correlation less that of the long one, in standard errors.

    `(atanh(r_short) - atanh(r_long)) * sqrt(n)`: moments are about zero, so no degree of freedom
    went into a mean. The long window holds the short one, which makes this err towards 0.
    """
    if not (abs(short.correlation) < 1.0 and abs(long.correlation) < 1.0):
        return None
    return (atanh(short.correlation) - atanh(long.correlation)) * sqrt(short.samples)


def correlation_breakdown(long: Beta | Reason, short: ShortBeta | Reason) -> Found:
    """Find a market that moved with Bitcoin and does not any more."""
    name, limit = PatternName.CORRELATION_BREAKDOWN, -STANDARD_ERRORS
    if isinstance(long, Reason) or isinstance(short, Reason):
        return _unknown(name, limit, long, short)
    gap = correlation_gap(long, short)
    numbers = {
        "correlation": long.correlation,
        "correlation_3h": short.correlation,
        "samples_3h": float(short.samples),
    }
    if gap is None:
        return Found(name, None, None, limit, numbers, Reason.TOO_FEW)
    return Found(name, long.correlation >= ALIKE and gap <= limit, gap, limit, numbers)


def beta_gap(long: Beta, short: ShortBeta) -> float | None:
    """Give how much further from 0 the short beta lies than the long one, in standard errors.

    `sign(b) * (b_short - b) / sqrt(SE_short^2 + SE^2)`; None when nothing could differ.
    """
    error = sqrt(short.standard_error**2 + long.standard_error**2)
    if error <= 0.0:
        return None
    sign = -1.0 if long.beta < 0.0 else 1.0
    return sign * (short.beta - long.beta) / error


def beta_change(long: Beta | Reason, short: ShortBeta | Reason) -> tuple[Found, Found]:
    """Find a market that moves more, or less, for each move of Bitcoin than it used to."""
    wider, tighter = PatternName.BETA_EXPANSION, PatternName.BETA_COMPRESSION
    limit = STANDARD_ERRORS
    if isinstance(long, Reason) or isinstance(short, Reason):
        return _unknown(wider, limit, long, short), _unknown(tighter, -limit, long, short)
    gap = beta_gap(long, short)
    numbers = {
        "beta": long.beta,
        "beta_3h": short.beta,
        "standard_error": long.standard_error,
        "standard_error_3h": short.standard_error,
    }
    if gap is None:
        return (
            Found(wider, None, None, limit, numbers, Reason.TOO_FEW),
            Found(tighter, None, None, -limit, numbers, Reason.TOO_FEW),
        )
    return (
        Found(wider, gap >= limit, gap, limit, numbers),
        Found(tighter, gap <= -limit, gap, -limit, numbers),
    )


def residual_breakout(long: Beta | Reason) -> Found:
    """Find a move of an hour that Bitcoin does not explain."""
    name = PatternName.RESIDUAL_BREAKOUT
    if isinstance(long, Reason):
        return Found(name, None, None, RESIDUAL, {}, long)
    z = long.residual_z
    numbers = {"residual_z": z, "beta": long.beta}
    if z is None:
        return Found(name, None, None, RESIDUAL, numbers, Reason.GAP)
    side = None
    if abs(z) >= RESIDUAL:
        side = Side.UP if z > 0.0 else Side.DOWN
    return Found(name, side is not None, z, RESIDUAL, numbers, side=side)


def timeframe_agreement(
    components: Mapping[ComponentName, ComponentScore | Absent],
    timeframes: Iterable[Timeframe] = tuple(Timeframe),
) -> Found:
    """Find a market whose candle views point one way on every timeframe.

    A timeframe's score is the mean of its members' scores, weighted as in their components; with
    less than half of that weight present it is unknown, and so is the answer.
    """
    name = PatternName.TIMEFRAME_AGREEMENT
    numbers: dict[str, float | None] = {}
    reason: Reason | None = None
    for timeframe in timeframes:
        numbers[str(timeframe)], why = _score_of(components, timeframe)
        reason = reason or why
    known = [each - 50.0 for each in numbers.values() if each is not None]
    if reason is not None or not known:
        return Found(name, None, None, AGREED, numbers, reason or Reason.NO_FEED)
    weakest = min(known, key=abs)
    agrees = all(each > 0.0 for each in known) or all(each < 0.0 for each in known)
    side = None
    if agrees and abs(weakest) >= AGREED:
        side = Side.UP if weakest > 0.0 else Side.DOWN
    return Found(name, side is not None, weakest if agrees else 0.0, AGREED, numbers, side=side)


def _score_of(
    components: Mapping[ComponentName, ComponentScore | Absent], timeframe: Timeframe
) -> tuple[float | None, Reason | None]:
    ending = f"@{timeframe}"
    total = present = summed = 0.0
    reason: Reason | None = None
    for component in _CANDLE_VIEWS:
        part = components.get(component)
        for member in () if part is None else part.members:
            if not member.name.endswith(ending):
                continue
            total += member.weight
            if member.score is None:
                reason = reason or member.reason
            else:
                present += member.weight
                summed += member.weight * member.score
    if total <= 0.0:
        return None, Reason.NO_FEED
    if present < LEAST_PRESENT * total:
        return None, reason or Reason.WARMING_UP
    return summed / present, None


def _unknown(
    name: PatternName, limit: float, long: Beta | Reason, short: ShortBeta | Reason
) -> Found:
    reason = long if isinstance(long, Reason) else short
    return Found(name, None, None, limit, {}, reason if isinstance(reason, Reason) else None)
