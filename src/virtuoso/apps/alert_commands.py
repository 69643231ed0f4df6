"""`virtuoso alert list|rules|test`: what fired, what is watched, and whether a channel works."""

import asyncio
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.alerting.rehearsal import HORIZONS
from virtuoso.apps.alerting import channels_in, ready_made_rules, rules_of_file, shelf_in
from virtuoso.apps.archive import open_archive
from virtuoso.apps.rehearsing import rehearse_stored
from virtuoso.apps.settings import Settings
from virtuoso.domain.alerts import Alert, AlertFilter, AlertLevel, Outgoing
from virtuoso.domain.errors import ChannelError, RuleError, SettingsError
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE
from virtuoso.engine.rule_book import RuleBook
from virtuoso.wire.records import iso

LIVE = (Source.BYBIT, Source.BINANCE, Source.CCXT)


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """What the command line says."""

    action: str
    limit: int = 20
    channel: str | None = None
    rules: Path | None = None
    hours: int = 24
    simulated: bool = False


def run_alert_command(settings: Settings, options: AlertOptions) -> int:
    """Do it; gives the exit code."""
    match options.action:
        case "list":
            return asyncio.run(_list(settings, options.limit))
        case "rules":
            return asyncio.run(_rules(settings))
        case _ if options.rules is not None:
            return asyncio.run(_rehearse(settings, options, options.rules))
        case _:
            return asyncio.run(_test(options.channel))


async def _list(settings: Settings, limit: int) -> int:
    async with open_archive(settings) as archive:
        if archive is None:
            msg = "expected a store to read alerts from, found it switched off (store.enabled)"
            raise SettingsError(msg)
        found = await archive.alerts(AlertFilter(), limit)
        told = await archive.deliveries([each.id for each in found])
    table = Table("when", "level", "state", "what", "told")
    for alert in found:
        ways = [
            f"{each.channel}: {each.state.value}{'' if each.error is None else f' ({each.error})'}"
            for each in told
            if each.alert == alert.id
        ]
        table.add_row(iso(alert.at), alert.level, alert.state, alert.message, "\n".join(ways))
    Console(markup=False).print(table if found else "no alert was ever kept")
    return 0


async def _rules(settings: Settings) -> int:
    book = RuleBook(ready_made_rules(), shelf_in(settings))
    await book.refresh()
    table = Table("id", "level", "kind", "whose", "on", "title")
    for rule in book.rules:
        whose = "yours" if book.is_own(rule.id) else "ready-made"
        table.add_row(
            rule.id, rule.level, rule.kind, whose, "yes" if rule.enabled else "no", rule.title
        )
    Console(markup=False).print(table)
    if book.problem is not None:
        sys.stderr.write(f"virtuoso: your rules are not in force: {book.problem}\n")
        return 1
    return 0


async def _rehearse(settings: Settings, options: AlertOptions, file: Path) -> int:
    now = SystemClock().now()
    sources: Sequence[Source] = (Source.SIMULATOR,) if options.simulated else LIVE
    table = Table("rule", "fired", "over", *(f"after {ms // MINUTE} min" for ms in HORIZONS))
    async with open_archive(settings) as archive:
        if archive is None:
            msg = "expected a store to rehearse over, found it switched off (store.enabled)"
            raise SettingsError(msg)
        for rule in rules_of_file(file):
            try:
                found = await rehearse_stored(
                    archive, rule, sources, now - options.hours * HOUR, now
                )
            except RuleError as error:
                table.add_row(rule.id, "-", str(error))
                continue
            told = found.rehearsal
            after = [
                f"{each.up} of {each.n} up (base {each.base_up} of {each.base_n})"
                for each in told.followed
            ]
            over = f"{told.moments:,} instants, {found.symbols} symbols, {found.step_ms // 1000} s"
            table.add_row(rule.id, str(len(told.firings)), over, *after)
    Console(markup=False).print(table)
    return 0


async def _test(channel: str | None) -> int:
    clock = SystemClock()
    channels = channels_in(os.environ, clock)
    chosen = [each for each in channels if channel in {None, each.name}]
    if not chosen:
        names = ", ".join(each.name for each in channels) or "none"
        msg = f"expected a channel that is set up ({names}), found {channel or 'none'}"
        raise SettingsError(msg)
    now = clock.now()
    alert = Alert(
        id=f"test-{secrets.token_hex(8)}",
        at=now,
        level=AlertLevel.INFO,
        rule="test",
        kind="system",
        source="test",
        symbol=None,
        message="A test message of Virtuoso: alerts reach this channel. Nothing happened.",
        details={"title": "Test message"},
    )
    failed = 0
    for each in chosen:
        try:
            receipt = await each.send(Outgoing((alert,), 0))
        except ChannelError as error:
            failed += 1
            sys.stdout.write(f"{each.name}: {error}\n")
        else:
            named = "" if receipt.remote is None else f", message {receipt.remote}"
            sys.stdout.write(f"{each.name}: told{named}\n")
    for each in channels:
        await each.close()
    return 1 if failed else 0
