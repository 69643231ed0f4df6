"""What the engine listens to: a live venue, the simulator, or a recording."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from virtuoso.adapters.feed.binance.stream import BinanceFeed, BinanceSettings
from virtuoso.adapters.feed.bybit.stream import BybitFeed, BybitSettings
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.file_history import FileHistory
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.adapters.feed.replay import ReplayFeed
from virtuoso.apps.settings import FeedSettings, Settings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Venue
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock, Feed, History
from virtuoso.wire.messages import ReplayInfo

VENUES = ("simulator", "bybit", "binance")


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A feed with the history that belongs to it."""

    feed: Feed
    history: History
    instruments: Collection[Instrument] | None = None
    """Fixed by a recording; None: the venue's catalogue decides."""
    replay: ReplayInfo | None = None
    epoch: str | None = None
    """Of a replay: the same for the same recording, so that it gives the same bytes."""


def parse_source(text: str) -> tuple[str, str | None]:
    """Split `--source` into its kind and the path of a replay. Raises SettingsError."""
    kind, colon, path = text.partition(":")
    if kind == "replay" and path:
        return kind, path
    if kind in VENUES and not colon:
        return kind, None
    msg = f"expected a source of {', '.join(VENUES)} or replay:PATH, found {text[:80]!r}"
    raise SettingsError(msg)


def open_replay(path: str, speed: float | None, candles: Path | None) -> OpenSource:
    """Open a recording, with candles from files when there are some.

    Raises RecordingError before anything is played.
    """
    feed = ReplayFeed.open(path, speed)
    started = feed.recorded_from
    return OpenSource(
        feed=feed,
        history=_candles_until(candles, feed.venue, started),
        instruments=feed.instruments,
        replay=ReplayInfo(started, "max" if speed is None else f"{speed:g}", ended=False),
        epoch=f"replay-{started:x}",
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


def open_venue(
    kind: str,
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    simulator: str | None = None,
) -> OpenSource:
    """Open a live venue, or the simulator at an address."""
    ours = settings.feed
    if kind == "binance":
        budget = RequestBudget(BINANCE, clock)
        usual = BinanceSettings()
        binance = BinanceSettings(
            stream_url=ours.binance_stream or usual.stream_url,
            rest_url=ours.binance_rest or usual.rest_url,
        )
        return OpenSource(
            feed=BinanceFeed(binance, budget, clock, rng),
            history=CcxtHistory(BINANCE, budget, ours.binance_rest or None),
        )
    rest = f"http://{simulator}" if simulator is not None else ours.bybit_rest or None
    return OpenSource(
        feed=BybitFeed(
            _bybit_settings(ours, simulator),
            clock,
            rng,
            Source.BYBIT if simulator is None else Source.SIMULATOR,
        ),
        history=CcxtHistory(BYBIT, RequestBudget(BYBIT, clock), rest),
    )
