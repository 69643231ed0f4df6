"""How `virtuoso run` starts and ends: real processes, real signals, one for each test."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.processes import (
    VIRTUOSO,
    Running,
    command,
    exchange_of,
    running,
    scored,
    wait_for,
)
from support.slack import SLACK
from virtuoso.apps.cli import main

pytestmark = pytest.mark.process


def end(process: Running, number: signal.Signals) -> None:
    """Send a signal with a socket client attached: engine, servers and simulator end in time."""
    child = exchange_of(process)
    with socket.create_connection(("127.0.0.1", process.port)):
        assert process.stop(number) < 5 * SLACK
    assert process.process.returncode == 0
    wait_for("the simulator to be gone", lambda: not child.is_running(), 5)
    assert process.text().partition("Traceback")[2] == ""


def test_it_ends_within_five_seconds(tmp_path: Path) -> None:
    """Ctrl-C, before there is a score; SIGTERM ends the first run of the test of the restart."""
    with running(tmp_path, "--symbols", "5") as process:
        wait_for("an answer", lambda: process.client.get("/health/live").status_code == 200)
        end(process, signal.SIGINT)


def test_a_killed_run_takes_its_simulator_along(tmp_path: Path) -> None:
    """After kill -9 nothing is left behind."""
    with running(tmp_path, "--symbols", "5") as process:
        child = exchange_of(process)
        process.stop(signal.SIGKILL)
        # it may still be starting, and notices only once it runs
        wait_for("the simulator to be gone", lambda: not child.is_running())


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    """Nothing is started; the message names the port; exit code 78."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(tmp_path, env={"APP_PORT": port}) as process:
            assert process.process.wait(30) == 78
            assert port in process.text()
            assert "Traceback" not in process.text()


def test_a_venue_out_of_reach_says_so_and_shows_no_number(tmp_path: Path) -> None:
    """Soon in the log and at /health; retried; never a simulated number.

    Binance here, and Bybit where the page must say so: `browser/test_pages.py`.
    """
    file = tmp_path / "nowhere.toml"
    file.write_text('[feed]\nbinance_rest = "http://127.0.0.1:9"\n', "utf-8")
    with running(tmp_path, "--source", "binance", "--config", str(file)) as process:
        wait_for("an answer", lambda: process.client.get("/health/live").status_code == 200)
        said = "binance cannot be reached"
        wait_for("the reason at /health", lambda: said in process.client.get("/health").text)
        assert "venue_unreachable" in process.text()
        answer = process.get("/api/symbols")
        assert answer.get("symbols", []) == []
        assert said in str(answer["reasons"])
        wait_for("a second try", lambda: process.text().count("venue_unreachable") >= 2)


def test_every_command_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--help works for all commands, and a wrong word gets a usage line."""
    for words in ([], ["run"], ["exchange"], ["replay"], ["compile"], ["schema"]):
        with pytest.raises(SystemExit) as left:
            main([*words, "--help"])
        assert left.value.code == 0
        assert f"usage: virtuoso {' '.join(words)}".strip() in capsys.readouterr().out
    wrong = command("rum", folder=tmp_path)
    assert wrong.returncode == 2
    assert "invalid choice" in wrong.stderr


def test_a_running_exchange_can_be_used(tmp_path: Path) -> None:
    """`virtuoso exchange` alone, and `virtuoso run --exchange` on it."""
    venue = subprocess.Popen(
        [*VIRTUOSO, "exchange", "--port", "0", "--symbols", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        assert venue.stdout is not None
        address = msgspec.json.decode(venue.stdout.readline())["exchange"]
        with running(tmp_path, "--exchange", address) as process:
            wait_for("five scores", lambda: len(scored(process)) == 5)
    finally:
        venue.terminate()
        venue.wait(10)
        if venue.stdout is not None:
            venue.stdout.close()


def test_what_was_known_last_is_shown_with_its_age_until_the_engine_speaks(
    tmp_path: Path,
) -> None:
    """After a restart the page has numbers at once, every one of them stale; then live ones."""
    with running(tmp_path, "--symbols", "4") as first:
        wait_for("scores", lambda: len(scored(first)) >= 4)
        wait_for("the snapshot", lambda: list((tmp_path / "state").glob("last-good-*.bin")))
        end(first, signal.SIGTERM)
    seen: list[dict[str, Any]] = []

    def spoken() -> bool:
        document = second.get("/api/symbols")
        seen.append(document)
        return bool(document.get("symbols")) and document["status"] == "success"

    with running(tmp_path, "--symbols", "4") as second:
        wait_for("the engine", spoken)
    restored = [each for each in seen if any("silent since" in r for r in each["reasons"])]
    assert restored
    for document in restored:
        assert document["status"] == "degraded"
        assert {each["state"] for each in document["symbols"]} <= {"stale", "absent"}
