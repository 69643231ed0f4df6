"""The six lenses of one market."""

from dataclasses import replace
from typing import Final

from virtuoso.dimensions.base import Components, members_of
from virtuoso.dimensions.bitcoin_beta import bitcoin_beta
from virtuoso.dimensions.liquidity import Liquidity
from virtuoso.dimensions.machine_learning import machine_learning
from virtuoso.dimensions.order_flow import Part, candle_parts, order_flow
from virtuoso.dimensions.sentiment import sentiment
from virtuoso.dimensions.smart_money import SmartMoney
from virtuoso.dimensions.tape import Tape
from virtuoso.domain.scores import ComponentName, DimensionScore, Reason
from virtuoso.domain.time import SECOND, Millis
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.market.market import Market

LOOK_SECONDS: Final = 4
"""The lenses are looked through every fourth grid second: they are read, nothing is traded on them.

It divides every step by which a window thins out, so that no look is lost.
"""


def look_limits(limits: StreamLimits) -> StreamLimits:
    """Need as many seconds of past as members that are taken each second do."""
    sizes = -(-limits.minimum_sizes // LOOK_SECONDS)
    minimum = -(-limits.minimum // LOOK_SECONDS)
    return replace(limits, minimum=minimum, minimum_sizes=sizes)


class Lenses:
    """Follows what the lenses need second by second; gives all six when asked."""

    def __init__(self, limits: StreamLimits | None = None, turn: int = 0) -> None:
        """`turn`: which of LOOK_SECONDS is this market's; they need not all look at once."""
        own = look_limits(limits or StreamLimits())
        self._turn = turn % LOOK_SECONDS
        self._tape = Tape()
        self._liquidity = Liquidity(own)
        self._smart_money = SmartMoney(own)
        self._order_flow = order_flow({})
        self._sentiment = sentiment({})
        self._beta = bitcoin_beta(Reason.WARMING_UP, None)
        self._machine_learning = machine_learning()
        self._minutes: tuple[object, tuple[Part, ...]] = (None, ())
        """Members of the component that minutes close, and what follows from them."""
        self._crowd: object = None
        """Members of the component that is polled, as of the last look."""

    def second(self, at: Millis, market: Market, components: Components) -> None:
        """Take one grid second, after the components have taken it."""
        self._tape.second(at, market)
        if (at // SECOND) % LOOK_SECONDS == self._turn:
            self._look(Millis(at - self._turn * SECOND), market, components)

    def set_beta(self, found: Beta | Reason, as_of: Millis | None) -> None:
        """Take what the universe's regression on Bitcoin said of this market."""
        self._beta = bitcoin_beta(found, as_of)

    def lose_book(self, reason: Reason) -> None:
        """Know between two looks that the book is gone."""
        self._liquidity.lose_book(reason)

    def values(self) -> tuple[DimensionScore, ...]:
        """All six, in the order of `DimensionName`."""
        return (
            self._order_flow,
            self._sentiment,
            self._liquidity.value,
            self._beta,
            self._smart_money.value,
            self._machine_learning,
        )

    def _look(self, at: Millis, market: Market, components: Components) -> None:
        """Compute the lenses anew; `at` is the grid second in steps of LOOK_SECONDS."""
        minutes = members_of(components, ComponentName.VOLUME)
        if self._minutes[0] is not minutes:
            self._minutes = minutes, candle_parts(components)
        self._order_flow = order_flow(components, self._minutes[1])
        crowd = members_of(components, ComponentName.SENTIMENT)
        if self._crowd is not crowd:
            self._crowd, self._sentiment = crowd, sentiment(components)
        self._liquidity.look(at, market, components, self._tape)
        self._smart_money.look(at, components, self._tape)
