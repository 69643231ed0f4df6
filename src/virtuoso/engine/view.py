"""What one cycle says of one market: plain values, ready to be put into documents."""

from collections.abc import Mapping
from dataclasses import dataclass

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import FormingCandle
from virtuoso.domain.scores import ConfluenceScore, Direction, Reason, State
from virtuoso.domain.time import Millis, Timeframe


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its time, state and, when there is none, the reason."""

    value: float | None
    as_of: Millis | None
    state: State
    reason: Reason | None = None

    @classmethod
    def absent(cls, reason: Reason) -> "Value":
        """Make a value that is not there."""
        return cls(None, None, State.ABSENT, reason)


@dataclass(frozen=True, slots=True)
class Input:
    """How old one kind of input is."""

    kind: str
    as_of: Millis | None
    state: State
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market at one grid second."""

    instrument: Instrument
    score: ConfluenceScore
    state: State
    """Of the score: the worst of the inputs it used."""
    oldest_input: str | None
    live_score: float | None
    direction: Direction | None
    score_change_1h: float | None
    price: Value
    change_24h: Value
    """Percent."""
    turnover_24h: Value
    funding_8h: Value
    """The coming rate converted to 8 hours, a fraction."""
    open_interest_change_1h: Value
    """Percent, in contracts."""
    inputs: tuple[Input, ...]
    forming: Mapping[Timeframe, FormingCandle]


@dataclass(frozen=True, slots=True)
class CycleView:
    """All markets at one grid second."""

    seq: int
    at: Millis
    """The grid second, our clock."""
    now: Millis
    """The same instant on the venue's clock."""
    markets: tuple[MarketView, ...]
