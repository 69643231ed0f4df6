"""What the door says of an event, and what it keeps of those it refused."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from virtuoso.domain.market_data import MarketData, MarketEvent
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word

LONGEST_SAMPLE: Final = 4_096


class Action(Word):
    """What is to be done with an event."""

    ACCEPT = "accept"
    DROP = "drop"
    RESYNC = "resync"
    QUARANTINE = "quarantine"
    RECYCLE = "recycle"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer for one event."""

    action: Action
    reason: str = ""
    """Why it was not simply accepted; also set on accepted ones worth a note: `late`, `hole`."""
    replaced: MarketEvent[MarketData] | None = None
    """What to store instead of the event: a ticker whose bad fields were made absent."""
    released: tuple[MarketEvent[MarketData], ...] = ()
    """Earlier events out of quarantine, to be stored before this one, oldest first."""


class Sample(NamedTuple):
    """One thing that was refused, for an operator to look at."""

    at: Millis
    """Receive time."""
    kind: str
    reason: str
    what: object
    """The event, or the frame as text."""

    def text(self) -> str:
        """Say what it was, at most so long that many of them do no harm."""
        return str(self.what)[:LONGEST_SAMPLE]


ACCEPTED: Final = Verdict(Action.ACCEPT)
LATE: Final = Verdict(Action.ACCEPT, "late")
