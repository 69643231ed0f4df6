"""The settings tree refuses what it does not know."""

from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from virtuoso.apps.cli import main
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings import differing_keys
from virtuoso.apps.settings_sources import ENVIRONMENT, load_settings
from virtuoso.apps.sources import parse_source
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.time import Timeframe
from virtuoso.scoring.definition import OWNER, DirectionRule

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"


def settings_file(folder: Path, text: str) -> Path:
    """Write a settings file."""
    file = folder / "mine.toml"
    file.write_text(text, "utf-8")
    return file


def test_the_defaults_are_complete() -> None:
    """config/default.toml alone is a valid tree."""
    settings = load_settings(None, {})
    assert settings.app.port == 8003
    assert settings.app.monitoring_port == 8001
    assert settings.universe.size == 30


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    """Everything else keeps its default."""
    settings = load_settings(settings_file(tmp_path, "[universe]\nsize = 7\n"), {})
    assert settings.universe.size == 7
    assert settings.app.port == 8003


def test_the_environment_wins() -> None:
    """APP_PORT and MONITORING_PORT move the ports."""
    settings = load_settings(None, {"APP_PORT": "9003", "MONITORING_PORT": "9001", "DEBUG": "1"})
    assert (settings.app.port, settings.app.monitoring_port) == (9003, 9001)
    assert settings.app.debug


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[universe]\nsise = 7\n", "sise"),
        ("[universe]\nsize = 'many'\n", "$.universe.size"),
        ("[universe]\nsize = 0\n", "$.universe.size"),
        ("[app]\nhost = ''\n", "$.app.host"),
        ("[feed]\nbook_depth = 500\n", "$.feed.book_depth"),
        ("[scoring.weights]\nmoon = 1.0\n", "moon"),
        ("[universe\n", "TOML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    """Unknown keys, wrong types and absurd values are an error that names the key."""
    with pytest.raises(SettingsError) as caught:
        load_settings(settings_file(tmp_path, text), {})
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[universe]\nsize = 0\n", "found 0"),
        ("[universe]\nsise = 7\n", "found size, pinned, refresh_seconds, sise"),
        ("[scoring]\ncoverage_floor = 7.5\n", "<= 1.0 - at `$.scoring.coverage_floor`, found 7.5"),
        ("[scoring]\nprofile = 'best'\n", "$.scoring.profile`, found 'best'"),
        ("[scoring.weights]\nvolume = -1.0\n", "volume = -1.0"),
        ("[scoring.direction]\nenter = 60.0\n", "$.scoring.direction.enter`, found 60.0"),
        ("[scoring.windows]\ncandles = 5000\n", "$.scoring.windows.candles`, found 5000"),
        ("[scoring.symbols.BTCUSDT]\nwindows = 3\n", "windows"),
        ("[scoring.symbols.BTCUSDT]\nweights = { moon = 3.0 }\n", "of BTCUSDT, found moon = 3.0"),
        ("[scoring.symbols.BTCUSDT]\ndirection.enter = 'x'\n", "of BTCUSDT, found 'x'"),
    ],
)
def test_a_wrong_setting_says_what_was_found(tmp_path: Path, text: str, said: str) -> None:
    """Expected, found and the key: nobody has to search the file."""
    with pytest.raises(SettingsError) as caught:
        load_settings(settings_file(tmp_path, text), {})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scoring.direction]\nleave = 25.0\n", "scoring.direction: expected 0 < leave < enter"),
        ("[scoring.windows]\nstream = 10\n", "scoring.windows: expected 1 <= minimum_sizes"),
        ("[scoring.windows]\ncandles = 10\n", "found 50, 250 and 10"),
        ("[scoring.weights]\nvolume = 2.0\n", "expected scoring.profile custom"),
        ("[scoring.timeframes]\n1m=0.0\n5m=0.0\n30m=0.0\n4h=0.0\n", "scoring.timeframes of 0 or"),
        ("[scoring]\ncoverage_floor = 0.0\n", "scoring.coverage_floor above 0"),
        ("[scoring.symbols.btc]\nprofile = 'owner'\n", "scoring.symbols.btc: expected a symbol"),
        (
            "[scoring.symbols.BTCUSDT.direction]\nleave = 30.0\n",
            "scoring.symbols.BTCUSDT: expected 0 < leave < enter",
        ),
    ],
)
def test_settings_that_are_no_definition_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """What each value allows, and what they allow together."""
    with pytest.raises(SettingsError) as caught:
        definition_of(load_settings(settings_file(tmp_path, text), {}).scoring)
    assert said in str(caught.value)


def test_one_symbol_differs_only_where_it_is_told_to(tmp_path: Path) -> None:
    """A weight that is not named stays, and so does every other threshold."""
    text = """
        [scoring]
        coverage_floor = 0.4
        [scoring.direction]
        enter = 22.0
        [scoring.symbols.BTCUSDT]
        weights = { orderflow = 4.0, sentiment = 0.0 }
        direction = { leave = 5.0 }
        [scoring.symbols.ETHUSDT]
        profile = "owner"
        coverage_floor = 0.7
        timeframes = { 4h = 0.0 }
    """
    whole = definition_of(load_settings(settings_file(tmp_path, text), {}).scoring)
    btc, eth, sol = (whole.of(symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    assert [round(8 * each) for each in btc.ordered_weights] == [1, 4, 1, 1, 0, 1]
    assert (btc.coverage_floor, btc.direction) == (0.4, DirectionRule(22.0, 5.0))
    assert eth.weights == OWNER
    assert eth.coverage_floor == 0.7
    assert eth.candles.timeframes[Timeframe.H4] == 0.0
    assert eth.candles.timeframes[Timeframe.M1] == pytest.approx(1 / 3)
    assert sol.hash == replace(whole, symbols={}).hash
    assert len({each.hash for each in (btc, eth, sol, whole)}) == 4


def test_the_keys_that_differ_are_named(tmp_path: Path) -> None:
    """Down to the last table."""
    text = "[universe]\nsize = 7\n[scoring.symbols.BTCUSDT]\nprofile = 'owner'\n"
    changed = load_settings(settings_file(tmp_path, text), {})
    usual = load_settings(None, {})
    assert differing_keys(usual, changed) == ("scoring.symbols.BTCUSDT", "universe.size")
    assert differing_keys(usual, usual) == ()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    """A settings file that was asked for must be there."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_a_port_that_is_no_number_is_refused() -> None:
    """APP_PORT=http is a mistake, not the default port."""
    with pytest.raises(SettingsError, match="APP_PORT"):
        load_settings(None, {"APP_PORT": "http"})


def test_custom_weights_need_the_custom_profile(tmp_path: Path) -> None:
    """Weights are scaled to sum to one, and make another definition."""
    text = '[scoring]\nprofile = "custom"\n[scoring.weights]\norderbook = 3.0\n'
    custom = definition_of(load_settings(settings_file(tmp_path, text), {}).scoring)
    usual = definition_of(load_settings(None, {}).scoring)
    assert sum(custom.weights.values()) == pytest.approx(1.0)
    assert custom.hash != usual.hash


@pytest.mark.parametrize("source", ["kraken", "replay", "replay:", "bybit:x", ""])
def test_an_unknown_source_is_refused(source: str) -> None:
    """The message lists the sources there are."""
    with pytest.raises(SettingsError, match="replay:PATH"):
        parse_source(source)


def test_every_environment_variable_is_documented() -> None:
    """docs/operations.md names what the settings read."""
    text = DOCUMENT.read_text("utf-8")
    assert [name for name in ENVIRONMENT if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--source", "kraken"], "expected a source"),
        (["run", "--source", "replay:/nowhere/at/all.gz"], "/nowhere/at/all.gz"),
        (["run", "--candles", "/tmp"], "--source replay:PATH"),  # noqa: S108
        (["run", "--symbols", "0"], "1 to 500"),
        (["replay", "/nowhere"], "/nowhere"),
        (["run", "--config", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_a_wrong_command_line_ends_with_a_sentence(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 78 and one line that says what was expected; no traceback."""
    monkeypatch.setenv("APP_PORT", "0")
    monkeypatch.setenv("MONITORING_PORT", "0")
    codes: list[int] = []
    main(arguments, leave=codes.append)
    structlog.reset_defaults()
    error = capsys.readouterr().err
    assert codes == [78]
    assert said in error
    assert "Traceback" not in error


def test_the_state_folder_is_where_programs_keep_their_state(tmp_path: Path) -> None:
    """As set, by variable or file; else as XDG says, where only whole paths count."""
    usual = load_settings(None, {}).state
    assert usual.folder({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state/virtuoso")
    home = Path("~/.local/state/virtuoso").expanduser()
    assert usual.folder({}) == usual.folder({"XDG_STATE_HOME": "state"}) == home
    chosen = load_settings(None, {"VIRTUOSO_STATE_DIR": str(tmp_path)}).state
    assert chosen.folder({"XDG_STATE_HOME": "/var/state"}) == tmp_path
