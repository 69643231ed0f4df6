"""What a pipeline asks of whoever feeds it."""

from dataclasses import dataclass
from typing import TypeAlias

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Topic


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask the feed for a topic anew."""

    instrument: Instrument
    topic: Topic


@dataclass(frozen=True, slots=True)
class Recycle:
    """Ask the feed to reopen the connection of an instrument."""

    instrument: Instrument
    reason: str


@dataclass(frozen=True, slots=True)
class Backfill:
    """Ask for an instrument's candles again: there is a hole."""

    instrument: Instrument


@dataclass(frozen=True, slots=True)
class BackfillTrades:
    """Ask for an instrument's last trades: some were lost."""

    instrument: Instrument


@dataclass(frozen=True, slots=True)
class Recover:
    """Ask for everything that was missed while an instrument's stream was gone."""

    instrument: Instrument


@dataclass(frozen=True, slots=True)
class PollBook:
    """Ask for whole books again and again from now on, or no longer."""

    instrument: Instrument
    wanted: bool


@dataclass(frozen=True, slots=True)
class AskOtherVenue:
    """Ask whether the other venue trades near a price that jumped."""

    instrument: Instrument
    price: float


Request: TypeAlias = (
    Renew | Recycle | Backfill | BackfillTrades | Recover | PollBook | AskOtherVenue
)
