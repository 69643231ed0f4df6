"""Which binds start, and which end with one line: the table of S1 and S2."""

import subprocess
from pathlib import Path

import pytest

from support.guarded import READ_TOKEN, WRITE_TOKEN
from virtuoso.apps.guarding import bind_guarded, check_exposure, tls_of
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import default_settings, load_settings
from virtuoso.domain.errors import SettingsError

TLS = 'tls_certificate = "c.pem"\ntls_key = "k.pem"\n'
PROXY = 'trusted_proxies = ["10.0.0.2"]\n'
TOKEN = f'read_token = "{READ_TOKEN}"\n'
NAMES = 'hosts = ["desk.lan"]\n'


def settings_of(folder: Path, host: str, security: str) -> Settings:
    """Read such settings from a file."""
    file = folder / "mine.toml"
    file.write_text(f'[app]\nhost = "{host}"\n[security]\n{security}', "utf-8")
    return load_settings(file, {})


@pytest.mark.parametrize(
    ("host", "security", "expected"),
    [
        ("127.0.0.1", "", None),
        ("localhost", "", None),
        ("::1", "", None),
        ("127.0.0.2", "", None),
        ("0.0.0.0", "", "a token"),  # noqa: S104
        ("::", "", "a token"),
        ("192.0.2.1", "", "a token"),
        ("2001:db8::1", "", "a token"),
        ("::ffff:127.0.0.1", "", "a token"),
        ("192.0.2.1", TLS, "a token"),
        ("192.0.2.1", PROXY, "a token"),
        ("192.0.2.1", TOKEN, "TLS"),
        ("192.0.2.1", TOKEN + TLS + NAMES, None),
        ("192.0.2.1", TOKEN + PROXY + NAMES, None),
        ("desk.lan", TOKEN + TLS, "an address"),
        ("", TOKEN + TLS, "length"),
    ],
)
def test_what_others_can_reach_needs_a_token_and_tls_or_a_proxy(
    tmp_path: Path, host: str, security: str, expected: str | None
) -> None:
    """Promise S2: a warning is not enough."""
    if expected is None:
        assert check_exposure(settings_of(tmp_path, host, security), root=False) == ()
        return
    with pytest.raises(SettingsError, match=expected) as refused:
        check_exposure(settings_of(tmp_path, host, security), root=False)
    assert "\n" not in str(refused.value)
    assert READ_TOKEN not in str(refused.value)


def test_the_default_is_the_loopback() -> None:
    """Promise S1."""
    assert check_exposure(default_settings(), root=False) == ()
    listener = bind_guarded(default_settings(), 0)
    assert listener.getsockname()[0] == "127.0.0.1"
    listener.close()


def test_root_is_warned_here_and_refused_where_others_can_connect(tmp_path: Path) -> None:
    """Promise S22, with a flag for who knows better."""
    assert check_exposure(default_settings(), root=True) == ("runs_as_root",)
    open_to_all = TOKEN + TLS + NAMES
    with pytest.raises(SettingsError, match="another user than root"):
        check_exposure(settings_of(tmp_path, "192.0.2.1", open_to_all), root=True)
    allowed = settings_of(tmp_path, "192.0.2.1", open_to_all + "allow_root = true\n")
    assert check_exposure(allowed, root=True) == ()


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ('read_token = "short"\n', "256 random bits"),
        (f'read_token = "{"a" * 64}"\n', "256 random bits"),
        (f'read_token = "{WRITE_TOKEN}"\nwrite_token = "{WRITE_TOKEN}"\n', "to differ"),
        ('password_hash = "hunter2hunter2"\n', "argon2id"),
        ('tls_key = "k.pem"\n', "together"),
        ('trusted_proxies = ["0.0.0.0/0"]\n', "everybody"),
        ('trusted_proxies = ["proxy.lan"]\n', "addresses"),
        ("read_token = 5\n", "wrong"),
        ("sekret = 5\n", "unknown field"),
    ],
)
def test_what_would_protect_nothing_is_refused_without_being_repeated(
    tmp_path: Path, security: str, expected: str
) -> None:
    """One line each."""
    with pytest.raises(SettingsError, match=expected) as refused:
        settings_of(tmp_path, "127.0.0.1", security)
    assert "hunter2" not in str(refused.value)
    assert WRITE_TOKEN not in str(refused.value)


@pytest.mark.parametrize("mode", [0o622, 0o620, 0o602, 0o666])
def test_a_settings_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Promise S15: they could switch everything on."""
    file = tmp_path / "mine.toml"
    file.write_text("", "utf-8")
    file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod go-w"):
        load_settings(file, {})
    file.chmod(0o644)
    load_settings(file, {})


def test_tls_is_read_at_the_start_and_a_wrong_certificate_named(tmp_path: Path) -> None:
    """Not at the first handshake."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    pair = f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    with pytest.raises(SettingsError, match="certificate chain"):
        tls_of(settings_of(tmp_path, "127.0.0.1", pair))
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    more = ("-nodes", "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=desk.lan")
    subprocess.run([*words, *more], check=True, capture_output=True)
    assert tls_of(settings_of(tmp_path, "127.0.0.1", pair)) is not None
