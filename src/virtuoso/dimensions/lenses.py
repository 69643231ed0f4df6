"""The six lenses of one market."""

from virtuoso.dimensions.base import Components
from virtuoso.dimensions.bitcoin_beta import bitcoin_beta
from virtuoso.dimensions.liquidity import Liquidity
from virtuoso.dimensions.machine_learning import machine_learning
from virtuoso.dimensions.order_flow import order_flow
from virtuoso.dimensions.sentiment import sentiment
from virtuoso.dimensions.smart_money import SmartMoney
from virtuoso.domain.scores import DimensionName, DimensionScore, Reason
from virtuoso.domain.time import Millis
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.market.market import Market


class Lenses:
    """Follows what the lenses need second by second; gives all six when asked."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._liquidity = Liquidity(limits)
        self._smart_money = SmartMoney(limits)
        self._beta = bitcoin_beta(Reason.WARMING_UP, None)

    def second(self, at: Millis, market: Market, components: Components) -> None:
        """Take one grid second, after the components have taken it."""
        self._liquidity.second(at, market)
        self._smart_money.second(at, market, components)

    def set_beta(self, found: Beta | Reason, as_of: Millis | None) -> None:
        """Take what the universe's regression on Bitcoin said of this market."""
        self._beta = bitcoin_beta(found, as_of)

    def values(self, components: Components) -> tuple[DimensionScore, ...]:
        """All six, in the order of `DimensionName`."""
        found = {
            DimensionName.ORDER_FLOW: order_flow(components),
            DimensionName.SENTIMENT: sentiment(components),
            DimensionName.LIQUIDITY: self._liquidity.value,
            DimensionName.BITCOIN_BETA: self._beta,
            DimensionName.SMART_MONEY: self._smart_money.value,
            DimensionName.MACHINE_LEARNING: machine_learning(),
        }
        return tuple(found[name] for name in DimensionName)
