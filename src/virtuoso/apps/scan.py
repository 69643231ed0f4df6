"""`virtuoso scan`: the board of a running Virtuoso in the terminal."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from virtuoso.apps import terminal
from virtuoso.apps.running import ask
from virtuoso.domain.scores import ComponentName
from virtuoso.wire.messages import to_json
from virtuoso.wire.symbols import SymbolRecord, SymbolsDocument

COMPONENT_HEADS: Final[Mapping[ComponentName, str]] = {
    ComponentName.ORDERBOOK: "book",
    ComponentName.ORDERFLOW: "flow",
    ComponentName.TECHNICAL: "tech",
    ComponentName.VOLUME: "vol",
    ComponentName.SENTIMENT: "sent",
    ComponentName.PRICE_STRUCTURE: "struct",
}
SORTS: Final[Mapping[str, Callable[[SymbolRecord], float | str | None]]] = {
    "score": lambda each: each.confluence_score,
    "pressure": lambda each: (
        None if each.confluence_score is None else abs(each.confluence_score - 50)
    ),
    "confidence": lambda each: each.confidence,
    "change": lambda each: each.change_24h,
    "turnover": lambda each: each.volume,
    "symbol": lambda each: each.symbol,
}


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What the command line says."""

    address: str
    sort: str = "score"
    reverse: bool = False
    limit: int | None = None
    as_json: bool = False
    watch: bool = False


def ordered(records: Sequence[SymbolRecord], sort: str, *, reverse: bool) -> list[SymbolRecord]:
    """Highest first (symbols from A); what has no such number comes last, either way round."""
    key = SORTS[sort]
    known = [(key(each), each) for each in records]
    descending = (sort != "symbol") is not reverse
    present = sorted(
        (pair for pair in known if pair[0] is not None),
        key=lambda pair: (pair[0], pair[1].symbol),
        reverse=descending,
    )
    return [each for _, each in present] + [each for value, each in known if value is None]


def asked_for(document: SymbolsDocument, options: ScanOptions) -> SymbolsDocument:
    """The document with the symbols that were asked for, in the order that was asked for."""
    shown = ordered(document.symbols, options.sort, reverse=options.reverse)[: options.limit]
    return msgspec.structs.replace(document, symbols=tuple(shown))


def table(document: SymbolsDocument, options: ScanOptions) -> Group:
    """The board as a renderable."""
    now = document.as_of or 0
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("symbol", "score", "direction", "conf", *COMPONENT_HEADS.values()):
        left = name in {"symbol", "direction"}
        rows.add_column(name, justify="left" if left else "right", no_wrap=True)
    for name in ("price", "24 h", "age", "state"):
        rows.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    for record in asked_for(document, options).symbols:
        components = msgspec.structs.asdict(record.components)
        rows.add_row(
            record.symbol,
            terminal.score(record.confluence_score),
            str(record.direction or terminal.ABSENT),
            terminal.number(record.confidence, 0),
            *(terminal.score(components[each]) for each in COMPONENT_HEADS),
            terminal.price(record.price),
            terminal.signed(record.change_24h, " %"),
            terminal.age(record.as_of, now),
            terminal.state(record.state, record.reason),
        )
    scored = sum(each.confluence_score is not None for each in document.symbols)
    head = Text.assemble(
        terminal.source_text(document.source),
        f"  {document.timestamp}  {scored} of {len(document.symbols)} scored",
    )
    notes = [Text(each, style="yellow") for each in document.reasons]
    return Group(head, *notes, rows)


def scan(options: ScanOptions) -> int:
    """Print the board once, or each second until interrupted, as JSON a line each.

    Raises NotRunningError.
    """

    def fetch() -> SymbolsDocument:
        return ask(options.address, "/api/symbols", SymbolsDocument)

    if options.as_json:
        while True:
            sys.stdout.buffer.write(to_json(asked_for(fetch(), options)) + b"\n")
            sys.stdout.buffer.flush()
            if not options.watch:
                return 0
            time.sleep(1.0)
    console = terminal.console()
    if not options.watch:
        console.print(table(fetch(), options))
        return 0
    with Live(table(fetch(), options), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(table(fetch(), options), refresh=True)
