"""`virtuoso explain`: one score taken apart to its inputs with ages.

Of a running Virtuoso, or, with `--recording`, of any second of a recording.
"""

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from virtuoso.apps import terminal
from virtuoso.apps.replay import editions_of, records_in
from virtuoso.apps.running import ask
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay
from virtuoso.domain.errors import SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.documents import Edition, detail_document
from virtuoso.engine.pairing import Shown
from virtuoso.wire.messages import (
    ComponentDetail,
    ConfidenceDetail,
    MemberDetail,
    SymbolDetail,
    to_json,
)
from virtuoso.wire.records import iso

CLOCKS_APART_MS = MINUTE
"""By how much the receive times of a recording may differ from the venue's clock."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What the command line says."""

    address: str
    symbol: str
    as_json: bool = False
    at: Millis | None = None
    """The second to show, of a recording: the last one at or before this time; None: its last."""
    recording: str | None = None
    candles: Path | None = None


def page(detail: SymbolDetail) -> Group:
    """Everything the score is made of, as a renderable."""
    record = detail.record
    head = Text.assemble(
        (f"{record.symbol}  ", "bold"),
        terminal.source_text(record.source),
        f"  {record.venue}  {detail.timestamp}  definition {detail.definition}",
    )
    number = Text.assemble(
        "score ",
        terminal.score(record.confluence_score),
        f"  {record.direction or 'no direction'}  ",
        terminal.state(record.state, record.reason),
        f"  coverage {100 * record.coverage:.0f} %",
    )
    parts: list[RenderableType] = [head, number]
    if detail.confidence is not None:
        parts.append(_confidence(detail.confidence))
    parts += [Text(sentence) for sentence in detail.explanation]
    parts += [Text(reason, style="yellow") for reason in detail.reasons]
    parts += ["", _components(detail), "", _inputs(detail)]
    return Group(*parts)


def _confidence(confidence: ConfidenceDetail) -> Text:
    record = (
        f"record {confidence.record:.2f}"
        if confidence.record is not None
        else f"record {terminal.reason_text(confidence.record_reason)}, counted as 0.50"
        if confidence.record_reason is not None
        else "record not known"
    )
    return Text(
        f"confidence {100 * confidence.value:.0f} = agreement {confidence.agreement:.2f}"
        f" x completeness {confidence.completeness:.2f} x freshness {confidence.freshness:.2f}"
        f" x {record}"
    )


def _components(detail: SymbolDetail) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    rows.add_column("component / member", no_wrap=True)
    for name in ("x", "score", "weight", "adds", "without", "age"):
        rows.add_column(name, justify="right", no_wrap=True)
    rows.add_column("")
    account = detail.account
    without = {} if account is None else {each.component: each.score for each in account.without}
    for component in detail.components:
        weight = None if component.weight is None else 100 * component.weight
        rows.add_row(
            Text(component.name.replace("_", " "), style="bold"),
            "",
            terminal.score(component.score),
            terminal.number(weight, 1),
            terminal.signed(component.shown),
            terminal.score(without[component.name]) if component.name in without else "",
            terminal.age(component.as_of, detail.now),
            _note(component),
        )
        for member in component.members:
            rows.add_row(
                f"  {member.name}",
                terminal.number(member.x, 6),
                terminal.score(member.score),
                terminal.number(100 * member.weight, 1),
                terminal.signed(member.contribution),
                "",
                terminal.age(member.as_of, detail.now),
                _note(member),
            )
    added = sum(each.shown for each in detail.components if each.shown is not None)
    if detail.record.confluence_score is not None:
        rows.add_row(
            Text("sum: 50 + contributions", style="bold"),
            "",
            terminal.score(50 + added),
            "",
            terminal.signed(added),
        )
    return rows


def _note(part: ComponentDetail | MemberDetail) -> Text:
    if part.reason is not None:
        progress = "" if part.have is None else f" ({part.have} of {part.need})"
        return Text(f"{terminal.reason_text(part.reason)}{progress}", style="yellow")
    if isinstance(part, ComponentDetail) and part.completeness < 1:
        return Text(f"{100 * part.completeness:.0f} % of its inputs", style="dim")
    return Text("")


def _inputs(detail: SymbolDetail) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    rows.add_column("input")
    rows.add_column("age", justify="right")
    rows.add_column("state")
    for feed in detail.inputs:
        rows.add_row(
            feed.kind.replace("_", " "),
            terminal.age(feed.as_of, detail.now),
            terminal.state(feed.state, feed.reason),
        )
    return rows


def explain(options: ExplainOptions, settings: Settings) -> int:
    """Print it.

    Raises NotRunningError, UnknownSymbolError, and SettingsError or RecordingError where a past
    second was asked for that cannot be shown.
    """
    symbol = parse_symbol(options.symbol.upper())
    if options.recording is not None:
        detail = asyncio.run(recorded_detail(settings, symbol, options))
    elif options.at is not None or options.candles is not None:
        msg = (
            "expected --recording PATH beside --at: scores of the past are not kept yet, they are "
            "made again from a recording (`virtuoso record` makes one); without --at the running "
            "Virtuoso is asked"
        )
        raise SettingsError(msg)
    else:
        path = f"/api/symbols/{quote(symbol, safe='')}"
        detail = ask(options.address, path, SymbolDetail)
    if options.as_json:
        sys.stdout.buffer.write(to_json(detail) + b"\n")
    else:
        terminal.console().print(page(detail))
    return 0


async def recorded_detail(
    settings: Settings, symbol: Symbol, options: ExplainOptions
) -> SymbolDetail:
    """Play a recording up to a time and take one score of that second apart.

    Raises RecordingError, UnknownSymbolError, and SettingsError for a time that it does not reach.
    """
    source = open_replay(options.recording or "", None, options.candles)
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
