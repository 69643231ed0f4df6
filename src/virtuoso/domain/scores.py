"""What the engine says: member, component and confluence scores, or why there is none."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word


class Reason(Word):
    """Why a number is absent."""

    NO_FEED = "no_feed"
    STALE = "stale"
    WARMING_UP = "warming_up"
    GAP = "gap"
    CROSSED_BOOK = "crossed_book"
    NOT_APPLICABLE = "not_applicable"
    TOO_FEW = "too_few"
    UNPROVEN = "unproven"


class State(Word):
    """How fresh a number is."""

    LIVE = "live"
    DELAYED = "delayed"
    STALE = "stale"
    ABSENT = "absent"


class Source(Word):
    """Where data come from."""

    BYBIT = "bybit"
    BINANCE = "binance"
    CCXT = "ccxt"
    """Any other venue, through CCXT; the instrument says which."""
    SIMULATOR = "simulator"
    REPLAY = "replay"


class ComponentName(Word):
    """The six views that make the score, in the order they are always shown."""

    ORDERBOOK = "orderbook"
    ORDERFLOW = "orderflow"
    TECHNICAL = "technical"
    VOLUME = "volume"
    SENTIMENT = "sentiment"
    PRICE_STRUCTURE = "price_structure"


class DimensionName(Word):
    """The six lenses beside the score, in the order they are always shown."""

    ORDER_FLOW = "order_flow"
    SENTIMENT = "sentiment"
    LIQUIDITY = "liquidity"
    BITCOIN_BETA = "bitcoin_beta"
    SMART_MONEY = "smart_money"
    MACHINE_LEARNING = "machine_learning"


class Direction(Word):
    """Which way the score points, with hysteresis."""

    BULLISH = "Bullish"
    BEARISH = "Bearish"
    NEUTRAL = "Neutral"


class MemberScore(NamedTuple):
    """One sub-statistic with its place in the component: a number, or a reason why not.

    A named tuple, because a hundred are made per symbol when candles close: a frozen dataclass
    takes four times as long to make.
    """

    name: str
    """Unique within the component, such as `rsi14@5m`, `ofi@10s`, `funding`."""
    family: str
    weight: float
    """Family weight x member share x timeframe weight; all of a component sum to 1."""
    x: float | None
    """The signed, dimensionless sub-statistic."""
    score: float | None
    """0..100; None exactly when `reason` is set."""
    z: float | None
    """Normal score of the clipped score, as it enters the pool."""
    as_of: Millis | None
    """Venue time of the oldest input it needed."""
    reason: Reason | None
    have: int | None = None
    """How many observations there are, where that is why it is absent."""
    need: int | None = None


T_co = TypeVar("T_co", covariant=True)


class Lazy(Collection[T_co], Generic[T_co]):
    """Parts of a score, made when one is first read and kept from then on.

    Such as the members of a component: pooling needs their weights and scores only, and few of
    those that are computed each second are looked at. Equal to a tuple of the same parts.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], tuple[T_co, ...]]) -> None:
        """Take what makes the parts; it must give the same ones whenever it is called."""
        self._make: Callable[[], tuple[T_co, ...]] | None = make
        self._made: tuple[T_co, ...] = ()

    def _all(self) -> tuple[T_co, ...]:
        if self._make is not None:
            self._made = self._make()
            self._make = None
        return self._made

    def __contains__(self, part: object) -> bool:
        return part in self._all()

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[T_co]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Lazy):
            return self._all() == other._all()
        return self._all() == other

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


class ComponentScore(NamedTuple):
    """A component's 0..100 with everything it was made from.

    A named tuple for the reason that MemberScore is one.
    """

    name: ComponentName
    score: float
    z: float
    pooled: float
    """Y of the pool: sum of weight x z over present members, weights renormalised."""
    completeness: float
    """Share of the member weight that was present, 0..1."""
    as_of: Millis
    late_ms: int
    """By how much the latest of its feeds is overdue; 0 when everything is on time."""
    freshness: float
    """phi: min over its needed feeds of .5^(late / half-life), 0..1."""
    members: Collection[MemberScore]


@dataclass(frozen=True, slots=True)
class Absent:
    """A component without a number, and why."""

    name: ComponentName
    reason: Reason
    completeness: float
    members: Collection[MemberScore] = ()
    have: int | None = None
    need: int | None = None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one component, and each of its members, adds to score - 50."""

    component: ComponentName
    weight: float
    """Renormalised over the present components."""
    points: float
    shown: float
    """Rounded to 2 decimals by largest remainder, so the shown parts add up to the shown score."""
    members: Mapping[str, float]


class Confidence(NamedTuple):
    """How much of a score to believe: a product of four factors, each 0..1."""

    value: float
    agreement: float
    completeness: float
    freshness: float
    record: float | None
    """None while unproven; the product then uses .5."""
    record_reason: Reason | None


class ConfluenceScore(NamedTuple):
    """The score of one instrument at one grid second, or why there is none."""

    instrument: Instrument
    at: Millis
    score: float | None
    z: float | None
    reason: Reason | None
    coverage: float
    as_of: Millis | None
    components: Mapping[ComponentName, ComponentScore | Absent]
    contributions: Collection[Contribution]
    confidence: Confidence | None
    definition: str
    """First 12 hex digits of the hash of the scoring configuration."""


class DimensionScore(NamedTuple):
    """One lens: a description beside the score, never a vote in it."""

    name: DimensionName
    value: float | None
    """0..100; what it measures is in the lens's label."""
    reason: Reason | None
    """Why there is no value; None while there is one."""
    as_of: Millis | None
    parts: tuple[tuple[str, float | None], ...] = ()
    """What it was made of, in the units that the lens documents."""
    record: Reason | None = None
    """`unproven` on a value of which nothing has been measured to follow."""
