"""Weights edited while Virtuoso runs: a real process, a real file, real signals."""

import random
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.processes import Running, command, running, wait_for
from support.slack import SLACK
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings_sources import load_settings

pytestmark = pytest.mark.process

OWNER = '[scoring]\nprofile = "owner"\n'
LEANING = """
[scoring]
profile = "custom"
weights = { technical = 9.0, orderbook = 0.1 }
[scoring.symbols.BTCUSDT]
coverage_floor = 1.0
"""


def hash_of(file: Path, symbol: str = "") -> str:
    """Give the hash that a file's settings have."""
    definition = definition_of(load_settings(file, {}).scoring)
    return definition.of(symbol).hash if symbol else definition.hash


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A settings file that says nothing yet."""
    made = tmp_path_factory.mktemp("settings") / "mine.toml"
    made.write_text("", "utf-8")
    return made


@pytest.fixture(scope="module")
def live(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on six simulated symbols, recorded, with scores."""
    folder = tmp_path_factory.mktemp("run")
    words = ("--config", str(file), "--symbols", "6", "--record", str(folder / "tape"))
    with running(folder, *words) as process:
        wait_for("six scores", lambda: len(scores(process)) == 6, 90)
        yield process


def scores(process: Running) -> dict[str, float]:
    """Give the scores there are, by symbol."""
    return {
        str(each["symbol"]): float(str(each["confluence_score"]))
        for each in process.symbols()
        if each["confluence_score"] is not None
    }


def document(process: Running, definition: str) -> dict[str, Any]:
    """Wait for the symbols document of a definition."""

    def ask() -> dict[str, Any] | None:
        found: dict[str, Any] = process.get("/api/symbols")
        return found if found.get("definition") == definition else None

    return wait_for(f"scores of definition {definition}", ask)


def settings_part(process: Running) -> dict[str, Any]:
    """Give what /health says of the settings."""
    parts: Any = process.get("/health")["parts"]
    [part] = [each for each in parts if each["name"] == "settings"]
    found: dict[str, Any] = part
    return found


def test_a_saved_file_and_a_signal_change_the_scores(live: Running, file: Path) -> None:
    """The document, each record and the detail say by what; the scores are others."""
    usual = document(live, hash_of(file))
    assert {each["definition"] for each in usual["symbols"]} == {hash_of(file)}
    before = scores(live)
    file.write_text(OWNER, "utf-8")
    live.process.send_signal(signal.SIGHUP)
    changed = document(live, hash_of(file))
    assert {each["definition"] for each in changed["symbols"]} == {hash_of(file)}
    after = {each["symbol"]: each["confluence_score"] for each in changed["symbols"]}
    assert any(abs(after[symbol] - score) > 0.5 for symbol, score in before.items())
    symbol = random.choice(sorted(before))  # noqa: S311 - any will do
    detail: dict[str, Any] = wait_for(
        "the detail of the new definition",
        lambda: (
            found
            if (found := live.get(f"/api/symbols/{symbol}"))["definition"] == hash_of(file)
            else None
        ),
    )
    weights = {each["name"]: each["weight"] for each in detail["components"]}
    present = [name for name, weight in weights.items() if weight is not None]
    assert weights["technical"] == min(weights[name] for name in present if name != "sentiment")
    history: dict[str, Any] = wait_for(
        "the change in the history",
        lambda: (
            found
            if len((found := live.get(f"/api/symbols/{symbol}/scores")).get("definitions", ())) == 2  # type: ignore[arg-type]
            else None
        ),
    )
    assert history["definitions"][-1][1] == hash_of(file)
    wait_for("the part", lambda: hash_of(file) in settings_part(live)["text"])


def test_a_wrong_file_is_refused_and_the_old_definition_goes_on(live: Running, file: Path) -> None:
    """The reason is in the log and at /health; not a part of the file is taken up."""
    file.write_text(OWNER, "utf-8")
    running_hash = hash_of(file)
    document(live, running_hash)
    file.write_text(OWNER + "coverage_floor = 7.0\n[scoring.direction]\nenter = 25.0\n", "utf-8")
    live.process.send_signal(signal.SIGHUP)
    said = wait_for(
        "the refusal at /health",
        lambda: part if (part := settings_part(live))["status"] == "warn" else None,
    )
    assert "$.scoring.coverage_floor`, found 7.0" in said["text"]
    assert running_hash in said["text"]
    assert "settings_refused" in live.text()
    assert live.get("/api/symbols")["definition"] == running_hash
    assert live.process.poll() is None


def test_an_exception_is_taken_up_without_a_signal(live: Running, file: Path) -> None:
    """A second after the file came to rest; the symbol says its own definition."""
    file.write_text(LEANING + "[universe]\nsize = 9\n", "utf-8")
    changed = document(live, hash_of(file))
    for each in changed["symbols"]:
        assert each["definition"] == hash_of(file, each["symbol"])
        if each["symbol"] == "BTCUSDT":
            assert (each["confluence_score"] is None) == (each["coverage"] < 1.0)
    assert "settings_take_effect_at_the_next_start" in live.text()
    wait_for(
        "what waits at /health",
        lambda: settings_part(live)["text"].endswith("next start: universe.size"),
    )


def test_every_cycle_is_traced(live: Running) -> None:
    """Duration, processor time, slices, who is absent and why; and as counters."""

    def ask() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = live.monitor("/api/monitoring/cycles").get("cycles", [])
        return found if len(found) >= 5 else None

    traces = wait_for("five cycles", ask)
    for earlier, later in pairwise(traces):
        assert later["at"] > earlier["at"]
        assert later["seq"] > earlier["seq"]
    last = traces[-1]
    assert last["venue"] == "bybit"
    assert last["symbols"] == 6
    assert last["scored"] + sum(last["absent"].values()) == 6
    assert 0 < last["cpu_ms"] <= last["wall_ms"] * 1.5 + 1
    text = live.client.get(f"http://127.0.0.1:{live.monitoring_port}/metrics").text
    assert 'virtuoso_cycle_wall_seconds_bucket{venue="bybit",le="+Inf"}' in text
    assert 'virtuoso_components_absent_total{venue="bybit",component="' in text


def test_the_warm_up_says_how_far_it_is(live: Running) -> None:
    """In the log while it lasts, at /health when it is done."""
    parts: Any = live.get("/health")["parts"]
    [part] = [each for each in parts if each["name"] == "warm_up"]
    assert "6 of 6 symbols, 24 of 24 candle sets" in part["text"]
    assert part["status"] == "pass"
    assert "warmed_up" in live.text()


def test_the_recording_is_scored_as_the_run_was(live: Running, file: Path) -> None:
    """Through all changes, whatever the settings are by then; unless others are asked for."""
    definition = hash_of(file)
    assert live.stop(signal.SIGTERM) < 10 * SLACK
    tape = live.log.parent / "tape"
    usual, owner = tape.parent / "usual.jsonl", tape.parent / "owner.jsonl"
    own = tape.parent / "owner.toml"
    own.write_text(OWNER, "utf-8")
    assert (
        command(
            "replay", str(tape), "--out", str(usual), folder=tape.parent, seconds=300
        ).returncode
        == 0
    )
    words = ("replay", str(tape), "--out", str(owner), "--config", str(own), "--rescore")
    assert command(*words, folder=tape.parent, seconds=300).returncode == 0
    text = usual.read_text("utf-8")
    found = [line.split('"definition":"')[-1][:12] for line in text.splitlines()]
    assert found[0] != found[-1] == definition
    assert len(dict.fromkeys(found)) == 3
    rescored = owner.read_text("utf-8").splitlines()
    assert {line.split('"definition":"')[-1][:12] for line in rescored} == {hash_of(own)}
