"""Signals over the API and in the cache: what was said, what followed, what such signals are worth.

Times are milliseconds UTC; prices are in the quote currency; returns are log returns, of which
0.01 is about one percent.
"""

from collections.abc import Collection, Sequence
from math import exp

import msgspec

from virtuoso.domain.fees import NO_FEES, Fees, TakerFee, after_fees, fee_at
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source
from virtuoso.domain.signals import STOP_RANGES, Outcome, Signal, SignalEvent, SignalState
from virtuoso.wire.messages import DataSource, Status
from virtuoso.wire.records import iso


class SignalPart(msgspec.Struct, frozen=True):
    """One component of the score that a signal was made of."""

    score: float | None
    """0..100; null exactly when `reason` is set."""
    points: float | None
    """What it added to score - 50."""
    reason: Reason | None


class SignalFee(msgspec.Struct, frozen=True):
    """What a taker pays at a venue, each way."""

    taker_percent: float | None
    """Of the turnover; null: not known."""
    source: str | None
    """Where that is from."""
    reason: Reason | None
    """Why it is not known."""


class SignalRecord(msgspec.Struct, frozen=True):
    """One confirmed change of direction as it was said, and what became of it."""

    id: str
    """The same change of the same market has the same one."""
    source: Source
    simulated: bool
    """True: it says nothing of any market, and is in no statistic of live signals."""
    venue: str
    symbol: str
    direction: Direction
    state: SignalState
    """`active` and `confirmed` are open; the others are final."""
    opened: str
    """ISO 8601 UTC."""
    opened_at: int
    score: float | None
    """0..100, of the second that confirmed it."""
    decided_on: float | None
    """0..100: the score of the minute that confirmed it."""
    confidence: float | None
    """0..100."""
    coverage: float
    """Share of the score's weight that was present, 0..1."""
    definition: str
    """Hash of what the score was computed by."""
    components: dict[ComponentName, SignalPart]
    price: float | None
    """The middle of the best quote then."""
    spread_bp: float | None
    method: str
    """How stop, targets and results are made: docs/signals.md."""
    range_percent: float | None
    """The average true range that stop and targets were made from, percent."""
    stop: float | None
    targets: tuple[float, ...]
    """At 1, 2 and 3 times the distance to the stop."""
    reason: Reason | None
    """Why there is no stop."""
    horizon_ms: int
    expires_at: int
    followed_to: int | None
    """Closing time of the last one-minute candle it was held against."""
    last_price: float | None
    """Close of that candle."""
    targets_hit: int
    best_excursion: float | None
    """Largest move in its direction so far, a log return."""
    worst_excursion: float | None
    """Largest move against it so far, a log return, not above 0."""
    best_excursion_r: float | None
    """The same in units of the distance to the stop."""
    worst_excursion_r: float | None
    left_at: int | None
    """When its direction was left; within 30 minutes it may come back."""
    reopened: int
    """How often it did."""
    closed_at: int | None
    outcome: Outcome | None
    exit_price: float | None
    r: float | None
    """Result of the whole position in units of the distance to the stop, before any cost; null
    without one."""
    r_after_fees: float | None
    """The same after taking both ways at `fee`; null without a result or without a fee. Spread,
    slippage and funding are not taken off."""
    fee: SignalFee
    return_percent: float | None
    """The same as a percentage of the price, before any cost."""
    changed_at: int


class SignalsDocument(msgspec.Struct, frozen=True):
    """The cached list: signals that are open, and those that ended last, newest first."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    signals: tuple[SignalRecord, ...]
    epoch: str = ""
    seq: int = 0


class SignalsPage(msgspec.Struct, frozen=True):
    """`/api/signals`: newest first."""

    status: Status
    timestamp: str
    as_of: int | None
    """Closing time of the newest candle that any of them was held against."""
    sources: tuple[Source, ...]
    """Whose signals these are: simulated ones or live ones, never both."""
    data_source: DataSource
    """`cache` when the store cannot be read: then only open ones and the last ended are known."""
    signals: tuple[SignalRecord, ...]
    next: str | None
    """`before` of the next page; null: there is none."""
    reasons: tuple[str, ...] = ()


class SignalStep(msgspec.Struct, frozen=True):
    """One step of a signal's life, written down then and never changed."""

    at: int
    state: SignalState
    what: str
    """`opened`, `target_1`, `left`, `reopened`, or the outcome."""
    price: float | None


class SignalDocument(msgspec.Struct, frozen=True):
    """`/api/signals/{id}`: one signal with the steps of its life."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    signal: SignalRecord
    steps: tuple[SignalStep, ...]
    reasons: tuple[str, ...] = ()


class CountedRate(msgspec.Struct, frozen=True):
    """A share with its denominator: never one without the other."""

    n: int
    """Of so many signals."""
    hits: int
    """So many."""
    rate: float | None
    """hits / n, 0..1; null while there are too few."""
    low: float | None
    """Lower end of the 95 % Wilson interval on n_eff."""
    high: float | None
    n_eff: float | None
    """n after days on which signals ended alike are counted as less."""
    reason: Reason | None


class CountedMean(msgspec.Struct, frozen=True):
    """A mean with its number and interval."""

    n: int
    mean: float | None
    """null while there are too few."""
    low: float | None
    """Lower end of the 95 % day-block bootstrap interval."""
    high: float | None
    reason: Reason | None


class SignalCell(msgspec.Struct, frozen=True):
    """What became of the signals of one symbol, direction, horizon and method."""

    symbol: str
    """`*`: all symbols together."""
    direction: Direction
    horizon_ms: int
    method: str
    standing: str
    """`too_few`, `early` (the interval is wide) or `measured`."""
    n: int
    """Signals that ended."""
    open: int
    """Signals that have not, and count nowhere else."""
    days: int
    """Distinct days (UTC) on which those n were opened."""
    outcomes: dict[Outcome, int]
    """Of n."""
    without_stop: int
    """Of n: there was nothing to measure them by."""
    lost: int
    """Of n: nothing was seen for too long, so they have no result."""
    first_target: CountedRate
    """Reached the first target before the stop, of those with a stop that were seen to their end.

    It is no rate of winning: what came after the first target may have taken it back."""
    mean_r: CountedMean
    """Result in units of the distance to the stop, before any cost."""
    mean_r_after_fees: CountedMean
    """The same after taking both ways at the fee of each one's venue; n: those whose fee is known.
    """
    median_r: float | None
    best_excursion: float | None
    """Median of the largest move in its direction, a log return; null while there are too few."""
    worst_excursion: float | None


class SignalStatistics(msgspec.Struct, frozen=True):
    """`/api/signals/statistics`: counted over what is stored, with every denominator."""

    status: Status
    timestamp: str
    sources: tuple[Source, ...]
    data_source: DataSource
    since: int | None
    """Signals opened from then on; null: all."""
    cells: tuple[SignalCell, ...]
    fees: dict[str, SignalFee]
    """By venue (`*`: all others), what `mean_r_after_fees` took off each way."""
    reasons: tuple[str, ...] = ()


def fee_of(fee: TakerFee | None) -> SignalFee:
    """Give a fee as the API has it; one that nobody told is `no_feed`."""
    if fee is None:
        return SignalFee(None, None, Reason.NO_FEED)
    return SignalFee(fee.percent, fee.source, None)


def fees_of(fees: Fees) -> dict[str, SignalFee]:
    """Give the fees of all venues as the API has them."""
    return {venue: fee_of(fee) for venue, fee in fees.items()}


def signal_record(signal: Signal, fees: Fees = NO_FEES) -> SignalRecord:
    """Give a signal as the API has it. `fees`: by venue."""
    fee = fee_at(fees, signal.series.venue)
    risk = None if signal.atr is None or signal.stop is None else STOP_RANGES * signal.atr
    sign = 1.0 if signal.direction is Direction.BULLISH else -1.0
    gained = None
    if signal.exit_price is not None and signal.price:
        gained = 100.0 * sign * (signal.exit_price / signal.price - 1.0)
    return SignalRecord(
        id=signal.id,
        source=signal.series.source,
        simulated=signal.series.source is Source.SIMULATOR,
        venue=str(signal.series.venue),
        symbol=str(signal.series.symbol),
        direction=signal.direction,
        state=signal.state,
        opened=iso(signal.opened_at),
        opened_at=signal.opened_at,
        score=signal.score,
        decided_on=signal.decided_on,
        confidence=None if signal.confidence is None else 100.0 * signal.confidence,
        coverage=signal.coverage,
        definition=signal.definition,
        components={
            name: SignalPart(part.score, part.points, part.reason)
            for name, part in signal.components.items()
        },
        price=signal.price,
        spread_bp=signal.spread_bp,
        method=signal.method,
        range_percent=None if signal.atr is None else 100.0 * (exp(signal.atr) - 1.0),
        stop=signal.stop,
        targets=signal.targets,
        reason=signal.reason,
        horizon_ms=signal.horizon_ms,
        expires_at=signal.opened_at + signal.horizon_ms,
        followed_to=signal.followed_to,
        last_price=signal.last_price,
        targets_hit=signal.targets_hit,
        best_excursion=signal.best_excursion,
        worst_excursion=signal.worst_excursion,
        best_excursion_r=_in_risks(signal.best_excursion, risk),
        worst_excursion_r=_in_risks(signal.worst_excursion, risk),
        left_at=signal.left_at,
        reopened=signal.reopened,
        closed_at=signal.closed_at,
        outcome=signal.outcome,
        exit_price=signal.exit_price,
        r=signal.r,
        r_after_fees=after_fees(signal.r, risk, fee),
        fee=fee_of(fee),
        return_percent=gained,
        changed_at=signal.changed_at,
    )


def _in_risks(move: float | None, risk: float | None) -> float | None:
    return None if move is None or not risk else move / risk


def step_of(event: SignalEvent) -> SignalStep:
    """Give a step as the API has it."""
    return SignalStep(event.at, event.state, event.what, event.price)


def newest_candle(signals: Collection[SignalRecord]) -> int | None:
    """Say up to when any of these was followed."""
    known: Sequence[int] = [each.followed_to for each in signals if each.followed_to is not None]
    return max(known, default=None)
