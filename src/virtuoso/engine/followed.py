"""Documents of what is followed through time: signals, and what the scans say."""

from collections.abc import Mapping, Sequence
from typing import Final

from virtuoso.domain.fees import NO_FEES, Fees
from virtuoso.domain.scores import Reason, State
from virtuoso.domain.signals import Signal
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.documents import Edition, rounded
from virtuoso.engine.pairing import Shown
from virtuoso.patterns.scans import KINDS, Found
from virtuoso.wire.dashboards import Signal as TopSignal
from virtuoso.wire.messages import Quality
from virtuoso.wire.patterns import (
    PatternKind,
    PatternRecord,
    PatternsDocument,
    SymbolPatterns,
)
from virtuoso.wire.records import iso
from virtuoso.wire.signals import SignalsDocument, newest_candle, signal_record

MOST_ON_TOP: Final = 5
FOLLOWED_LIVE_MS: Final = 2 * MINUTE + 10 * SECOND
"""A candle closes each minute, and the one in which a signal was said is not followed."""
FOLLOWED_STALE_MS: Final = 5 * MINUTE
_KINDS = tuple(
    PatternKind(
        each.name.value,
        each.title,
        each.what,
        "measured" if each.record is None else each.record.value,
    )
    for each in KINDS
)


def signals_document(
    edition: Edition, signals: Sequence[Signal], fees: Fees = NO_FEES
) -> SignalsDocument:
    """Build the cached list of signals, newest first."""
    records = tuple(signal_record(each, fees) for each in signals)
    return SignalsDocument(
        status="success",
        timestamp=edition.timestamp,
        as_of=newest_candle(records),
        source=edition.source,
        data_source="cache",
        signals=records,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def top_signals(
    edition: Edition, signals: Sequence[Signal] | None
) -> tuple[tuple[TopSignal, ...], Quality]:
    """Choose the open signals that were strongest when they were said, and say how fresh that is.

    `signals`: what is known, open or ended; None while that is not known.
    """
    if signals is None:
        return (), Quality(State.ABSENT, None, Reason.WARMING_UP, "signals are being recalled")
    now = edition.cycle.now
    found = sorted((each for each in signals if each.is_open), key=_by_strength)[:MOST_ON_TOP]
    if not found:
        return (), Quality(State.ABSENT, now, Reason.TOO_FEW, "no signal is open")
    followed = [each.followed_to or each.opened_at for each in found if each.left_at is None]
    as_of = min(followed, default=now)
    late = now - as_of
    state = State.LIVE if late <= FOLLOWED_LIVE_MS else State.DELAYED
    state = State.STALE if late > FOLLOWED_STALE_MS else state
    return tuple(_top_signal(each) for each in found), Quality(state, as_of, None, "closed candles")


def _by_strength(signal: Signal) -> tuple[float, int, str]:
    score = signal.decided_on if signal.score is None else signal.score
    return -abs((50.0 if score is None else score) - 50.0), -signal.opened_at, signal.id


def _top_signal(signal: Signal) -> TopSignal:
    return TopSignal(
        symbol=str(signal.series.symbol),
        direction=signal.direction,
        score=signal.score,
        confidence=None if signal.confidence is None else 100.0 * signal.confidence,
        id=signal.id,
        source=signal.series.source,
        venue=str(signal.series.venue),
        state=signal.state.value,
        opened=iso(signal.opened_at),
        opened_at=signal.opened_at,
        price=signal.price,
        spread_bp=signal.spread_bp,
        coverage=signal.coverage,
        horizon_ms=signal.horizon_ms,
        stop=signal.stop,
        targets=signal.targets,
        reason=signal.reason,
        followed_to=signal.followed_to,
        left_at=signal.left_at,
    )


def patterns_document(
    edition: Edition,
    shown: Sequence[Shown],
    patterns: Mapping[str, Sequence[Found]],
    as_of: Millis | None,
    state: State,
) -> PatternsDocument:
    """Build `/api/patterns`. `as_of` and `state`: of the betas."""
    return PatternsDocument(
        status="success" if state is State.LIVE else "degraded",
        timestamp=edition.timestamp,
        as_of=as_of,
        source=edition.source,
        data_source="cache",
        kinds=_KINDS,
        symbols=tuple(
            SymbolPatterns(
                each.symbol,
                str(each.instrument.venue),
                tuple(_record(found) for found in patterns.get(each.symbol, ())),
            )
            for each in shown
        ),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def _record(found: Found) -> PatternRecord:
    return PatternRecord(
        name=found.name.value,
        found=found.found,
        direction=None if found.side is None else found.side.value,
        value=rounded(found.value, 4),
        limit=found.limit,
        reason=found.reason,
        numbers={name: rounded(value, 6) for name, value in found.numbers.items()},
    )
