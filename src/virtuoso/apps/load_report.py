"""What a load found, judged by the owner's figures, and told."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from rich.console import Console
from rich.table import Table

OWNERS_REQUESTS: Final = 633.6
"""A second, as the owner's report says; how it was measured, it does not say."""
SAME_CORES: Final = (
    "Readers and server ran on the same cores: each took time from the other, and a server that is "
    "asked from elsewhere answers more. Compare runs on one machine, not machines."
)


class PathResult(msgspec.Struct, frozen=True):
    """One path; milliseconds, null without an answer."""

    path: str
    requests: int
    statuses: dict[str, int]
    failures: dict[str, int]
    errors: int
    """Answers other than 200 and 304, and failures."""
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    worst_ms: float | None


class TierResult(msgspec.Struct, frozen=True):
    """What one cache tier was asked during the load."""

    name: str
    hits: int
    misses: int
    hit_rate: float | None
    share_of_hits: float | None
    read_p99_ms: float | None
    """Since the start of the server."""


class SocketResult(msgspec.Struct, frozen=True):
    """The socket clients."""

    asked: int
    opened: int
    messages: dict[str, int]
    messages_per_second: float
    lost: dict[str, int]
    never_reading: int
    cut_off: int
    """Clients that the server cut off during the load."""
    delivery_p95_ms: float | None
    """From a push to the last byte handed over, as the server measured it."""
    delivery_p99_ms: float | None


class Item(msgspec.Struct, frozen=True):
    """One of the owner's figures."""

    id: str
    what: str
    found: str
    verdict: Literal["met", "not met", "not measured"]


class LoadResult(msgspec.Struct, frozen=True):
    """Everything that was found."""

    address: str
    seconds: float
    requests: int
    requests_per_second: float
    of_the_owners: float
    """Of the owner's 633.6 requests a second."""
    errors: int
    error_rate: float
    p50_ms: float | None
    """Of all requests together."""
    p99_ms: float | None
    routes_p99_ms: float | None
    """Of those that are not held ready: the routes of FastAPI."""
    paths: tuple[PathResult, ...]
    sockets: SocketResult
    tiers: tuple[TierResult, ...]
    items: tuple[Item, ...]
    note: str = SAME_CORES


def judge(
    paths: Sequence[PathResult],
    rate: float,
    errors: int,
    sockets: SocketResult,
    tiers: Sequence[TierResult],
    symbols: int,
) -> tuple[Item, ...]:
    """The owner's figures N1 to N6, as far as a load can tell."""
    requests = sum(each.requests for each in paths)
    reads = [tier.read_p99_ms for tier in tiers if tier.read_p99_ms is not None]
    first = tiers[0] if tiers else None
    asked = (first.hits + first.misses) if first else 0
    found = sum(tier.hits for tier in tiers)
    means = [each.mean_ms for each in paths if each.mean_ms is not None]
    mobile = next((each.p95_ms for each in paths if each.path.endswith("/mobile-data")), None)
    share = errors / requests if requests else None
    return (
        _below(
            "N1", "cache reads, p99 of the slowest tier, under 5 ms", max(reads, default=None), 5
        ),
        _above(
            "N2", "hit rate of the tiers over 95 %", 100 * found / asked if asked else None, 95, "%"
        ),
        _above(
            "N2",
            "share of the nearest tier at least 85 %",
            100 * (first.share_of_hits or 0) if first and found else None,
            85,
            "%",
        ),
        _below("N3", "mean of the slowest path under 100 ms", max(means, default=None), 100),
        _below("N4", "mobile data, p95 under 2 s", mobile, 2_000),
        _above("N4", "at least 100 requests a second", rate if requests else None, 100, "/s"),
        _above(
            "N4",
            f"over {OWNERS_REQUESTS} requests a second",
            rate if requests else None,
            OWNERS_REQUESTS,
            "/s",
        ),
        _below("N4", "errors under 0.1 %", None if share is None else 100 * share, 0.1, "%"),
        _below("N5", "websocket delivery, p95 under 50 ms", sockets.delivery_p95_ms, 50),
        Item(
            "N5",
            "first data of the pages, memory of the cache servers",
            "make test, /api/monitoring",
            "not measured",
        ),
        Item(
            "N6",
            "50 symbols in a cycle of 30 s",
            f"{symbols} symbols; /api/monitoring/cycles",
            "not measured",
        ),
    )


def _below(name: str, what: str, found: float | None, limit: float, unit: str = " ms") -> Item:
    if found is None:
        return Item(name, what, "no figure", "not measured")
    return Item(name, what, f"{found:,.2f}{unit}", "met" if found < limit else "not met")


def _above(name: str, what: str, found: float | None, limit: float, unit: str) -> Item:
    if found is None:
        return Item(name, what, "no figure", "not measured")
    return Item(name, what, f"{found:,.1f}{unit}", "met" if found >= limit else "not met")


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.1f}"


def show(result: LoadResult) -> None:
    """Print it as tables."""
    console = Console(width=120)
    table = Table(title=f"{result.address}, {result.seconds:.1f} s, milliseconds", box=None)
    for name in ("path", "requests", "errors", "mean", "p50", "p95", "p99", "worst"):
        table.add_column(name, justify="left" if name == "path" else "right")
    for each in result.paths:
        figures = (each.mean_ms, each.p50_ms, each.p95_ms, each.p99_ms, each.worst_ms)
        table.add_row(each.path, f"{each.requests:,}", f"{each.errors:,}", *map(_number, figures))
    console.print(table)
    console.print(
        f"\n{result.requests:,} requests, {result.requests_per_second:,.1f} a second: "
        f"{result.of_the_owners:.2f} of the owner's {OWNERS_REQUESTS}; "
        f"errors {100 * result.error_rate:.3f} %; p50 {_number(result.p50_ms)} ms, "
        f"p99 {_number(result.p99_ms)} ms, of the routes {_number(result.routes_p99_ms)} ms"
    )
    for each in result.paths:
        wrong = {name: n for name, n in each.statuses.items() if name not in {"200", "304"}}
        for name, count in (wrong | each.failures).items():
            console.print(f"  {count} times {name}: {each.path}")
    ours = result.sockets
    console.print(
        f"{ours.opened} of {ours.asked} sockets, {ours.messages_per_second:,.0f} messages/s; "
        f"delivery p95 {_number(ours.delivery_p95_ms)} ms, p99 {_number(ours.delivery_p99_ms)} ms; "
        f"{ours.never_reading} that never read, {ours.cut_off} cut off"
    )
    for reason, count in ours.lost.items():
        console.print(f"  lost {count}: {reason}")
    for tier in result.tiers:
        rate = "—" if tier.hit_rate is None else f"{100 * tier.hit_rate:.1f} %"
        console.print(f"cache {tier.name}: {tier.hits:,} hits, {tier.misses:,} misses, {rate}")
    items = Table(box=None)
    for name in ("", "what", "found", "verdict"):
        items.add_column(name)
    for item in result.items:
        items.add_row(item.id, item.what, item.found, item.verdict)
    console.print(items)
    console.print(result.note)
