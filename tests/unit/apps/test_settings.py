"""The settings tree refuses what it does not know."""

from pathlib import Path

import pytest
import structlog

from virtuoso.apps.cli import main
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings import ENVIRONMENT, load_settings
from virtuoso.apps.sources import parse_source
from virtuoso.domain.errors import SettingsError

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
        ("[app]\nhost = '0.0.0.0'\n", "$.app.host"),
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
