"""Puts alerts together: rules, the desk of the engine, and the channels that secrets name."""

import os
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from virtuoso.adapters.alert_channel.addresses import (
    PublicOnly,
    discord_address,
    webhook_address,
)
from virtuoso.adapters.alert_channel.webhook import WebhookChannel
from virtuoso.adapters.feed.capabilities import CAPABILITIES, liquidations_told
from virtuoso.adapters.rule_shelf.file import FileRules
from virtuoso.alerting.rules import Rule, parse
from virtuoso.apps.history import History
from virtuoso.apps.settings import Settings
from virtuoso.domain.alerts import Alert
from virtuoso.domain.errors import RuleError, SettingsError
from virtuoso.domain.scores import Source
from virtuoso.domain.secret import SecretText
from virtuoso.engine.alerts import AlertDesk, AlertSettings
from virtuoso.engine.outbox import Outbox, Sender
from virtuoso.engine.readings import Floors
from virtuoso.engine.rule_book import RuleBook
from virtuoso.ports import AlertChannel, Clock

RULES_FILE: Final = "alert-rules.json"
APPRISE: Final = {
    "telegram": "ALERT_TELEGRAM_URL",
    "slack": "ALERT_SLACK_URL",
    "email": "ALERT_EMAIL_URL",
}
"""Channels of Apprise's, and where their addresses are."""


@dataclass(frozen=True, slots=True)
class Alerting:
    """What an engine holds of alerts."""

    desk: AlertDesk
    outbox: Outbox
    channels: tuple[str, ...]


def ready_made_rules() -> tuple[Rule, ...]:
    """Read the rules that come with the program. Raises SettingsError."""
    path = Path(str(resources.files("virtuoso.apps"))) / "rules.toml"
    if not path.is_file():
        path = Path(__file__).parents[3] / "config" / "rules.toml"
    return rules_of_file(path)


def rules_of_file(path: Path) -> tuple[Rule, ...]:
    """Read rules as TOML, `[[rules]]` each. Raises SettingsError."""
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("rules", ())
        rules = tuple(parse(table) for table in tables)
    except OSError as error:
        msg = f"expected rules in {path}, found none that can be read: {error.strerror}"
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RuleError, TypeError) as error:
        msg = f"expected alert rules in {path}, found: {error}"
        raise SettingsError(msg) from error
    if len({rule.id for rule in rules}) != len(rules):
        msg = f"expected each id once in {path}"
        raise SettingsError(msg)
    return rules


def channels_in(environment: Mapping[str, str], clock: Clock) -> list[AlertChannel]:
    """Open every channel that a secret of the environment names. Raises SettingsError."""
    found: list[AlertChannel] = []
    if url := environment.get("DISCORD_WEBHOOK_URL", "").strip():
        # what draws its charts takes a moment to load
        from virtuoso.adapters.alert_channel.discord import DiscordChannel

        found.append(DiscordChannel(discord_address(url), PublicOnly()))
    if url := environment.get("ALERT_WEBHOOK_URL", "").strip():
        address = webhook_address(url)
        secret = SecretText(environment.get("ALERT_WEBHOOK_SECRET", "").strip())
        resolver = None if address.startswith("http:") else PublicOnly()
        found.append(WebhookChannel(address, secret, clock, resolver))
    for name, variable in APPRISE.items():
        if url := environment.get(variable, "").strip():
            try:
                # it takes half a second to load, and few have it
                from virtuoso.adapters.alert_channel.apprise import AppriseChannel
            except ModuleNotFoundError as error:
                msg = f"expected what {variable} needs, found no {error.name}: run `make channels`"
                raise SettingsError(msg) from error
            found.append(AppriseChannel(name, SecretText(url)))
    return found


def shelf_in(settings: Settings) -> FileRules:
    """Say where the rules of a person lie."""
    return FileRules(settings.state.folder(os.environ) / RULES_FILE)


@asynccontextmanager
async def open_alerting(
    settings: Settings,
    history: History | None,
    clock: Clock,
    source: Source,
    jitter: Callable[[], float],
) -> AsyncIterator[Alerting | None]:
    """Open what watches and what sends; None where alerts, or the store, are off."""
    if history is None or not settings.alerts.enabled:
        yield None
        return
    async with AsyncExitStack() as stack:
        channels = channels_in(os.environ, clock)
        for each in channels:
            stack.push_async_callback(each.close)
        yield alerting_of(settings, history, clock, source, jitter, channels)


def alerting_of(
    settings: Settings,
    history: History,
    clock: Clock,
    source: Source,
    jitter: Callable[[], float],
    channels: Sequence[AlertChannel],
) -> Alerting:
    """Put desk and outbox together."""
    ours = settings.alerts
    desk = AlertDesk(
        history.ledger,
        history.archive,
        RuleBook(ready_made_rules(), shelf_in(settings)),
        clock,
        source,
        AlertSettings(
            channels=tuple(each.name for each in channels),
            send_simulated=ours.send_simulated,
            report_hours=ours.report_hours,
            floors=Floors(ours.large_trade_usdt, ours.large_liquidation_usdt),
            coverage={str(venue): liquidations_told(venue, source).value for venue in CAPABILITIES},
        ),
    )
    archive = history.archive

    async def find(alert: str) -> Alert | None:
        return desk.known(alert) or await archive.alert(alert)

    outbox = Outbox([Sender(each, history.ledger, find, clock, jitter) for each in channels])
    desk.committed = outbox.wake
    return Alerting(desk, outbox, tuple(each.name for each in channels))
