"""What all components that are followed second by second have in common."""

import gc
import weakref

from support.markets import BTC, NOW
from virtuoso.components.orderbook import Orderbook
from virtuoso.domain.time import Millis
from virtuoso.market.market import Market


def test_a_result_does_not_keep_its_component_alive() -> None:
    """A component that is dropped is gone at once: its windows must not wait for the collector."""
    gc.disable()
    try:
        component = Orderbook()
        component.second(Millis(NOW), Market(BTC))
        result = component.score(Millis(NOW), Market(BTC))
        dropped = weakref.ref(component)
        del component
        assert dropped() is None
        assert len(result.members) == len(Orderbook.table)
    finally:
        gc.enable()
