"""What the log never shows: known secrets in every spelling, and what looks like one."""

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.apps.logs import configure_logs
from virtuoso.apps.redaction import RedactingFormatter, Redactor, secret_values
from virtuoso.apps.settings_sources import default_settings

SECRET = 'p"a/s+s&w=o rd\\9-canary'


@settings(deadline=None)
@given(st.text(min_size=8, max_size=40), st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_gone_in_every_spelling(secret: str, before: bytes, after: bytes) -> None:
    """Plain, in JSON, in a URL, in hexadecimal, and in base64 wherever it begins."""
    redactor = Redactor([secret])
    raw = secret.encode()
    whole = base64.b64encode(before + raw + after).decode()
    for text in (secret, json.dumps(secret), quote(secret, safe=""), raw.hex()):
        assert secret not in redactor.redact(f"x {text} y") or secret in "x ****y"
    inner = base64.b64encode(raw).decode().rstrip("=")[:-1]
    assert inner not in redactor.redact(whole) or len(inner) < 8


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefgh-canary-12",
        "https://discord.com/api/webhooks/123/canary_abc-DEF",
        "redis://user:canaryword@10.0.0.1:6379/0",
        "api_key=canary123456&x=1",
        '{"secret": "canary-long-enough"}',
        "X-BAPI-SIGN: canary0123456789",
        "virtuoso_session=canary.abc.def",
        "$argon2id$v=19$m=65536,t=3,p=4$canary$canary",
    ],
)
def test_what_looks_like_a_secret_is_gone_too(text: str) -> None:
    """Also one that nobody told the redactor of."""
    assert "canary" not in Redactor().redact(text)


def test_an_innocent_line_stays_as_it_is() -> None:
    """The lines that are checked by hand are among them."""
    for line in (
        "Cache SET for key: virtuoso:symbols with TTL: 30s",
        '{"event": "definition_in_force", "definition": "9624a5474105"}',
        "http://127.0.0.1:8003/api/symbols?timeframe=5m",
    ):
        assert Redactor([SECRET]).redact(line) == line


def test_what_is_logged_passes_the_redactor_last() -> None:
    """Fields, nested ones, and the text of an exception."""
    stream = io.StringIO()
    configure_logs(debug=True, stream=stream, redactor=Redactor([SECRET]))
    try:
        log = structlog.get_logger()
        log.info("said", field=SECRET, deep={"a": [SECRET]})
        log.error("failed", exc_info=ValueError(SECRET))
    finally:
        structlog.reset_defaults()
    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count("****") >= 3


def test_the_lines_of_libraries_pass_it_too() -> None:
    """Their tracebacks among them."""
    formatter = RedactingFormatter("%(message)s", Redactor([SECRET]))
    error = ValueError(SECRET)
    record = logging.LogRecord(
        "lib", logging.ERROR, "f", 1, "found %s", (SECRET,), (ValueError, error, None)
    )
    told = formatter.format(record)
    assert "canary" not in told
    assert told.count("****") == 2


def test_secrets_are_known_by_the_names_of_their_variables() -> None:
    """Whatever the name of the service before it."""
    environment = {
        "BYBIT_API_KEY": "value-one",
        "SOME_NEW_SERVICE_TOKEN": "value-two",
        "DISCORD_WEBHOOK_URL": "value-three",
        "HOME": "/root-of-all",
        "X_SECRET": "abc",
    }
    assert secret_values(default_settings(), environment) == (
        "value-one",
        "value-two",
        "value-three",
    )
