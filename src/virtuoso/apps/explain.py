"""`virtuoso explain`: one score of a running Virtuoso, taken apart to its inputs with ages."""

import sys
from dataclasses import dataclass
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from virtuoso.apps import terminal
from virtuoso.apps.running import ask
from virtuoso.domain.instruments import parse_symbol
from virtuoso.wire.details import (
    ComponentDetail,
    ConfidenceDetail,
    DimensionDetail,
    MemberDetail,
    SymbolDetail,
)
from virtuoso.wire.messages import to_json


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What the command line says."""

    address: str
    symbol: str
    as_json: bool = False


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
    parts += ["", _components(detail), "", _dimensions(detail), "", _inputs(detail)]
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


def _dimensions(detail: SymbolDetail) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    rows.add_column("lens, beside the score", no_wrap=True)
    rows.add_column("value", justify="right", no_wrap=True)
    rows.add_column("age", justify="right", no_wrap=True)
    rows.add_column("state", no_wrap=True)
    rows.add_column("")
    for lens in detail.dimensions:
        rows.add_row(
            lens.name.replace("_", " "),
            terminal.number(lens.value, 1),
            terminal.age(lens.as_of, detail.now),
            terminal.state(lens.state, lens.reason),
            Text(_of_lens(lens), style="dim"),
        )
    return rows


def _of_lens(lens: DimensionDetail) -> str:
    """What a lens means and what it was made of, in one line."""
    parts = [
        f"{part.name} {part.value:.4g}" + ("" if part.unit in {"z", "ratio"} else f" {part.unit}")
        for part in lens.parts
        if part.value is not None
    ]
    record = "" if lens.record is None else f" ({terminal.reason_text(lens.record)})"
    return f"{lens.label}{record}" + (f": {', '.join(parts)}" if parts else "")


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


def explain(options: ExplainOptions) -> int:
    """Print it. Raises NotRunningError and UnknownSymbolError."""
    symbol = parse_symbol(options.symbol.upper())
    path = f"/api/symbols/{quote(symbol, safe='')}"
    show(ask(options.address, path, SymbolDetail), as_json=options.as_json)
    return 0


def show(detail: SymbolDetail, *, as_json: bool) -> None:
    """Print one document, for a program or for a reader."""
    if as_json:
        sys.stdout.buffer.write(to_json(detail) + b"\n")
    else:
        terminal.console().print(page(detail))
