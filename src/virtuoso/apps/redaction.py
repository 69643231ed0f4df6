"""Keeps secrets out of the log: known values in every spelling, and what looks like one."""

import base64
import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

from virtuoso.apps.settings import Settings

STARS: Final = "****"
LEAST_LENGTH: Final = 6
"""A shorter value is a part of too many innocent words; patterns still catch it by its name."""
_NAMES: Final = re.compile(
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSWORD_HASH|API_KEY|ACCESS_KEY|PRIVATE_KEY|WEBHOOK|"
    r"WEBHOOK_URL|CREDENTIALS?|ALERT_[A-Z]+_URL|_KEY|_PASS|DATABASE_URL|DSN)$",
    re.IGNORECASE,
)
_PATTERNS: Final = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 " + STARS),
    (re.compile(r"(?i)(/api/webhooks/\d+/)[A-Za-z0-9_-]+"), r"\1" + STARS),
    (re.compile(r"(?i)(\w+://[^/\s:@\"']*):[^/\s@\"']+@"), r"\1:" + STARS + "@"),
    (
        re.compile(
            r"(?i)\b((?:api[_-]?key|apikey|api[_-]?secret|secret|signature|passw(?:or)?d|"
            r"(?:access|read|write)?_?token|virtuoso_session|x-bapi-(?:api-key|sign)|x-mbx-apikey)"
            r"[\"']?\s*[=:]\s*[\"']?)[A-Za-z0-9+/=._~%-]{6,}"
        ),
        r"\1" + STARS,
    ),
    (re.compile(r"\$argon2(?:id|i|d)\$[^\s\"']+"), STARS),
)


def secret_values(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Every secret this process knows of: of its settings, and by the names in its environment."""
    ours = settings.security
    found = [each.reveal() for each in (ours.read_token, ours.write_token, ours.password_hash)]
    found += [value for name, value in environment.items() if _NAMES.search(name)]
    return tuple(dict.fromkeys(each for each in found if len(each) >= LEAST_LENGTH))


def spellings(value: str) -> frozenset[str]:
    """The ways one secret may stand in a text: plain, in JSON, in a URL, in base64 or hexadecimal.

    Inside of something longer base64 has three forms, by where the secret begins; their first and
    last characters depend on the neighbours, and are left out.
    """
    raw = value.encode()
    found = {value, json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value), raw.hex()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + raw).decode().rstrip("=")
            first = (0, 2, 3)[shift]
            last = len(text) - (1 if (shift + len(raw)) % 3 else 0)
            if last - first >= LEAST_LENGTH:
                found.add(text[first:last])
    return frozenset(found)


class Redactor:
    """Takes secrets out of finished lines; the last that is done to them."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({each for value in values for each in spellings(value)}, key=len)
        # longest first, so that no part of one is left standing
        text = "|".join(re.escape(each) for each in reversed(known))
        self._known = re.compile(text) if text else None

    def redact(self, text: str) -> str:
        """The text with stars in their place."""
        if self._known is not None:
            text = self._known.sub(STARS, text)
        for pattern, stars in _PATTERNS:
            text = pattern.sub(stars, text)
        return text

    def __call__(self, _logger: object, _name: str, line: Any) -> Any:  # noqa: ANN401 (structlog)
        """As the last processor of structlog, behind the one that makes the line."""
        return self.redact(line) if isinstance(line, str) else line


class RedactingFormatter(logging.Formatter):
    """Lines of libraries that log by themselves, tracebacks among them."""

    def __init__(self, form: str, redactor: Redactor) -> None:
        super().__init__(form)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Make the line, without secrets."""
        return self._redactor.redact(super().format(record))
