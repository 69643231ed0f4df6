"""`virtuoso store`: what is in the store, is it whole, copies of it, rows as files."""

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.backup import (
    backup_file,
    backup_name,
    newest_backup,
    prune,
    restore_file,
    verify_file,
)
from virtuoso.adapters.store.care import check, contents
from virtuoso.adapters.store.database import Place
from virtuoso.adapters.store.migrating import HEAD, migrate
from virtuoso.apps.archive import place_in
from virtuoso.apps.settings import Settings
from virtuoso.domain.errors import SettingsError, StoreRefusedError
from virtuoso.domain.history import KeptCandle, KeptDerivatives, KeptOverview, KeptScore, Series
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, Millis, Timeframe
from virtuoso.ports import Archive, Clock
from virtuoso.wire.records import iso

PIECE_MS: Final = 7 * DAY
"""Read at once: some twenty thousand rows."""
KINDS: Final = ("scores", "candles", "derivatives", "overview")
FORMATS: Final = ("csv", "json", "parquet")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line says."""

    kind: str
    symbol: str | None
    source: str
    timeframe: str
    start: Millis
    end: Millis
    format: str
    out: Path | None


def show_contents(settings: Settings, *, as_json: bool) -> int:
    """Say what is in the store."""
    found = contents(place_in(settings))
    if as_json:
        _say(json.dumps(asdict(found)))
        return 0
    _say(f"store      {found.where}")
    _say(f"schema     {found.step or 'none'} (this version: {found.newest_step})")
    _say(f"size       {found.bytes / 1e6:,.1f} MB")
    if found.first is not None and found.last is not None:
        _say(f"scores     {iso(found.first)} to {iso(found.last)} of {found.series} series")
    for name, count in found.rows.items():
        _say(f"{name:<18} {count:>14,} rows")
    return 0


def check_store(settings: Settings) -> int:
    """Read everything; 1 when something is wrong."""
    place = place_in(settings)
    found = check(place)
    for each in found:
        _say(f"wrong: {each}")
    if not found:
        _say(f"{place} is whole")
    return int(bool(found))


def migrate_store(settings: Settings) -> int:
    """Bring the schema up to date."""
    place = place_in(settings)
    before = migrate(place)
    _say(f"{place}: schema {before or 'none'} -> {HEAD}")
    return 0


def backup_store(settings: Settings, out: Path | None, clock: Clock) -> int:
    """Copy the store while it is written, and verify the copy."""
    path = _file_of(place_in(settings), "pg_dump")
    target = out or backup_name(path, clock.now())
    if target.exists():
        msg = f"expected no file at {target}, found one: name another"
        raise StoreRefusedError(msg)
    rows = backup_file(path, target)
    if out is None:
        prune(path, settings.store.backups)
    _say(f"{target}: {rows:,} rows, every page checked")
    return 0


def restore_store(settings: Settings, source: Path | None, *, force: bool) -> int:
    """Put a backup in the place of the store; the one that is there only with `force`."""
    path = _file_of(place_in(settings), "pg_restore")
    if source is None:
        newest = newest_backup(path)
        if newest is None:
            msg = f"expected a backup of {path}, found none: name a file"
            raise StoreRefusedError(msg)
        source = newest.path
    rows = verify_file(source)
    restore_file(source, path, force=force)
    _say(f"{path}: restored {rows:,} rows of {source}")
    return 0


def export_store(settings: Settings, options: ExportOptions) -> int:
    """Write a series as a file, or to standard output."""
    if options.format == "parquet" and options.out is None:
        msg = "expected --out FILE for parquet, found none"
        raise SettingsError(msg)
    count = asyncio.run(_export(place_in(settings), options))
    sys.stderr.write(f"{count:,} rows\n")
    return 0


async def _export(place: Place, options: ExportOptions) -> int:
    archive = SqlArchive(place, threads=1)
    try:
        rows = [row async for row in _rows(archive, options)]
    finally:
        await archive.close()
    if options.format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), options.out)
    elif options.out is None:
        _write(sys.stdout.write, rows, options.format)
    else:
        with options.out.open("w", encoding="utf-8", newline="") as out:
            _write(out.write, rows, options.format)
    return len(rows)


def _write(say: Callable[[str], object], rows: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        for row in rows:
            say(json.dumps(row, allow_nan=False) + "\n")
        return

    class Lines:
        def write(self, text: str) -> object:
            return say(text)

    if rows:
        table = csv.DictWriter(Lines(), fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


async def _rows(archive: Archive, options: ExportOptions) -> AsyncIterator[dict[str, Any]]:
    """Give the rows, each flat, piece by piece so that no read takes long."""
    sources = _sources_of(options.source)
    symbol = None if options.symbol is None else parse_symbol(options.symbol.upper())
    if symbol is None and options.kind != "overview":
        msg = f"expected --symbol for {options.kind}, found none"
        raise SettingsError(msg)
    known = await archive.series(sources)
    for start in range(options.start, options.end, PIECE_MS):
        end = min(start + PIECE_MS, options.end)
        if options.kind == "overview" or symbol is None:
            for market in await archive.overview(sources, start, end):
                yield _flat(market)
        elif options.kind == "scores":
            for score in await archive.scores(symbol, sources, start, end, components=True):
                yield _flat(score)
        elif options.kind == "derivatives":
            for beside in await archive.derivatives(symbol, sources, start, end):
                yield _flat(beside)
        else:
            async for candle in _candles(archive, known, symbol, options, start, end):
                yield _flat(candle)


async def _candles(
    archive: Archive,
    known: Any,  # noqa: ANN401 - series
    symbol: Symbol,
    options: ExportOptions,
    start: int,
    end: int,
) -> AsyncIterator[KeptCandle]:
    timeframe = Timeframe(options.timeframe)
    for series in known:
        if series.symbol == symbol:
            for candle in await archive.candles(series, timeframe, start, end, 50_000):
                yield candle


def _flat(row: KeptScore | KeptOverview | KeptDerivatives | KeptCandle) -> dict[str, Any]:
    return dict(_fields(row))


def _fields(row: KeptScore | KeptOverview | KeptDerivatives | KeptCandle) -> Iterator[Any]:
    for name, value in row._asdict().items():
        if isinstance(value, Series):
            yield from value._asdict().items()
        elif name == "candle":
            yield from asdict(value).items()
        elif name == "components" and isinstance(value, Mapping):
            for component, part in value.items():
                yield f"{component}_score", part.score
                yield f"{component}_points", part.points
                yield f"{component}_reason", part.reason
        else:
            yield name, value


def _sources_of(text: str) -> tuple[Source, ...]:
    if text == "live":
        return (Source.BYBIT, Source.BINANCE, Source.CCXT)
    try:
        return (Source(text),)
    except ValueError as error:
        msg = f"expected --source live, {', '.join(Source)}, found {text[:20]!r}"
        raise SettingsError(msg) from error


def _file_of(place: Place, instead: str) -> Path:
    if place.path is None:
        msg = f"expected a store in a file, found {place}: use PostgreSQL's own {instead}"
        raise StoreRefusedError(msg)
    return place.path


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
