"""`virtuoso signals list|show|statistics`: read from the store, whether an engine runs or not."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.archive import open_archive
from virtuoso.apps.settings import Settings
from virtuoso.apps.signal_fees import taker_fees
from virtuoso.apps.signal_record import count_signals
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.fees import Fees
from virtuoso.domain.scores import Direction, Source
from virtuoso.domain.signals import SignalFilter, SignalState
from virtuoso.domain.time import HOUR, Millis
from virtuoso.ports import Archive
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso
from virtuoso.wire.signals import (
    CountedMean,
    SignalCell,
    SignalDocument,
    SignalRecord,
    SignalsPage,
    SignalStatistics,
    fees_of,
    newest_candle,
    signal_record,
    step_of,
)

LIVE: Final = (Source.BYBIT, Source.BINANCE, Source.CCXT)


@dataclass(frozen=True, slots=True)
class SignalOptions:
    """What the command line says."""

    action: str
    signal: str = ""
    symbol: str | None = None
    direction: str | None = None
    states: tuple[str, ...] = ()
    since: Millis | None = None
    until: Millis | None = None
    limit: int = 20
    simulated: bool = False
    as_json: bool = False


def run_signal_command(settings: Settings, options: SignalOptions) -> int:
    """Do it; gives the exit code. Raises SettingsError, StoreError."""
    return asyncio.run(_run(settings, options))


async def _run(settings: Settings, options: SignalOptions) -> int:
    wanted = _wanted(options)
    fees = taker_fees(settings.signals)
    async with open_archive(settings) as archive:
        if archive is None:
            msg = "expected a store to read signals from, found it switched off (store.enabled)"
            raise SettingsError(msg)
        match options.action:
            case "list":
                return await _list(archive, wanted, options, fees)
            case "show":
                return await _show(archive, options, fees)
            case _:
                return await _statistics(archive, wanted, options, fees)


def _sources(options: SignalOptions) -> tuple[Source, ...]:
    return (Source.SIMULATOR,) if options.simulated else LIVE


def _wanted(options: SignalOptions) -> SignalFilter:
    try:
        states = tuple(SignalState(each) for each in options.states)
    except ValueError as error:
        names = ", ".join(SignalState)
        msg = f"expected states out of {names}, found {','.join(options.states)!r}"
        raise SettingsError(msg) from error
    return SignalFilter(
        sources=tuple(each.value for each in _sources(options)),
        symbol=None if options.symbol is None else options.symbol.upper(),
        direction=None if options.direction is None else Direction(options.direction),
        states=states,
        since=options.since,
        until=options.until,
    )


def _print_json(document: msgspec.Struct) -> None:
    text = msgspec.json.format(to_json(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


async def _list(archive: Archive, wanted: SignalFilter, options: SignalOptions, fees: Fees) -> int:
    found = await archive.signals(wanted, options.limit)
    records = tuple(signal_record(each, fees) for each in found)
    if options.as_json:
        _print_json(
            SignalsPage(
                status="success",
                timestamp=iso(SystemClock().now()),
                as_of=newest_candle(records),
                sources=_sources(options),
                data_source="store",
                signals=records,
                next=records[-1].id if len(records) == options.limit else None,
            )
        )
        return 0
    table = Table("opened", "symbol", "direction", "state", "score", "price", "stop", "R", box=None)
    table.add_column("id", no_wrap=True, overflow="fold")
    for each in records:
        table.add_row(
            each.opened,
            f"{each.symbol}{' SIMULATED' if each.simulated else ''}",
            each.direction,
            each.state if each.outcome is None else f"{each.state} ({each.outcome})",
            _number(each.score, 1),
            _number(each.price, 8),
            _number(each.stop, 8) if each.stop is not None else f"none ({each.reason})",
            _number(each.r, 2),
            each.id,
        )
    console = _console()
    console.print(table if records else _nothing(options))
    return 0


async def _show(archive: Archive, options: SignalOptions, fees: Fees) -> int:
    found = await archive.signal(options.signal)
    if found is None:
        sys.stderr.write("virtuoso: there is no signal of this id\n")
        return 1
    steps = tuple(step_of(each) for each in await archive.signal_events(found.id))
    record = signal_record(found, fees)
    if options.as_json:
        _print_json(
            SignalDocument(
                status="success",
                timestamp=iso(SystemClock().now()),
                as_of=record.followed_to,
                source=record.source,
                data_source="store",
                signal=record,
                steps=steps,
            )
        )
        return 0
    console = _console()
    for name, text in _lines(record):
        console.print(f"{name:<12} {text}")
    table = Table("when", "what", "state", "price")
    for each in steps:
        table.add_row(iso(Millis(each.at)), each.what, each.state, _number(each.price, 8))
    console.print(table)
    return 0


def _lines(record: SignalRecord) -> Sequence[tuple[str, str]]:
    """Give what a person wants to read of one signal."""
    levels = f"none ({record.reason})"
    if record.stop is not None:
        targets = ", ".join(_number(each, 8) for each in record.targets)
        levels = f"{_number(record.stop, 8)}; targets {targets}"
    parts = ", ".join(
        f"{name} {_number(part.score, 1) if part.reason is None else part.reason.value}"
        for name, part in record.components.items()
    )
    result = "still open" if record.outcome is None else f"{record.outcome}"
    if record.r is not None:
        result += f", {_number(record.r, 2)} R ({_number(record.return_percent, 2)} % before costs)"
        paid = f"after {record.fee.taker_percent} % each way, {record.fee.source}"
        if record.r_after_fees is None:
            paid = "after fees: no fee of this venue is known"
        result += f"; {_number(record.r_after_fees, 2)} R {paid}"
    moves = f"{_number(record.best_excursion_r, 2)} R with it, "
    moves += f"{_number(record.worst_excursion_r, 2)} R against it"
    simulated = " SIMULATED" if record.simulated else ""
    return (
        ("signal", record.id),
        ("market", f"{record.symbol} on {record.venue}{simulated}"),
        ("opened", f"{record.opened} {record.direction}, {record.state}"),
        ("score", f"{_number(record.score, 1)} (coverage {record.coverage:.2f})"),
        ("components", parts),
        ("price", _number(record.price, 8)),
        ("stop", levels),
        ("method", record.method),
        ("so far", moves),
        ("result", result),
    )


async def _statistics(
    archive: Archive, wanted: SignalFilter, options: SignalOptions, fees: Fees
) -> int:
    cells = await count_signals(archive, wanted, fees)
    if options.as_json:
        _print_json(
            SignalStatistics(
                status="success",
                timestamp=iso(SystemClock().now()),
                sources=_sources(options),
                data_source="store",
                since=wanted.since,
                cells=tuple(cells),
                fees=fees_of(fees),
                reasons=() if cells else ("no signal was kept then",),
            )
        )
        return 0
    table = Table(
        "symbol",
        "direction",
        "within",
        "ended",
        "open",
        "first target before stop",
        "mean R",
        "after fees",
    )
    for each in cells:
        table.add_row(
            "all" if each.symbol == "*" else each.symbol,
            each.direction,
            f"{each.horizon_ms // HOUR} h",
            f"{each.n} ({each.lost} lost)",
            str(each.open),
            _rate(each),
            _mean(each.mean_r),
            _mean(each.mean_r_after_fees),
        )
    console = _console()
    console.print(table if cells else _nothing(options))
    return 0


def _rate(cell: SignalCell) -> str:
    found = cell.first_target
    counted = f"{found.hits} of {found.n}"
    if found.rate is None or found.low is None or found.high is None:
        return f"{counted}: too few"
    interval = f"{100 * found.rate:.0f} % [{100 * found.low:.0f}, {100 * found.high:.0f}]"
    return f"{counted}: {interval}, {cell.standing}"


def _mean(found: CountedMean) -> str:
    if found.mean is None or found.low is None or found.high is None:
        return f"too few (n = {found.n})"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (n = {found.n})"


def _nothing(options: SignalOptions) -> str:
    kind = "simulated" if options.simulated else "live"
    return f"no {kind} signal was kept"


def _console() -> Console:
    """Give a terminal as it is, a file or a pipe room for a whole line; an id is no emoji."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    return console


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}g}" if digits > 2 else f"{value:.{digits}f}"
