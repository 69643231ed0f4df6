"""`virtuoso explain --recording`: any second of a recording, taken apart as a running one would be.

The recording is played through the pipeline up to that second, and the same document is made.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from virtuoso.apps.explain import show
from virtuoso.apps.replay import editions_of, records_in
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay
from virtuoso.domain.errors import SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.detail_documents import detail_document
from virtuoso.engine.documents import Edition
from virtuoso.engine.pairing import Shown
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.records import iso

CLOCKS_APART_MS = MINUTE
"""By how much the receive times of a recording may differ from the venue's clock."""


@dataclass(frozen=True, slots=True)
class RecordedOptions:
    """What the command line says."""

    recording: str
    symbol: str
    candles: Path | None = None
    at: Millis | None = None
    """The second to show: the last one at or before this time; None: the recording's last."""
    as_json: bool = False


def explain_recording(settings: Settings, options: RecordedOptions) -> int:
    """Print it.

    Raises RecordingError, UnknownSymbolError, and SettingsError for a time that cannot be shown.
    """
    symbol = parse_symbol(options.symbol.upper())
    detail = asyncio.run(recorded_detail(settings, symbol, options))
    show(detail, as_json=options.as_json)
    return 0


async def recorded_detail(
    settings: Settings, symbol: Symbol, options: RecordedOptions
) -> SymbolDetail:
    """Play a recording up to a time and take one score of that second apart.

    Raises RecordingError, UnknownSymbolError, and SettingsError for a time that it does not reach.
    """
    source = open_replay(options.recording, None, options.candles)
    known = [str(each.symbol) for each in source.recorded]
    if symbol not in known:
        few = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        msg = f"expected a symbol of the recording ({few}), found {symbol}"
        raise UnknownSymbolError(msg)
    edition = await _edition_at(settings, source, options.at)
    records = records_in(edition)
    for view, record in zip(edition.cycle.markets, records, strict=True):
        if view.instrument.symbol == symbol:
            return detail_document(edition, Shown(symbol, view), record)
    msg = f"expected a symbol that was watched at {edition.timestamp}, found {symbol}"
    raise UnknownSymbolError(msg)


async def _edition_at(settings: Settings, source: OpenSource, at: Millis | None) -> Edition:
    """Give the last second of a recording whose time, on the venue's clock, is not after `at`."""
    if at is not None and source.span is not None:
        first, last = source.span
        if not first - CLOCKS_APART_MS <= at <= last + CLOCKS_APART_MS:
            raise _outside(at, first, last)
    earliest: Millis | None = None
    found: Edition | None = None
    async with aclosing(editions_of(settings, source)) as editions:
        async for edition in editions:
            if earliest is None:
                earliest = edition.cycle.now
            if at is not None and edition.cycle.now > at:
                break
            found = edition
        else:
            if at is not None and found is not None and at >= found.cycle.now + SECOND:
                raise _outside(at, earliest or at, found.cycle.now)
    if found is not None:
        return found
    if at is not None and earliest is not None:
        msg = f"expected a time from {iso(earliest)} on, the first full second, found {iso(at)}"
        raise SettingsError(msg)
    msg = "expected a recording of at least one full second, found none in it"
    raise SettingsError(msg)


def _outside(at: Millis, first: Millis, last: Millis) -> SettingsError:
    return SettingsError(
        f"expected a time inside the recording, {iso(first)} to {iso(last)}, found {iso(at)}"
    )
