"""Two venues, one board: which of them speaks for each symbol, and how well they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.scores import State
from virtuoso.domain.time import SECOND
from virtuoso.engine.universe import coin_of
from virtuoso.engine.view import CycleView, MarketView, Value

BAD_FOR_MS = 1_500
"""How long the first venue's numbers must be bad before the second one speaks: two checks."""
GOOD_AGAIN_MS = 60 * SECOND
"""How long they must be good again before it is silent."""

_USABLE = frozenset({State.LIVE, State.DELAYED})


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same coin on the other venue."""

    instrument: Instrument
    price: Value
    """Per contract of the symbol on the board."""
    score: float | None
    price_difference_bps: float | None
    score_difference: float | None
    speaks: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the board says of one symbol."""

    symbol: str
    """The first venue's name for it."""
    view: MarketView
    """Of the venue that speaks; its price is per contract of `symbol`."""
    other: Comparison | None = None

    @property
    def instrument(self) -> Instrument:
        """Where the numbers are from."""
        return self.view.instrument


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the two venues are apart where both are live."""

    compared: int
    median_bps: float
    worst_bps: float
    worst_symbol: str
    median_points: float | None


@dataclass(slots=True)
class _Speaker:
    second: bool = False
    bad_since: int | None = None
    good_since: int | None = None

    def hear(self, at_ms: int, *, first_usable: bool, second_usable: bool) -> None:
        """Take the state of both at a monotonic time."""
        if first_usable:
            self.bad_since = None
            self.good_since = at_ms if self.good_since is None else self.good_since
        else:
            self.good_since = None
            self.bad_since = at_ms if self.bad_since is None else self.bad_since
        if self.second:
            back = self.good_since is not None and at_ms - self.good_since >= GOOD_AGAIN_MS
            self.second = not back and (second_usable or not first_usable)
        elif self.bad_since is not None and second_usable:
            self.second = at_ms - self.bad_since >= BAD_FOR_MS


class Pairing:
    """Chooses between two venues, symbol by symbol, and compares them."""

    def __init__(self) -> None:
        self._speakers: dict[Instrument, _Speaker] = {}
        self.agreement: Agreement | None = None
        """As of the last pairing; None where nothing can be compared."""

    def pair(
        self,
        first: CycleView | None,
        second: CycleView | None,
        second_listings: Sequence[Listing],
        at_ms: int,
    ) -> list[Shown]:
        """Give the board at a monotonic time.

        A first venue that was never heard of leaves the board to the second one.
        """
        if first is None or not first.markets:
            markets = () if second is None else second.markets
            return [Shown(str(each.instrument.symbol), each) for each in markets]
        others = _by_coin(second, second_listings)
        board = [self._choose(view, others, at_ms) for view in first.markets]
        watched = {each.instrument for each in first.markets}
        for gone in self._speakers.keys() - watched:
            del self._speakers[gone]
        self.agreement = _agreement(board)
        return board

    def _choose(
        self,
        view: MarketView,
        others: Mapping[tuple[str, str], tuple[Listing, MarketView]],
        at_ms: int,
    ) -> Shown:
        symbol = str(view.instrument.symbol)
        found = None if view.listing is None else others.get(coin_of(view.listing))
        if found is None or view.listing is None:
            return Shown(symbol, view)
        listing, other = found
        factor = view.listing.multiplier / listing.multiplier
        other = _in_contracts(other, factor)
        speaker = self._speakers.setdefault(view.instrument, _Speaker())
        speaker.hear(at_ms, first_usable=_is_usable(view), second_usable=_is_usable(other))
        comparison = _compare(view, other, speaks=speaker.second)
        return Shown(symbol, other if speaker.second else view, comparison)


def _by_coin(
    cycle: CycleView | None, listings: Sequence[Listing]
) -> Mapping[tuple[str, str], tuple[Listing, MarketView]]:
    if cycle is None:
        return {}
    by_instrument = {each.instrument: each for each in listings}
    return {
        coin_of(listing): (listing, view)
        for view in cycle.markets
        if (listing := by_instrument.get(view.instrument)) is not None
    }


def _is_usable(view: MarketView) -> bool:
    return view.heard in _USABLE and view.price.state in _USABLE


def _in_contracts(view: MarketView, factor: float) -> MarketView:
    """Restate a price for a contract of another number of coins."""
    if factor == 1.0 or view.price.value is None:
        return view
    price = view.price
    return view._replace(price=Value(view.price.value * factor, price.as_of, price.state))


def _compare(view: MarketView, other: MarketView, *, speaks: bool) -> Comparison:
    bps = points = None
    ours, theirs = view.price, other.price
    if ours.state is theirs.state is State.LIVE and ours.value and theirs.value:
        bps = 10_000.0 * (theirs.value / ours.value - 1.0)
    both_live = view.state is other.state is State.LIVE
    if both_live and view.score.score is not None and other.score.score is not None:
        points = other.score.score - view.score.score
    return Comparison(other.instrument, theirs, other.score.score, bps, points, speaks)


def _agreement(board: Sequence[Shown]) -> Agreement | None:
    apart = [
        (abs(each.other.price_difference_bps), each.symbol)
        for each in board
        if each.other is not None and each.other.price_difference_bps is not None
    ]
    if not apart:
        return None
    points = [
        abs(each.other.score_difference)
        for each in board
        if each.other is not None and each.other.score_difference is not None
    ]
    worst, symbol = max(apart)
    return Agreement(
        compared=len(apart),
        median_bps=median(bps for bps, _ in apart),
        worst_bps=worst,
        worst_symbol=symbol,
        median_points=median(points) if points else None,
    )
