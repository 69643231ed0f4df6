"""What the engine listens to: a live venue, the simulator, or a recording."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from virtuoso.adapters.feed.binance.stream import BinanceFeed, BinanceSettings
from virtuoso.adapters.feed.bybit.stream import BybitFeed, BybitSettings
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.connection import Tape
from virtuoso.adapters.feed.file_history import FileHistory
from virtuoso.adapters.feed.limits import Budgets, RequestBudget
from virtuoso.adapters.feed.recording.replay import ReplayFeed
from virtuoso.apps.settings import FeedSettings, Settings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Venue
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock, Feed, History
from virtuoso.wire.board import ReplayInfo

VENUES = ("simulator", "bybit", "binance")
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A feed with the history that belongs to it."""

    feed: Feed
    history: History
    instruments: Collection[Instrument] | None = None
    """Fixed by a recording, none where it chooses by itself; None: the catalogue decides."""
    replay: ReplayInfo | None = None
    epoch: str | None = None
    """Of a replay: the same for the same recording, so that it gives the same bytes."""
    budget: RequestBudget | None = None
    """What its REST side may be asked; None where nothing is asked."""
    span: tuple[Millis, Millis] | None = None
    """First and last receive time of a replay."""
    recorded: Collection[Instrument] = ()
    """Every instrument that a replay is about, whoever chooses."""


def parse_source(text: str) -> tuple[str, str | None]:
    """Split `--source` into its kind and the path of a replay. Raises SettingsError.

    Of a venue through CCXT the kind is the whole: ccxt:VENUE.
    """
    kind, colon, path = text.partition(":")
    if kind == "replay" and path:
        return kind, path
    if kind in VENUES and not colon:
        return kind, None
    if kind == "ccxt" and path:
        # CCXT's hundred venues with their streams take a moment to load
        from virtuoso.adapters.feed.ccxt.venues import find_library

        find_library(path)
        return text, None
    msg = (
        f"expected a source of {', '.join(VENUES)}, ccxt:VENUE or replay:PATH, found {text[:80]!r}"
    )
    raise SettingsError(msg)


def open_replay(
    path: str, speed: float | None, candles: Path | None, *, rescore: bool = False
) -> OpenSource:
    """Open a recording, with candles from files when there are some.

    `rescore`: score by the settings of now, not by what the recorded run was scored by.
    Raises RecordingError before anything is played.
    """
    feed = ReplayFeed.open(path, speed, keeps_definition=not rescore)
    started = feed.recorded_from
    return OpenSource(
        feed=feed,
        history=_candles_until(candles, feed.venue, started),
        instruments=() if feed.chooses_universe else feed.instruments,
        replay=ReplayInfo(started, "max" if speed is None else f"{speed:g}", ended=False),
        epoch=f"replay-{started:x}",
        span=(started, feed.recorded_to),
        recorded=feed.instruments,
    )


def _candles_until(path: Path | None, venue: Venue, until: Millis) -> FileHistory:
    """Read candles from files, none of them from the recording's own future."""
    if path is None:
        return FileHistory([], venue, lambda: until)
    return FileHistory.open(str(path), venue, lambda: until)


def _bybit_settings(settings: FeedSettings, simulator: str | None) -> BybitSettings:
    if simulator is not None:
        return BybitSettings(
            url=f"ws://{simulator}/v5/public/linear", book_depth=settings.book_depth
        )
    if settings.bybit_stream:
        return BybitSettings(url=settings.bybit_stream, book_depth=settings.book_depth)
    return BybitSettings(book_depth=settings.book_depth)


TapeOf: TypeAlias = Callable[[Venue, Source], Tape | None]
"""Makes the tape of a feed, if it is to be recorded."""


def _no_tape(_venue: Venue, _source: Source) -> None:
    return None


def _open_ccxt(
    venue: Venue,
    base_url: str | None,
    clock: Clock,
    rng: random.Random,
    tape_of: TapeOf,
    budgets: Budgets,
) -> OpenSource:
    """Open any other venue; on this machine there is none but a simulated one.

    Raises SettingsError for a venue that CCXT does not stream, or an address that is none.
    """
    from virtuoso.adapters.feed.ccxt.history import CcxtGenericHistory
    from virtuoso.adapters.feed.ccxt.venues import rate_of
    from virtuoso.adapters.feed.ccxt_feed import CcxtFeed, CcxtSettings

    source = Source.CCXT
    if base_url is not None:
        host = urlsplit(base_url).hostname
        if host is None:
            msg = f"expected feed.ccxt_url as http://HOST:PORT, found {base_url[:80]!r}"
            raise SettingsError(msg)
        if host in _THIS_MACHINE:
            source = Source.SIMULATOR
    budget = budgets.of(venue, base_url, rate_of(venue))
    return OpenSource(
        feed=CcxtFeed(
            CcxtSettings(venue=venue, base_url=base_url),
            budget,
            clock,
            rng,
            source=source,
            tape=tape_of(venue, source),
        ),
        history=CcxtGenericHistory(venue, budget, clock, base_url),
        budget=budget,
    )


def open_venue(
    kind: str,
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    simulator: str | None = None,
    tape_of: TapeOf = _no_tape,
    budgets: Budgets | None = None,
) -> OpenSource:
    """Open a live venue, or the simulator at an address.

    `budgets` are those of the process, so that all that ask a venue share one.
    """
    ours = settings.feed
    budgets = Budgets(clock) if budgets is None else budgets
    if kind.startswith("ccxt:"):
        venue = Venue(kind.removeprefix("ccxt:"))
        return _open_ccxt(venue, ours.ccxt_url or None, clock, rng, tape_of, budgets)
    if kind == "binance":
        usual = BinanceSettings()
        binance = BinanceSettings(
            stream_url=ours.binance_stream or usual.stream_url,
            rest_url=ours.binance_rest or usual.rest_url,
        )
        address, source = ours.binance_rest or None, Source.BINANCE
        if simulator is not None:
            address, source = f"http://{simulator}", Source.SIMULATOR
            binance = BinanceSettings(stream_url=f"ws://{simulator}", rest_url=address)
        budget = budgets.of(BINANCE, address)
        return OpenSource(
            feed=BinanceFeed(binance, budget, clock, rng, source, tape_of(BINANCE, source)),
            history=CcxtHistory(BINANCE, budget, address),
            budget=budget,
        )
    rest = f"http://{simulator}" if simulator is not None else ours.bybit_rest or None
    source = Source.BYBIT if simulator is None else Source.SIMULATOR
    budget = budgets.of(BYBIT, rest)
    return OpenSource(
        feed=BybitFeed(
            _bybit_settings(ours, simulator), clock, rng, source, tape_of(BYBIT, source)
        ),
        history=CcxtHistory(BYBIT, budget, rest),
        budget=budget,
    )
