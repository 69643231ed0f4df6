"""Documents of what is followed through time: signals, and what the scans say."""

from collections.abc import Mapping, Sequence

from virtuoso.domain.scores import State
from virtuoso.domain.signals import Signal
from virtuoso.domain.time import Millis
from virtuoso.engine.documents import Edition, rounded
from virtuoso.engine.pairing import Shown
from virtuoso.patterns.scans import KINDS, Found
from virtuoso.wire.patterns import (
    PatternKind,
    PatternRecord,
    PatternsDocument,
    SymbolPatterns,
)
from virtuoso.wire.signals import SignalsDocument, newest_candle, signal_record

_KINDS = tuple(
    PatternKind(
        each.name.value,
        each.title,
        each.what,
        "measured" if each.record is None else each.record.value,
    )
    for each in KINDS
)


def signals_document(edition: Edition, signals: Sequence[Signal]) -> SignalsDocument:
    """Build the cached list of signals, newest first."""
    records = tuple(signal_record(each) for each in signals)
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
