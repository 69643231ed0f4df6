"""`virtuoso replay`: recordings played without a server, every second's scores as JSON lines."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.market_data import FeedEvent
from virtuoso.domain.scores import Source
from virtuoso.engine.documents import Edition, records_of, symbols_document
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.warmup import Warmup
from virtuoso.wire.messages import RowSymbol, to_json


def replay_headless(
    settings: Settings,
    path: str,
    candles: Path | None,
    out: Path | None,
    *,
    rescore: bool = False,
) -> int:
    """Play a recording and write one symbols document per grid second; 0 when done.

    `rescore`: by the settings of now, where the recording says what it was scored by.
    """
    with ExitStack() as stack:
        lines: IO[bytes] = sys.stdout.buffer
        if out is not None:
            try:
                lines = stack.enter_context(out.open("wb"))
            except OSError as error:
                msg = f"expected --out to name a file that can be written: {error.strerror}: {out}"
                raise SettingsError(msg) from error
        asyncio.run(_play(settings, open_replay(path, None, candles, rescore=rescore), lines))
    return 0


async def _play(settings: Settings, source: OpenSource, out: IO[bytes]) -> None:
    definition = definition_of(settings.scoring)
    make_lane = lane_maker(definition, source.feed.venue)
    pipeline = Pipeline(sorted(source.instruments or ()), (), definition, make_lane)
    timeline = Timeline(pipeline)
    async for event in whole_line(source):
        for second in timeline.steps(event):
            if second is not None:
                document = second_document(pipeline, source.feed.source, source.epoch or "")
                out.write(document + b"\n")


async def whole_line(source: OpenSource) -> AsyncIterator[FeedEvent]:
    """Give a recording's events; one that does not choose its universe gets the history first."""
    instruments = sorted(source.instruments or ())
    begun = False
    async for batch in source.feed.events(instruments):
        if not begun and batch:
            begun = True
            at = batch[0].receive_time
            warmup = Warmup(source.history, lambda: 0.0)
            for instrument in instruments:
                yield await warmup.candles(instrument, lambda: at)  # noqa: B023 - called at once
                yield await warmup.derivatives(instrument, lambda: at)  # noqa: B023
        for event in batch:
            yield event


def second_document(pipeline: Pipeline, source: Source, epoch: str) -> bytes:
    """The symbols document of the second that was closed last."""
    cycle = pipeline.view()
    if cycle is None:
        msg = "expected a second that was closed, found none"
        raise ValueError(msg)
    symbols = [
        RowSymbol(
            number,
            view.instrument.symbol,
            view.instrument.venue,
            source,
            view.score.definition,
        )
        for number, view in enumerate(cycle.markets)
    ]
    edition = Edition(
        epoch=epoch, source=source, definition=pipeline.definition, cycle=cycle, notices=()
    )
    return to_json(symbols_document(edition, records_of(edition, symbols)))
