"""`virtuoso replay`: recordings played without a server, every second's scores as JSON lines."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay
from virtuoso.apps.whole_file import whole_file
from virtuoso.domain.market_data import FeedEvent
from virtuoso.domain.scores import Source
from virtuoso.engine.documents import Edition, records_of, symbols_document
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.warmup import Warmup
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.messages import to_json
from virtuoso.wire.symbols import SymbolRecord


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
            lines = stack.enter_context(whole_file(out))
        asyncio.run(_play(settings, open_replay(path, None, candles, rescore=rescore), lines))
    return 0


async def _play(settings: Settings, source: OpenSource, out: IO[bytes]) -> None:
    async for edition in editions_of(settings, source):
        out.write(document_in(edition) + b"\n")


async def editions_of(settings: Settings, source: OpenSource) -> AsyncGenerator[Edition, None]:
    """Play a recording through the pipeline and give every second as it was closed."""
    definition = definition_of(settings.scoring)
    make_lane = lane_maker(definition, source.feed.venue, source.feed.source)
    pipeline = Pipeline(sorted(source.instruments or ()), (), definition, make_lane)
    timeline = Timeline(pipeline)
    async for event in whole_line(source):
        for second in timeline.steps(event):
            if second is not None:
                yield edition_of(pipeline, source.feed.source, source.epoch or "")


def edition_of(pipeline: Pipeline, source: Source, epoch: str) -> Edition:
    """Give the second that was closed last."""
    cycle = pipeline.view()
    if cycle is None:
        msg = "expected a second that was closed, found none"
        raise ValueError(msg)
    return Edition(
        epoch=epoch, source=source, definition=pipeline.definition, cycle=cycle, notices=()
    )


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


def records_in(edition: Edition) -> tuple[SymbolRecord, ...]:
    """Give every symbol's record of a second."""
    symbols = [
        RowSymbol(
            number,
            view.instrument.symbol,
            view.instrument.venue,
            edition.source,
            view.score.definition,
        )
        for number, view in enumerate(edition.cycle.markets)
    ]
    return records_of(edition, symbols)


def document_in(edition: Edition) -> bytes:
    """Give the symbols document of a second."""
    return to_json(symbols_document(edition, records_in(edition)))
