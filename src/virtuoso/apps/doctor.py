"""`virtuoso doctor`: what is reachable, what is banned, what the running instance says of itself.

Each check gives findings; all are made at once, and none takes longer than the whole may.
"""

import asyncio
import logging
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

import aiohttp
import msgspec
import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bans import Ban
from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.bybit.stream import BybitSettings
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.connection import LARGEST_FRAME, open_session
from virtuoso.adapters.feed.limits import Budgets, RequestBudget
from virtuoso.apps.running import credentials
from virtuoso.apps.settings import CacheSettings, Settings
from virtuoso.apps.tiers import open_plans
from virtuoso.domain.errors import CacheError, FeedError, SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.web.pages import STATIC
from virtuoso.wire.health import HealthDocument
from virtuoso.wire.records import iso

TOTAL_SECONDS: Final = 6.0
REST_SECONDS: Final = 4.0
STREAM_SECONDS: Final = 5.0
RUNNING_SECONDS: Final = 4.0
CLOCK_WARNS_MS: Final = 500
CLOCK_SAMPLES: Final = 3
FREE_WARNS_BYTES: Final = 500_000_000
FREE_FAILS_BYTES: Final = 50_000_000
_LARGEST_DOCUMENT: Final = 10_000_000

Verdict: TypeAlias = Literal["pass", "warn", "fail"]
_WORDS: Final[Mapping[Verdict, str]] = {"pass": "ok", "warn": "warning", "fail": "WRONG"}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    status: Verdict
    text: str


class Report(msgspec.Struct, frozen=True):
    """Everything, as `--json` prints it."""

    status: Verdict
    timestamp: str
    findings: tuple[Finding, ...]


Findings: TypeAlias = Sequence[Finding]
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What the command line says."""

    source: str | None
    """bybit, binance or simulator:HOST:PORT; None: both venues."""
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class _Site:
    """A venue and where to find it."""

    venue: Venue
    rest: str | None
    """None: the usual address."""
    stream: str
    request: str
    """What is sent to have something told; empty: the address says it."""


class _SymbolRow(msgspec.Struct):
    symbol: str
    state: str
    reason: str | None = None
    missing: dict[str, str] = {}


class _Symbols(msgspec.Struct):
    symbols: tuple[_SymbolRow, ...] = ()


def doctor(
    settings: Settings,
    options: DoctorOptions,
    environment: Mapping[str, str],
    settings_error: str | None = None,
) -> int:
    """Look at everything and print it; 0: all is well, 1: something is not. Raises SettingsError.

    With `settings_error`, which said why the settings cannot be used, the defaults are looked at.
    """
    # what the adapters have to say would stand between the findings, which say it too
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = asyncio.run(examine(settings, options, environment, settings_error))
    if options.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        sys.stdout.write(to_text(report))
    return 0 if report.status == "pass" else 1


def to_text(report: Report) -> str:
    """One finding a line, and a last one that sums up."""
    width = max(len(each.name) for each in report.findings)
    lines = [
        f"{_WORDS[each.status]:8}{each.name:{width + 2}}{each.text}" for each in report.findings
    ]
    wrong = sum(each.status != "pass" for each in report.findings)
    summed = f"{wrong} of {len(lines)} are not as they should be"
    lines.append(summed if wrong else "all is well")
    return "\n".join(lines) + "\n"


async def examine(
    settings: Settings,
    options: DoctorOptions,
    environment: Mapping[str, str],
    settings_error: str | None = None,
) -> Report:
    """Make all checks side by side. Raises SettingsError for a source that is none."""
    clock = SystemClock()
    folder = settings.state.folder(environment)
    budgets = Budgets(clock, folder)
    checks: dict[str, Awaitable[Findings]] = {}
    async with open_session() as session:
        for site in _sites(options.source, settings):
            checks[f"{site.venue} REST"] = _check_rest(site, budgets, clock)
            checks[f"{site.venue} stream"] = _check_stream(site, session)
        checks["running"] = _check_running(settings, session)
        checks["cache"] = _check_cache(settings.cache, clock, environment)
        found = [_settings_finding(settings_error), *_machine(folder), *_bans(folder, clock)]
        found += await _all_in_time(checks)
    statuses = {each.status for each in found}
    worst: Verdict = "fail" if "fail" in statuses else "warn" if "warn" in statuses else "pass"
    return Report(worst, iso(clock.now()), tuple(found))


async def _all_in_time(checks: Mapping[str, Awaitable[Findings]]) -> Findings:
    """Give the findings in the order of the checks; what is not ready in time is a finding too."""
    tasks = {name: asyncio.ensure_future(check) for name, check in checks.items()}
    await asyncio.wait(tasks.values(), timeout=TOTAL_SECONDS)
    found: list[Finding] = []
    for name, task in tasks.items():
        if task.done():
            found += task.result()
        else:
            task.cancel()
            found.append(Finding(name, "fail", f"no answer within {TOTAL_SECONDS:g} s"))
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return found


def _sites(source: str | None, settings: Settings) -> list[_Site]:
    """Say what is to be looked at. Raises SettingsError."""
    ours = settings.feed
    bybit = json_text({"op": "subscribe", "args": ["tickers.BTCUSDT"]})
    stream = "/market/stream?streams=btcusdt@markPrice@1s"
    if source is not None and source.startswith("simulator:"):
        address = source.removeprefix("simulator:")
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            msg = f"expected --source simulator:HOST:PORT, found {source[:60]!r}"
            raise SettingsError(msg)
        rest = f"http://{address}"
        return [
            _Site(BYBIT, rest, f"ws://{address}/v5/public/linear", bybit),
            _Site(BINANCE, rest, f"ws://{address}{stream}", ""),
        ]
    sites = {
        "bybit": _Site(
            BYBIT, ours.bybit_rest or None, ours.bybit_stream or BybitSettings().url, bybit
        ),
        "binance": _Site(
            BINANCE,
            ours.binance_rest or None,
            (ours.binance_stream or BinanceSettings().stream_url) + stream,
            "",
        ),
    }
    if source is None:
        return list(sites.values())
    if source not in sites:
        msg = f"expected --source bybit, binance or simulator:HOST:PORT, found {source[:60]!r}"
        raise SettingsError(msg)
    return [sites[source]]


def json_text(value: object) -> str:
    """Write JSON."""
    return msgspec.json.encode(value).decode()


async def _check_rest(site: _Site, budgets: Budgets, clock: Clock) -> Findings:
    """Ask for the venue's clock, unless it wants to be left alone."""
    name = f"{site.venue} REST"
    budget = budgets.of(site.venue, site.rest)
    banned = _banned(budget)
    if banned is not None:
        return [Finding(name, "fail", f"not asked, because it is {banned}")]
    history = CcxtHistory(site.venue, budget, site.rest)
    samples: list[tuple[int, float]] = []
    try:
        async with asyncio.timeout(REST_SECONDS):
            for _ in range(CLOCK_SAMPLES):
                before, wall = time.monotonic(), clock.now()
                theirs = await history.venue_time()
                trip_ms = (time.monotonic() - before) * SECOND
                samples.append((round(trip_ms), theirs - wall - trip_ms / 2))
    except TimeoutError:
        if not samples:
            return [Finding(name, "fail", f"no answer within {REST_SECONDS:g} s")]
    except FeedError as error:
        if not samples:
            banned = _banned(budget)
            return [Finding(name, "fail", banned or f"cannot be used: {error}")]
    finally:
        await history.close()
    trip, offset = min(samples)
    text = f"answers in {trip} ms"
    if abs(offset) <= CLOCK_WARNS_MS:
        return [Finding(name, "pass", f"{text}; the clocks agree to {abs(offset):.0f} ms")]
    which = "behind" if offset > 0 else "ahead of"
    text += (
        f", but this machine's clock is {abs(offset) / SECOND:.1f} s {which} the venue's: "
        "set it, for example with an NTP service"
    )
    return [Finding(name, "warn", text)]


def _banned(budget: RequestBudget) -> str | None:
    """Say until when a venue wants to be left alone, and why."""
    until = budget.banned_until
    return None if until is None else f"banned until {iso(until)}: {budget.status.ban_reason}"


async def _check_stream(site: _Site, session: aiohttp.ClientSession) -> Findings:
    """Open a stream, ask for something that never is silent, and wait for it."""
    name = f"{site.venue} stream"
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(STREAM_SECONDS),
            session.ws_connect(
                site.stream,
                max_msg_size=LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.2),
            ) as ws,
        ):
            if site.request:
                await ws.send_str(site.request)
            async for message in ws:
                data = message.data if isinstance(message.data, str) else ""
                if '"data"' in data:
                    took = (time.monotonic() - began) * SECOND
                    return [Finding(name, "pass", f"first data after {took:.0f} ms")]
            return [Finding(name, "fail", "the venue closed the connection without a word")]
    except TimeoutError:
        return [Finding(name, "fail", f"no data within {STREAM_SECONDS:g} s")]
    except (aiohttp.ClientError, OSError) as error:
        return [Finding(name, "fail", f"cannot be opened: {error}"[:200])]


async def _check_cache(
    settings: CacheSettings, clock: Clock, environment: Mapping[str, str]
) -> Findings:
    """Ask the servers that are set; `virtuoso validate` proves what they promise."""
    plans = open_plans(settings, clock, environment)
    found: list[Finding] = []
    for server in (each.tier for each in plans):
        name = f"cache: {server.name}"
        try:
            await server.probe()
            found.append(Finding(name, "pass", "answers; `virtuoso validate` looks closer"))
        except CacheError as error:
            found.append(Finding(name, "fail", str(error)[:200]))
        finally:
            await server.close()
    text = "in this process's memory, as `virtuoso run` has it; the other commands need CACHE_TYPE"
    return found or [Finding("cache", "pass", text)]


async def _check_running(settings: Settings, session: aiohttp.ClientSession) -> Findings:
    """Ask the instance that runs on this machine, if one does."""
    app = settings.app
    address = f"http://{app.address}:{app.port}"
    try:
        health = await _get(session, f"{address}/health", HealthDocument)
    except aiohttp.ClientConnectorError:
        return [Finding("running", "pass", f"no Virtuoso runs at {address}")]
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
        text = f"what listens at {address} does not answer as Virtuoso does: "
        return [Finding("running", "fail", f"{text}{type(error).__name__} {error}"[:300])]
    status: Verdict = "pass"
    if health.status != "success":
        status = "warn" if health.status == "degraded" else "fail"
    source = "" if health.source is None else f", source {health.source}"
    text = f"Virtuoso {health.version} at {address} says {health.status}{source}"
    found = [Finding("running", status, text)]
    found += [
        Finding(f"running: {each.name}", each.status, each.text)
        for each in health.parts
        if each.status != "pass"
    ]
    try:
        monitor = f"http://{app.address}:{app.monitoring_port}/api/monitoring/symbols"
        rows = (await _get(session, monitor, _Symbols)).symbols
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
        said = f"the monitoring port does not answer: {type(error).__name__} {error}"[:300]
        return [*found, Finding("running: monitor", "fail", said)]
    return [*found, *_symbol_findings(rows)]


def _symbol_findings(rows: Sequence[_SymbolRow]) -> Findings:
    """Say how many are live, and name those that are not and those that get no feed."""
    live = sum(each.state == "live" for each in rows)
    late = [each.symbol for each in rows if each.state != "live"]
    text = f"{live} of {len(rows)} symbols are live"
    if late:
        text += f"; not: {_few(late)}"
    found = [Finding("running: symbols", "warn" if late else "pass", text)]
    refused = [
        each.symbol
        for each in rows
        if each.reason == "no_feed" or "no_feed" in each.missing.values()
    ]
    if refused:
        text = f"the venue gives no feed for something of: {_few(refused)}"
        found.append(Finding("running: refused", "warn", text))
    return found


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


async def _get(session: aiohttp.ClientSession, url: str, kind: type[D]) -> D:
    headers = credentials(url, os.environ)
    async with asyncio.timeout(RUNNING_SECONDS), session.get(url, headers=headers) as answer:
        body = await answer.content.read(_LARGEST_DOCUMENT)
        while chunk := await answer.content.read(_LARGEST_DOCUMENT):
            body += chunk
            if len(body) > _LARGEST_DOCUMENT:
                msg = f"expected a document of {_LARGEST_DOCUMENT} bytes at most, found more"
                raise ValueError(msg)
        return msgspec.json.decode(body, type=kind)


def _settings_finding(error: str | None) -> Finding:
    if error is None:
        return Finding("settings", "pass", "can be read, and are complete")
    return Finding("settings", "fail", f"{error}; the defaults are looked at instead")


def _machine(folder: Path) -> Findings:
    """Look at the pages, the programs that build them, and the room for what is kept."""
    found: list[Finding] = []
    if (STATIC / "index.html").is_file():
        found.append(Finding("pages", "pass", "the dashboards are built"))
    else:
        missing = [each for each in ("node", "npm") if shutil.which(each) is None]
        text = "the dashboards are not built: run `make web`"
        if missing:
            text += f", for which {' and '.join(missing)} must be installed first"
        found.append(Finding("pages", "warn", text))
    return [*found, _state_finding(folder)]


def _state_finding(folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        text = f"{folder} cannot be written to: a ban would be forgotten at a restart"
        return Finding("state folder", "fail", text)
    free = shutil.disk_usage(there).free
    text = f"{folder}, {free / 1e9:.1f} GB free"
    if folder.exists() and folder.stat().st_mode & 0o022:
        return Finding("state folder", "warn", f"{text}; others may write to it: chmod 700")
    if free < FREE_FAILS_BYTES:
        return Finding("state folder", "fail", f"{text}: too little")
    return Finding("state folder", "warn" if free < FREE_WARNS_BYTES else "pass", text)


def _bans(folder: Path, clock: Clock) -> Findings:
    """Name the bans that an instance noted, of all venues."""
    found = []
    for path in sorted(folder.glob("ban-*.json"))[:50]:
        try:
            ban = msgspec.json.decode(path.read_bytes(), type=Ban)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            text = f"{path.name} cannot be read; an instance takes it for none"
            found.append(Finding("bans", "warn", text))
            continue
        left = ban.left_ms(clock.now())
        if left:
            who = path.stem.removeprefix("ban-")
            until = iso(clock.now() + left)
            found.append(Finding("bans", "fail", f"{who} until {until}: {ban.reason}"))
    return found or [Finding("bans", "pass", "no venue has shut this machine out")]
