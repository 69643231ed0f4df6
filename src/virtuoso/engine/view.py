"""What one cycle says of one market: plain values, ready to be put into documents.

Structs of msgspec, which the search for garbage passes over, because some twenty are made for each
market each second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import FormingCandle
from virtuoso.domain.scores import ConfluenceScore, DimensionScore, Direction, Reason, State
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.scoring.sensitivity import Formula


class Value(Struct, frozen=True, gc=False):
    """A number with its time, state and, when there is none, the reason."""

    value: float | None
    as_of: Millis | None
    state: State
    reason: Reason | None = None

    @classmethod
    def absent(cls, reason: Reason) -> "Value":
        """Make a value that is not there."""
        return cls(None, None, State.ABSENT, reason)


class Input(Struct, frozen=True, gc=False):
    """How old one kind of input is."""

    kind: str
    as_of: Millis | None
    state: State
    reason: Reason | None


class BookHealth(Struct, frozen=True, gc=False):
    """How the order book of one market has fared."""

    synced_since: Millis | None
    """Venue time of the snapshot that made it whole; None while there is no book."""
    gaps: int
    """How often it was lost."""
    resyncs: int
    """How often a snapshot made it whole again."""
    distrusted_since: Millis | None = None
    """Since when polled books stand in for the stream, because it had too many holes."""


class MarketView(NamedTuple):
    """One market at one grid second."""

    instrument: Instrument
    score: ConfluenceScore
    state: State
    """Of the score: the worst of the inputs it used."""
    oldest_input: str | None
    live_score: float | None
    direction: Direction | None
    score_change_1h: float | None
    dimensions: tuple[DimensionScore, ...]
    """All six, in the order of `DimensionName`."""
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
    book: BookHealth
    heard: State
    """Of the market's stream as a whole."""
    formula: Formula | None = None
    """What the score was made with: enough to make it again."""
    listing: Listing | None = None
    coverage_floor: float | None = None
    """Under this coverage its score is null."""


@dataclass(frozen=True, slots=True)
class CycleView:
    """All markets at one grid second."""

    seq: int
    at: Millis
    """The grid second, our clock."""
    now: Millis
    """The same instant on the venue's clock."""
    markets: tuple[MarketView, ...]


STALE_BEHIND_MS = 5_000
_FRESHER = frozenset({State.LIVE, State.DELAYED})


def late(view: MarketView, behind_ms: int) -> MarketView:
    """Give a view as it must be shown so long after it was made: nothing in it is live."""
    worst = State.STALE if behind_ms > STALE_BEHIND_MS else State.DELAYED

    def at_best(state: State) -> State:
        return worst if state in _FRESHER else state

    def aged(value: Value) -> Value:
        if value.state not in _FRESHER:
            return value
        return Value(value.value, value.as_of, worst, value.reason)

    return view._replace(
        state=at_best(view.state),
        price=aged(view.price),
        change_24h=aged(view.change_24h),
        turnover_24h=aged(view.turnover_24h),
        funding_8h=aged(view.funding_8h),
        open_interest_change_1h=aged(view.open_interest_change_1h),
        inputs=tuple(
            [
                each
                if each.state not in _FRESHER
                else Input(each.kind, each.as_of, worst, each.reason)
                for each in view.inputs
            ]
        ),
    )
