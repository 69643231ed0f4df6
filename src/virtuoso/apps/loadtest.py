"""`virtuoso loadtest`: a bounded load on a Virtuoso of this machine, and what it made of it."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import msgspec

from virtuoso.apps.load_readers import (
    HOT_PATHS,
    DeafSockets,
    Heard,
    HttpReader,
    Tally,
    listen,
)
from virtuoso.apps.load_report import (
    OWNERS_REQUESTS,
    LoadResult,
    PathResult,
    SocketResult,
    TierResult,
    judge,
    show,
)
from virtuoso.apps.running import ask, ask_text
from virtuoso.client import Subscribe
from virtuoso.domain.errors import NotRunningError, SettingsError, UnknownSymbolError
from virtuoso.wire.metrics import CacheMetrics
from virtuoso.wire.symbols import SymbolsDocument

MOST_SECONDS: Final = 300
MOST_CONNECTIONS: Final = 64
MOST_SOCKETS: Final = 200
MOST_DEAF: Final = 50
MOST_RATE: Final = 10_000


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the command line says."""

    address: str
    seconds: int = 10
    connections: int = 8
    sockets: int = 50
    deaf: int = 5
    rate: int = 0
    """Requests a second; 0: as many as are answered."""
    as_json: bool = False


def local_host(address: str) -> tuple[str, int]:
    """Host and port of a loopback address. Raises SettingsError for any other."""
    parts = urlsplit(address)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        local = parts.scheme == "http" and ip_address(host).is_loopback and parts.port is not None
    except ValueError:
        local = False
    if not local or parts.port is None:
        msg = (
            "expected an address of this machine, such as http://127.0.0.1:8003, found another: "
            "a load test is for nobody else's server"
        )
        raise SettingsError(msg)
    return host, parts.port


async def loadtest(options: LoadOptions) -> int:
    """Load, print, and say 1 when an item is not met. Raises NotRunningError, SettingsError."""
    for name, found, most in (
        ("seconds", options.seconds, MOST_SECONDS),
        ("connections", options.connections, MOST_CONNECTIONS),
        ("sockets", options.sockets, MOST_SOCKETS),
        ("never-reading", options.deaf, MOST_DEAF),
        ("requests a second", options.rate, MOST_RATE),
    ):
        if found > most:
            message = f"expected at most {most} {name}, found {found}"
            raise SettingsError(message)
    result = await _measure(options)
    if options.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result)).decode() + "\n")
    else:
        show(result)
    return 1 if any(each.verdict == "not met" for each in result.items) else 0


async def _measure(options: LoadOptions) -> LoadResult:
    host, port = local_host(options.address)
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    board = await asyncio.to_thread(ask, base, "/api/symbols", SymbolsDocument)
    names = [each.symbol for each in board.symbols]
    if not names:
        message = f"expected symbols at {base}, found none yet: wait until the engine publishes"
        raise NotRunningError(message)
    before, counted = await _cache(base), await _counters(base)
    tallies: dict[str, Tally] = {}
    heard = Heard()
    others = [
        "/api/market/overview",
        "/api/bitcoin-beta",
        *(f"/api/symbols/{name}" for name in names[:10]),
        *(f"/api/symbols/{name}/candles?timeframe=5m" for name in names[:5]),
        *(f"/api/symbols/{name}/scores" for name in names[:5]),
    ]
    deaf = DeafSockets(host, port)
    sockets = [
        asyncio.create_task(listen(base, number, _wanted(number, names), heard))
        for number in range(options.sockets)
    ]
    loop = asyncio.get_running_loop()
    try:
        never_reading = await deaf.open(options.deaf)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while heard.opened < options.sockets:  # noqa: ASYNC110 - whoever is refused stays out
                    await asyncio.sleep(0.05)
        begun = loop.time()
        every = options.connections / options.rate if options.rate else 0.0
        readers = [
            HttpReader(host, port, others, tallies, seed, every).run(begun + options.seconds)
            for seed in range(options.connections)
        ]
        await asyncio.gather(*readers)
        if not readers:
            await asyncio.sleep(options.seconds)
        took = loop.time() - begun
    finally:
        deaf.close()
        for each in sockets:
            each.cancel()
        await asyncio.gather(*sockets, return_exceptions=True)
    after, then = await _cache(base), await _counters(base)
    paths = tuple(_path_result(path, tally) for path, tally in sorted(tallies.items()))
    requests = sum(each.requests for each in paths)
    errors = sum(each.errors for each in paths)
    socket_result = SocketResult(
        asked=options.sockets,
        opened=heard.opened,
        messages=dict(heard.messages),
        messages_per_second=heard.messages.total() / took,
        lost=dict(heard.lost),
        never_reading=never_reading,
        cut_off=round(then.get("evicted", 0) - counted.get("evicted", 0)),
        delivery_p95_ms=_milliseconds(then, "delivery_us_p95"),
        delivery_p99_ms=_milliseconds(then, "delivery_us_p99"),
    )
    tiers = _tiers(before, after)
    return LoadResult(
        address=base,
        seconds=took,
        requests=requests,
        requests_per_second=requests / took,
        of_the_owners=requests / took / OWNERS_REQUESTS,
        errors=errors,
        error_rate=errors / requests if requests else 0.0,
        p50_ms=quantile_ms(_seconds_of(tallies), 0.5),
        p99_ms=quantile_ms(_seconds_of(tallies), 0.99),
        routes_p99_ms=quantile_ms(_seconds_of(tallies, without=HOT_PATHS), 0.99),
        paths=paths,
        sockets=socket_result,
        tiers=tiers,
        items=judge(paths, requests / took, errors, socket_result, tiers, len(names)),
    )


def _wanted(number: int, names: Sequence[str]) -> Subscribe:
    """Every fourth as the desktop, every fourth as the phone, the others as programs."""
    if number % 4 == 0:
        return Subscribe(form="rows", hz=4)
    if number % 4 == 1:
        return Subscribe(form="rows", hz=1)
    chosen = tuple(names[(number + place) % len(names)] for place in range(min(10, len(names))))
    return Subscribe(symbols=chosen, hz=20)


async def _cache(base: str) -> CacheMetrics | None:
    """What the server's cache did so far; None where it does not say."""
    try:
        return await asyncio.to_thread(ask, base, "/cache-metrics", CacheMetrics)
    except (NotRunningError, UnknownSymbolError):
        return None


async def _counters(base: str) -> Mapping[str, float]:
    """The socket's counters of `/metrics`; none where it does not say."""
    try:
        text = await asyncio.to_thread(ask_text, base, "/metrics")
    except NotRunningError:
        return {}
    start = "virtuoso_websocket_"
    pairs = (
        line.removeprefix(start).split() for line in text.splitlines() if line.startswith(start)
    )
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}


def _milliseconds(counters: Mapping[str, float], name: str) -> float | None:
    """A figure in microseconds, as milliseconds; 0 is what a server says before the first."""
    return counters[name] / 1e3 if counters.get(name) else None


def quantile_ms(seconds: Sequence[float], share: float) -> float | None:
    """The value that this share of all does not exceed, milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _seconds_of(tallies: Mapping[str, Tally], without: Sequence[str] = ()) -> list[float]:
    return [
        each for path, tally in tallies.items() if path not in without for each in tally.seconds
    ]


def _path_result(path: str, tally: Tally) -> PathResult:
    seconds = tally.seconds
    good = tally.statuses[200] + tally.statuses[304]
    failures = tally.failures.total()
    return PathResult(
        path=path,
        requests=len(seconds) + failures,
        statuses={str(status): count for status, count in sorted(tally.statuses.items())},
        failures=dict(tally.failures),
        errors=len(seconds) - good + failures,
        mean_ms=1e3 * sum(seconds) / len(seconds) if seconds else None,
        p50_ms=quantile_ms(seconds, 0.5),
        p95_ms=quantile_ms(seconds, 0.95),
        p99_ms=quantile_ms(seconds, 0.99),
        worst_ms=quantile_ms(seconds, 1.0),
    )


def _tiers(before: CacheMetrics | None, after: CacheMetrics | None) -> tuple[TierResult, ...]:
    """What each tier was asked between two looks."""
    if before is None or after is None:
        return ()
    earlier = {tier.name: tier for tier in before.tiers}
    hits = Counter({tier.name: tier.hits - earlier[tier.name].hits for tier in after.tiers})
    found = []
    for tier in after.tiers:
        misses = tier.misses - earlier[tier.name].misses
        asked = hits[tier.name] + misses
        found.append(
            TierResult(
                name=tier.name,
                hits=hits[tier.name],
                misses=misses,
                hit_rate=hits[tier.name] / asked if asked else None,
                share_of_hits=hits[tier.name] / hits.total() if hits.total() else None,
                read_p99_ms=tier.read.p99_ms,
            )
        )
    return tuple(found)
