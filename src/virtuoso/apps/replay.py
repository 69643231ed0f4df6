"""`virtuoso replay`: recordings played without a server, every second's scores as JSON lines."""

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import open_replay
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.market_data import FeedEnded
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.engine.documents import Edition, records_of, symbols_document
from virtuoso.engine.grid import Grid
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.warmup import Warmup
from virtuoso.wire.messages import RowSymbol, to_json


def replay_headless(settings: Settings, path: str, candles: Path | None, out: Path | None) -> int:
    """Play a recording and write one symbols document per grid second; 0 when done."""
    with ExitStack() as stack:
        lines: IO[bytes] = sys.stdout.buffer
        if out is not None:
            try:
                lines = stack.enter_context(out.open("wb"))
            except OSError as error:
                msg = f"expected --out to name a file that can be written: {error.strerror}: {out}"
                raise SettingsError(msg) from error
        asyncio.run(_play(settings, path, candles, lines))
    return 0


async def _play(settings: Settings, path: str, candles: Path | None, out: IO[bytes]) -> None:
    source = open_replay(path, None, candles)
    definition = definition_of(settings.scoring)
    instruments = list(source.instruments or ())
    pipeline = Pipeline(instruments, (), definition, lane_maker(definition, source.feed.venue))
    warmup = Warmup(source.history, lambda: 0.0)
    for instrument in instruments:
        pipeline.load_candles(instrument, await warmup.candles(instrument))
        pipeline.load_derivatives(instrument, await warmup.derivatives(instrument))
    symbols = tuple(
        RowSymbol(number, each.symbol, each.venue, Source.REPLAY)
        for number, each in enumerate(instruments)
    )

    def write_second(at: Millis) -> None:
        pipeline.second(at)
        cycle = pipeline.view()
        if cycle is not None:
            edition = Edition(
                epoch=source.epoch or "",
                source=Source.REPLAY,
                definition=definition.hash,
                cycle=cycle,
                notices=(),
            )
            out.write(to_json(symbols_document(edition, records_of(edition, symbols))) + b"\n")

    grid = Grid()
    async for batch in source.feed.events(instruments):
        for event in batch:
            for second in grid.closed_before(event.receive_time):
                write_second(second)
            pipeline.handle(event)
            if isinstance(event, FeedEnded):
                for second in grid.closed_by_end(event.receive_time):
                    write_second(second)
