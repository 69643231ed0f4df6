"""`virtuoso alert` and `virtuoso signals`: what a person at a terminal is told."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from support.stores import opened
from virtuoso.adapters.store.database import place_of
from virtuoso.apps.alert_commands import AlertOptions, run_alert_command
from virtuoso.apps.arguments import parser
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.signal_commands import SignalOptions, run_signal_command
from virtuoso.domain.alerts import DeliveryState
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import Reason
from virtuoso.domain.signals import Outcome, SignalEvent, SignalState
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import LIVE, alert, delivery, kept_score, signal

RULES = """
[[rules]]
id = "high"
title = "High"
kind = "confluence"
level = "info"
cooldown_seconds = 0
when = { number = "score", is = "at_least", limit = 70.0 }

[[rules]]
id = "beta"
title = "Cannot be rehearsed"
kind = "beta"
level = "info"
when = { number = "beta", is = "above", limit = 2.0 }
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose state lies in a folder of the test, with alerts, signals and scores in it."""
    state = tmp_path / "state"
    file = tmp_path / "mine.toml"
    file.write_text(f'[state]\ndir = "{state}"\n', "utf-8")
    for name in ("ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET", "DISCORD_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    asyncio.run(_fill(state))
    return load_settings(file, {})


async def _fill(state: Path) -> None:
    async with opened(place_of("", state), FakeClock()) as kept:
        failed = replace(delivery(), state=DeliveryState.DEAD, error="it answered 404")
        await kept.ledger.add_alert(alert(), [failed])
        over = replace(
            signal("bybit:BTCUSDT:bear:1:abcdef012345", START, LIVE),
            state=SignalState.INVALIDATED,
            outcome=Outcome.STOP,
            r=-1.0,
            exit_price=90_500.0,
        )
        step = SignalEvent(over.id, Millis(START), SignalState.ACTIVE, "opened", 91_000.25)
        await kept.ledger.add_signal(over, [step])
        bare = replace(signal("sim"), stop=None, targets=(), reason=Reason.WARMING_UP)
        await kept.ledger.add_signal(bare)
        kept.store.put(
            [
                kept_score(START + n * 30 * SECOND, LIVE, 80.0 if n % 10 == 0 else 50.0)
                for n in range(60)
            ]
        )
        await kept.store.flush()


def test_the_newest_alerts_are_listed_with_how_they_were_told(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed says why."""
    assert run_alert_command(settings, AlertOptions("list")) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "warning" in said
    assert "404" in said


def test_the_rules_in_force_are_listed_and_a_broken_file_is_said(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready-made ones stay in force; the exit code tells a script."""
    assert run_alert_command(settings, AlertOptions("rules")) == 0
    assert "correlation-breakdown" in capsys.readouterr().out
    shelf = Path(settings.state.dir) / "alert-rules.json"
    shelf.write_text('{"version": 1, "rules": [{"id": "half', "utf-8")
    assert run_alert_command(settings, AlertOptions("rules")) == 1
    told = capsys.readouterr()
    assert "ready-made" in told.out
    assert "not in force" in told.err


def test_a_file_of_rules_is_rehearsed(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How often each would have fired, or why that cannot be said."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES, "utf-8")
    monkeypatch.setattr(
        "virtuoso.apps.alert_commands.SystemClock", lambda: FakeClock(START + 40 * MINUTE)
    )
    assert run_alert_command(settings, AlertOptions("test", rules=file, hours=1)) == 0
    said = capsys.readouterr().out
    (high,) = [line for line in said.splitlines() if "high" in line]
    assert high.split("│")[2].strip() == "6"
    assert "60 instants" in high
    assert "beta is not kept in history" in " ".join(said.split())


@dataclass
class Receiver:
    """A program that takes webhooks on a thread of its own."""

    url: str = ""
    status: int = 204
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen on a free port of this computer."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            found.taken.append((dict(self.headers), self.rfile.read(length)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.enable_socket
def test_a_test_message_reaches_a_channel_or_says_why_not(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed like any other; a channel that refuses gives exit code 1."""
    with receiver() as there:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", there.url)
        monkeypatch.setenv("ALERT_WEBHOOK_SECRET", "secret")
        assert run_alert_command(settings, AlertOptions("test")) == 0
        assert capsys.readouterr().out == "webhook: told\n"
        ((headers, body),) = there.taken
        text = headers["X-Virtuoso-Timestamp"].encode() + b"." + body
        expected = hmac.new(b"secret", text, hashlib.sha256).hexdigest()
        assert headers["X-Virtuoso-Signature"] == f"v1={expected}"
        assert "Nothing happened" in json.loads(body)["text"]
        there.status = 404
        assert run_alert_command(settings, AlertOptions("test", channel="webhook")) == 1
        said = capsys.readouterr().out
        assert "404" in said
        assert there.url not in said


def test_a_channel_that_is_not_set_up_is_refused(settings: Settings) -> None:
    """With the names of those that are."""
    with pytest.raises(SettingsError, match=r"found pigeon"):
        run_alert_command(settings, AlertOptions("test", channel="pigeon"))


def test_signals_are_listed_live_ones_and_simulated_ones_apart(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id is printed whole, and is no picture of an animal; simulated ones say so."""
    assert run_signal_command(settings, SignalOptions("list")) == 0
    live = capsys.readouterr().out
    assert "bybit:BTCUSDT:bear:1:abcdef012345" in live
    assert "invalidated (stop)" in live
    assert "SIMULATED" not in live
    assert run_signal_command(settings, SignalOptions("list", simulated=True)) == 0
    simulated = capsys.readouterr().out
    assert "SIMULATED" in simulated
    assert "none (warming_up)" in simulated
    assert run_signal_command(settings, SignalOptions("list", symbol="nousdt")) == 0
    assert capsys.readouterr().out == "no live signal was kept\n"


def test_a_signal_is_shown_with_its_steps_as_text_and_as_the_api_has_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same document."""
    name = "bybit:BTCUSDT:bear:1:abcdef012345"
    assert run_signal_command(settings, SignalOptions("show", name)) == 0
    text = capsys.readouterr().out
    assert "stop, -1.00 R" in text
    assert "opened" in text
    assert run_signal_command(settings, SignalOptions("show", name, as_json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["signal"]["id"], found["signal"]["r"]) == (name, -1.0)
    assert [each["what"] for each in found["steps"]] == ["opened"]
    assert run_signal_command(settings, SignalOptions("show", "nobody")) == 1


def test_statistics_say_too_few_with_n(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """One stop is no rate."""
    assert run_signal_command(settings, SignalOptions("statistics")) == 0
    text = capsys.readouterr().out
    assert "0 of 1: too few" in text
    assert "too few (n = 1)" in text
    assert run_signal_command(settings, SignalOptions("statistics", as_json=True)) == 0
    cell = json.loads(capsys.readouterr().out)["cells"][0]
    assert (cell["n"], cell["first_target"]["rate"], cell["standing"]) == (1, None, "too_few")


def test_the_command_line_takes_what_is_documented() -> None:
    """And refuses what is not."""
    found = parser().parse_args(
        ["signals", "list", "--symbol", "BTCUSDT", "--state", "active", "--json"]
    )
    assert (found.action, found.symbol, found.state, found.json) == (
        "list",
        "BTCUSDT",
        "active",
        True,
    )
    with pytest.raises(SystemExit):
        parser().parse_args(["signals", "list", "--direction", "sideways"])
    with pytest.raises(SettingsError, match="states out of active"):
        run_signal_command(load_settings(None, {}), SignalOptions("list", states=("won",)))
