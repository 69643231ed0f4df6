"""Where Binance's streams and REST books are, and how patient the feed is with them."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from virtuoso.domain.errors import SettingsError

_HOUR_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceSettings:
    """The addresses, and the times that a test wants short. Times are seconds."""

    stream_url: str = "wss://fstream.binance.com"
    rest_url: str = "https://fapi.binance.com"
    life_seconds: float = 23 * _HOUR_SECONDS
    """After so long a connection is replaced; the venue ends it after 24 hours."""
    overlap_seconds: float = 10.0
    """How long a new connection may take to reach what the old one gave."""
    silence_seconds: float = 3.0
    """After so long without a word a connection is given up."""
    first_word_seconds: float = 10.0
    """A stream that is never silent must have spoken so long after it was acknowledged."""
    watch_seconds: float = 0.25
    """How often silence is looked for."""

    def __post_init__(self) -> None:
        _check(self.stream_url, ("wss", "ws"))
        _check(self.rest_url, ("https", "http"))
        for name in (
            "life_seconds",
            "overlap_seconds",
            "silence_seconds",
            "first_word_seconds",
            "watch_seconds",
        ):
            if not getattr(self, name) > 0:
                msg = f"expected {name} above 0, found {getattr(self, name)}"
                raise SettingsError(msg)


def _check(url: str, schemes: tuple[str, str]) -> None:
    """Refuse an address that cannot be one, or that would carry a secret into our logs."""
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        msg = f"expected an address such as {schemes[0]}://fstream.binance.com, found {url[:60]!r}"
        raise SettingsError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = f"expected a plain address of {parts.hostname}, found one with a login or a query"
        raise SettingsError(msg)
