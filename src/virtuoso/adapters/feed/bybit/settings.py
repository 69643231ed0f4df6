"""Where Bybit's stream is, what to ask of it, and how patient the feed is with it."""

from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import urlsplit

from virtuoso.adapters.feed.bybit.parse import INTERVALS
from virtuoso.domain.errors import SettingsError

LIVE_URL: Final = "wss://stream.bybit.com/v5/public/linear"
"""Accounts of some countries have hosts of their own."""
_DEPTHS: Final = (50, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the feed waits, in seconds. The defaults are those of the venue's rules."""

    ping: float = 10.0
    """Between two pings; each must be answered before the next."""
    answer: float = 5.0
    """For the answer to a request."""
    silence: float = 2.8
    """Without any data on a connection that carries a canary: noticed within 3 s."""
    silence_without_canary: float = 3.8
    first_word: float = 10.0
    """For the first data of a topic that is never silent."""
    snapshot: float = 2.0
    """For the snapshot of a book."""
    quote: float = 4.5
    """Best prices are sent again after 3 s without a change."""
    ask_again: float = 600.0
    """Until a topic that was refused is asked for again."""
    renew_again: float = 60.0
    """Between two renewals of a topic for which everything was tried."""
    stood_still: float = 10.0
    """After this process did nothing for so long, what waits in the socket is too old."""
    look: float = 0.1
    """Between two looks at all this."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                msg = f"expected {field.name} above 0 s, found {getattr(self, field.name)}"
                raise SettingsError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class BybitSettings:
    """Where the stream is and what to ask of it."""

    url: str = LIVE_URL
    book_depth: int = 200
    """50 or 200 levels a side."""
    candle_intervals: tuple[str, ...] = ("1",)
    """Of 1, 5, 30 and 240 minutes; the longer ones may be made of the first."""
    patience: Patience = Patience()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            msg = f"expected an address such as {LIVE_URL}, found {self.url[:60]!r}"
            raise SettingsError(msg)
        if parts.username or parts.password or parts.query or parts.fragment:
            msg = f"expected a plain address of {parts.hostname}, found one with a login or a query"
            raise SettingsError(msg)
        if self.book_depth not in _DEPTHS:
            msg = f"expected a book depth of 50 or 200, found {self.book_depth}"
            raise SettingsError(msg)
        if not self.candle_intervals or not set(self.candle_intervals) <= set(INTERVALS):
            msg = f"expected candle intervals of {', '.join(INTERVALS)}, found " + ", ".join(
                self.candle_intervals
            )
            raise SettingsError(msg)
