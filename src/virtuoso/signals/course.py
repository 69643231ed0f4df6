"""One signal along closed one-minute candles. Pure: the same candles give the same result.

What cannot be known is taken at its worst. A candle that touches stop and target touched the stop
first; how far such a candle went the right way does not count; a target pays its own price and
never a better one, a stop the worse of its price and the candle's first.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log
from typing import Final

from virtuoso.domain.history import Series
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Reason, Source
from virtuoso.domain.signals import STOP_RANGES, Outcome, Signal, SignalEvent, SignalState
from virtuoso.domain.time import HOUR, MINUTE, Millis
from virtuoso.signals.levels import METHOD, TARGETS, levels_of, sign_of
from virtuoso.signals.turns import Turn

HORIZON_MS: Final = 4 * HOUR
REOPEN_MS: Final = 30 * MINUTE
"""So long a direction that was left may come back, as if it had not been left."""

_SIDE: Final = {Direction.BULLISH: "bull", Direction.BEARISH: "bear"}


def id_of(series: Series, direction: Direction, at: Millis, definition: str) -> str:
    """Name a signal: the same change of direction of the same market has the same name.

    A simulated one has the simulator before its name, so that it can never be a live one's.
    """
    owner = f"{Source.SIMULATOR}:" if series.source is Source.SIMULATOR else ""
    return f"{owner}{series.venue}:{series.symbol}:{_SIDE[direction]}:{at}:{definition}"


def opened(series: Series, turn: Turn, *, is_per_coin: bool = True) -> Signal:
    """Make a signal of a confirmed change into Bullish or Bearish.

    Not `is_per_coin`: the prices are not per contract of the board's symbol, and are left out.
    """
    if turn.after is None or turn.after is Direction.NEUTRAL:
        msg = f"expected a change into Bullish or Bearish, found {turn.after}"
        raise ValueError(msg)
    price = turn.mid if is_per_coin else None
    reason: Reason | None = None
    log_range: float | None = None
    if not is_per_coin:
        reason = Reason.NOT_APPLICABLE
    elif price is None:
        reason = Reason.NO_FEED
    elif isinstance(turn.atr, Reason):
        reason = turn.atr
    else:
        log_range = turn.atr
    levels = None
    if price is not None and log_range is not None:
        levels = levels_of(turn.after, price, log_range)
    return Signal(
        id=id_of(series, turn.after, turn.at, turn.definition),
        series=series,
        opened_at=turn.at,
        state=SignalState.ACTIVE,
        direction=turn.after,
        score=turn.score,
        confidence=turn.confidence,
        coverage=turn.coverage,
        definition=turn.definition,
        price=price,
        components=turn.components,
        horizon_ms=HORIZON_MS,
        method=METHOD,
        stop=None if levels is None else levels.stop,
        targets=() if levels is None else levels.targets,
        changed_at=turn.at,
        decided_on=turn.decided_on,
        spread_bp=turn.spread_bp if is_per_coin else None,
        atr=log_range,
        reason=reason,
    )


def expires_at(signal: Signal) -> Millis:
    """Say when its horizon ends."""
    return Millis(signal.opened_at + signal.horizon_ms)


def risk_of(signal: Signal) -> float | None:
    """Distance to the stop as a log return; None without a stop."""
    return None if signal.atr is None or signal.stop is None else STOP_RANGES * signal.atr


def left(signal: Signal, at: Millis, how: Outcome) -> Signal:
    """Note that its direction is not held any more, as of the first time that was noted."""
    if not signal.is_open:
        return signal
    if signal.left_at is not None:
        is_final = how is Outcome.REVERSED and signal.left_as is Outcome.DIRECTION_LEFT
        return replace(signal, left_as=how, changed_at=at) if is_final else signal
    return replace(signal, left_at=at, left_as=how, changed_at=at)


def returned(signal: Signal, at: Millis) -> Signal:
    """Take back that its direction was left: it goes on from where it was."""
    return replace(signal, left_at=None, left_as=None, reopened=signal.reopened + 1, changed_at=at)


def ended(
    signal: Signal,
    at: Millis,
    outcome: Outcome,
    exit_price: float | None,
    state: SignalState = SignalState.CLOSED,
) -> Signal:
    """Close it with its result."""
    if not signal.is_open:
        return signal
    risk, r = risk_of(signal), None
    if risk and signal.price is not None and exit_price is not None:
        # a level gives what it promised, whatever its rounding
        if outcome is Outcome.TARGET:
            r = TARGETS[-1]
        elif exit_price == signal.stop:
            r = -1.0
        else:
            r = sign_of(signal.direction) * log(exit_price / signal.price) / risk
    return replace(
        signal,
        state=state,
        outcome=outcome,
        exit_price=exit_price,
        r=r,
        changed_at=at,
        closed_at=at,
    )


def advance(signal: Signal, candles: Sequence[Candle]) -> Signal:
    """Take a signal along the closed one-minute candles that are known, oldest first.

    Goes as far as it can and may be asked again with more of them: step by step or all at once,
    the result is the same. Candles from before it are passed over; a missing one ends it.
    """
    for candle in candles:
        if not signal.is_open:
            break
        signal = _step(signal, candle)
    return signal


def _step(signal: Signal, candle: Candle) -> Signal:
    start = signal.followed_to or first_open(signal)
    if candle.open_time < start:
        return signal
    if signal.left_at is not None and candle.close_time > signal.left_at:
        return _paused(signal, candle)
    if candle.open_time > start:
        return ended(signal, start, Outcome.LOST_DATA, None)
    signal = _judged(signal, candle)
    if signal.is_open and candle.close_time >= expires_at(signal):
        expired = SignalState.EXPIRED
        price = None if signal.price is None else candle.close
        return ended(signal, candle.close_time, Outcome.EXPIRED, price, expired)
    return signal


def first_open(signal: Signal) -> Millis:
    """Opening time of the first candle that lies wholly after it."""
    return Millis(-(-signal.opened_at // MINUTE) * MINUTE)


def _paused(signal: Signal, candle: Candle) -> Signal:
    """Close a signal whose direction was left, once that cannot be taken back."""
    left_at, how = signal.left_at, signal.left_as
    if left_at is None or how is None:
        return signal
    if how is Outcome.DIRECTION_LEFT:
        waited = candle.close_time - left_at
        if waited < REOPEN_MS and candle.close_time < expires_at(signal):
            return signal
    known = signal.followed_to or first_open(signal)
    if how is Outcome.LOST_DATA or known < left_at - left_at % MINUTE:
        return ended(signal, left_at, Outcome.LOST_DATA, None)
    return ended(signal, left_at, how, signal.last_price or signal.price)


def _judged(signal: Signal, candle: Candle) -> Signal:
    """Hold a signal against one candle."""
    at = candle.close_time
    price, stop = signal.price, signal.stop
    if price is None:
        return replace(signal, followed_to=at)
    sign = sign_of(signal.direction)
    with_it, against = (candle.high, candle.low) if sign > 0.0 else (candle.low, candle.high)
    best = max(signal.best_excursion or 0.0, sign * log(with_it / price))
    worst = min(signal.worst_excursion or 0.0, sign * log(against / price))
    if stop is not None and sign * (against - stop) <= 0.0:
        # of a candle that touched the stop nothing else counts: which came first is not known
        exit_price = candle.open if sign * (candle.open - stop) < 0.0 else stop
        out = replace(
            signal,
            followed_to=at,
            last_price=candle.close,
            best_excursion=signal.best_excursion or 0.0,
            worst_excursion=min(signal.worst_excursion or 0.0, sign * log(exit_price / price)),
        )
        state = SignalState.CLOSED if signal.targets_hit else SignalState.INVALIDATED
        return ended(out, at, Outcome.STOP, exit_price, state)
    hit = sum(sign * (with_it - target) >= 0.0 for target in signal.targets)
    hit = max(hit, signal.targets_hit)
    is_last = bool(signal.targets) and hit == len(signal.targets)
    if is_last:
        best = max(signal.best_excursion or 0.0, sign * log(signal.targets[-1] / price))
    out = replace(
        signal,
        followed_to=at,
        last_price=candle.close,
        best_excursion=best,
        worst_excursion=worst,
        targets_hit=hit,
        changed_at=at if hit > signal.targets_hit else signal.changed_at,
        state=SignalState.CONFIRMED if hit else signal.state,
    )
    return ended(out, at, Outcome.TARGET, signal.targets[-1]) if is_last else out


def events_of(before: Signal | None, after: Signal) -> list[SignalEvent]:
    """Name what happened between two forms of a signal; nothing for mere progress."""

    def event(at: Millis, what: str, price: float | None, state: SignalState) -> SignalEvent:
        return SignalEvent(after.id, at, state, what, price)

    if before is None:
        return [event(after.opened_at, "opened", after.price, SignalState.ACTIVE)]
    found: list[SignalEvent] = []
    if after.reopened > before.reopened:
        found.append(event(after.changed_at, "reopened", None, before.state))
    if after.left_at is not None and (before.left_at, before.left_as) != (
        after.left_at,
        after.left_as,
    ):
        found.append(event(after.left_at, "left", None, before.state))
    at = after.closed_at or after.changed_at
    for number in range(before.targets_hit, after.targets_hit):
        what = f"target_{number + 1}"
        found.append(event(at, what, after.targets[number], SignalState.CONFIRMED))
    if after.outcome is not None and before.outcome is None:
        found.append(event(at, after.outcome.value, after.exit_price, after.state))
    return found
