"""What one venue's feed last said of itself."""

from dataclasses import dataclass, field

import structlog

from virtuoso.domain.instruments import Instrument, Venue
from virtuoso.domain.market_data import Connected, Disconnected
from virtuoso.domain.time import Millis
from virtuoso.wire.board import Notice
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()


@dataclass(slots=True)
class FeedHealth:
    """Connections, and why one is missing."""

    venue: Venue
    connected: set[Instrument] = field(default_factory=set)
    reason: str | None = None
    since: Millis | None = None
    disconnects: int = 0

    def note(self, event: Connected | Disconnected) -> None:
        """Keep what a connection's beginning or end says."""
        match event:
            case Connected(instruments=instruments, receive_time=at):
                self.connected |= instruments
                self.reason = None
                self.since = at
                log.info("feed_connected", venue=event.venue, symbols=len(instruments))
            case Disconnected(instruments=instruments, reason=reason, receive_time=at):
                self.connected -= instruments
                if self.reason is None:
                    self.since = at
                self.reason = reason
                self.disconnects += 1
                log.warning("feed_disconnected", venue=event.venue, reason=reason)

    def notices(self) -> tuple[Notice, ...]:
        """Say that a connection is missing."""
        if self.reason is None:
            return ()
        return (Notice("feed_disconnected", self._text, self.since),)

    def part(self, started: Millis, good: Millis | None) -> PartHealth:
        """Give its health; `started`: since when it is tried, `good`: when data came last."""
        if self.reason is not None:
            return PartHealth("feed", "fail", self._text, self.since, good)
        if not self.connected:
            return PartHealth("feed", "warn", f"connecting to {self.venue}", started)
        text = f"{self.venue}: {len(self.connected)} symbols connected"
        return PartHealth("feed", "pass", text, self.since, good)

    @property
    def _text(self) -> str:
        return f"{self.venue} is not connected: {self.reason}"
